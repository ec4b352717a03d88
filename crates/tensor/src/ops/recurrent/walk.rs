//! Going through sequences time by time, in tensor ops.

use crate::Tensor;
use crate::kernel::Steps;

/// Goes through sequences time by time. `step` makes of the rows of x at a time, `[n, ..]`, and of
/// the states of the n sequences that have not ended, those after that time; the first of them is
/// the output.
///
/// Gives the outputs in the order of the rows of x, and the last states of all sequences.
///
/// # Shapes
/// `x: [N, D], states: [B, ..] -> output: [N, ..], states: [B, ..]` for `steps` of N rows and B
/// sequences.
pub fn walk(
    x: &Tensor,
    steps: &Steps,
    mut states: Vec<Tensor>,
    mut step: impl FnMut(&Tensor, &[Tensor]) -> Vec<Tensor>,
) -> (Tensor, Vec<Tensor>) {
    let batch = steps.batch();
    let by_sequence = match steps.is_batch_first() {
        true => Some(x.reshape([batch, steps.time(), x.len_of(1)])),
        false => None,
    };
    let mut outputs = vec![];
    for time in steps.order() {
        let x = match (&by_sequence, steps.rows_at(time)) {
            (Some(x), _) => x.select(1, time),
            (None, rows) => {
                let rows = rows.unwrap_or_default();
                x.narrow(0, rows.start, rows.len())
            }
        };
        let size = steps.size(time);
        if size == batch {
            states = step(&x, &states);
            outputs.push(states[0].clone());
            continue;
        }
        let going_on: Vec<Tensor> = states.iter().map(|state| state.narrow(0, 0, size)).collect();
        let after = step(&x, &going_on);
        outputs.push(after[0].clone());
        let others = states.iter().map(|state| state.narrow(0, size, batch - size));
        let whole =
            after.into_iter().zip(others).map(|(after, other)| Tensor::cat(&[after, other], 0));
        states = whole.collect();
    }
    if steps.is_reversed() {
        outputs.reverse();
    }
    if outputs.is_empty() {
        return (states[0].narrow(0, 0, 0), states);
    }
    let output = match steps.is_batch_first() {
        true => {
            let output = Tensor::stack(&outputs, 1);
            output.reshape([steps.rows(), output.len_of(2)])
        }
        false => Tensor::cat(&outputs, 0),
    };
    (output, states)
}
