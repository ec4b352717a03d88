//! Every function of `math` against `f64`, in units in the last place, on every instruction set.
//!
//! A function of one number is tried at every `GRADUS_ULP_STRIDE`-th of the 2³² bit patterns: set
//! it to 1 to try them all. `--nocapture` shows the largest errors and where they are.

use gradus_kernels::Isa;
use gradus_kernels::math::Real;
use gradus_kernels::simd::{Routine, Simd, Vector};
use std::marker::PhantomData;

/// A function of one number, for any vector.
trait Unary {
    fn apply<V: Real>(x: V) -> V;
}

/// A function of two numbers, for any vector.
trait Binary {
    fn apply<V: Real>(x: V, y: V) -> V;
}

/// The largest errors allowed, in ULP.
#[derive(Clone, Copy)]
struct Bound {
    /// Where multiplication and addition are one instruction.
    fused: f64,
    /// Where they are two.
    portable: f64,
}

/// A test for each `name = reference, error where mul_add is fused, error where it is not`.
macro_rules! unary {
    ($($name:ident = $reference:expr, $fused:literal, $portable:literal;)*) => {$(
        #[test]
        fn $name() {
            struct Function;
            impl Unary for Function {
                #[inline(always)]
                fn apply<V: Real>(x: V) -> V {
                    x.$name()
                }
            }
            let bound = Bound { fused: $fused, portable: $portable };
            check_unary::<Function>(stringify!($name), $reference, bound);
        }
    )*};
}

/// As [`unary`], for functions of two numbers.
macro_rules! binary {
    ($($name:ident = $reference:expr, $fused:literal, $portable:literal;)*) => {$(
        #[test]
        fn $name() {
            struct Function;
            impl Binary for Function {
                #[inline(always)]
                fn apply<V: Real>(x: V, y: V) -> V {
                    x.$name(y)
                }
            }
            let bound = Bound { fused: $fused, portable: $portable };
            check_binary::<Function>(stringify!($name), $reference, bound);
        }
    )*};
}

unary! {
    exp = f64::exp, 1.02, 1.02;
    expm1 = f64::exp_m1, 1.25, 1.25;
    ln = f64::ln, 0.90, 0.91;
    log1p = f64::ln_1p, 0.96, 0.96;
    log2 = f64::log2, 0.98, 1.03;
    log10 = f64::log10, 0.92, 1.01;
    sin = f64::sin, 0.88, 0.91;
    cos = f64::cos, 0.87, 0.90;
    tan = f64::tan, 2.38, 2.45;
    asin = f64::asin, 1.17, 1.19;
    acos = f64::acos, 1.27, 1.27;
    atan = f64::atan, 1.22, 1.32;
    sinh = f64::sinh, 1.62, 1.62;
    cosh = f64::cosh, 1.47, 1.47;
    tanh = f64::tanh, 1.06, 1.06;
    asinh = libm::asinh, 1.81, 1.81;
    acosh = |x: f64| if x < 1.0 { f64::NAN } else { libm::acosh(x) }, 2.06, 2.06;
    atanh = libm::atanh, 1.76, 1.76;
    erf = libm::erf, 0.94, 1.18;
    normal_cdf = |x| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2), 4.50, 5.69;
    normal_density = |x| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt(), 1.28, 1.41;
    sigmoid = |x| 1.0 / (1.0 + (-x).exp()), 1.66, 1.87;
}

binary! {
    pow = f64::powf, 0.80, 0.80;
    atan2 = f64::atan2, 1.70, 1.70;
}

/// A multiple of the lanes of every vector.
const LANES: usize = 16;

/// Numbers at which something begins, ends or changes sign.
const SPECIAL: [f32; 30] = [
    0.0,
    1e-45,
    1.1754942e-38,
    f32::MIN_POSITIVE,
    f32::EPSILON,
    0.1,
    0.25,
    0.33333334,
    0.5,
    0.70710677,
    0.99999994,
    1.0,
    1.0000001,
    1.5,
    2.0,
    3.0,
    std::f32::consts::PI,
    7.0,
    10.0,
    15.0,
    88.72283,
    88.72284,
    103.97208,
    127.0,
    16777215.0,
    16777216.0,
    4294967296.0,
    f32::MAX,
    f32::INFINITY,
    f32::NAN,
];

/// The special numbers with both signs.
fn special() -> impl Iterator<Item = f32> + Clone {
    SPECIAL.into_iter().flat_map(|x| [x, -x])
}

/// Applies a function to whole slices, whose length is a multiple of every vector's.
struct Map<'a, F> {
    inputs: &'a [f32],
    output: &'a mut [f32],
    function: PhantomData<F>,
}

impl<F: Unary> Routine for Map<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let lanes = S::F32::LANES;
        for (x, to) in self.inputs.chunks(lanes).zip(self.output.chunks_mut(lanes)) {
            F::apply(S::F32::load(isa, x)).store(to);
        }
    }
}

/// Applies a function of two numbers to whole slices, whose length is a multiple of every vector's.
struct Zip<'a, F> {
    left: &'a [f32],
    right: &'a [f32],
    output: &'a mut [f32],
    function: PhantomData<F>,
}

impl<F: Binary> Routine for Zip<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let lanes = S::F32::LANES;
        let inputs = self.left.chunks(lanes).zip(self.right.chunks(lanes));
        for ((x, y), to) in inputs.zip(self.output.chunks_mut(lanes)) {
            F::apply(S::F32::load(isa, x), S::F32::load(isa, y)).store(to);
        }
    }
}

/// A function of each of the numbers, computed for one instruction set.
fn map<F: Unary>(isa: Isa, inputs: &[f32]) -> Vec<f32> {
    let mut padded = inputs.to_vec();
    padded.resize(inputs.len().next_multiple_of(LANES), 0.0);
    let mut output = vec![0.0; padded.len()];
    isa.run(Map { inputs: &padded, output: &mut output, function: PhantomData::<F> });
    output.truncate(inputs.len());
    output
}

/// A function of each of the pairs, computed for one instruction set.
fn zip<F: Binary>(isa: Isa, pairs: &[(f32, f32)]) -> Vec<f32> {
    let length = pairs.len().next_multiple_of(LANES);
    let (mut left, mut right): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
    left.resize(length, 0.0);
    right.resize(length, 0.0);
    let mut output = vec![0.0; length];
    let function = PhantomData::<F>;
    isa.run(Zip { left: &left, right: &right, output: &mut output, function });
    output.truncate(pairs.len());
    output
}

/// The distance of `got` from `want`, in units of the last place of an `f32` at `want`.
///
/// Below the smallest normal number the unit is the smallest number, and infinity counts as the
/// number after the largest. A NaN in the wrong place and a zero of the wrong sign are infinitely
/// far.
fn ulps(got: f32, want: f64) -> f64 {
    if got.is_nan() || want.is_nan() {
        return if got.is_nan() == want.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if got == 0.0 && got.is_sign_negative() != want.is_sign_negative() {
        return f64::INFINITY;
    }
    let limit = 2f64.powi(128);
    let (got, want) = ((got as f64).clamp(-limit, limit), want.clamp(-limit, limit));
    let exponent = ((want.to_bits() >> 52) & 0x7ff).clamp(1023 - 126, 1023 + 127);
    (got - want).abs() / f64::from_bits((exponent - 23) << 52)
}

/// The largest error of one instruction set.
struct Worst {
    isa: Isa,
    ulps: f64,
    place: String,
}

impl Worst {
    fn all() -> Vec<Self> {
        Isa::available().map(|isa| Self { isa, ulps: 0.0, place: "nowhere".into() }).collect()
    }

    fn note(&mut self, got: f32, want: f64, place: impl FnOnce() -> String) {
        let error = ulps(got, want);
        if error > self.ulps {
            (self.ulps, self.place) = (error, format!("{}: {got:e}, not {want:e}", place()));
        }
    }

    fn check(&self, name: &str, bound: Bound) {
        let Self { isa, ulps, place } = self;
        println!("{name:>10} {:>8} {ulps:.3} ULP at {place}", isa.to_string());
        let bound = if *isa == Isa::Portable { bound.portable } else { bound.fused };
        assert!(*ulps <= bound, "{name} on {isa}: {ulps} ULP, above {bound}, at {place}");
    }
}

fn check_unary<F: Unary>(name: &str, reference: impl Fn(f64) -> f64, bound: Bound) {
    let stride = std::env::var("GRADUS_ULP_STRIDE")
        .map_or(509, |stride| stride.parse().expect("GRADUS_ULP_STRIDE is a number"));
    let mut numbers = special().chain((0..=u32::MAX).step_by(stride).map(f32::from_bits));
    let mut worst = Worst::all();
    loop {
        let inputs: Vec<f32> = numbers.by_ref().take(4096).collect();
        if inputs.is_empty() {
            break;
        }
        let want: Vec<f64> = inputs.iter().map(|&x| reference(x as f64)).collect();
        for worst in &mut worst {
            let output = map::<F>(worst.isa, &inputs);
            for ((&x, &got), &want) in inputs.iter().zip(&output).zip(&want) {
                worst.note(got, want, || format!("{x:e}"));
            }
        }
    }
    worst.iter().for_each(|worst| worst.check(name, bound));
}

/// The next of a row of random bits: Marsaglia (2003), "Xorshift RNGs", section 3.
fn random(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

/// A random number of either sign, from 2⁻⁸ to 2⁸.
fn moderate(state: &mut u32) -> f32 {
    let exponent = random(state) % 16 + 119;
    f32::from_bits((random(state) & 0x807f_ffff) | (exponent << 23))
}

/// Pairs of special numbers, small integers and halves, special numbers with random ones, and
/// pairs of random numbers: all bit patterns, and numbers whose results are likely to be in range.
fn pairs() -> Vec<(f32, f32)> {
    let grid = || special().chain((-40..=40).map(|i| i as f32 * 0.5));
    let mut pairs: Vec<_> = grid().flat_map(|x| grid().map(move |y| (x, y))).collect();
    let state = &mut 1;
    for _ in 0..1000 {
        let number = f32::from_bits(random(state));
        pairs.extend(special().flat_map(|x| [(x, number), (number, x)]));
    }
    for _ in 0..1_000_000 {
        pairs.push((f32::from_bits(random(state)), f32::from_bits(random(state))));
        pairs.push((moderate(state), moderate(state)));
        pairs.push((moderate(state).abs(), moderate(state)));
        // Close to 1 the power of a huge exponent is in range.
        let part = random(state) as f32 / u32::MAX as f32 - 0.5;
        pairs.push((1.0 + part * 0.0001, moderate(state) * 16384.0));
    }
    pairs
}

fn check_binary<F: Binary>(name: &str, reference: impl Fn(f64, f64) -> f64, bound: Bound) {
    let pairs = pairs();
    let want: Vec<f64> = pairs.iter().map(|&(x, y)| reference(x as f64, y as f64)).collect();
    for mut worst in Worst::all() {
        let output = zip::<F>(worst.isa, &pairs);
        for ((pair, &got), &want) in pairs.iter().zip(&output).zip(&want) {
            worst.note(got, want, || format!("{pair:?}"));
        }
        worst.check(name, bound);
    }
}

/// A test that `name` of each input is exactly the output beside it.
macro_rules! exact {
    ($($test:ident: $name:ident, $cases:expr;)*) => {$(
        #[test]
        fn $test() {
            struct Function;
            impl Unary for Function {
                #[inline(always)]
                fn apply<V: Real>(x: V) -> V {
                    x.$name()
                }
            }
            let (inputs, want): (Vec<f32>, Vec<f32>) = $cases.into_iter().unzip();
            for isa in Isa::available() {
                assert_eq!(map::<Function>(isa, &inputs), want, "{isa}");
            }
        }
    )*};
}

exact! {
    exp_of_zero_is_one: exp, [(0.0, 1.0), (-0.0, 1.0)];
    cosine_of_zero_is_one: cos, [(0.0, 1.0), (-0.0, 1.0)];
    sigmoid_of_zero_is_a_half: sigmoid, [(0.0, 0.5), (-0.0, 0.5)];
    normal_cdf_of_zero_is_a_half: normal_cdf, [(0.0, 0.5), (-0.0, 0.5)];
    log2_of_powers_of_two_is_exact: log2, (-149..128).map(|n| (2f64.powi(n) as f32, n as f32));
    log10_of_powers_of_ten_is_exact: log10, (0..11).map(|n| (10f64.powi(n) as f32, n as f32));
}

#[test]
fn pow_is_exact_where_the_result_is_a_number() {
    struct Pow;
    impl Binary for Pow {
        #[inline(always)]
        fn apply<V: Real>(x: V, y: V) -> V {
            x.pow(y)
        }
    }
    let powers = (-64..=64).flat_map(|x| (0..=24).map(move |y| (x as f32, y as f32)));
    let roots = (1..=4096).map(|x| ((x * x) as f32, 0.5));
    let powers_of_two = (-149..128).map(|n| (2.0, n as f32));
    let cases: Vec<(f32, f32)> = powers
        .chain(roots)
        .chain(powers_of_two)
        .filter(|&(x, y)| {
            let power = (x as f64).powf(y as f64);
            power as f32 as f64 == power
        })
        .collect();
    let want: Vec<f32> = cases.iter().map(|&(x, y)| (x as f64).powf(y as f64) as f32).collect();
    for isa in Isa::available() {
        assert_eq!(zip::<Pow>(isa, &cases), want, "{isa}");
    }
}
