//! Pooling against plain loops in f64, on every instruction set and number of threads.

mod numbers;

use gradus_kernels::pool::{
    Pool, Window, average_pool, average_unpool, gather_planes, max_pool, scatter_planes,
};
use gradus_kernels::{Float, Isa, Machine};

/// Numbers in [-1, 1), some of them equal.
fn numbers<T: Float>(count: usize, seed: u64) -> Vec<T> {
    let fine = numbers::numbers::<f64>(count, seed);
    fine.into_iter().map(|x| T::from_f64((x * 2048.0).floor() / 2048.0)).collect()
}

/// Windows of `size` places along an axis of length `len`: the window and how many there are.
fn sliding(
    len: usize,
    size: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
) -> (Window, usize) {
    let count = (len + 2 * padding - dilation * (size - 1) - 1) / stride + 1;
    (Window::Sliding { size, stride, padding, dilation }, count)
}

fn pool(lens: [usize; 3], axes: [(Window, usize); 3]) -> Pool {
    let (windows, output) = (axes.map(|axis| axis.0), axes.map(|axis| axis.1));
    Pool { windows, input: lens, output, counts_padding: true }
}

fn pools() -> Vec<Pool> {
    let each = (Window::EACH, 1);
    let plane = |height, width, axis: fn(usize) -> (Window, usize)| {
        pool([1, height, width], [each, axis(height), axis(width)])
    };
    let mut pools = vec![
        plane(28, 28, |len| sliding(len, 2, 2, 0, 1)),
        plane(15, 39, |len| sliding(len, 2, 2, 0, 1)),
        pool([3, 14, 14], [3, 14, 14].map(|len| sliding(len, 1 + (len > 3) as usize, 2, 0, 1))),
        pool([1, 8, 40], [sliding(1, 3, 1, 1, 1), sliding(8, 2, 2, 0, 1), sliding(40, 2, 2, 0, 1)]),
        plane(12, 37, |len| sliding(len, 3, 1, 1, 1)),
        plane(13, 41, |len| sliding(len, 3, 2, 1, 1)),
        plane(20, 20, |len| sliding(len, 5, 3, 2, 1)),
        plane(7, 7, |len| sliding(len, 7, 7, 0, 1)),
        plane(100, 150, |_| (Window::Adaptive, 1)),
        plane(11, 23, |_| (Window::Adaptive, 4)),
        plane(3, 5, |_| (Window::Adaptive, 6)),
        pool([5, 6, 9], [5, 6, 9].map(|len| sliding(len, 3, 2, 1, 1))),
        pool([1, 1, 50], [each, each, sliding(50, 4, 1, 2, 1)]),
    ];
    let within = pools.iter().map(|pool| Pool { counts_padding: false, ..*pool });
    pools.extend(within.collect::<Vec<_>>());
    // The last window reaches beyond the end.
    let beyond = (Window::Sliding { size: 2, stride: 2, padding: 0, dilation: 1 }, 6);
    pools.push(pool([1, 11, 11], [each, beyond, beyond]));
    pools
}

fn dilated_pools() -> Vec<Pool> {
    let each = (Window::EACH, 1);
    let axis = |len, stride| sliding(len, 3, stride, 1, 2);
    vec![
        pool([1, 14, 33], [each, axis(14, 1), axis(33, 1)]),
        pool([1, 14, 33], [each, axis(14, 2), axis(33, 2)]),
        pool([1, 14, 9], [each, axis(14, 3), axis(9, 3)]),
    ]
}

/// The places of a window along an axis, and how many there are with those in the padding.
fn places(pool: &Pool, axis: usize, index: usize) -> (Vec<usize>, usize) {
    let (len, count) = (pool.input[axis], pool.output[axis]);
    match pool.windows[axis] {
        Window::Adaptive => {
            let first = (index as f64 * len as f64 / count as f64).floor() as usize;
            let end = ((index + 1) as f64 * len as f64 / count as f64).ceil() as usize;
            ((first..end).collect(), end - first)
        }
        Window::Sliding { size, stride, padding, dilation } => {
            let all =
                (0..size).map(|k| (index * stride + k * dilation) as isize - padding as isize);
            let padded = all.clone().filter(|&p| p < (len + padding) as isize).count();
            let within = all.filter(|&p| p >= 0 && p < len as isize).map(|p| p as usize);
            (within.collect(), padded)
        }
    }
}

/// For each window of a plane: its places, and by how much its sum is divided.
fn windows(pool: &Pool) -> Vec<(Vec<usize>, usize)> {
    let [depths, heights, widths] = pool.output;
    let mut all = vec![];
    for window in 0..depths * heights * widths {
        let (d, pd) = places(pool, 0, window / (heights * widths));
        let (h, ph) = places(pool, 1, window / widths % heights);
        let (w, pw) = places(pool, 2, window % widths);
        let mut inside = vec![];
        for d in &d {
            for h in &h {
                inside.extend(w.iter().map(|w| (d * pool.input[1] + h) * pool.input[2] + w));
            }
        }
        let divisor = if pool.counts_padding { pd * ph * pw } else { inside.len() };
        all.push((inside, divisor));
    }
    all
}

/// Runs a kernel on every instruction set with one and with three threads.
fn everywhere<R: PartialEq + std::fmt::Debug>(run: impl Fn(Machine) -> R, check: impl Fn(&R)) {
    for isa in Isa::available() {
        let one = run(Machine { isa, threads: 1 });
        check(&one);
        assert_eq!(one, run(Machine { isa, threads: 3 }), "{isa} depends on the threads");
    }
}

const PLANES: usize = 37;

fn check_max<T: Float>(pool: Pool) {
    let (input, windows) = (pool.input.iter().product::<usize>(), windows(&pool));
    let mut x: Vec<T> = numbers(PLANES * input, 7);
    x[3] = T::NAN;
    x[input + 1] = T::NEG_INFINITY;
    let run = |on| {
        let mut values = vec![T::ZERO; PLANES * windows.len()];
        let mut indices = vec![0; values.len()];
        max_pool(on, pool, &x, &mut values, Some(&mut indices));
        let mut without = vec![T::ZERO; values.len()];
        max_pool(on, pool, &x, &mut without, None);
        let bits = |values: Vec<T>| values.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
        let (values, without) = (bits(values), bits(without));
        assert_eq!(values, without, "{pool:?}: without indices");
        (values, indices)
    };
    everywhere(run, |(values, indices)| {
        for (plane, x) in x.chunks_exact(input).enumerate() {
            for (i, (inside, _)) in windows.iter().enumerate() {
                let mut best = (f64::NEG_INFINITY, inside[0]);
                for &place in inside {
                    let value = x[place].to_f64();
                    if value > best.0 || value.is_nan() {
                        best = (value, place);
                    }
                }
                let at = plane * windows.len() + i;
                let found = (f64::from_bits(values[at]), indices[at] as usize);
                let same = found.0 == best.0 || (found.0.is_nan() && best.0.is_nan());
                assert!(same && found.1 == best.1, "{pool:?}: {found:?} is not {best:?}");
            }
        }
    });
}

/// Numbers that go back to where the largest of each window were.
fn check_scatter<T: Float>(pool: Pool) {
    let (input, output) = (pool.input.iter().product::<usize>(), windows(&pool).len());
    let (x, grad): (Vec<T>, Vec<T>) = (numbers(PLANES * input, 7), numbers(PLANES * output, 8));
    let (mut largest, mut indices) = (vec![T::ZERO; grad.len()], vec![0; grad.len()]);
    max_pool(
        Machine { isa: Isa::Portable, threads: 1 },
        pool,
        &x,
        &mut largest,
        Some(&mut indices),
    );
    let mut wanted = vec![0.0; x.len()];
    for (i, (grad, &index)) in grad.iter().zip(&indices).enumerate() {
        wanted[i / output * input + index as usize] += grad.to_f64();
    }
    let scatter = |on| {
        let mut out = vec![T::NAN; x.len()];
        scatter_planes(on, PLANES, &grad, &indices, &mut out);
        out
    };
    everywhere(scatter, |out| {
        for (out, wanted) in out.iter().zip(&wanted) {
            let error = (out.to_f64() - wanted).abs();
            assert!(error <= 1e-6, "{pool:?}: {out:?} is not {wanted}");
        }
    });
}

#[test]
fn the_largest_and_where_it_lies() {
    for pool in pools().into_iter().chain(dilated_pools()) {
        check_max::<f32>(pool);
        check_max::<f64>(pool);
        check_scatter::<f32>(pool);
        check_scatter::<f64>(pool);
    }
}

fn check_average<T: Float>(pool: Pool, epsilon: f64) {
    let (input, windows) = (pool.input.iter().product::<usize>(), windows(&pool));
    let x: Vec<T> = numbers(PLANES * input, 7);
    let run = |on| {
        let mut out = vec![T::NAN; PLANES * windows.len()];
        average_pool(on, pool, &x, &mut out);
        out
    };
    everywhere(run, |out: &Vec<T>| {
        for (x, out) in x.chunks_exact(input).zip(out.chunks_exact(windows.len())) {
            for ((inside, divisor), out) in windows.iter().zip(out) {
                let wanted = inside.iter().map(|&i| x[i].to_f64()).sum::<f64>() / *divisor as f64;
                let error = (out.to_f64() - wanted).abs();
                assert!(error <= 4.0 * epsilon, "{pool:?}: {out:?} is not {wanted}");
            }
        }
    });
    let grad: Vec<T> = numbers(PLANES * windows.len(), 9);
    let run = |on| {
        let mut out = vec![T::NAN; PLANES * input];
        average_unpool(on, pool, &grad, &mut out);
        out
    };
    everywhere(run, |out: &Vec<T>| {
        for (grad, out) in grad.chunks_exact(windows.len()).zip(out.chunks_exact(input)) {
            let mut wanted = vec![0.0; input];
            for ((inside, divisor), grad) in windows.iter().zip(grad) {
                for &i in inside {
                    wanted[i] += grad.to_f64() / *divisor as f64;
                }
            }
            for (out, wanted) in out.iter().zip(&wanted) {
                let error = (out.to_f64() - wanted).abs();
                assert!(error <= 8.0 * epsilon, "{pool:?}: {out:?} is not {wanted}");
            }
        }
    });
}

#[test]
fn means_and_their_adjoint() {
    for pool in pools() {
        check_average::<f32>(pool, 6e-8);
        check_average::<f64>(pool, 1.2e-16);
    }
}

#[test]
fn numbers_move_by_indices() {
    let (few, many) = (50, 300);
    for planes in [1, 2, 400] {
        let x: Vec<f64> = numbers(planes * few, 3);
        let indices: Vec<i32> = (0..planes * few).map(|i| (i * i * 31 % many) as i32).collect();
        let mut wanted = vec![0.0; planes * many];
        for (i, x) in x.iter().enumerate() {
            wanted[i / few * many + indices[i] as usize] += x;
        }
        let scatter = |on| {
            let mut out = vec![f64::NAN; planes * many];
            scatter_planes(on, planes, &x, &indices, &mut out);
            out
        };
        everywhere(scatter, |out| assert_eq!(*out, wanted));
        let gather = |on| {
            let mut out = vec![f64::NAN; planes * few];
            gather_planes(on, planes, &wanted, &indices, &mut out);
            out
        };
        everywhere(gather, |out| {
            for (i, out) in out.iter().enumerate() {
                assert_eq!(*out, wanted[i / few * many + indices[i] as usize]);
            }
        });
    }
}

#[test]
fn planes_that_no_cache_holds_are_as_each_by_itself() {
    let (planes, side, each) = (65, 256, (Window::EACH, 1));
    let axis = sliding(side, 3, 2, 1, 1);
    let pool = pool([1, side, side], [each, axis, axis]);
    let (input, output) = (side * side, axis.1 * axis.1);
    let (x, grad): (Vec<f32>, Vec<f32>) = (numbers(planes * input, 5), numbers(planes * output, 6));
    assert!(size_of_val(&x[..]) > 16 << 20);
    for isa in Isa::available() {
        let on = Machine { isa, threads: 2 };
        let run = |planes: usize, x: &[f32], grad: &[f32]| {
            let (mut values, mut indices) = (vec![0.0; grad.len()], vec![0; grad.len()]);
            max_pool(on, pool, x, &mut values, Some(&mut indices));
            let mut alone = vec![0.0; grad.len()];
            max_pool(on, pool, x, &mut alone, None);
            assert_eq!(values, alone, "{isa}");
            let mut back = vec![f32::NAN; x.len()];
            scatter_planes(on, planes, grad, &indices, &mut back);
            (values, indices, back)
        };
        let all = run(planes, &x, &grad);
        for (i, (x, grad)) in x.chunks(input).zip(grad.chunks(output)).enumerate() {
            let (values, indices, back) = run(1, x, grad);
            assert_eq!(values, all.0[i * output..][..output], "{isa}, plane {i}");
            assert_eq!(indices, all.1[i * output..][..output], "{isa}, plane {i}");
            assert_eq!(back, all.2[i * input..][..input], "{isa}, plane {i}");
        }
    }
}
