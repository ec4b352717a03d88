//! The tables of element-wise operations on floats: what each computes, lane by lane.

use crate::math::Real;
use crate::simd::{MAX_LANES, Mask, Simd, Vector};
use crate::strided::Strided;
use crate::tiles::{Code1, Code2, run1, run2};
use crate::{Float, Machine};

/// Defines operations of one number: an enum to name them, and the code of each.
macro_rules! unary_table {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$param_doc:meta])* $param:ident),* })? = |$x:ident| $body:expr;)*) => {
        /// An element-wise operation of one number.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Unary {
            $($(#[$doc])* $name $({ $($(#[$param_doc])* $param: f64),* })?,)*
        }

        impl<T: Float> Code1<T, T> for Unary {
            #[inline(always)]
            fn tile<S: Simd>(self, isa: S, x: &[T], out: &mut [T]) {
                match self {$(
                    Self::$name $({ $($param),* })? => {
                        #[derive(Clone, Copy)]
                        struct Code { $($($param: f64),*)? }
                        impl UnaryCode for Code {
                            #[inline(always)]
                            fn apply<V: Real>(self, $x: V) -> V {
                                let Self { $($($param),*)? } = self;
                                $body
                            }
                        }
                        map_tile(isa, Code { $($($param),*)? }, x, out);
                    }
                )*}
            }
        }
    };
}

/// The code of one operation of one number.
trait UnaryCode: Copy {
    fn apply<V: Real>(self, x: V) -> V;
}

#[inline(always)]
fn map_tile<S: Simd, T: Float, C: UnaryCode>(isa: S, code: C, x: &[T], out: &mut [T]) {
    let lanes = T::Vector::<S>::LANES;
    let whole = out.len() - out.len() % lanes;
    let (x, x_rest) = x.split_at(whole);
    let (out, out_rest) = out.split_at_mut(whole);
    let mut rest = Rest::new(isa, x_rest);
    // A loop around the loop, so that the code stands once.
    for (x, out) in [(x, out), rest.vectors(lanes)] {
        for (x, out) in x.chunks_exact(lanes).zip(out.chunks_exact_mut(lanes)) {
            code.apply(T::Vector::<S>::load(isa, x)).store(out);
        }
    }
    rest.write(isa, out_rest);
}

/// Numbers that fill no vector, with ones behind them, and the results of these.
struct Rest<T> {
    x: [T; MAX_LANES],
    out: [T; MAX_LANES],
    len: usize,
}

impl<T: Float> Rest<T> {
    #[inline(always)]
    fn new<S: Simd>(isa: S, x: &[T]) -> Self {
        let mut rest = Self { x: [T::ONE; MAX_LANES], out: [T::ONE; MAX_LANES], len: x.len() };
        if !x.is_empty() {
            T::Vector::<S>::load_partial(isa, x, T::ONE).store(&mut rest.x);
        }
        rest
    }

    /// The numbers and where their results go: a whole vector, if there are any.
    #[inline(always)]
    fn vectors(&mut self, lanes: usize) -> (&[T], &mut [T]) {
        let len = if self.len > 0 { lanes } else { 0 };
        (&self.x[..len], &mut self.out[..len])
    }

    /// Writes the results.
    #[inline(always)]
    fn write<S: Simd>(&self, isa: S, out: &mut [T]) {
        if !out.is_empty() {
            T::Vector::<S>::load(isa, &self.out).store_partial(out);
        }
    }
}

/// Lane by lane, `yes` where `condition` is set.
#[inline(always)]
fn pick<V: Vector>(condition: V::Mask, yes: V, no: V) -> V {
    V::select(condition, yes, no)
}

/// SELU's scale λ. Klambauer et al. 2017, "Self-Normalizing Neural Networks", appendix A.
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// SELU's α, from the same source.
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// √(2/π), of the tanh approximation of GELU.
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
/// The cubic coefficient of that approximation. Hendrycks, Gimpel 2016, "Gaussian Error Linear
/// Units", section 2.
const GELU_CUBIC: f64 = 0.044_715;

unary_table! {
    /// -x
    Neg = |x| -x;
    /// |x|
    Abs = |x| x.abs();
    /// -1, 0 or 1
    Sign = |x| pick(x.equal(x.zero()).or(x.is_nan()), x, x.of(1.0).copysign(x));
    /// The nearest integer, halves to even
    Round = |x| x.round();
    /// The largest integer that is not greater
    Floor = |x| x.floor();
    /// The smallest integer that is not smaller
    Ceil = |x| x.ceil();
    /// The integer part
    Trunc = |x| x.trunc();
    /// x²
    Square = |x| x * x;
    /// 1 / x
    Reciprocal = |x| x.of(1.0) / x;
    /// √x
    Sqrt = |x| x.sqrt();
    /// 1 / √x
    Rsqrt = |x| x.of(1.0) / x.sqrt();
    /// eˣ
    Exp = |x| x.exp();
    /// eˣ - 1
    Expm1 = |x| x.expm1();
    /// ln x
    Log = |x| x.ln();
    /// ln(1 + x)
    Log1p = |x| x.log1p();
    /// log₂ x
    Log2 = |x| x.log2();
    /// log₁₀ x
    Log10 = |x| x.log10();
    /// sin x
    Sin = |x| x.sin();
    /// cos x
    Cos = |x| x.cos();
    /// tan x
    Tan = |x| x.tan();
    /// arcsin x
    Asin = |x| x.asin();
    /// arccos x
    Acos = |x| x.acos();
    /// arctan x
    Atan = |x| x.atan();
    /// sinh x
    Sinh = |x| x.sinh();
    /// cosh x
    Cosh = |x| x.cosh();
    /// tanh x
    Tanh = |x| x.tanh();
    /// arsinh x
    Asinh = |x| x.asinh();
    /// arcosh x
    Acosh = |x| x.acosh();
    /// artanh x
    Atanh = |x| x.atanh();
    /// The error function
    Erf = |x| x.erf();
    /// 1 / (1 + e⁻ˣ)
    Sigmoid = |x| x.sigmoid();
    /// ln(1 / (1 + e⁻ˣ)) = min(x, 0) - ln(1 + e^-|x|)
    LogSigmoid = |x| x.minimum(x.zero()) - (-x.abs()).exp().log1p();
    /// max(x, 0)
    Relu = |x| x.maximum(x.zero());
    /// x where x > 0, else slope · x
    LeakyRelu {
        /// The slope of the negative side.
        slope
    } = |x| pick(x.greater(x.zero()), x, x * x.of(slope));
    /// x where x > 0, else α (eˣ - 1)
    Elu {
        /// Minus the limit at -∞.
        alpha
    } = |x| pick(x.greater(x.zero()), x, x.of(alpha) * x.expm1());
    /// x where x > 0, else α (e^(x/α) - 1)
    Celu {
        /// Minus the limit at -∞.
        alpha
    } = |x| pick(x.greater(x.zero()), x, x.of(alpha) * (x / x.of(alpha)).expm1());
    /// λ x where x > 0, else λ α (eˣ - 1)
    Selu = |x| x.of(SELU_SCALE) * pick(x.greater(x.zero()), x, x.of(SELU_ALPHA) * x.expm1());
    /// x Φ(x), with the normal distribution function Φ(x) = (1 + erf(x/√2)) / 2
    Gelu = |x| x * x.normal_cdf();
    /// x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2
    GeluTanh = |x| x * gelu_gate(x);
    /// x / (1 + e⁻ˣ)
    Silu = |x| x * x.sigmoid();
    /// x tanh(ln(1 + eˣ))
    Mish = |x| x * softplus(x).tanh();
    /// ln(1 + e^(βx)) / β
    Softplus {
        /// How sharp the bend is.
        beta
    } = |x| softplus(x * x.of(beta)) / x.of(beta);
    /// x / (1 + |x|)
    Softsign = |x| x / (x.of(1.0) + x.abs());
    /// min(max(x/6 + 1/2, 0), 1)
    HardSigmoid = |x| hard_sigmoid(x);
    /// x · min(max(x/6 + 1/2, 0), 1)
    HardSwish = |x| x * hard_sigmoid(x);
    /// min(max(x, min), max)
    Clamp {
        /// The lower end.
        min,
        /// The upper end.
        max
    } = |x| x.maximum(x.of(min)).minimum(x.of(max));
    /// x + value
    AddScalar {
        /// The number to add.
        value
    } = |x| x + x.of(value);
    /// x · value
    MulScalar {
        /// The factor.
        value
    } = |x| x * x.of(value);
    /// x / value
    DivScalar {
        /// The divisor.
        value
    } = |x| x / x.of(value);
    /// x to the power of a constant
    PowScalar {
        /// The exponent.
        exponent
    } = |x| x.pow(x.of(exponent));
}

impl Unary {
    /// True if the operation takes no longer than reading its numbers from memory.
    pub(crate) fn is_cheap(self) -> bool {
        use Unary::*;
        matches!(
            self,
            Neg | Abs
                | Sign
                | Round
                | Floor
                | Ceil
                | Trunc
                | Square
                | Relu
                | LeakyRelu { .. }
                | HardSigmoid
                | HardSwish
                | Clamp { .. }
                | AddScalar { .. }
                | MulScalar { .. }
        )
    }
}

impl Binary {
    /// True if the operation takes no longer than reading its numbers from memory.
    pub(crate) fn is_cheap(self) -> bool {
        use Binary::*;
        matches!(
            self,
            Add | Sub
                | Mul
                | Maximum
                | Minimum
                | ReluGrad
                | LeakyReluGrad { .. }
                | ClampGrad { .. }
                | SigmoidGrad
                | TanhGrad
        )
    }
}

/// (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, which is a logistic function.
#[inline(always)]
fn gelu_gate<V: Real>(x: V) -> V {
    let scale = 2.0 * SQRT_2_OVER_PI;
    (x * (x * x).mul_add(x.of(scale * GELU_CUBIC), x.of(scale))).sigmoid()
}

#[inline(always)]
fn softplus<V: Real>(x: V) -> V {
    x.maximum(x.zero()) + (-x.abs()).exp().log1p()
}

#[inline(always)]
fn hard_sigmoid<V: Real>(x: V) -> V {
    x.mul_add(x.of(1.0 / 6.0), x.of(0.5)).maximum(x.zero()).minimum(x.of(1.0))
}

/// Defines operations of two numbers: an enum to name them, and the code of each.
macro_rules! binary_table {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$param_doc:meta])* $param:ident),* })? = |$x:ident, $y:ident| $body:expr;)*) => {
        /// An element-wise operation of two numbers.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Binary {
            $($(#[$doc])* $name $({ $($(#[$param_doc])* $param: f64),* })?,)*
        }

        impl<T: Float> Code2<T, T, T> for Binary {
            #[inline(always)]
            fn tile<S: Simd>(self, isa: S, x: &[T], y: &[T], out: &mut [T]) {
                match self {$(
                    Self::$name $({ $($param),* })? => {
                        #[derive(Clone, Copy)]
                        struct Code { $($($param: f64),*)? }
                        impl BinaryCode for Code {
                            #[inline(always)]
                            fn apply<V: Real>(self, $x: V, $y: V) -> V {
                                let Self { $($($param),*)? } = self;
                                $body
                            }
                        }
                        zip_tile(isa, Code { $($($param),*)? }, x, y, out);
                    }
                )*}
            }
        }
    };
}

/// The code of one operation of two numbers.
trait BinaryCode: Copy {
    fn apply<V: Real>(self, x: V, y: V) -> V;
}

#[inline(always)]
fn zip_tile<S: Simd, T: Float, C: BinaryCode>(isa: S, code: C, x: &[T], y: &[T], out: &mut [T]) {
    let lanes = T::Vector::<S>::LANES;
    let whole = out.len() - out.len() % lanes;
    let ((x, x_rest), (y, y_rest)) = (x.split_at(whole), y.split_at(whole));
    let (out, out_rest) = out.split_at_mut(whole);
    let (mut x_rest, mut y_rest) = (Rest::new(isa, x_rest), Rest::new(isa, y_rest));
    let (last_x, last) = x_rest.vectors(lanes);
    let (last_y, _) = y_rest.vectors(lanes);
    for (x, y, out) in [(x, y, out), (last_x, last_y, last)] {
        let inputs = x.chunks_exact(lanes).zip(y.chunks_exact(lanes));
        for ((x, y), out) in inputs.zip(out.chunks_exact_mut(lanes)) {
            code.apply(T::Vector::<S>::load(isa, x), T::Vector::<S>::load(isa, y)).store(out);
        }
    }
    x_rest.write(isa, out_rest);
}

// The gradients of activations take the activation's input or output, as their name says, and the
// gradient of its output.
binary_table! {
    /// x + y
    Add = |x, y| x + y;
    /// x - y
    Sub = |x, y| x - y;
    /// x · y
    Mul = |x, y| x * y;
    /// x / y
    Div = |x, y| x / y;
    /// x to the power of y
    Pow = |x, y| x.pow(y);
    /// The larger one
    Maximum = |x, y| x.maximum(y);
    /// The smaller one
    Minimum = |x, y| x.minimum(y);
    /// x - y ⌊x / y⌋: has the sign of y
    Remainder = |x, y| x.zip_lanes(y, floor_remainder);
    /// The angle of the point (y, x)
    Atan2 = |x, y| x.atan2(y);
    /// Of max(x, 0), from its output: g where y > 0, else 0
    ReluGrad = |y, g| pick(y.greater(y.zero()).or(y.is_nan()), g, g.zero());
    /// Of the leaky ReLU, from its input
    LeakyReluGrad {
        /// The slope of the negative side.
        slope
    } = |x, g| pick(x.greater(x.zero()), g, g * g.of(slope));
    /// Of the clamp, from its input: g where min ≤ x ≤ max, else 0
    ClampGrad {
        /// The lower end.
        min,
        /// The upper end.
        max
    } = |x, g| pick(x.greater_equal(x.of(min)).and(x.less_equal(x.of(max))), g, g.zero());
    /// Of the logistic function, from its output: g y (1 - y)
    SigmoidGrad = |y, g| g * y * (y.of(1.0) - y);
    /// Of tanh, from its output: g (1 - y²)
    TanhGrad = |y, g| g * (y.of(1.0) - y) * (y.of(1.0) + y);
    /// Of x Φ(x), from its input: g (Φ(x) + x φ(x))
    GeluGrad = |x, g| {
        let (share, density) = x.normal();
        g * x.mul_add(density, share)
    };
    /// Of the tanh approximation of GELU, from its input
    GeluTanhGrad = |x, g| g * gelu_tanh_slope(x);
    /// Of x σ(x), from its input: g σ (1 + x (1 - σ))
    SiluGrad = |x, g| {
        let gate = x.sigmoid();
        g * gate * (x * (x.of(1.0) - gate) + x.of(1.0))
    };
}

#[inline(always)]
fn gelu_tanh_slope<V: Real>(x: V) -> V {
    let gate = gelu_gate(x);
    let slope = (x * x).mul_add(x.of(3.0 * GELU_CUBIC), x.of(1.0)) * x.of(2.0 * SQRT_2_OVER_PI);
    gate + x * gate * (x.of(1.0) - gate) * slope
}

/// The remainder of the division that rounds down.
fn floor_remainder<T: Float>(x: T, y: T) -> T {
    let (x, y) = (x.to_f64(), y.to_f64());
    let rest = x % y;
    T::from_f64(if rest != 0.0 && (rest < 0.0) != (y < 0.0) { rest + y } else { rest })
}

/// Applies an operation to each float: outᵢ = op(xᵢ).
///
/// # Panics
/// If `out` is not as long as `x`.
pub fn map<T: Float>(on: Machine, op: Unary, x: Strided<'_, T>, out: &mut [T]) {
    run1(on, op, x, out);
}

/// Applies an operation to each pair of floats: outᵢ = op(xᵢ, yᵢ).
///
/// # Panics
/// If the lengths differ.
pub fn zip<T: Float>(on: Machine, op: Binary, x: Strided<'_, T>, y: Strided<'_, T>, out: &mut [T]) {
    run2(on, op, x, y, out);
}
