//! Sums of squares, by the type of their elements.

use super::{Gathered, output, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::{self as kernels, Element, Machine};

pub(super) fn sum_of_squares(
    on: Machine,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    with_dtype!(inputs[0].dtype, float T => {
        let gathered: Vec<_> = inputs.iter().map(|x| Gathered::<T>::new(on, x)).collect();
        output::<f64>(&mut outputs[0])[0] =
            kernels::sum_of_squares::<T>(on, gathered.iter().map(|x| &**x));
    }, else return unsupported("a sum of squares", inputs[0].dtype));
    Ok(())
}

pub(super) fn squared_error(
    on: Machine,
    scale: f64,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, y) = (&inputs[0], &inputs[1]);
    with_dtype!(x.dtype, float T => {
        let (x, y) = (Gathered::<T>::new(on, x), Gathered::<T>::new(on, y));
        output::<T>(&mut outputs[0])[0] = kernels::squared_error(on, scale, &x, &y);
    }, else return unsupported("the squared error", x.dtype));
    Ok(())
}

pub(super) fn gradient(
    on: Machine,
    scale: f64,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, y, grad) = (&inputs[0], &inputs[1], &inputs[2]);
    with_dtype!(x.dtype, float T => {
        let (x, y) = (Gathered::<T>::new(on, x), Gathered::<T>::new(on, y));
        let factor = 2.0 * scale * Gathered::<T>::new(on, grad)[0].to_f64();
        kernels::squared_error_gradient(on, factor, &x, &y, output(&mut outputs[0]));
    }, else return unsupported("the squared error", x.dtype));
    Ok(())
}
