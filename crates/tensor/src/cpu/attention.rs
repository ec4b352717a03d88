//! Attention.

use super::{host, output, slice, strided, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::attention::{self as kernels, Attention, Extent, Heads, Inputs, Results};
use gradus_kernels::{Float, Machine};

/// The size of a batch of attentions: of queries [.., T, D], keys [.., S, D] and values [.., S, E].
fn extent(query: &Input<'_>, value: &Input<'_>) -> Extent {
    let (query, value) = (query.shape(), value.shape());
    let rank = query.rank();
    Extent {
        planes: query[..rank - 2].iter().product(),
        queries: query[rank - 2],
        keys: value[rank - 2],
        features: query[rank - 1],
        values: value[rank - 1],
    }
}

fn inputs_of<'a, T: Float>(inputs: &[Input<'a>], mask: Option<&Input<'a>>) -> Inputs<'a, T> {
    let rooms = [1, 2].map(|i| inputs[i].layout.room().expect("keys and values lie row by row"));
    assert_eq!(rooms[0], rooms[1]);
    let [key, value] = [1, 2].map(|i| with_room(&inputs[i], rooms[0]));
    Inputs { query: slice(&inputs[0]), key, value, room: rooms[0], mask: mask.map(strided) }
}

/// What a backward pass is given behind the inputs of the forward pass.
fn results_of<'a, T: Float>(inputs: &[Input<'a>]) -> Results<'a, T> {
    let [out, log_sums, grad] = [0, 1, 2].map(|i| slice(&inputs[i]));
    Results { out, log_sums, grad }
}

/// Matrices and the room between them.
fn with_room<'a, T: Float>(input: &Input<'a>, room: usize) -> &'a [T] {
    let shape = input.shape();
    let [planes @ .., rows, features] = &shape[..] else { unreachable!("there are matrices") };
    let planes: usize = planes.iter().product();
    let rows = planes.checked_sub(1).map_or(0, |others| others * room + rows);
    &host(input.buffer).slice()[input.layout.offset()..][..rows * features]
}

pub(super) fn attention(
    on: Machine,
    how: Attention,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let extent = extent(&inputs[0], &inputs[2]);
    let [out, log_sums] = outputs else { return unsupported("attention", inputs[0].dtype) };
    with_dtype!(inputs[0].dtype, float T => {
        let inputs = inputs_of::<T>(inputs, inputs.get(3));
        kernels::attention(on, how, extent, inputs, (output(out), output(log_sums)));
    }, else return unsupported("attention", inputs[0].dtype));
    Ok(())
}

pub(super) fn gradient(
    on: Machine,
    how: Attention,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let extent = extent(&inputs[0], &inputs[2]);
    let [by_query, by_key, by_value] = outputs else {
        return unsupported("the gradient of attention", inputs[0].dtype);
    };
    with_dtype!(inputs[0].dtype, float T => {
        let results = results_of(&inputs[3..]);
        let inputs = inputs_of::<T>(inputs, inputs.get(6));
        let by = [output(by_query), output(by_key), output(by_value)];
        kernels::attention_gradient(on, how, extent, inputs, results, by);
    }, else return unsupported("the gradient of attention", inputs[0].dtype));
    Ok(())
}

/// The size of heads whose queries, keys and values lie together, [B, T, 3, H, D].
fn heads_of(x: &Input<'_>, heads: usize) -> Heads {
    let shape = x.shape();
    let features = (shape[2] / 3).checked_div(heads).unwrap_or(0);
    Heads { batch: shape[0], elements: shape[1], heads, features }
}

pub(super) fn of_heads(
    on: Machine,
    how: Attention,
    heads: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let heads = heads_of(&inputs[0], heads);
    let [out, log_sums] = outputs else { return unsupported("attention", inputs[0].dtype) };
    with_dtype!(inputs[0].dtype, float T => {
        let inputs = (slice::<T>(&inputs[0]), inputs.get(1).map(strided));
        kernels::self_attention(on, how, heads, inputs, (output(out), output(log_sums)));
    }, else return unsupported("attention", inputs[0].dtype));
    Ok(())
}

pub(super) fn gradient_of_heads(
    on: Machine,
    how: Attention,
    heads: usize,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let heads = heads_of(&inputs[0], heads);
    with_dtype!(inputs[0].dtype, float T => {
        let results = results_of(&inputs[1..]);
        let inputs = (slice::<T>(&inputs[0]), inputs.get(4).map(strided));
        kernels::self_attention_gradient(on, how, heads, inputs, results, output(&mut outputs[0]));
    }, else return unsupported("the gradient of attention", inputs[0].dtype));
    Ok(())
}
