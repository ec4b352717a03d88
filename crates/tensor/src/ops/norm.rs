//! Normalisation of parts of each element of a batch: layer norm, RMS norm, group norm.

use super::case::{Case, Gradient, Sample};
use crate::error::reject;
use crate::kernel::{Kernel, RowNorm};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch_many};
use crate::{DType, OpError, Result, Shape, Tensor};
use smallvec::SmallVec;

/// The settings of a normalisation.
#[derive(Clone, Debug)]
pub struct NormOptions {
    /// What normalised numbers are multiplied with.
    pub weight: Option<Tensor>,
    /// What is then added.
    pub bias: Option<Tensor>,
    /// ε, what keeps the division from zero.
    pub epsilon: f64,
}

/// As in PyTorch: neither weight nor bias, ε = 10⁻⁵.
impl Default for NormOptions {
    fn default() -> Self {
        Self { weight: None, bias: None, epsilon: 1e-5 }
    }
}

impl NormOptions {
    /// Applies a normalisation to x and what else it takes, and to the weight and the bias, which
    /// has a weight of ones before it if there is none.
    #[track_caller]
    pub(super) fn apply(&self, op: impl Op, first: &[&Tensor]) -> Tensor {
        let dtype = first[0].dtype();
        let convert = |param: &Option<Tensor>| param.as_ref().map(|param| param.to_dtype(dtype));
        let bias = convert(&self.bias);
        let weight = convert(&self.weight).or_else(|| bias.as_ref().map(Tensor::ones_like));
        let mut inputs: SmallVec<[&Tensor; 4]> = first.into();
        inputs.extend(weight.as_ref());
        inputs.extend(bias.as_ref());
        Tensor::apply(op, &inputs)
    }
}

/// Which numbers are normalised together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Together {
    /// Those along the last axes, as many as the shape has.
    LastAxes(Shape),
    /// The same without taking off the mean.
    LastAxesUncentered(Shape),
    /// Those of a group of channels in one element of the batch.
    Groups(usize),
}

/// y = (x - mean) / √(variance + ε) · w + b, of inputs x, maybe w, and maybe b.
#[derive(Debug)]
struct Norm {
    together: Together,
    epsilon: f64,
}

impl Norm {
    /// How many numbers are normalised together.
    fn len(&self, shape: &Shape) -> usize {
        match self.together {
            Together::LastAxes(last) | Together::LastAxesUncentered(last) => last.count(),
            Together::Groups(groups) => shape[1..].iter().product::<usize>() / groups,
        }
    }

    /// The shape of the numbers as rows.
    fn rows(&self, shape: &Shape) -> Shape {
        let len = self.len(shape);
        let rows = match self.together {
            Together::LastAxes(last) | Together::LastAxesUncentered(last) => {
                shape[..shape.rank() - last.rank()].iter().product()
            }
            Together::Groups(groups) => shape[0] * groups,
        };
        [rows, len].into()
    }

    /// The shape of weights and biases, and that in which they broadcast to x.
    fn param_shape(&self, shape: &Shape) -> (Shape, Shape) {
        match self.together {
            Together::LastAxes(last) | Together::LastAxesUncentered(last) => (last, last),
            Together::Groups(_) => {
                let mut broadcast = vec![1; shape.rank() - 1];
                broadcast[0] = shape[1];
                ([shape[1]].into(), broadcast.into())
            }
        }
    }

    fn kernel(&self, shape: &Shape) -> RowNorm {
        let run = match self.together {
            Together::Groups(_) => shape[2..].iter().product::<usize>().max(1),
            _ => 1,
        };
        let centered = !matches!(self.together, Together::LastAxesUncentered(_));
        RowNorm { epsilon: self.epsilon, centered, run }
    }

    fn check_shape(&self, shape: &Shape) -> Result<(), OpError> {
        match self.together {
            Together::LastAxes(last) | Together::LastAxesUncentered(last) => {
                if !shape.ends_with(&last) {
                    reject!("an input of shape {shape} does not end with the axes {last}");
                }
            }
            Together::Groups(groups) => {
                if shape.rank() < 2 {
                    reject!("takes [B, C, …], not {shape}");
                }
                if groups == 0 || !shape[1].is_multiple_of(groups) {
                    reject!("the {} channels of {shape} do not make {groups} groups", shape[1]);
                }
            }
        }
        Ok(())
    }
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        match self.together {
            Together::LastAxes(_) => "layer_norm",
            Together::LastAxesUncentered(_) => "rms_norm",
            Together::Groups(_) => "group_norm",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        self.check_shape(&x.shape)?;
        check_params(&inputs[1..], self.param_shape(&x.shape).0, x)?;
        Ok(Spec { device: common_device(inputs)?, ..x })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let rows = self.rows(&output.shape);
        let x = inputs[0].detach().reshape(rows);
        let mut given: SmallVec<[&Tensor; 4]> = inputs.into();
        given[0] = &x;
        let statistics = output.with_dtype(DType::F64).with_shape([rows[0], 2].into());
        let specs = [output.with_shape(rows), statistics];
        let outputs = launch_many(&Kernel::RowNorm(self.kernel(&output.shape)), &given, &specs)?;
        let forward = Forward::new(outputs[0].reshape(output.shape));
        Ok(forward.saving_inputs(inputs.len()).saving(outputs[1].clone()))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let count = context.inputs.len();
        let (x, statistics) = (&context.saved[0], &context.saved[count]);
        let rows = self.rows(x.shape());
        let (row_x, row_grad) = (x.detach().reshape(rows), grad.detach().reshape(rows));
        let mut given = vec![&row_x, &row_grad, statistics];
        given.extend(context.saved[1..count].first());
        let mut specs = vec![row_x.spec()];
        if context.needed[1..].contains(&true) {
            specs.extend(&context.inputs[1..]);
        }
        let kernel = Kernel::RowNormGradient(self.kernel(x.shape()));
        let mut grads: Grads =
            launch_many(&kernel, &given, &specs)?.into_iter().map(Some).collect();
        grads[0] = grads[0].take().map(|by_x| by_x.reshape(*x.shape()));
        grads.resize(count, None);
        Ok(grads)
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let shape = *inputs[0].shape();
        let x = inputs[0].reshape(self.rows(&shape));
        let centered = match self.kernel(&shape).centered {
            true => &x - x.mean_keepdim(-1),
            false => x,
        };
        let variance = centered.square().mean_keepdim(-1);
        let mut y = (centered * (variance + self.epsilon).rsqrt()).reshape(shape);
        let broadcast = self.param_shape(&shape).1;
        if let Some(weight) = inputs.get(1) {
            y = y * weight.reshape(broadcast);
        }
        if let Some(bias) = inputs.get(2) {
            y = y + bias.reshape(broadcast);
        }
        Some(Ok(y))
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        8 * output.shape.count() as u64
    }
}

/// Checks weights and biases.
pub(super) fn check_params(params: &[Spec], wanted: Shape, x: Spec) -> Result<(), OpError> {
    for (param, name) in params.iter().zip(["weight", "bias"]) {
        if param.shape != wanted {
            reject!("an input {} wants a {name} {wanted}, not {}", x.shape, param.shape);
        }
        if param.dtype != x.dtype {
            reject!("types differ: {} and {}", x.dtype, param.dtype);
        }
    }
    Ok(())
}

impl Tensor {
    /// Layer normalisation: y = (x - mean) / √(variance + ε) · w + b with the mean and the variance
    /// over the last axes, whose lengths are given.
    ///
    /// # Shapes
    /// `self: [.., D] -> [.., D]` with `weight: [D]` and `bias: [D]`, where D may be several axes.
    ///
    /// # Panics
    /// If the input does not end with these axes, or the weight or bias is not of their shape.
    ///
    /// # Source
    /// Ba, Kiros, Hinton 2016, "Layer Normalization"; PyTorch: `torch.nn.functional.layer_norm`.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// use gradus_tensor::ops::NormOptions;
    ///
    /// let x = Tensor::from_vec(vec![1001f32, 1003.0], [1, 2]);
    /// let y = x.layer_norm(2, &NormOptions { epsilon: 0.0, ..Default::default() });
    /// assert_eq!(y.to_vec::<f32>(), [-1.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn layer_norm(&self, shape: impl Into<Shape>, options: &NormOptions) -> Self {
        let together = Together::LastAxes(shape.into());
        options.apply(Norm { together, epsilon: options.epsilon }, &[self])
    }

    /// y = x / √(mean x² + ε) · w with the mean over the last axes, whose lengths are given; a bias
    /// is added if there is one.
    ///
    /// # Shapes
    /// As [`Tensor::layer_norm`].
    ///
    /// # Panics
    /// As [`Tensor::layer_norm`].
    ///
    /// # Source
    /// Zhang, Sennrich 2019, "Root Mean Square Layer Normalization", equation 4; PyTorch:
    /// `torch.nn.functional.rms_norm`.
    #[track_caller]
    pub fn rms_norm(&self, shape: impl Into<Shape>, options: &NormOptions) -> Self {
        let together = Together::LastAxesUncentered(shape.into());
        options.apply(Norm { together, epsilon: options.epsilon }, &[self])
    }

    /// Group normalisation: y = (x - mean) / √(variance + ε) · w + b with the mean and the variance
    /// of a group of channels in one element of the batch.
    ///
    /// # Shapes
    /// `self: [B, C, …] -> [B, C, …]` with `weight: [C]` and `bias: [C]`.
    ///
    /// # Panics
    /// If the channels do not make that many groups, or the weight or bias is not `[C]`.
    ///
    /// # Source
    /// Wu, He 2018, "Group Normalization"; PyTorch: `torch.nn.functional.group_norm`.
    #[track_caller]
    pub fn group_norm(&self, groups: usize, options: &NormOptions) -> Self {
        let together = Together::Groups(groups);
        options.apply(Norm { together, epsilon: options.epsilon }, &[self])
    }

    /// Instance normalisation: [`Tensor::group_norm`] with each channel a group of its own.
    ///
    /// # Panics
    /// If the input is not `[B, C, …]`, or the weight or bias is not `[C]`.
    ///
    /// # Source
    /// Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization"; PyTorch:
    /// `torch.nn.functional.instance_norm`.
    #[track_caller]
    pub fn instance_norm(&self, options: &NormOptions) -> Self {
        let channels = self.shape().get(1).copied().unwrap_or(1);
        // Without channels there is nothing to group.
        self.group_norm(channels.max(1), options)
    }
}

/// A sample with as many of x, the weight and the bias as there are shapes.
pub(super) fn sample(
    shapes: &[&[usize]],
    call: impl Fn(&Tensor, &NormOptions) -> Tensor + 'static,
) -> Sample {
    Sample::floats(shapes, -2.0..2.0, move |x| {
        let (weight, bias) = (x.get(1).cloned(), x.get(2).cloned());
        call(&x[0], &NormOptions { weight, bias, epsilon: 0.1 })
    })
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "layer_norm",
        formula: "(x - mean) / √(variance + ε) · w + b over the last axes",
        torch: "torch.nn.functional.layer_norm",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(&[&[3, 5], &[5], &[5]], |x, options| x.layer_norm(5, options)),
                sample(&[&[2, 2, 3, 4], &[3, 4]], |x, options| x.layer_norm([3, 4], options))
                    .label("two axes, no bias"),
                sample(&[&[2, 35]], |x, options| x.layer_norm(35, options)).label("plain"),
                sample(&[&[0, 3], &[3], &[3]], |x, options| x.layer_norm(3, options))
                    .label("empty"),
                sample(&[&[2, 0], &[0]], |x, options| x.layer_norm(0, options)).label("empty rows"),
            ]
        },
    },
    Case {
        name: "rms_norm",
        formula: "x / √(mean x² + ε) · w over the last axes",
        torch: "torch.nn.functional.rms_norm",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(&[&[2, 3, 5], &[5]], |x, options| x.rms_norm(5, options)),
                sample(&[&[2, 35]], |x, options| x.rms_norm(35, options)).label("plain"),
                sample(&[&[0, 3], &[3]], |x, options| x.rms_norm(3, options)).label("empty"),
            ]
        },
    },
    Case {
        name: "group_norm",
        formula: "(x - mean) / √(variance + ε) · w + b over groups of channels",
        torch: "torch.nn.functional.group_norm",
        gradient: Gradient::Twice,
        samples: || {
            vec![
                sample(&[&[2, 4, 3, 2], &[4], &[4]], |x, options| x.group_norm(2, options)),
                sample(&[&[3, 6], &[6], &[6]], |x, options| x.group_norm(2, options))
                    .label("nothing behind the channels"),
                sample(&[&[2, 3, 5], &[3]], |x, options| x.instance_norm(options))
                    .label("instances"),
                sample(&[&[2, 4, 3]], |x, options| x.group_norm(1, options)).label("plain"),
                sample(&[&[0, 4, 3], &[4], &[4]], |x, options| x.group_norm(2, options))
                    .label("empty"),
                sample(&[&[2, 4, 0], &[4], &[4]], |x, options| x.group_norm(2, options))
                    .label("empty channels"),
            ]
        },
    },
];
