//! Cells that go through sequences.

use super::{output, slice, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::recurrent::{self as kernels, Cell, Gradients, Inputs, Results, Steps};
use gradus_kernels::{Machine, Precision};

pub(super) fn forward(
    on: Machine,
    precision: Precision,
    cell: Cell,
    steps: &Steps,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let [out, saved @ ..] = outputs else { return unsupported("a cell", inputs[0].dtype) };
    let states = 1 + cell.has_cell_state() as usize;
    with_dtype!(inputs[0].dtype, float T => {
        let inputs = Inputs::<T> {
            x: slice(&inputs[0]),
            weight: slice(&inputs[1]),
            bias: inputs.get(2 + states).map(slice),
            hidden: slice(&inputs[2]),
            cell: if states > 1 { slice(&inputs[3]) } else { &[] },
        };
        let saved = saved.first_mut().map(output).unwrap_or_default();
        kernels::forward(on, precision, cell, steps, inputs, (output(out), saved));
    }, else return unsupported("a cell", inputs[0].dtype));
    Ok(())
}

pub(super) fn gradient(
    on: Machine,
    precision: Precision,
    cell: Cell,
    steps: &Steps,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let states = 1 + cell.has_cell_state() as usize;
    let [by_x, by_weight, by_hidden, rest @ ..] = outputs else {
        return unsupported("the gradient of a cell", inputs[0].dtype);
    };
    let (by_cell, by_bias) = rest.split_at_mut(states - 1);
    with_dtype!(inputs[0].dtype, float T => {
        let by = Gradients::<T> {
            x: output(by_x),
            weight: output(by_weight),
            bias: by_bias.first_mut().map(output),
            hidden: output(by_hidden),
            cell: by_cell.first_mut().map(output).unwrap_or_default(),
        };
        let results = Results {
            out: slice(&inputs[1 + states]),
            saved: slice(&inputs[2 + states]),
            grad: slice(&inputs[3 + states]),
        };
        let inputs = Inputs {
            x: &[],
            weight: slice(&inputs[0]),
            bias: None,
            hidden: slice(&inputs[1]),
            cell: if states > 1 { slice(&inputs[2]) } else { &[] },
        };
        kernels::gradient(on, precision, cell, steps, inputs, results, by);
    }, else return unsupported("the gradient of a cell", inputs[0].dtype));
    Ok(())
}
