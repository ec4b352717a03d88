//! Element-wise functions of two tensors: a table of formulas and derivatives.

use super::case::{Arg, Case, Gradient, Sample};
use crate::error::fail;
use crate::kernel::{Binary, Comparison, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{OpError, Result, Tensor};
use smallvec::smallvec;

/// z = f(x, y), element by element, with broadcasting.
#[derive(Debug)]
struct Zip(Binary);

/// Whether a gradient is computed from the inputs, beside that of the output.
enum Saves {
    Inputs,
    Nothing,
}

impl Op for Zip {
    fn name(&self) -> &'static str {
        name(self.0)
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if !self.0.takes_integers() && inputs.iter().all(|x| !x.dtype.is_float()) {
            return Err(OpError::dtype(inputs[0].dtype, "floats"));
        }
        broadcast(inputs)
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::Zip(self.0);
        let forward = Forward::new(if inputs.iter().all(|x| *x.shape() == output.shape) {
            launch(&kernel, inputs, output)?
        } else {
            let view = |x: &Tensor| x.broadcast_view(output.shape);
            launch(&kernel, &[&view(inputs[0])?, &view(inputs[1])?], output)?
        });
        Ok(match saves(self.0) {
            Saves::Inputs => forward.saving_inputs(2),
            Saves::Nothing => forward,
        })
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (x, y) = match context.saved {
            [x, y] => (x, y),
            _ => (grad, grad),
        };
        let by = |side: Side| {
            let shape = context.inputs[side as usize].shape;
            let whole = || gradient(self.0, side, x, y, grad).try_sum_to(shape);
            context.if_needed(side as usize, whole)
        };
        Ok(smallvec![by(Side::X)?, by(Side::Y)?])
    }
}

/// By which input a gradient is.
#[derive(Clone, Copy)]
enum Side {
    X,
    Y,
}

/// The common shape, type and device of two inputs.
fn broadcast(inputs: &[Spec]) -> Result<Spec, OpError> {
    let (x, y) = (&inputs[0], &inputs[1]);
    if x == y {
        return Ok(*x);
    }
    if x.dtype != y.dtype {
        return Err(OpError::new(format_args!("types differ: {} and {}", x.dtype, y.dtype)));
    }
    let shape = x.shape.broadcast(&y.shape)?;
    Ok(Spec { shape, dtype: x.dtype, device: common_device(inputs)? })
}

impl Tensor {
    /// Applies a function of two tensors of the same type.
    pub(super) fn zip(&self, function: Binary, other: &Self) -> Self {
        Self::apply(Zip(function), &[self, other])
    }

    /// Applies a function of two tensors, which first get a common type.
    fn try_zip(&self, function: Binary, other: &Self) -> Result<Self> {
        let mut dtype = self.dtype().promote(other.dtype());
        if !function.takes_integers() {
            dtype = dtype.to_float();
        }
        Self::try_apply(Zip(function), &[&self.in_dtype(dtype), &other.in_dtype(dtype)])
    }

    /// x + y as [`Tensor::add`], with an error instead of a panic.
    pub(crate) fn try_add(&self, other: &Self) -> Result<Self> {
        self.try_zip(Binary::Add, other)
    }
}

/// The method of a function, unless it is only used by other functions' gradients.
macro_rules! method {
    (method $method:ident, $kernel:ident, $formula:literal, $torch:literal) => {
        #[doc = concat!("z = ", $formula, ", element by element, with broadcasting. PyTorch: `", $torch, "`.")]
        #[track_caller]
        pub fn $method(&self, other: &Self) -> Self {
            self.try_zip(Binary::$kernel, other).unwrap_or_else(|error| fail(error))
        }
    };
    (inner $($rest:tt)*) => {};
}

/// For each function: whether it is a method, its name, its kernel, its formula, PyTorch's name, where both inputs are
/// tried, and its gradients by x and by y from the inputs and the gradient `g` of its output.
macro_rules! binary_ops {
    ($(
        $visibility:ident $method:ident $(($($param:ident: $try:literal),+))? = $kernel:ident,
        $formula:literal, $torch:literal, $x_domain:expr, $y_domain:expr,
        $saves:ident |$x:ident, $y:ident, $g:ident| ($by_x:expr, $by_y:expr);
    )*) => {
        impl Tensor {
            $(method!($visibility $method, $kernel, $formula, $torch);)*
        }

        fn name(function: Binary) -> &'static str {
            match function {
                $(Binary::$kernel { .. } => stringify!($method),)*
            }
        }

        fn saves(function: Binary) -> Saves {
            match function {
                $(Binary::$kernel { .. } => Saves::$saves,)*
            }
        }

        fn gradient(function: Binary, side: Side, x: &Tensor, y: &Tensor, g: &Tensor) -> Tensor {
            match function {$(
                Binary::$kernel $({ $($param),+ })? => {
                    let ($x, $y, $g) = (x, y, g);
                    match side {
                        Side::X => $by_x,
                        Side::Y => $by_y,
                    }
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
                    let kernel = Binary::$kernel $({ $($param: $try),+ })?;
                    let sample = |x: &[usize], y: &[usize]| {
                        let args = vec![Arg::floats(x, $x_domain), Arg::floats(y, $y_domain)];
                        Sample::new(args, move |x| x[0].zip(kernel, &x[1]))
                    };
                    vec![
                        sample(&[3, 4], &[3, 4]),
                        sample(&[3, 4], &[4]).label("broadcast y"),
                        sample(&[2, 1, 3], &[4, 1]).label("broadcast both"),
                        sample(&[0, 4], &[4]).label("empty"),
                    ]
                },
            },
        )*];
    };
}

binary_ops! {
    method add = Add, "x + y", "torch.add", -2.0..2.0, -2.0..2.0,
        Nothing |_x, _y, g| (g.clone(), g.clone());
    method sub = Sub, "x - y", "torch.sub", -2.0..2.0, -2.0..2.0,
        Nothing |_x, _y, g| (g.clone(), g.neg());
    method mul = Mul, "x · y", "torch.mul", -2.0..2.0, -2.0..2.0,
        Inputs |x, y, g| (g * y, g * x);
    method div = Div, "x / y", "torch.div", -2.0..2.0, 0.5..2.0,
        Inputs |x, y, g| (g / y, -(g * x / (y * y)));
    method pow = Pow, "x to the power of y", "torch.pow", 0.3..2.0, -2.0..2.0,
        Inputs |x, y, g| (pow_by_base(x, y, g), pow_by_exponent(x, y, g));
    method maximum = Maximum, "max(x, y)", "torch.maximum", -2.0..0.0, 0.1..2.0,
        Inputs |x, y, g| (g * share(x, y, Comparison::Greater), g * share(y, x, Comparison::Greater));
    method minimum = Minimum, "min(x, y)", "torch.minimum", -2.0..0.0, 0.1..2.0,
        Inputs |x, y, g| (g * share(x, y, Comparison::Less), g * share(y, x, Comparison::Less));
    method remainder = Remainder, "x - y ⌊x / y⌋", "torch.remainder", 2.2..2.8, 0.9..1.1,
        Inputs |x, y, g| (g.clone(), -(g * (x / y).floor()));
    method atan2 = Atan2, "the angle of the point (y, x)", "torch.atan2", 0.5..2.0, 0.5..2.0,
        Inputs |x, y, g| (g * y / (x * x + y * y), -(g * x / (x * x + y * y)));
    inner relu_grad = ReluGrad, "y where x > 0, else 0", "", 0.1..2.0, -2.0..2.0,
        Inputs |x, _y, g| (g.zeros_like(), x.zip(Binary::ReluGrad, g));
    inner leaky_relu_grad(slope: 0.1) = LeakyReluGrad, "y where x > 0, else slope · y", "",
        -2.0..-0.1, -2.0..2.0,
        Inputs |x, _y, g| (g.zeros_like(), x.zip(Binary::LeakyReluGrad { slope }, g));
    inner clamp_grad(min: -1.0, max: 1.0) = ClampGrad, "y where min ≤ x ≤ max, else 0", "",
        -0.9..0.9, -2.0..2.0,
        Inputs |x, _y, g| (g.zeros_like(), x.zip(Binary::ClampGrad { min, max }, g));
    inner sigmoid_grad = SigmoidGrad, "y x (1 - x)", "", 0.1..0.9, -2.0..2.0,
        Inputs |x, y, g| (g * y * (1.0 - x * 2.0), x.zip(Binary::SigmoidGrad, g));
    inner tanh_grad = TanhGrad, "y (1 - x²)", "", -0.9..0.9, -2.0..2.0,
        Inputs |x, y, g| (g * y * x * -2.0, x.zip(Binary::TanhGrad, g));
    inner gelu_grad = GeluGrad, "y (Φ(x) + x φ(x))", "", -2.0..2.0, -2.0..2.0,
        Inputs |x, y, g| (g * y * gelu_second(x), x.zip(Binary::GeluGrad, g));
    inner gelu_tanh_grad = GeluTanhGrad, "y times the derivative of gelu_tanh at x", "",
        -2.0..2.0, -2.0..2.0,
        Inputs |x, y, g| (g * y * gelu_tanh_second(x), x.zip(Binary::GeluTanhGrad, g));
    inner silu_grad = SiluGrad, "y σ(x) (1 + x (1 - σ(x)))", "", -2.0..2.0, -2.0..2.0,
        Inputs |x, y, g| (g * y * silu_second(x), x.zip(Binary::SiluGrad, g));
}

/// g y x^(y - 1), and 0 where the exponent is 0.
fn pow_by_base(x: &Tensor, y: &Tensor, g: &Tensor) -> Tensor {
    y.eq_scalar(0.0).where_cond(&g.zeros_like(), &(g * y * x.pow(&(y - 1.0))))
}

/// g x^y ln x, and 0 where the base is 0 and the exponent is not negative.
fn pow_by_exponent(x: &Tensor, y: &Tensor, g: &Tensor) -> Tensor {
    let flat = x.eq_scalar(0.0).mul(&y.ge_scalar(0.0));
    flat.where_cond(&g.zeros_like(), &(g * x.pow(y) * x.log()))
}

/// 1 where x compares so with y, a half where they are equal, 0 elsewhere.
fn share(x: &Tensor, y: &Tensor, comparison: Comparison) -> Tensor {
    let wins = x.compare(comparison, y).to_dtype(x.dtype());
    wins + x.eq(y).to_dtype(x.dtype()) * 0.5
}

/// φ(x) (2 - x²), the second derivative of x Φ(x).
fn gelu_second(x: &Tensor) -> Tensor {
    let square = x * x;
    let density = (&square * -0.5).exp() * (1.0 / (2.0 * std::f64::consts::PI).sqrt());
    density * (2.0 - square)
}

/// σ' (2 + x (1 - 2σ)), the second derivative of x σ(x).
fn silu_second(x: &Tensor) -> Tensor {
    let gate = x.sigmoid();
    let slope = &gate * (1.0 - &gate);
    slope * (x * (1.0 - gate * 2.0) + 2.0)
}

/// The second derivative of x σ(k(x)) with k(x) = 2 √(2/π) (x + 0.044715 x³).
fn gelu_tanh_second(x: &Tensor) -> Tensor {
    let scale = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let square = x * x;
    let inner = x * (&square * 0.044_715 + 1.0) * scale;
    let inner_first = (&square * (3.0 * 0.044_715) + 1.0) * scale;
    let inner_second = x * (6.0 * 0.044_715 * scale);
    let gate = inner.sigmoid();
    let slope = &gate * (1.0 - &gate);
    let bend = (1.0 - &gate * 2.0) * &inner_first * &inner_first + inner_second;
    slope * (inner_first * 2.0 + x * bend)
}
