//! Convolutions of one, two and three dimensions, and transposed ones.

mod geometry;
mod methods;
mod options;

use super::matmul::check_types;
use crate::error::reject;
use crate::kernel::{ConvDirection, ConvGeometry, Kernel, Weight};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{OpError, Result, Shape, Tensor, precision};
use smallvec::smallvec;

pub(super) use methods::CASES;
pub use options::{ConvOptions, ConvTransposeOptions, Padding};

/// A convolution, or one of its gradients. Each is linear in both its inputs, and the gradient of
/// one is the others.
#[derive(Clone, Debug)]
struct Conv {
    /// How many spatial axes there are.
    axes: usize,
    /// What is computed. The gradient by the input is also the transposed convolution.
    direction: ConvDirection,
    settings: Settings,
}

/// The sizes of a convolution, from the shapes of its input and its weight.
pub(super) fn forward_geometry(
    axes: usize,
    options: ConvOptions,
    [x, weight]: [Shape; 2],
) -> Result<ConvGeometry, OpError> {
    let settings = Settings::Plain(options);
    Conv { axes, direction: ConvDirection::Forward, settings }.geometry([&x, &weight])
}

/// From what the sizes of a convolution follow.
#[derive(Clone, Debug)]
enum Settings {
    Plain(ConvOptions),
    Transposed(ConvTransposeOptions),
    /// From those of the convolution whose gradient this is.
    Known(ConvGeometry),
}

/// Those of the first two inputs.
fn shapes(inputs: &[Spec]) -> [&Shape; 2] {
    [&inputs[0].shape, &inputs[1].shape]
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        match (self.direction, self.axes) {
            (ConvDirection::Forward, 1) => "conv1d",
            (ConvDirection::Forward, 2) => "conv2d",
            (ConvDirection::Forward, _) => "conv3d",
            (ConvDirection::InputGradient, 1) => "conv_transpose1d",
            (ConvDirection::InputGradient, 2) => "conv_transpose2d",
            (ConvDirection::InputGradient, _) => "conv_transpose3d",
            (ConvDirection::WeightGradient, 1) => "conv1d_weight",
            (ConvDirection::WeightGradient, 2) => "conv2d_weight",
            (ConvDirection::WeightGradient, _) => "conv3d_weight",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check_types(inputs)?;
        let geometry = self.geometry(shapes(inputs))?;
        let lens = match self.direction {
            ConvDirection::Forward => geometry.output_shape(),
            ConvDirection::InputGradient => geometry.input_shape(),
            ConvDirection::WeightGradient => geometry.weight_shape(),
        };
        let mut shape = lens[..2].to_vec();
        shape.extend(&lens[5 - self.axes..]);
        let shape = Shape::from(shape);
        if let Some(bias) = inputs.get(2).filter(|bias| bias.shape != [shape[1]]) {
            let weight = inputs[1].shape;
            reject!("the weight {weight} wants a bias [{}], not {}", shape[1], bias.shape);
        }
        Ok(Spec { shape, dtype: inputs[0].dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let specs: Vec<Spec> = inputs.iter().map(|input| input.spec()).collect();
        let (direction, geometry) = (self.direction, self.geometry(shapes(&specs))?);
        let weight = match self.settings {
            Settings::Plain(_) => Weight::of(inputs[1]),
            Settings::Transposed(_) | Settings::Known(_) => Weight::Changing,
        };
        let kernel = Kernel::Conv { direction, geometry, weight, precision: precision() };
        let bias = inputs.get(2).map(|bias| bias.detach().contiguous());
        let inputs: Vec<&Tensor> = inputs[..2].iter().copied().chain(&bias).collect();
        Ok(Forward::new(launch(&kernel, &inputs, output)?).repeating_input(0).saving_input(1))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let geometry = self.geometry(shapes(context.inputs))?;
        let apply = |direction, first: &Tensor, second: &Tensor| {
            let settings = Settings::Known(geometry);
            Tensor::try_apply(Self { axes: self.axes, direction, settings }, &[first, second])
        };
        let (first, second) = (&context.saved[0], &context.saved[1]);
        use ConvDirection::{Forward, InputGradient, WeightGradient};
        let mut grads: Grads = match self.direction {
            Forward => smallvec![
                context.if_needed(0, || apply(InputGradient, grad, second))?,
                context.if_needed(1, || apply(WeightGradient, first, grad))?,
            ],
            InputGradient => smallvec![
                context.if_needed(0, || apply(Forward, grad, second))?,
                context.if_needed(1, || apply(WeightGradient, grad, first))?,
            ],
            WeightGradient => smallvec![
                context.if_needed(0, || apply(InputGradient, second, grad))?,
                context.if_needed(1, || apply(Forward, first, grad))?,
            ],
        };
        if context.inputs.len() > 2 {
            let others: Vec<isize> = (0..grad.rank() as isize).filter(|&axis| axis != 1).collect();
            grads.push(context.if_needed(2, || Ok(grad.sum(&others[..])))?);
        }
        Ok(grads)
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let Ok(geometry) = self.geometry(shapes(inputs)) else { return 0 };
        let count = |lens: &[usize]| lens.iter().map(|&len| len as u64).product::<u64>();
        let products = count(&geometry.weight_shape()) * count(&geometry.output);
        let bias = if inputs.len() > 2 { output.shape.count() as u64 } else { 0 };
        2 * geometry.batch as u64 * products + bias
    }
}
