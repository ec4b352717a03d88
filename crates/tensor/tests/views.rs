//! Random chains of views against a plain model, broadcasting against its definition, and types
//! against a table.

use gradus_tensor::{DType, Layout, Shape, Tensor};
use proptest::collection::vec;
use proptest::prelude::*;

/// A tensor as a plain list: what a view must look like.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    shape: Vec<usize>,
    /// Which element of the first tensor stands at each place, in row-major order.
    elements: Vec<usize>,
}

/// All indices of a shape in row-major order.
fn walk(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut indices = vec![vec![]];
    for &len in shape {
        indices = indices
            .iter()
            .flat_map(|index: &Vec<usize>| {
                (0..len).map(move |i| index.iter().copied().chain([i]).collect())
            })
            .collect();
    }
    indices
}

impl Model {
    fn new(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), elements: (0..shape.iter().product()).collect() }
    }

    fn at(&self, index: &[usize]) -> usize {
        let place = index.iter().zip(&self.shape).fold(0, |place, (i, len)| place * len + i);
        self.elements[place]
    }

    /// A view of some shape, each of whose elements comes from `source` of its index.
    fn view(&self, shape: &[usize], source: impl Fn(&[usize]) -> Vec<usize>) -> Self {
        let elements = walk(shape).iter().map(|index| self.at(&source(index))).collect();
        Self { shape: shape.to_vec(), elements }
    }

    /// A view with another length of one axis, whose index becomes `source` of it.
    fn along(&self, axis: usize, len: usize, source: impl Fn(usize) -> usize) -> Self {
        let mut shape = self.shape.clone();
        shape[axis] = len;
        self.view(&shape, |index| {
            let mut index = index.to_vec();
            index[axis] = source(index[axis]);
            index
        })
    }

    fn reshaped(&self, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), elements: self.elements.clone() }
    }
}

/// One view of a chain: its kind, and three numbers from which its settings are made.
type Step = (u8, usize, usize, usize);

/// The order of axes that a number stands for.
fn order(rank: usize, mut number: usize) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..rank).collect();
    let mut order = vec![];
    while !rest.is_empty() {
        order.push(rest.remove(number % rest.len()));
        number /= rest.len() + 1;
    }
    order
}

/// Applies a view to a tensor and to its model.
fn apply(x: &Tensor, model: &Model, (kind, a, b, c): Step) -> (Tensor, Model) {
    let rank = model.shape.len();
    let (axis, other) = (a % rank.max(1), b % rank.max(1));
    let len = model.shape.get(axis).copied().unwrap_or(0);
    let signed = axis as isize;
    let small = model.elements.len() < 500;
    match kind {
        0 if rank > 0 => {
            let start = b % (len + 1);
            let count = c % (len - start + 1);
            (x.narrow(signed, start, count), model.along(axis, count, |i| start + i))
        }
        1 if rank > 0 => {
            let start = b % (len + 1);
            let end = start + c % (len - start + 1);
            let step = (a / 7 % 3) + 1;
            let count = (end - start).div_ceil(step);
            if a % 2 == 0 {
                let model = model.along(axis, count, |i| start + i * step);
                return (x.slice(signed, start..end, step as isize), model);
            }
            let model = model.along(axis, count, |i| end - 1 - i * step);
            (x.slice(signed - rank as isize, start..end, -(step as isize)), model)
        }
        2 if rank > 0 => {
            let swapped = |index: &[usize]| {
                let mut index = index.to_vec();
                index.swap(axis, other);
                index
            };
            let model = model.view(&swapped(&model.shape), swapped);
            (x.transpose(signed, other as isize), model)
        }
        3 => {
            let order = order(rank, b);
            let shape: Vec<usize> = order.iter().map(|&axis| model.shape[axis]).collect();
            let model = model.view(&shape, |index| {
                let mut source = vec![0; rank];
                order.iter().zip(index).for_each(|(&axis, &i)| source[axis] = i);
                source
            });
            let order: Vec<isize> = order.into_iter().map(|axis| axis as isize).collect();
            (x.permute(&order), model)
        }
        4 if small && rank > 0 && rank < 6 => {
            // A new axis in front, and one of length 1 made longer, if there is one.
            let mut shape = vec![b % 3 + 1];
            shape.extend(model.shape.iter().map(|&len| if len == 1 { c % 3 + 1 } else { len }));
            let wide = model.view(&shape, |index| {
                let lens = model.shape.iter().zip(&index[1..]);
                lens.map(|(&len, &i)| if len == 1 { 0 } else { i }).collect()
            });
            (x.broadcast_to(shape), wide)
        }
        5 if len == 1 => {
            let mut shape = model.shape.clone();
            shape.remove(axis);
            (x.squeeze(signed), model.reshaped(&shape))
        }
        6 if rank < 6 => {
            let place = a % (rank + 1);
            let mut shape = model.shape.clone();
            shape.insert(place, 1);
            (x.unsqueeze(place as isize), model.reshaped(&shape))
        }
        7 if rank > 0 => (x.flip(&[signed]), model.along(axis, len, |i| len - 1 - i)),
        8 if small && len > 0 && rank < 6 => {
            let (size, step) = (b % len + 1, c % 3 + 1);
            let mut shape = model.shape.clone();
            shape[axis] = (len - size) / step + 1;
            shape.push(size);
            let model = model.view(&shape, |index| {
                let mut source = index[..rank].to_vec();
                source[axis] = source[axis] * step + index[rank];
                source
            });
            (x.unfold(signed, size, step), model)
        }
        9 => {
            // The number of elements as a product of three factors.
            let count = model.elements.len();
            let divisor = |of: usize, number: usize| {
                let divisors: Vec<usize> = (1..=of).filter(|i| of.is_multiple_of(*i)).collect();
                divisors[number % divisors.len()]
            };
            let shape = match count {
                0 => vec![b % 4, 0, c % 4],
                _ => {
                    let first = divisor(count, b);
                    let second = divisor(count / first, c);
                    vec![first, second, count / first / second]
                }
            };
            (x.reshape(&shape[..]), model.reshaped(&shape))
        }
        10 if axis != other => {
            let offset = c as isize % 4 - 2;
            let (down, right) = (offset.min(0).unsigned_abs(), offset.max(0) as usize);
            let rows = model.shape[axis].saturating_sub(down);
            let count = model.shape[other].saturating_sub(right).min(rows);
            let kept: Vec<usize> = (0..rank).filter(|i| *i != axis && *i != other).collect();
            let mut shape: Vec<usize> = kept.iter().map(|&axis| model.shape[axis]).collect();
            shape.push(count);
            let model = model.view(&shape, |index| {
                let mut source = vec![0; rank];
                kept.iter().zip(index).for_each(|(&axis, &i)| source[axis] = i);
                let along = index[index.len() - 1];
                (source[axis], source[other]) = (along + down, along + right);
                source
            });
            (x.diagonal(offset, signed, other as isize), model)
        }
        _ => (x.clone(), model.clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn chains_of_views_are_what_a_plain_model_says(
        shape in vec(0usize..5, 0..4),
        steps in vec((0u8..11, 0usize..1000, 0usize..1000, 0usize..1000), 0..7),
    ) {
        let mut model = Model::new(&shape);
        let numbers: Vec<f64> = (0..model.elements.len()).map(|i| i as f64).collect();
        let leaf = Tensor::from_vec(numbers, &shape[..]).requires_grad();
        let mut x = leaf.clone();
        for &step in &steps {
            (x, model) = apply(&x, &model, step);
            prop_assert_eq!(&x.shape()[..], &model.shape[..], "{:?}", step);
            let elements: Vec<f64> = model.elements.iter().map(|&i| i as f64).collect();
            prop_assert_eq!(x.to_vec::<f64>(), elements, "{:?}", step);
        }
        // The gradient of Σ wᵢ xᵢ by an element is the sum of the weights where it stands.
        let weights: Vec<f64> = (0..model.elements.len()).map(|i| (i % 17) as f64 + 1.0).collect();
        let mut wanted = vec![0.0; leaf.count()];
        for (&element, &weight) in model.elements.iter().zip(&weights) {
            wanted[element] += weight;
        }
        let gradients = (x * Tensor::from_vec(weights, &model.shape[..])).sum(..).backward();
        prop_assert_eq!(gradients.get(&leaf).unwrap().to_vec::<f64>(), wanted);
    }

    #[test]
    fn broadcasting_follows_its_definition(
        a in vec(0usize..4, 0..4),
        b in vec(0usize..4, 0..4),
    ) {
        let rank = a.len().max(b.len());
        let aligned = |shape: &[usize]| [&vec![1; rank - shape.len()][..], shape].concat();
        let (wide_a, wide_b) = (aligned(&a), aligned(&b));
        let fits = wide_a.iter().zip(&wide_b).all(|(a, b)| a == b || *a == 1 || *b == 1);
        let (shape_a, shape_b) = (Shape::from(&a[..]), Shape::from(&b[..]));
        let shape = shape_a.broadcast(&shape_b);
        prop_assert_eq!(shape.is_ok(), fits);
        prop_assert_eq!(&shape, &shape_b.broadcast(&shape_a).map_err(|_| shape.clone().unwrap_err()));
        if let Ok(shape) = shape {
            let model = |of: &[usize]| Model::new(of);
            let (model_a, model_b) = (model(&wide_a), model(&wide_b));
            let at = |model: &Model, index: &[usize]| {
                let lens = model.shape.iter().zip(index);
                let index: Vec<usize> = lens.map(|(&len, &i)| if len == 1 { 0 } else { i }).collect();
                model.at(&index) as f32
            };
            let wanted: Vec<f32> = walk(&shape)
                .iter()
                .map(|index| at(&model_a, index) - 3.0 * at(&model_b, index))
                .collect();
            let tensor = |model: &Model, shape: &[usize]| {
                Tensor::from_vec(model.elements.iter().map(|&i| i as f32).collect(), shape)
            };
            let difference = tensor(&model_a, &a) - tensor(&model_b, &b) * 3.0;
            prop_assert_eq!(difference.shape(), &shape);
            prop_assert_eq!(difference.to_vec::<f32>(), wanted);
        }
    }
}

#[test]
fn types_meet_as_the_table_says() {
    use DType::*;
    let order = [Bool, U8, I32, I64, BF16, F16, F32, F64];
    let table = [
        [Bool, U8, I32, I64, BF16, F16, F32, F64],
        [U8, U8, I32, I64, BF16, F16, F32, F64],
        [I32, I32, I32, I64, BF16, F16, F32, F64],
        [I64, I64, I64, I64, BF16, F16, F32, F64],
        [BF16, BF16, BF16, BF16, BF16, F32, F32, F64],
        [F16, F16, F16, F16, F32, F16, F32, F64],
        [F32, F32, F32, F32, F32, F32, F32, F64],
        [F64, F64, F64, F64, F64, F64, F64, F64],
    ];
    for (a, row) in order.into_iter().zip(table) {
        for (b, wanted) in order.into_iter().zip(row) {
            let one = |dtype| Tensor::ones(2usize).to_dtype(dtype);
            assert_eq!(a.promote(b), wanted, "{a} and {b}");
            assert_eq!((one(a) + one(b)).dtype(), wanted, "{a} + {b}");
            assert_eq!(one(a).lt(&one(b)).dtype(), Bool);
            assert_eq!(Tensor::cat(&[one(a), one(b)], 0).dtype(), wanted);
        }
    }
}

#[test]
fn matrices_with_room_between_them() {
    let whole = Layout::contiguous([2, 3, 8, 5].into());
    assert_eq!(whole.room(), Some(8));
    assert_eq!(whole.slice(2, 0, 1, 6).room(), Some(8));
    assert_eq!(whole.slice(2, 7, 1, 1).room(), Some(8));
    assert_eq!(whole.slice(2, 0, 1, 6).slice(1, 0, 1, 1).room(), Some(24));
    assert_eq!(whole.slice(0, 0, 1, 1).slice(1, 0, 1, 1).slice(2, 0, 1, 6).room(), Some(6));
    assert_eq!(Layout::contiguous([4, 5].into()).slice(0, 1, 1, 2).room(), Some(2));
    // Where some heads are left out, or rows, or features, or the order is another.
    assert_eq!(whole.slice(1, 0, 1, 2).room(), None);
    assert_eq!(whole.slice(2, 0, 2, 4).room(), None);
    assert_eq!(whole.slice(3, 0, 1, 4).room(), None);
    assert_eq!(whole.permute(&[0, 2, 1, 3]).room(), None);
    assert_eq!(whole.permute(&[1, 0, 2, 3]).room(), None);
    // What is broadcast lies in one place.
    let repeated = Layout::contiguous([1, 8, 5].into()).expand([3, 8, 5].into()).unwrap();
    assert_eq!(repeated.room(), None);
    assert_eq!(Layout::contiguous([3].into()).room(), None);
}
