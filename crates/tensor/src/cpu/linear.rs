//! Matrix products.

use super::{host, output, slice, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use crate::kernel::Weight;
use gradus_kernels::gemm::{Bias, Constant, Matrix, Size, matmul as multiply, matmul_by_constant};
use gradus_kernels::{Float, Machine, Precision};

pub(super) fn matmul(
    on: Machine,
    how: (Precision, Weight),
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    with_dtype!(inputs[0].dtype, float T => {
        matmul_of::<T>(on, how, inputs, &mut outputs[0]);
    }, else return unsupported("a matrix product", inputs[0].dtype));
    Ok(())
}

fn matmul_of<T: Float>(
    on: Machine,
    (precision, weight): (Precision, Weight),
    inputs: &[Input<'_>],
    out: &mut Output<'_>,
) {
    let (left, right) = (&inputs[0], &inputs[1]);
    let rank = out.shape.rank();
    let (mut rows, columns) = (out.shape[rank - 2], out.shape[rank - 1]);
    let mut batch: usize = out.shape[..rank - 2].iter().product();
    let depth = left.shape()[rank - 1];
    let bias = match inputs.get(2) {
        Some(bias) => Bias::Columns(slice::<T>(bias)),
        None => Bias::None,
    };
    let out_data = output(out);
    // All products have the same right operand and the left ones lie one after another: they are
    // one product of more rows.
    if batch > 1 && is_repeated(right) && left.layout.is_contiguous() {
        rows *= batch;
        batch = 1;
    }
    let size = Size { batch, rows, columns, depth };
    if weight == Weight::Constant && batch == 1 {
        let right = Constant { matrix: matrix(right, 0), memory: host(right.buffer) };
        return matmul_by_constant(on, precision, size, matrix(left, 0), right, bias, out_data);
    }
    let (left, right) = (|index| matrix(left, index), |index| matrix(right, index));
    multiply(on, precision, size, left, right, bias, out_data);
}

/// True if all matrices of a batch are the same in memory.
fn is_repeated(input: &Input<'_>) -> bool {
    let batch_axes = input.shape().rank() - 2;
    let strides = &input.layout.strides()[..batch_axes];
    strides.iter().zip(&input.shape()[..batch_axes]).all(|(&stride, &len)| stride == 0 || len == 1)
}

/// One matrix of a batch.
fn matrix<'a, T: Float>(input: &Input<'a>, index: usize) -> Matrix<'a, T> {
    let (shape, strides) = (input.shape(), input.layout.strides());
    let batch_axes = shape.rank() - 2;
    let mut rest = index;
    let mut position = 0;
    for axis in (0..batch_axes).rev() {
        position += (rest % shape[axis]) as isize * strides[axis];
        rest /= shape[axis];
    }
    Matrix {
        data: host(input.buffer).slice(),
        offset: input.layout.offset().wrapping_add_signed(position),
        row_stride: strides[batch_axes],
        column_stride: strides[batch_axes + 1],
    }
}
