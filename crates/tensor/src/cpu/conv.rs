//! Convolutions.

use super::{host, output, slice, unsupported};
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use crate::kernel::{ConvDirection, ConvGeometry, Weight};
use crate::{Layout, Result};
use gradus_kernels::{Float, Machine, Precision, Strided, conv as kernels};

pub(super) fn conv(
    on: Machine,
    precision: Precision,
    what: (ConvDirection, &ConvGeometry, Weight),
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    with_dtype!(inputs[0].dtype, float T => {
        conv_of::<T>(on, precision, what, inputs, &mut outputs[0]);
    }, else return unsupported("a convolution", inputs[0].dtype));
    Ok(())
}

fn conv_of<T: Float>(
    on: Machine,
    precision: Precision,
    (direction, geometry, weight): (ConvDirection, &ConvGeometry, Weight),
    inputs: &[Input<'_>],
    out: &mut Output<'_>,
) {
    let axes = [FiveAxes::of(inputs[0].layout), FiveAxes::of(inputs[1].layout)];
    let (first, second) = (axes[0].view::<T>(&inputs[0]), axes[1].view::<T>(&inputs[1]));
    let bias = inputs.get(2).map(|bias| slice(bias));
    let out = output(out);
    match direction {
        ConvDirection::Forward => {
            let kept_with = (weight == Weight::Constant).then(|| host(inputs[1].buffer));
            let weight = kernels::Weight { numbers: second, kept_with };
            kernels::forward(on, precision, geometry, first, weight, bias, out);
        }
        ConvDirection::InputGradient => {
            kernels::input_gradient(on, precision, geometry, first, second, bias, out);
        }
        ConvDirection::WeightGradient => {
            kernels::weight_gradient(on, precision, geometry, first, second, out);
        }
    }
}

/// A layout with axes of length 1 before the spatial ones, so that there are three of those.
struct FiveAxes {
    shape: [usize; 5],
    strides: [isize; 5],
}

impl FiveAxes {
    fn of(layout: &Layout) -> Self {
        let mut axes = Self { shape: [1; 5], strides: [0; 5] };
        let missing = 5 - layout.shape().rank();
        for (axis, (&len, &stride)) in layout.shape().iter().zip(layout.strides()).enumerate() {
            let at = if axis < 2 { axis } else { axis + missing };
            axes.shape[at] = len;
            axes.strides[at] = stride;
        }
        axes
    }

    fn view<'a, T: Float>(&'a self, input: &Input<'a>) -> Strided<'a, T> {
        let data = host(input.buffer).slice();
        Strided { data, offset: input.layout.offset(), shape: &self.shape, strides: &self.strides }
    }
}
