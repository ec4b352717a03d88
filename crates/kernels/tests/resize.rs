//! Patches of planes and planes in other sizes against plain loops in f64, on every instruction set
//! and number of threads; and that adjoints are adjoint.

mod numbers;

use gradus_kernels::patches::{fold, unfold};
use gradus_kernels::pool::{Pool, Window};
use gradus_kernels::resize::{Interpolation, Resize, adjoint, resize};
use gradus_kernels::{Float, Isa, Machine};
use numbers::numbers;

const PLANES: usize = 9;

/// Runs a linear kernel and its adjoint everywhere; `wanted` is what the kernel should give.
fn check<T: Float>(
    lens: (usize, usize),
    wanted: impl Fn(&[f64]) -> Vec<f64>,
    forward: impl Fn(Machine, &[T], &mut [T]),
    back: impl Fn(Machine, &[T], &mut [T]),
    epsilon: f64,
) {
    let x: Vec<T> = numbers(PLANES * lens.0, 1);
    let g: Vec<T> = numbers(PLANES * lens.1, 2);
    let wide = |x: &[T]| x.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
    let wanted: Vec<f64> = wide(&x).chunks_exact(lens.0).flat_map(wanted).collect();
    for isa in Isa::available() {
        let run = |threads| {
            let on = Machine { isa, threads };
            let (mut y, mut by_x) = (vec![T::NAN; g.len()], vec![T::NAN; x.len()]);
            forward(on, &x, &mut y);
            back(on, &g, &mut by_x);
            (y, by_x)
        };
        let (y, by_x) = run(1);
        assert_eq!((&y, &by_x), (&run(3).0, &run(3).1), "{isa} depends on the threads");
        for (y, wanted) in y.iter().zip(&wanted) {
            assert!((y.to_f64() - wanted).abs() <= epsilon, "{isa}: {y:?} is not {wanted}");
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (one, other) = (dot(&wanted, &wide(&g)), dot(&wide(&x), &wide(&by_x)));
        let bound = epsilon * (g.len() + x.len()) as f64;
        assert!((one - other).abs() <= bound, "{isa}: no adjoint, {one} is not {other}");
    }
}

#[test]
fn patches() {
    for (height, width, size, stride, padding, dilation) in [
        (6, 7, 3, 1, 1, 1),
        (9, 33, 2, 2, 0, 1),
        (8, 8, 3, 2, 4, 2),
        (5, 6, 1, 3, 0, 1),
        (1, 1, 2, 1, 3, 2),
    ] {
        let count = |len: usize| (len + 2 * padding - dilation * (size - 1) - 1) / stride + 1;
        let window = Window::Sliding { size, stride, padding, dilation };
        let pool = Pool {
            windows: [Window::EACH, window, window],
            input: [1, height, width],
            output: [1, count(height), count(width)],
            counts_padding: false,
        };
        let wanted = |x: &[f64]| {
            let mut out = vec![];
            for (row, column) in (0..size * size).map(|place| (place / size, place % size)) {
                for window in 0..count(height) * count(width) {
                    let h = (window / count(width) * stride + row * dilation).wrapping_sub(padding);
                    let w =
                        (window % count(width) * stride + column * dilation).wrapping_sub(padding);
                    out.push(if h < height && w < width { x[h * width + w] } else { 0.0 });
                }
            }
            out
        };
        let lens = (height * width, size * size * count(height) * count(width));
        check::<f32>(
            lens,
            wanted,
            |on, x, y| unfold(on, pool, x, y),
            |on, g, x| fold(on, pool, g, x),
            1e-6,
        );
        check::<f64>(
            lens,
            wanted,
            |on, x, y| unfold(on, pool, x, y),
            |on, g, x| fold(on, pool, g, x),
            1e-15,
        );
    }
}

/// Where an element of the result lies between elements of an axis of length `len`: by the nearest
/// element, or a position.
fn source(how: Interpolation, index: usize, count: usize, len: usize) -> Vec<(usize, f64)> {
    let position = match how {
        Interpolation::Nearest => return vec![(index * len / count, 1.0)],
        Interpolation::NearestBy { step } => {
            return vec![(((index as f64 * step) as usize).min(len - 1), 1.0)];
        }
        Interpolation::Linear { step } => (index as f64 + 0.5) * step - 0.5,
        Interpolation::LinearAligned if count == 1 => 0.0,
        Interpolation::LinearAligned => index as f64 * (len - 1) as f64 / (count - 1) as f64,
    };
    let position = position.clamp(0.0, (len - 1) as f64);
    let part = position - position.floor();
    let low = position.floor() as usize;
    vec![(low, 1.0 - part), ((low + 1).min(len - 1), part)]
}

#[test]
fn other_sizes() {
    for (input, output) in [
        ([1, 4, 5], [1, 9, 40]),
        ([1, 20, 30], [1, 7, 11]),
        ([3, 1, 4], [2, 3, 8]),
        ([1, 1, 1], [2, 2, 2]),
    ] {
        let step = |axis: usize| input[axis] as f64 / output[axis] as f64;
        let ways: [fn(f64) -> Interpolation; 4] = [
            |_| Interpolation::Nearest,
            |step| Interpolation::NearestBy { step },
            |step| Interpolation::Linear { step },
            |_| Interpolation::LinearAligned,
        ];
        for way in ways {
            let how = Resize { axes: [0, 1, 2].map(|axis| way(step(axis))), input, output };
            let wanted = |x: &[f64]| {
                let mut out = vec![];
                let along =
                    |axis: usize, i: usize| source(how.axes[axis], i, output[axis], input[axis]);
                for i in 0..output.iter().product::<usize>() {
                    let mut sum = 0.0;
                    for (d, by_d) in along(0, i / (output[1] * output[2])) {
                        for (h, by_h) in along(1, i / output[2] % output[1]) {
                            for (w, by_w) in along(2, i % output[2]) {
                                sum += by_d * by_h * by_w * x[(d * input[1] + h) * input[2] + w];
                            }
                        }
                    }
                    out.push(sum);
                }
                out
            };
            let lens = (input.iter().product(), output.iter().product());
            check::<f32>(
                lens,
                wanted,
                |on, x, y| resize(on, &how, x, y),
                |on, g, x| adjoint(on, &how, g, x),
                1e-6,
            );
            check::<f64>(
                lens,
                wanted,
                |on, x, y| resize(on, &how, x, y),
                |on, g, x| adjoint(on, &how, g, x),
                1e-14,
            );
        }
    }
}
