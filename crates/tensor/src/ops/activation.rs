//! Activations made of other ops: a table of those that work element by element, and those that
//! take more than one number to make one.

use super::case::{Arg, Case, Gradient, Sample};
use super::view::axis_of;
use crate::error::{fail, reject};
use crate::kernel::{Kernel, Unary};
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{DType, OpError, Result, Rng, Tensor};
use smallvec::smallvec;

/// y = min(max(x, min), max) as an activation: unlike a clamp it has no gradient at its ends, as
/// the ReLU has none at 0.
#[derive(Clone, Copy, Debug)]
struct Hardtanh {
    min: f64,
    max: f64,
}

impl Op for Hardtanh {
    fn name(&self) -> &'static str {
        "hardtanh"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let &Self { min, max } = self;
        if !inputs[0].dtype.is_float() {
            return Err(OpError::dtype(inputs[0].dtype, "floats"));
        }
        if min.partial_cmp(&max).is_none_or(|order| order.is_gt()) {
            reject!("the least value {min} is above the greatest {max}: exchange them");
        }
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::Map(Unary::Clamp { min: self.min, max: self.max });
        Ok(Forward::new(launch(&kernel, inputs, output)?).saving_input(0))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let x = &context.saved[0];
        let flat = x.le_scalar(self.min).logical_or(&x.ge_scalar(self.max));
        Ok(smallvec![Some(grad.masked_fill(&flat, 0.0))])
    }
}

/// For each activation: its method, its formula, PyTorch's name, where it is tried, and the function
/// itself.
macro_rules! composites {
    ($(
        $method:ident $(($($param:ident: $try:literal),+))?,
        $formula:literal, $torch:literal, $domain:expr, |$x:ident| $body:expr;
    )*) => {
        impl Tensor {$(
            #[doc = concat!("y = ", $formula, ", element by element. PyTorch: `", $torch, "`.")]
            #[track_caller]
            pub fn $method(&self $($(, $param: f64)+)?) -> Self {
                let $x = self;
                $body
            }
        )*}

        pub(super) const ELEMENTWISE: &[Case] = &[$(
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

composites! {
    hardtanh(min: -0.5, max: 0.5), "min(max(x, min), max)", "torch.nn.functional.hardtanh",
        -0.4..0.4, |x| Self::apply(Hardtanh { min, max }, &[&x.to_dtype(x.dtype().to_float())]);
    relu6, "min(max(x, 0), 6)", "torch.nn.functional.relu6", 0.1..5.9, |x| x.hardtanh(0.0, 6.0);
    hardshrink(lambda: 0.5), "x where |x| > λ, else 0", "torch.nn.functional.hardshrink",
        0.6..2.0, |x| x.masked_fill(&x.abs().le_scalar(lambda), 0.0);
    softshrink(lambda: 0.5), "x - λ where x > λ, x + λ where x < -λ, else 0",
        "torch.nn.functional.softshrink", 0.6..2.0, |x| x - x.clamp(-lambda, lambda);
    tanhshrink, "x - tanh x", "torch.nn.functional.tanhshrink", -2.0..2.0, |x| x - x.tanh();
    threshold(threshold: 0.5, value: -3.0), "x where x > threshold, else value",
        "torch.nn.functional.threshold", 0.6..2.0,
        |x| x.masked_fill(&x.le_scalar(threshold), value);
    swish(beta: 1.5), "x / (1 + e^(-βx))", "torch.nn.functional.silu, where β is 1", -3.0..3.0,
        |x| x * (x * beta).sigmoid();
    softplus_until(beta: 1.5, threshold: 2.0),
        "ln(1 + e^(βx)) / β where βx ≤ threshold, else x",
        "torch.nn.functional.softplus(threshold)", -3.0..1.2,
        |x| (x * beta).gt_scalar(threshold).where_cond(x, &x.softplus(beta));
}

impl Tensor {
    /// y = x where x > 0, else weight · x, with one weight or one for each channel.
    ///
    /// # Shapes
    /// `self: [B, C, …]` (or any, with one weight), `weight: [1]` or `[C]`.
    ///
    /// # Panics
    /// If there is neither one weight nor one for each channel.
    ///
    /// # Source
    /// He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", equation 1; PyTorch:
    /// `torch.nn.functional.prelu`.
    #[track_caller]
    pub fn prelu(&self, weight: &Self) -> Self {
        let channels = if self.rank() > 1 { self.shape()[1] } else { 1 };
        let weight = match weight.shape()[..] {
            [1] => weight.reshape(()),
            [count] if count == channels => {
                let mut lens = vec![1; self.rank() - 1];
                lens[0] = count;
                weight.reshape(lens)
            }
            _ => {
                let (weight, shape) = (weight.shape(), self.shape());
                let message = format_args!(
                    "weights {weight} are neither one nor {channels}, one for each channel of {shape}"
                );
                fail(OpError::of("prelu", message))
            }
        };
        self.gt_scalar(0.0).where_cond(self, &(self * weight))
    }

    /// y = x where x > 0, else a · x, with a slope a for each element drawn between two.
    ///
    /// # Source
    /// Xu, Wang, Chen, Li 2015, "Empirical Evaluation of Rectified Activations in Convolutional
    /// Network", section 2.4; PyTorch: `torch.nn.functional.rrelu` in training.
    #[track_caller]
    pub fn rrelu(&self, lower: f64, upper: f64, rng: &mut Rng) -> Self {
        let slopes = Self::rand(self.spec(), rng) * (upper - lower) + lower;
        self.gt_scalar(0.0).where_cond(self, &(self * slopes))
    }

    /// y = sign(x), -1, 0 or 1, whose gradient is passed straight through where |x| ≤ 1, as if it
    /// were that of the hard tanh: a network can be trained that has only signs.
    ///
    /// # Source
    /// Bengio, Léonard, Courville 2013, "Estimating or Propagating Gradients Through Stochastic
    /// Neurons"; Hubara, Courbariaux, Soudry, El-Yaniv, Bengio 2016, "Binarized Neural Networks",
    /// equation 4. PyTorch has no such function.
    #[track_caller]
    pub fn sign_straight_through(&self) -> Self {
        let ramp = self.clamp(-1.0, 1.0);
        self.detach().sign() + (&ramp - ramp.detach())
    }

    /// y = a σ(b) where a is the first half of x along an axis and b is the second.
    ///
    /// # Panics
    /// If the axis is of odd length.
    ///
    /// # Source
    /// Dauphin, Fan, Auli, Grangier 2017, "Language Modeling with Gated Convolutional Networks",
    /// equation 1; PyTorch: `torch.nn.functional.glu`.
    #[track_caller]
    pub fn glu(&self, axis: isize) -> Self {
        let len = self.shape()[axis_of(self, axis, "glu")];
        if !len.is_multiple_of(2) {
            let message = format_args!("axis {axis} of {} has no two halves", self.shape());
            fail(OpError::of("glu", message));
        }
        self.narrow(axis, 0, len / 2) * self.narrow(axis, len / 2, len / 2).sigmoid()
    }

    /// yᵢ = the largest of `pieces` neighbours x along an axis, which gets shorter by this factor.
    ///
    /// # Panics
    /// If the axis does not divide into pieces.
    ///
    /// # Source
    /// Goodfellow, Warde-Farley, Mirza, Courville, Bengio 2013, "Maxout Networks", section 3.
    /// PyTorch has no such function.
    #[track_caller]
    pub fn maxout(&self, pieces: usize, axis: isize) -> Self {
        let axis = axis_of(self, axis, "maxout");
        let mut lens = self.shape().to_vec();
        if pieces == 0 || !lens[axis].is_multiple_of(pieces) {
            let message = format_args!(
                "axis {axis} of {} does not divide into pieces of {pieces}",
                self.shape()
            );
            fail(OpError::of("maxout", message));
        }
        lens.splice(axis..=axis, [lens[axis] / pieces, pieces]);
        self.reshape(lens).max(axis as isize + 1)
    }

    /// yᵢ = e^-xᵢ / Σⱼ e^-xⱼ along an axis. PyTorch: `torch.nn.functional.softmin`.
    #[track_caller]
    pub fn softmin(&self, axis: isize) -> Self {
        self.neg().softmax(axis)
    }
}

/// The settings of [`Tensor::gumbel_softmax`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GumbelOptions {
    /// τ: the smaller, the closer to a choice. PyTorch: `tau`.
    pub temperature: f64,
    /// Gives 1 for the chosen class and 0 for the others, and lets the gradient of the soft result
    /// straight through.
    pub hard: bool,
    /// The axis of the classes.
    pub axis: isize,
}

/// As in PyTorch: soft, with τ = 1, along the last axis.
impl Default for GumbelOptions {
    fn default() -> Self {
        Self { temperature: 1.0, hard: false, axis: -1 }
    }
}

impl Tensor {
    /// y = softmax((x + g) / τ) with Gumbel noise g: a choice among classes with the probabilities
    /// softmax(x), which can be derived.
    ///
    /// # Source
    /// Jang, Gu, Poole 2017, "Categorical Reparameterization with Gumbel-Softmax", equations 1 and
    /// 2; PyTorch: `torch.nn.functional.gumbel_softmax`.
    ///
    /// ```
    /// use gradus_tensor::ops::GumbelOptions;
    /// use gradus_tensor::{Rng, Tensor};
    ///
    /// let options = GumbelOptions { hard: true, ..Default::default() };
    /// let chosen = Tensor::zeros([5, 3]).gumbel_softmax(options, &mut Rng::new(1));
    /// assert_eq!(chosen.sum(-1).to_vec::<f32>(), [1.0; 5]);
    /// ```
    #[track_caller]
    pub fn gumbel_softmax(&self, options: GumbelOptions, rng: &mut Rng) -> Self {
        let dtype = if self.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let uniform = Self::rand(self.spec().with_dtype(dtype), rng);
        // -ln(1 - u) is exponential; if it were 0, the noise would be infinite.
        let exponential = (-uniform.neg().log1p()).clamp(f32::MIN_POSITIVE as f64, f64::INFINITY);
        let noise = -exponential.log();
        self.gumbel_softmax_with(&noise.to_dtype(self.dtype().to_float()), options)
    }

    /// [`Tensor::gumbel_softmax`] with noise that is given.
    #[track_caller]
    pub fn gumbel_softmax_with(&self, noise: &Self, options: GumbelOptions) -> Self {
        let GumbelOptions { temperature, hard, axis } = options;
        let soft = ((self + noise) / temperature).softmax(axis);
        if !hard {
            return soft;
        }
        let place = axis_of(self, axis, "gumbel_softmax");
        let classes = self.shape()[place];
        let one_hot = soft.detach().argmax(axis).one_hot(classes);
        let mut order: Vec<isize> = (0..self.rank() as isize - 1).collect();
        order.insert(place, -1);
        let chosen = one_hot.to_dtype(soft.dtype()).permute(&order);
        chosen + (&soft - soft.detach())
    }
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "prelu",
        formula: "x where x > 0, else weight · x",
        torch: "torch.nn.functional.prelu",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |shape: &[usize], weights: usize| {
                let args = vec![Arg::floats(shape, -2.0..-0.1), Arg::floats(&[weights], 0.1..0.9)];
                Sample::new(args, |x| x[0].prelu(&x[1]))
            };
            vec![
                sample(&[2, 3, 4], 3),
                sample(&[2, 3], 1).label("one weight"),
                sample(&[0, 3], 3).label("empty"),
            ]
        },
    },
    Case {
        name: "rrelu",
        formula: "x where x > 0, else x times a random slope",
        torch: "torch.nn.functional.rrelu",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |rows: usize| {
                let call = |x: &[Tensor]| x[0].rrelu(0.1, 0.3, &mut Rng::new(7));
                Sample::floats(&[&[rows, 4]], -2.0..-0.1, call)
            };
            vec![sample(3), sample(0).label("empty")]
        },
    },
    Case {
        name: "glu",
        formula: "a σ(b), a and b being halves of x along an axis",
        torch: "torch.nn.functional.glu",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |shape: &[usize], axis: isize| {
                Sample::floats(&[shape], -2.0..2.0, move |x| x[0].glu(axis))
            };
            vec![sample(&[3, 4], -1), sample(&[2, 2, 3], 1), sample(&[0, 4], 1).label("empty")]
        },
    },
    Case {
        name: "maxout",
        formula: "the largest x of each piece of an axis",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |shape: &[usize], axis: isize| {
                let args = vec![Arg::distinct(shape, -2.0..2.0)];
                Sample::new(args, move |x| x[0].maxout(2, axis))
            };
            vec![sample(&[3, 4], -1), sample(&[2, 4, 3], 1), sample(&[0, 4], 1).label("empty")]
        },
    },
    Case {
        name: "softmin",
        formula: "e^-xᵢ / Σⱼ e^-xⱼ along an axis",
        torch: "torch.nn.functional.softmin",
        gradient: Gradient::Twice,
        samples: || {
            let sample =
                |shape: &[usize]| Sample::floats(&[shape], -3.0..3.0, |x| x[0].softmin(-1));
            vec![sample(&[3, 5]), sample(&[0, 3]).label("empty")]
        },
    },
    Case {
        name: "gumbel_softmax",
        formula: "softmax((x + g) / τ) with Gumbel noise g",
        torch: "torch.nn.functional.gumbel_softmax",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |shape: &[usize]| {
                let options = GumbelOptions { temperature: 0.7, ..Default::default() };
                let call = move |x: &[Tensor]| x[0].gumbel_softmax(options, &mut Rng::new(7));
                Sample::floats(&[shape], -2.0..2.0, call)
            };
            vec![sample(&[3, 5]), sample(&[0, 3]).label("empty")]
        },
    },
];
