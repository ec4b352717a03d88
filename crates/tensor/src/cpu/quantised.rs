//! Products with matrices that are kept as codes, and convolutions of integers.

use super::{output, slice, unsupported};
use crate::device::{Input, Output};
use crate::kernel::{CodeScale, ConvGeometry};
use crate::{DType, Result};
use gradus_kernels::Machine;
use gradus_kernels::integer::{self, Finish, IntegerWeight};
use gradus_kernels::quantised::{self as kernels, CodeFormat, Codes};

pub(super) fn linear(
    on: Machine,
    format: CodeFormat,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    if inputs[0].dtype != DType::F32 {
        return unsupported("a product with codes", inputs[0].dtype);
    }
    let depth = inputs[0].shape().last().copied().unwrap_or(0);
    let [codes, scales] = [&inputs[1], &inputs[2]];
    let of_rank = |rank| inputs[3..].iter().find(|input| input.shape().rank() == rank).map(slice);
    let (zeros, bias) = (of_rank(2), of_rank(1));
    let weight = Codes { format, codes: slice(codes), scales: slice(scales), zeros };
    kernels::linear(on, depth, slice(&inputs[0]), weight, bias, output(&mut outputs[0]));
    Ok(())
}

pub(super) fn conv(
    on: Machine,
    (geometry, input, relu): (&ConvGeometry, CodeScale, bool),
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    // A sum of codes of eight bits is far within 32, as there are at most 65,536.
    let sums: Vec<i32> = slice::<i64>(&inputs[2]).iter().map(|&sum| sum as i32).collect();
    let (packed, scales) = (slice(&inputs[1]), slice(&inputs[3]));
    let weight = IntegerWeight { packed, sums: &sums, scales };
    let finish = Finish { bias: inputs.get(4).map(slice), relu };
    let (x, out) = (slice(&inputs[0]), output(&mut outputs[0]));
    integer::forward(on, geometry, input, x, weight, finish, out);
    Ok(())
}
