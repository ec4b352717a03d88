//! Element-wise functions of one tensor: a table of formulas and derivatives.

use super::case::{Case, Gradient, Sample};
use crate::kernel::{Binary, Kernel, Unary};
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{OpError, Result, Tensor};
use gradus_kernels::{SELU_ALPHA, SELU_SCALE};
use smallvec::smallvec;
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};

/// y = f(x), element by element.
#[derive(Debug)]
struct Map(Unary);

/// What a gradient is computed from, beside that of the output.
enum Saves {
    Input,
    Output,
    Nothing,
}

impl Op for Map {
    fn name(&self) -> &'static str {
        name(self.0)
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let dtype = inputs[0].dtype;
        if dtype.is_float() || self.0.takes_integers() {
            return Ok(inputs[0]);
        }
        Err(OpError::dtype(dtype, "floats"))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let forward = Forward::new(launch(&Kernel::Map(self.0), inputs, output)?);
        Ok(match saves(self.0) {
            Saves::Input => forward.saving_input(0),
            Saves::Output => forward.saving_output(),
            Saves::Nothing => forward,
        })
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let saved = context.saved.first().unwrap_or(grad);
        Ok(smallvec![Some(gradient(self.0, saved, grad))])
    }
}

impl Tensor {
    /// Applies a function element by element; integers that it does not take become `f32`.
    #[track_caller]
    fn map(&self, function: Unary) -> Self {
        if function.takes_integers() || self.dtype().is_float() {
            return Self::apply(Map(function), &[self]);
        }
        Self::apply(Map(function), &[&self.to_dtype(self.dtype().to_float())])
    }
}

/// For each function: its method, its kernel, its formula, PyTorch's name, where it is tried, and
/// its gradient from what is saved and the gradient `g` of its output.
macro_rules! unary_ops {
    ($(
        $method:ident $(($($param:ident: $try:literal),+))? = $kernel:ident,
        $formula:literal, $torch:literal, $domain:expr,
        $saves:ident |$saved:ident, $g:ident| $gradient:expr;
    )*) => {
        impl Tensor {$(
            #[doc = concat!("y = ", $formula, ", element by element. PyTorch: `", $torch, "`.")]
            #[track_caller]
            pub fn $method(&self $($(, $param: f64)+)?) -> Self {
                self.map(Unary::$kernel $({ $($param),+ })?)
            }
        )*}

        fn name(function: Unary) -> &'static str {
            match function {
                $(Unary::$kernel { .. } => stringify!($method),)*
            }
        }

        fn saves(function: Unary) -> Saves {
            match function {
                $(Unary::$kernel { .. } => Saves::$saves,)*
            }
        }

        fn gradient(function: Unary, saved: &Tensor, g: &Tensor) -> Tensor {
            match function {$(
                Unary::$kernel $({ $($param),+ })? => {
                    let ($saved, $g) = (saved, g);
                    $gradient
                }
            )*}
        }

        pub(super) const CASES: &[Case] = &[$(
            Case {
                name: stringify!($method),
                formula: $formula,
                torch: $torch,
                gradient: Gradient::Twice,
                samples: || {
                    let call = |x: &[Tensor]| x[0].$method($($($try),+)?);
                    vec![
                        Sample::floats(&[&[3, 4]], $domain, call),
                        Sample::floats(&[&[2, 0]], $domain, call).label("empty"),
                    ]
                },
            },
        )*];
    };
}

unary_ops! {
    neg = Neg, "-x", "torch.neg", -2.0..2.0,
        Nothing |_x, g| g.neg();
    abs = Abs, "|x|", "torch.abs", 0.1..2.0,
        Input |x, g| g.mul(&x.sign());
    sign = Sign, "-1, 0 or 1", "torch.sign", 0.1..2.0,
        Nothing |_x, g| g.zeros_like();
    round = Round, "the nearest integer, halves to even", "torch.round", 0.6..1.4,
        Nothing |_x, g| g.zeros_like();
    floor = Floor, "⌊x⌋", "torch.floor", 0.1..0.9,
        Nothing |_x, g| g.zeros_like();
    ceil = Ceil, "⌈x⌉", "torch.ceil", 0.1..0.9,
        Nothing |_x, g| g.zeros_like();
    trunc = Trunc, "x without its fraction", "torch.trunc", 0.1..0.9,
        Nothing |_x, g| g.zeros_like();
    square = Square, "x²", "torch.square", -2.0..2.0,
        Input |x, g| g.mul(x) * 2.0;
    reciprocal = Reciprocal, "1 / x", "torch.reciprocal", 0.3..2.0,
        Output |y, g| -(g * y * y);
    sqrt = Sqrt, "√x", "torch.sqrt", 0.2..3.0,
        Output |y, g| g / y * 0.5;
    rsqrt = Rsqrt, "1 / √x", "torch.rsqrt", 0.2..3.0,
        Output |y, g| g * y * y * y * -0.5;
    exp = Exp, "eˣ", "torch.exp", -2.0..2.0,
        Output |y, g| g * y;
    expm1 = Expm1, "eˣ - 1", "torch.expm1", -2.0..2.0,
        Output |y, g| g * (y + 1.0);
    log = Log, "ln x", "torch.log", 0.2..3.0,
        Input |x, g| g / x;
    log1p = Log1p, "ln(1 + x)", "torch.log1p", -0.7..3.0,
        Input |x, g| g / (x + 1.0);
    log2 = Log2, "log₂ x", "torch.log2", 0.2..3.0,
        Input |x, g| g / (x * LN_2);
    log10 = Log10, "log₁₀ x", "torch.log10", 0.2..3.0,
        Input |x, g| g / (x * LN_10);
    sin = Sin, "sin x", "torch.sin", -3.0..3.0,
        Input |x, g| g * x.cos();
    cos = Cos, "cos x", "torch.cos", -3.0..3.0,
        Input |x, g| -(g * x.sin());
    tan = Tan, "tan x", "torch.tan", -1.2..1.2,
        Output |y, g| g * (y * y + 1.0);
    asin = Asin, "arcsin x", "torch.asin", -0.8..0.8,
        Input |x, g| g * (1.0 - x * x).rsqrt();
    acos = Acos, "arccos x", "torch.acos", -0.8..0.8,
        Input |x, g| -(g * (1.0 - x * x).rsqrt());
    atan = Atan, "arctan x", "torch.atan", -2.0..2.0,
        Input |x, g| g / (x * x + 1.0);
    sinh = Sinh, "sinh x", "torch.sinh", -2.0..2.0,
        Input |x, g| g * x.cosh();
    cosh = Cosh, "cosh x", "torch.cosh", -2.0..2.0,
        Input |x, g| g * x.sinh();
    tanh = Tanh, "tanh x", "torch.tanh", -2.0..2.0,
        Output |y, g| y.zip(Binary::TanhGrad, g);
    asinh = Asinh, "arsinh x", "torch.asinh", -2.0..2.0,
        Input |x, g| g * (x * x + 1.0).rsqrt();
    acosh = Acosh, "arcosh x", "torch.acosh", 1.2..3.0,
        Input |x, g| g * (x * x - 1.0).rsqrt();
    atanh = Atanh, "artanh x", "torch.atanh", -0.8..0.8,
        Input |x, g| g / (1.0 - x * x);
    erf = Erf, "2/√π ∫₀ˣ e^(-t²) dt", "torch.erf", -2.0..2.0,
        Input |x, g| g * (-(x * x)).exp() * FRAC_2_SQRT_PI;
    sigmoid = Sigmoid, "1 / (1 + e⁻ˣ)", "torch.sigmoid", -3.0..3.0,
        Output |y, g| y.zip(Binary::SigmoidGrad, g);
    log_sigmoid = LogSigmoid, "ln(1 / (1 + e⁻ˣ))", "torch.nn.functional.logsigmoid", -3.0..3.0,
        Input |x, g| g * (-x).sigmoid();
    relu = Relu, "max(x, 0)", "torch.relu", 0.1..2.0,
        Output |y, g| y.zip(Binary::ReluGrad, g);
    leaky_relu(slope: 0.1) = LeakyRelu, "x where x > 0, else slope · x",
        "torch.nn.functional.leaky_relu", -2.0..-0.1,
        Input |x, g| x.zip(Binary::LeakyReluGrad { slope }, g);
    elu(alpha: 1.5) = Elu, "x where x > 0, else α (eˣ - 1)",
        "torch.nn.functional.elu", -2.0..-0.1,
        Input |x, g| x.gt_scalar(0.0).where_cond(g, &(g * x.clamp(f64::NEG_INFINITY, 0.0).exp() * alpha));
    celu(alpha: 1.5) = Celu, "x where x > 0, else α (e^(x/α) - 1)",
        "torch.nn.functional.celu", -2.0..-0.1,
        Input |x, g| g * (x.clamp(f64::NEG_INFINITY, 0.0) / alpha).exp();
    selu = Selu, "λ x where x > 0, else λ α (eˣ - 1)", "torch.selu", -2.0..-0.1,
        Input |x, g| {
            let left = g * x.clamp(f64::NEG_INFINITY, 0.0).exp() * (SELU_SCALE * SELU_ALPHA);
            x.gt_scalar(0.0).where_cond(&(g * SELU_SCALE), &left)
        };
    gelu = Gelu, "x Φ(x), Φ(x) = (1 + erf(x/√2)) / 2", "torch.nn.functional.gelu", -3.0..3.0,
        Input |x, g| x.zip(Binary::GeluGrad, g);
    gelu_tanh = GeluTanh, "x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2",
        "torch.nn.functional.gelu(approximate='tanh')", -3.0..3.0,
        Input |x, g| x.zip(Binary::GeluTanhGrad, g);
    silu = Silu, "x / (1 + e⁻ˣ)", "torch.nn.functional.silu", -3.0..3.0,
        Input |x, g| x.zip(Binary::SiluGrad, g);
    mish = Mish, "x tanh(ln(1 + eˣ))", "torch.nn.functional.mish", -3.0..3.0,
        Input |x, g| {
            let gate = x.softplus(1.0).tanh();
            g * (&gate + x * x.sigmoid() * (1.0 - &gate * &gate))
        };
    softplus(beta: 1.5) = Softplus, "ln(1 + e^(βx)) / β",
        "torch.nn.functional.softplus", -3.0..3.0,
        Input |x, g| g * (x * beta).sigmoid();
    softsign = Softsign, "x / (1 + |x|)", "torch.nn.functional.softsign", 0.1..2.0,
        Input |x, g| g / (x.abs() + 1.0).square();
    hard_sigmoid = HardSigmoid, "min(max(x/6 + 1/2, 0), 1)",
        "torch.nn.functional.hardsigmoid", -2.5..2.5,
        Input |x, g| x.zip(Binary::ClampGrad { min: -3.0, max: 3.0 }, &(g * (1.0 / 6.0)));
    hard_swish = HardSwish, "x · min(max(x/6 + 1/2, 0), 1)",
        "torch.nn.functional.hardswish", -2.5..2.5,
        Input |x, g| {
            let inner = x.zip(Binary::ClampGrad { min: -3.0, max: 3.0 }, g) * x * (1.0 / 6.0);
            inner + g * x.hard_sigmoid()
        };
    clamp(min: -0.5, max: 0.5) = Clamp, "min(max(x, min), max)", "torch.clamp", -0.4..0.4,
        Input |x, g| x.zip(Binary::ClampGrad { min, max }, g);
    add_scalar(value: 1.5) = AddScalar, "x + value", "torch.add", -2.0..2.0,
        Nothing |_x, g| { let _ = value; g.clone() };
    mul_scalar(value: 1.5) = MulScalar, "x · value", "torch.mul", -2.0..2.0,
        Nothing |_x, g| g.mul_scalar(value);
    div_scalar(value: 1.5) = DivScalar, "x / value", "torch.div", -2.0..2.0,
        Nothing |_x, g| g.div_scalar(value);
    pow_scalar(exponent: 2.5) = PowScalar, "x to the power of a constant", "torch.pow", 0.2..2.0,
        Input |x, g| if exponent == 0.0 { g.zeros_like() } else {
            g * x.pow_scalar(exponent - 1.0) * exponent
        };
}
