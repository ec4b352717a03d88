//! Gathering, scattering, padding, scanning and sorting against plain loops, on every instruction
//! set and number of threads.

use gradus_kernels::{self as kernels, Element, Isa, Machine, Order, Scan, Strided, Way};

/// Numbers from a linear congruential generator.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn floats<T: Element>(&mut self, count: usize) -> Vec<T> {
        (0..count).map(|_| T::from_f64(self.next() as f64 / (1u64 << 30) as f64 - 1.0)).collect()
    }

    fn indices(&mut self, count: usize, below: usize) -> Vec<i64> {
        (0..count).map(|_| (self.next() % below as u64) as i64).collect()
    }
}

fn machines() -> impl Iterator<Item = Machine> {
    let machines = |isa| [1, 3].map(|threads| Machine { isa, threads });
    Isa::available().flat_map(machines)
}

/// A view of three axes in memory of another order.
struct View {
    data: Vec<f32>,
    offset: usize,
    shape: [usize; 3],
    strides: [isize; 3],
}

impl View {
    /// Views of a shape that differ in how they lie in memory.
    fn all(shape: [usize; 3]) -> Vec<Self> {
        let [a, b, c] = shape.map(|len| len as isize);
        let data: Vec<f32> = Numbers(7).floats(2 * shape.iter().product::<usize>() + 10);
        let view = |offset: isize, strides| Self {
            data: data.clone(),
            offset: offset as usize,
            shape,
            strides,
        };
        vec![
            view(3, [b * c, c, 1]),
            view(0, [1, a, a * b]),
            view(1, [c, a * c, 1]),
            view(2 * a * b * c - 1, [-2 * b * c, -2 * c, -2]),
            view(5, [0, 1, 0]),
        ]
    }

    fn strided(&self) -> Strided<'_, f32> {
        Strided {
            data: &self.data,
            offset: self.offset,
            shape: &self.shape,
            strides: &self.strides,
        }
    }

    fn at(&self, index: [usize; 3]) -> f32 {
        let step: isize = (0..3).map(|axis| index[axis] as isize * self.strides[axis]).sum();
        self.data[self.offset.wrapping_add_signed(step)]
    }
}

/// All indices of a shape in row-major order.
fn walk(shape: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [a, b, c] = shape;
    (0..a * b * c).map(move |i| [i / (b * c), i / c % b, i % c])
}

fn place(shape: [usize; 3], index: [usize; 3]) -> usize {
    (index[0] * shape[1] + index[1]) * shape[2] + index[2]
}

const SHAPES: [[usize; 3]; 5] = [[3, 4, 5], [70, 9, 33], [1, 300, 1], [2, 7, 600], [40, 1, 2]];

/// A shape with another length of one axis.
fn with(mut shape: [usize; 3], axis: usize, len: usize) -> [usize; 3] {
    shape[axis] = len;
    shape
}

/// Runs `body` for views of many shapes and layouts, for each axis.
fn for_each_view(mut body: impl FnMut(Machine, &View, usize)) {
    for on in machines() {
        for view in SHAPES.into_iter().flat_map(View::all) {
            for axis in 0..3 {
                body(on, &view, axis);
            }
        }
    }
}

#[test]
fn copies_of_views_are_in_order() {
    for on in machines() {
        for shape in SHAPES.into_iter().chain([[5, 40, 70], [33, 4, 65], [64, 1, 96]]) {
            let [a, b, c] = shape.map(|len| len as isize);
            let mut views = View::all(shape);
            // The near axis first, and a step from end to start along the last one.
            let data = Numbers(8).floats(2 * shape.iter().product::<usize>() + 10);
            let offset = (a * b * (c - 1)) as usize;
            views.push(View { data, offset, shape, strides: [1, a, -a * b] });
            for view in views {
                let mut out = vec![9f32; shape.iter().product()];
                kernels::copy(on, view.strided(), &mut out);
                for (out, index) in out.into_iter().zip(walk(shape)) {
                    assert_eq!(out, view.at(index));
                }
            }
        }
    }
}

#[test]
fn gathering_takes_what_indices_point_to() {
    for_each_view(|on, x, axis| {
        let shape = with(x.shape, axis, 6);
        let indices = Numbers(1).indices(shape.iter().product(), x.shape[axis]);
        let mut out = vec![0f32; indices.len()];
        kernels::gather(on, x.strided(), axis, &indices, &mut out);
        for (i, index) in walk(shape).enumerate() {
            assert_eq!(out[i], x.at(with(index, axis, indices[i] as usize)));
        }

        let list = &indices[..6.min(indices.len())];
        let shape = with(x.shape, axis, list.len());
        let mut out = vec![0f32; shape.iter().product()];
        kernels::index_select(on, x.strided(), axis, list, &mut out);
        for (i, index) in walk(shape).enumerate() {
            assert_eq!(out[i], x.at(with(index, axis, list[index[axis]] as usize)));
        }
    });
}

#[test]
fn scattering_replaces_and_adds_in_order() {
    for_each_view(|on, x, axis| {
        for source in View::all(with(x.shape, axis, 6)).into_iter().take(3) {
            let indices = Numbers(2).indices(source.shape.iter().product(), x.shape[axis]);
            let mut replaced: Vec<f32> = walk(x.shape).map(|index| x.at(index)).collect();
            let mut added = replaced.clone();
            for (i, index) in walk(source.shape).enumerate() {
                let place = place(x.shape, with(index, axis, indices[i] as usize));
                replaced[place] = source.at(index);
                added[place] += source.at(index);
            }
            let mut out = vec![9f32; replaced.len()];
            kernels::scatter(on, x.strided(), axis, &indices, source.strided(), &mut out);
            assert_eq!(out, replaced);
            kernels::scatter_add(on, x.strided(), axis, &indices, source.strided(), &mut out);
            assert_eq!(out, added);
        }
    });
}

#[test]
fn slices_are_added_where_indices_point() {
    for_each_view(|on, x, axis| {
        for source in View::all(with(x.shape, axis, 200)).into_iter().take(2) {
            let indices = Numbers(3).indices(200, x.shape[axis].min(5));
            let mut wanted: Vec<f64> = walk(x.shape).map(|index| x.at(index) as f64).collect();
            for index in walk(source.shape) {
                let to = with(index, axis, indices[index[axis]] as usize);
                wanted[place(x.shape, to)] += source.at(index) as f64;
            }
            let mut out = vec![9f32; wanted.len()];
            kernels::index_add(on, x.strided(), axis, &indices, source.strided(), &mut out);
            for (&out, &wanted) in out.iter().zip(&wanted) {
                assert!((out as f64 - wanted).abs() < 1e-5 * wanted.abs().max(10.0));
            }
            let one = Machine { threads: 1, ..on };
            let mut again = vec![0f32; wanted.len()];
            kernels::index_add(one, x.strided(), axis, &indices, source.strided(), &mut again);
            assert_eq!(out, again, "by threads");
        }
    });
}

#[test]
fn many_additions_to_one_place_keep_their_precision() {
    let (count, width) = (100_000, 2);
    let source: Vec<f32> = (0..count * width).map(|i| 0.1 + (i % 7) as f32).collect();
    let wanted: f64 = source.iter().step_by(width).map(|&x| x as f64).sum();
    let (shape, source_shape, strides) = ([3, width], [count, width], [width as isize, 1]);
    for on in machines() {
        let (zero, mut out) = (vec![0f32; 3 * width], vec![0f32; 3 * width]);
        let x = Strided { data: &zero, offset: 0, shape: &shape, strides: &strides };
        let source = Strided { data: &source, offset: 0, shape: &source_shape, strides: &strides };
        kernels::index_add(on, x, 0, &vec![1; count], source, &mut out);
        assert!((out[width] as f64 / wanted - 1.0).abs() < 1e-6, "{} {wanted}", out[width]);
        assert_eq!((out[0], out[2 * width]), (0.0, 0.0));
    }
}

#[test]
fn indices_out_of_range_are_found() {
    assert_eq!(kernels::out_of_range(&[0, 4, 2], 5), None);
    assert_eq!(kernels::out_of_range(&[0, 5, 9], 5), Some(5));
    assert_eq!(kernels::out_of_range(&[0, -1, 9], 5), Some(-1));
    assert_eq!(kernels::out_of_range(&[0], 0), Some(0));
    assert_eq!(kernels::out_of_range(&[], 0), None);
}

#[test]
fn padding_surrounds_a_view() {
    for_each_view(|on, x, axis| {
        let (mut before, mut shape) = ([0; 3], x.shape);
        for padded in [axis, 2] {
            before[padded] = padded + 1;
            shape[padded] = x.shape[padded] + padded + 4;
        }
        let mut out = vec![0f32; shape.iter().product()];
        kernels::pad(on, x.strided(), &before, 0.5, &shape, &mut out);
        for (out, index) in out.into_iter().zip(walk(shape)) {
            let inside = (0..3)
                .all(|axis| (before[axis]..before[axis] + x.shape[axis]).contains(&index[axis]));
            let wanted = match inside {
                true => x.at([0, 1, 2].map(|axis| index[axis] - before[axis])),
                false => 0.5,
            };
            assert_eq!(out, wanted);
        }
    });
}

#[test]
fn padding_surrounds_nothing() {
    for on in machines() {
        for shape in [[2, 0], [0, 2], [0, 0]] {
            let x = Strided { data: &[], offset: 0, shape: &shape, strides: &[1, 1] };
            let mut out = [0f32; 20];
            kernels::pad(on, x, &[2, 1], 0.5, &[4, 5], &mut out);
            assert_eq!(out, [0.5; 20]);
            kernels::pad(on, x, &[0, 0], 0.5, &shape, &mut []);
        }
    }
}

#[test]
fn scans_are_those_of_f64() {
    for_each_view(|on, x, axis| {
        for reverse in [false, true] {
            let way = Way { axis, reverse };
            let len = x.shape[axis];
            let factor = View { data: x.data.iter().map(|x| 1.0 - x).collect(), ..*x };
            let count = x.shape.iter().product();
            let (mut sum, mut product, mut linear) =
                (vec![0f32; count], vec![0f32; count], vec![0f32; count]);
            kernels::scan(on, Scan::Sum, way, x.strided(), &mut sum);
            kernels::scan(on, Scan::Product, way, x.strided(), &mut product);
            kernels::linear_scan(on, way, factor.strided(), x.strided(), &mut linear);
            for index in walk(with(x.shape, axis, 1)) {
                let (mut sums, mut products, mut state) = (0f64, 1f64, 0f64);
                for step in 0..len {
                    let index = with(index, axis, if reverse { len - 1 - step } else { step });
                    let at = place(x.shape, index);
                    sums += x.at(index) as f64;
                    products *= x.at(index) as f64;
                    state = state * factor.at(index) as f64 + x.at(index) as f64;
                    assert_eq!(sum[at], sums as f32);
                    assert_eq!(product[at], products as f32);
                    assert_eq!(linear[at], state as f32);
                }
            }
        }
    });
}

/// The order of floats, NaN last.
fn compare(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Sorts rows of a type and compares with the standard library's stable sort.
fn check_sort<T: kernels::Sortable>(on: Machine, rows: usize, len: usize, special: &[f64]) {
    let mut numbers = Numbers(5);
    let mut draw = |_| match numbers.next() as usize % 40 {
        pick if pick < special.len() => T::from_f64(special[pick]),
        _ => T::from_f64((numbers.next() % 2000) as f64 / 16.0 - 60.0),
    };
    let data: Vec<T> = (0..rows * len).map(&mut draw).collect();
    let x = Strided { data: &data, offset: 0, shape: &[rows, len], strides: &[len as isize, 1] };
    for order in [Order::Ascending, Order::Descending] {
        for count in [len, 1, len.div_ceil(3)] {
            let mut out = vec![-1i64; rows * count];
            kernels::argsort(on, order, x, count, &mut out);
            for (row, out) in out.chunks(count).enumerate() {
                let value = |index: i64| data[row * len + index as usize].to_f64();
                let mut wanted: Vec<i64> = (0..len as i64).collect();
                wanted.sort_by(|&a, &b| match order {
                    Order::Ascending => compare(value(a), value(b)),
                    Order::Descending => compare(value(b), value(a)),
                });
                assert_eq!(out, &wanted[..count]);
            }
        }
    }
}

#[test]
fn sorting_is_stable_with_nan_last() {
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -f64::NAN];
    for on in machines() {
        for (rows, len) in [(1, 1), (40, 17), (3, 5000), (1, 70_000)] {
            check_sort::<f32>(on, rows, len, &special);
            check_sort::<f64>(on, rows, len, &special);
            check_sort::<i64>(on, rows, len, &[i64::MIN as f64, 9e18]);
            check_sort::<i32>(on, rows, len, &[i32::MIN as f64, i32::MAX as f64]);
            check_sort::<u8>(on, rows, len, &[]);
            check_sort::<half::bf16>(on, rows, len, &special);
            check_sort::<half::f16>(on, rows, len, &special);
        }
    }
}
