//! Element-wise kernels and reductions against plain loops in f64, in units in the last place, on
//! every instruction set.

use gradus_kernels::memory::scratch;
use gradus_kernels::random::{Distribution, fill};
use gradus_kernels::{
    Binary, Bool, Comparison, Extreme, Isa, Machine, Reduction, SELU_ALPHA, SELU_SCALE, Strided,
    Unary, arg_extreme, cast, compare, map, reduce, zip,
};

/// Not a multiple of any vector's length, and more than one task.
const COUNT: usize = 20_011;

fn machines() -> impl Iterator<Item = Machine> {
    Isa::available().flat_map(|isa| [1, 3].map(|threads| Machine { isa, threads }))
}

fn flat<'a, T>(data: &'a [T], shape: &'a [usize; 1]) -> Strided<'a, T> {
    Strided { data, offset: 0, shape, strides: &[1] }
}

fn uniform(low: f64, high: f64, key: u64) -> Vec<f32> {
    let mut numbers = vec![0f32; COUNT];
    fill(Machine { isa: Isa::Portable, threads: 1 }, Distribution::Uniform, (key, 0), &mut numbers);
    numbers.into_iter().map(|x| (low + (high - low) * x as f64) as f32).collect()
}

#[test]
fn large_results_are_the_same_numbers() {
    // So much is written past the caches, but for what fills no line at the end, and for all of it
    // where it does not lie at lines.
    let count = (16 << 20) / 4 + 21;
    let x: Vec<f32> = (0..count).map(|i| (i % 1013) as f32 - 500.0).collect();
    let twice = Strided { data: &[2f32], offset: 0, shape: &[count], strides: &[0] };
    let mut memory = scratch::<f32>(count + 1);
    for machine in machines() {
        for shift in [0, 1] {
            let out = &mut memory[shift..][..count];
            zip(machine, Binary::Mul, flat(&x, &[count]), twice, out);
            assert!(out.iter().zip(&x).all(|(&out, &x)| out == 2.0 * x), "{machine:?}");
            zip(machine, Binary::Sub, flat(&x, &[count]), flat(&x, &[count]), out);
            assert!(out.iter().all(|&out| out == 0.0), "{machine:?}");
            map(machine, Unary::Neg, flat(&x, &[count]), out);
            assert!(out.iter().zip(&x).all(|(&out, &x)| out == -x), "{machine:?}");
        }
    }
}

/// How many floats lie between a value and the exact result; results smaller than `floor` are
/// measured by the last place of `floor`.
fn ulps(value: f32, exact: f64, floor: f64) -> f64 {
    if value.is_nan() && exact.is_nan() || value as f64 == exact {
        return 0.0;
    }
    let magnitude = exact.abs().max(floor) as f32;
    let place = (f32::from_bits(magnitude.to_bits() + 1) - magnitude) as f64;
    (value as f64 - exact).abs() / place
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// An operation, its definition, where it is tried, how many ULPs it may be off, and below which
/// magnitude errors count as absolute ones.
type Row = (Unary, fn(f64) -> f64, (f64, f64), f64, f64);

fn table() -> Vec<Row> {
    use Unary::*;
    let tiny = f32::MIN_POSITIVE as f64;
    vec![
        (Neg, |x| -x, (-9.0, 9.0), 0.0, tiny),
        (Abs, f64::abs, (-9.0, 9.0), 0.0, tiny),
        (Sign, f64::signum, (-9.0, 9.0), 0.0, tiny),
        (Round, f64::round_ties_even, (-9.0, 9.0), 0.0, tiny),
        (Floor, f64::floor, (-9.0, 9.0), 0.0, tiny),
        (Ceil, f64::ceil, (-9.0, 9.0), 0.0, tiny),
        (Trunc, f64::trunc, (-9.0, 9.0), 0.0, tiny),
        (Square, |x| x * x, (-9.0, 9.0), 0.5, tiny),
        (Reciprocal, |x| 1.0 / x, (-9.0, 9.0), 0.5, tiny),
        (Sqrt, f64::sqrt, (0.0, 9.0), 0.5, tiny),
        (Rsqrt, |x| 1.0 / x.sqrt(), (0.01, 9.0), 1.5, tiny),
        (Relu, |x| x.max(0.0), (-9.0, 9.0), 0.0, tiny),
        (LeakyRelu { slope: 0.25 }, |x| if x > 0.0 { x } else { 0.25 * x }, (-9.0, 9.0), 0.5, tiny),
        (
            Elu { alpha: 1.5 },
            |x| if x > 0.0 { x } else { 1.5 * x.exp_m1() },
            (-9.0, 9.0),
            3.0,
            tiny,
        ),
        (
            Celu { alpha: 2.0 },
            |x| if x > 0.0 { x } else { 2.0 * (x / 2.0).exp_m1() },
            (-9.0, 9.0),
            3.0,
            tiny,
        ),
        (
            Selu,
            |x| SELU_SCALE * if x > 0.0 { x } else { SELU_ALPHA * x.exp_m1() },
            (-9.0, 9.0),
            4.0,
            tiny,
        ),
        (LogSigmoid, |x| -softplus(-x), (-20.0, 20.0), 4.0, tiny),
        (Softplus { beta: 1.0 }, softplus, (-20.0, 20.0), 4.0, tiny),
        (Gelu, |x| x * normal_cdf(x), (-6.0, 6.0), 8.0, tiny),
        (
            // The gate's exponent reaches -11: each rounding of it counts eleven times.
            GeluTanh,
            |x| x * sigmoid(2.0 * (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)),
            (-4.0, 6.0),
            24.0,
            tiny,
        ),
        (Silu, |x| x * sigmoid(x), (-9.0, 9.0), 4.0, tiny),
        (Mish, |x| x * softplus(x).tanh(), (-9.0, 9.0), 6.0, tiny),
        (Softsign, |x| x / (1.0 + x.abs()), (-9.0, 9.0), 1.5, tiny),
        (HardSigmoid, |x| (x / 6.0 + 0.5).clamp(0.0, 1.0), (-9.0, 9.0), 2.0, 0.25),
        (HardSwish, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0), (-9.0, 9.0), 3.0, 0.25),
        (Clamp { min: -1.0, max: 2.0 }, |x| x.clamp(-1.0, 2.0), (-9.0, 9.0), 0.0, tiny),
        (AddScalar { value: 0.75 }, |x| x + 0.75, (-9.0, 9.0), 0.5, tiny),
        (MulScalar { value: 0.7f32 as f64 }, |x| x * 0.7f32 as f64, (-9.0, 9.0), 0.5, tiny),
        (DivScalar { value: 0.7f32 as f64 }, |x| x / 0.7f32 as f64, (-9.0, 9.0), 0.5, tiny),
        (PowScalar { exponent: 2.5 }, |x| x.powf(2.5), (0.01, 9.0), 2.0, tiny),
    ]
}

#[test]
fn functions_of_one_number() {
    for (op, exact, (low, high), bound, floor) in table() {
        let mut numbers = uniform(low, high, 1);
        numbers.extend([0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-30, -1e-30]);
        let special = numbers.len() - 7;
        let shape = [numbers.len()];
        for on in machines() {
            let mut out = vec![0f32; numbers.len()];
            map(on, op, flat(&numbers, &shape), &mut out);
            for (i, (&x, &y)) in numbers.iter().zip(&out).enumerate() {
                let in_range = i < special || ((low..=high).contains(&(x as f64)) && x != 0.0);
                let error = ulps(y, exact(x as f64), floor);
                if in_range {
                    assert!(error <= bound, "{op:?} of {x} on {on:?}: {y} is {error} ULP off");
                }
            }
            assert!(out[special + 2].is_nan(), "{op:?} hides NaN on {on:?}");
        }
    }
}

#[test]
fn functions_of_two_numbers() {
    type Row = (Binary, fn(f64, f64) -> f64, f64);
    let table: [Row; 8] = [
        (Binary::Add, |x, y| x + y, 0.5),
        (Binary::Sub, |x, y| x - y, 0.5),
        (Binary::Mul, |x, y| x * y, 0.5),
        (Binary::Div, |x, y| x / y, 0.5),
        (Binary::Maximum, f64::max, 0.0),
        (Binary::Minimum, f64::min, 0.0),
        (Binary::Remainder, |x, y| x - y * (x / y).floor(), 1.0),
        (Binary::Atan2, f64::atan2, 3.0),
    ];
    let (a, b) = (uniform(-5.0, 5.0, 1), uniform(0.5, 3.0, 2));
    for (op, exact, bound) in table {
        for on in machines() {
            let mut out = vec![0f32; COUNT];
            zip(on, op, flat(&a, &[COUNT]), flat(&b, &[COUNT]), &mut out);
            for ((&x, &y), &z) in a.iter().zip(&b).zip(&out) {
                // The remainder's definition in f64 rounds where x is close to a multiple of y.
                let error = ulps(z, exact(x as f64, y as f64), 1e-7);
                assert!(error <= bound, "{op:?} of {x}, {y} on {on:?}: {z} is {error} ULP off");
            }
            for (x, y) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
                let mut out = [0f32];
                zip(on, op, flat(&[x], &[1]), flat(&[y], &[1]), &mut out);
                assert!(out[0].is_nan(), "{op:?} of {x}, {y} hides NaN on {on:?}");
            }
        }
    }
}

#[test]
fn gradients_of_activations() {
    type Row = (Binary, fn(f64) -> f64);
    let table: [Row; 5] = [
        (Binary::SigmoidGrad, |y| y * (1.0 - y)),
        (Binary::TanhGrad, |y| 1.0 - y * y),
        (Binary::GeluGrad, |x| {
            normal_cdf(x) + x * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
        }),
        (Binary::SiluGrad, |x| sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))),
        (Binary::ReluGrad, |y| if y > 0.0 { 1.0 } else { 0.0 }),
    ];
    let (x, g) = (uniform(-3.0, 3.0, 1), uniform(-1.0, 1.0, 2));
    for (op, slope) in table {
        for on in machines() {
            let mut out = vec![0f32; COUNT];
            zip(on, op, flat(&x, &[COUNT]), flat(&g, &[COUNT]), &mut out);
            for ((&x, &g), &y) in x.iter().zip(&g).zip(&out) {
                let error = ulps(y, g as f64 * slope(x as f64), 0.25);
                assert!(error <= 4.0, "{op:?} at {x} times {g} on {on:?}: {error} ULP off");
            }
        }
    }
}

#[test]
fn comparisons() {
    let (a, b) = ([1.0f32, 2.0, 3.0, f32::NAN], [2.0f32, 2.0, 2.0, 2.0]);
    let table = [
        (Comparison::Equal, [false, true, false, false]),
        (Comparison::NotEqual, [true, false, true, true]),
        (Comparison::Less, [true, false, false, false]),
        (Comparison::LessEqual, [true, true, false, false]),
        (Comparison::Greater, [false, false, true, false]),
        (Comparison::GreaterEqual, [false, true, true, false]),
    ];
    for on in machines() {
        for (comparison, wanted) in table {
            let mut out = [Bool::default(); 4];
            compare(on, comparison, flat(&a, &[4]), flat(&b, &[4]), &mut out);
            assert_eq!(out.map(Bool::get), wanted, "{comparison:?}");
        }
    }
}

#[test]
fn casts() {
    let on = Machine { isa: Isa::Portable, threads: 1 };
    let mut bytes = [0u8; 5];
    cast(on, flat(&[-1.5f32, 300.0, 3.9, f32::NAN, 7.0], &[5]), &mut bytes);
    assert_eq!(bytes, [0, 255, 3, 0, 7]);
    let mut bytes = [0u8; 2];
    cast(on, flat(&[300i64, -1], &[2]), &mut bytes);
    assert_eq!(bytes, [44, 255]);
    let mut truths = [Bool::default(); 3];
    cast(on, flat(&[0.0f64, -0.1, f64::NAN], &[3]), &mut truths);
    assert_eq!(truths.map(Bool::get), [false, true, true]);
    let mut large = [0i64; 1];
    cast(on, flat(&[i64::MAX - 1], &[1]), &mut large);
    assert_eq!(large, [i64::MAX - 1]);
}

/// Shapes and strides over the same numbers: rows, columns, both, and a long stretch.
const VIEWS: [(&[usize], &[isize], usize); 6] = [
    (&[13, 1500], &[1500, 1], 1),
    (&[1500, 13], &[1, 1500], 1),
    (&[7, 11, 5], &[55, 5, 1], 2),
    (&[3, 20, 300], &[300, 900, 1], 1),
    (&[20_000], &[1], 0),
    (&[19_000], &[-1], 0),
];

#[test]
fn reductions() {
    let numbers = uniform(-1.0, 1.0, 5);
    for (shape, strides, kept) in VIEWS {
        let offset = if strides[0] < 0 { COUNT - 1 } else { 0 };
        let view = Strided { data: &numbers[..], offset, shape, strides };
        let rows: usize = shape[..kept].iter().product();
        let len: usize = shape[kept..].iter().product();
        let at = |row: usize, i: usize| {
            let mut rest = row * len + i;
            let mut position = offset as isize;
            for axis in (0..shape.len()).rev() {
                position += (rest % shape[axis]) as isize * strides[axis];
                rest /= shape[axis];
            }
            numbers[position as usize] as f64
        };
        for on in machines() {
            let mut out = vec![0f32; rows];
            reduce(on, Reduction::Sum, view, kept, &mut out);
            for (row, &sum) in out.iter().enumerate() {
                let exact: f64 = (0..len).map(|i| at(row, i)).sum();
                let magnitude = (0..len).map(|i| at(row, i).abs()).sum();
                let error = ulps(sum, exact, magnitude);
                assert!(error <= 2.0, "sum of {shape:?} {strides:?} on {on:?}: {error} ULP off");
            }
            for (reduction, start, fold) in [
                (Reduction::Max, f64::NEG_INFINITY, f64::max as fn(f64, f64) -> f64),
                (Reduction::Min, f64::INFINITY, f64::min),
            ] {
                reduce(on, reduction, view, kept, &mut out);
                for (row, &extreme) in out.iter().enumerate() {
                    assert_eq!(extreme as f64, (0..len).map(|i| at(row, i)).fold(start, fold));
                }
            }
            let mut places = vec![0i64; rows];
            arg_extreme(on, Extreme::Max, view, kept, &mut places);
            reduce(on, Reduction::Max, view, kept, &mut out);
            for (row, (&place, &extreme)) in places.iter().zip(&out).enumerate() {
                assert_eq!(at(row, place as usize), extreme as f64);
            }
        }
    }
}

#[test]
fn sums_of_many_numbers_stay_accurate_and_reductions_keep_nan() {
    let on = Machine { isa: Isa::Portable, threads: 1 };
    let tenth = vec![0.1f32; 10_000_000];
    let mut sum = [0f32];
    reduce(on, Reduction::Sum, flat(&tenth, &[10_000_000]), 0, &mut sum);
    assert!(ulps(sum[0], 0.1f32 as f64 * 1e7, 1.0) <= 8.0, "{}", sum[0]);
    for on in machines() {
        let mut numbers = uniform(-1.0, 1.0, 5);
        numbers[777] = f32::NAN;
        for reduction in [Reduction::Sum, Reduction::Product, Reduction::Max, Reduction::Min] {
            let mut out = [0f32];
            reduce(on, reduction, flat(&numbers, &[COUNT]), 0, &mut out);
            assert!(out[0].is_nan(), "{reduction:?} hides NaN on {on:?}");
        }
        let mut place = [0i64];
        arg_extreme(on, Extreme::Min, flat(&numbers, &[COUNT]), 0, &mut place);
        assert_eq!(place, [777]);
    }
}
