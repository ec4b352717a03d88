//! Recurrent networks: a cell that goes through whole sequences.

mod walk;

use super::attention::wide;
use super::case::{Arg, Case, Gradient, Sample};
use super::matmul::check_types;
use crate::autograd::is_grad_enabled;
use crate::error::reject;
use crate::kernel::{Cell, Kernel, Steps};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch, launch_many};
use crate::{OpError, Result, Tensor, precision};

pub use walk::walk;

/// What a cell that went through sequences gives.
#[derive(Clone, Debug)]
pub struct Recurrence {
    /// The hidden states of all sequences and times, in the order of the inputs' rows: [N, H].
    pub output: Tensor,
    /// The last hidden state of each sequence: [B, H].
    pub hidden: Tensor,
    /// The last cell state of each sequence, [B, H], if the cell has one.
    pub cell: Option<Tensor>,
}

impl Tensor {
    /// An LSTM that goes through sequences. These are what the input brings to the gates i, f, g
    /// and o (its product with a matrix, and the biases):
    ///
    /// i, f, o = σ(x + W h), g = tanh(x + W h), c' = f ∘ c + i ∘ g, h' = o ∘ tanh c'.
    ///
    /// # Shapes
    /// `x: [N, 4H], W: [4H, H], h: [B, H], c: [B, H] -> output: [N, H], hidden: [B, H], cell: [B, H]`
    /// for `steps` of N rows and B sequences.
    ///
    /// # Source
    /// Hochreiter, Schmidhuber 1997, "Long Short-Term Memory", with the forget gate of Gers,
    /// Schmidhuber, Cummins 2000, "Learning to Forget". PyTorch: `torch.nn.LSTM`, without the product
    /// of its inputs.
    #[track_caller]
    pub fn lstm_sequence(
        &self,
        weight: &Self,
        hidden: &Self,
        cell: &Self,
        steps: &Steps,
    ) -> Recurrence {
        recur(Cell::Lstm, &[self, weight, hidden, cell], steps)
    }

    /// A gated recurrent unit that goes through sequences. These are what the input brings to the
    /// gates r, z and n:
    ///
    /// r, z = σ(x + W h), n = tanh(x + r ∘ (W h + b)), h' = (1 - z) ∘ n + z ∘ h.
    ///
    /// # Shapes
    /// `x: [N, 3H], W: [3H, H], b: [H], h: [B, H] -> output: [N, H], hidden: [B, H]` for `steps` of N
    /// rows and B sequences.
    ///
    /// # Source
    /// Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder", with the reset
    /// gate behind the product. PyTorch: `torch.nn.GRU`, without the product of its inputs.
    #[track_caller]
    pub fn gru_sequence(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        hidden: &Self,
        steps: &Steps,
    ) -> Recurrence {
        let inputs = [Some(self), Some(weight), Some(hidden), bias];
        recur(Cell::Gru, &inputs.into_iter().flatten().collect::<Vec<_>>(), steps)
    }

    /// A plain recurrent network that goes through sequences, h' = tanh(x + W h).
    ///
    /// # Shapes
    /// `x: [N, H], W: [H, H], h: [B, H] -> output: [N, H], hidden: [B, H]` for `steps` of N rows and B
    /// sequences.
    ///
    /// # Source
    /// Elman 1990, "Finding Structure in Time". PyTorch: `torch.nn.RNN`, without the product of its
    /// inputs.
    #[track_caller]
    pub fn rnn_tanh_sequence(&self, weight: &Self, hidden: &Self, steps: &Steps) -> Recurrence {
        recur(Cell::Tanh, &[self, weight, hidden], steps)
    }

    /// As [`Tensor::rnn_tanh_sequence`], with h' = max(x + W h, 0).
    #[track_caller]
    pub fn rnn_relu_sequence(&self, weight: &Self, hidden: &Self, steps: &Steps) -> Recurrence {
        recur(Cell::Relu, &[self, weight, hidden], steps)
    }
}

/// A cell that goes through sequences; see [`Kernel::Recurrent`]. What backward needs is saved only
/// where there will be one: it is larger than all else.
#[derive(Debug)]
struct Recurrent {
    cell: Cell,
    steps: Steps,
}

impl Op for Recurrent {
    fn name(&self) -> &'static str {
        match self.cell {
            Cell::Tanh => "rnn_tanh_sequence",
            Cell::Relu => "rnn_relu_sequence",
            Cell::Lstm => "lstm_sequence",
            Cell::Gru => "gru_sequence",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check(self.cell, inputs, &self.steps)?;
        let rows = self.steps.rows() + states(self.cell) * self.steps.batch();
        let shape = [rows, inputs[1].shape[1]].into();
        Ok(Spec { shape, dtype: inputs[0].dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let (cell, steps) = (self.cell, self.steps.clone());
        let kernel = Kernel::Recurrent { cell, steps, precision: precision() };
        let given = side_by_side(inputs);
        let given: Vec<&Tensor> = given.iter().collect();
        if !(is_grad_enabled() && inputs.iter().any(|x| x.needs_grad())) {
            return Ok(Forward::new(launch(&kernel, &given, output)?));
        }
        let saved = [self.steps.rows(), self.cell.saved() * output.shape[1]];
        let saved = output.with_shape(saved.into()).with_dtype(wide(output.dtype));
        let mut outputs = launch_many(&kernel, &given, &[output, saved])?;
        let (saved, out) = (outputs.remove(1), outputs.remove(0));
        Ok(Forward::new(out).saving_inputs(inputs.len()).saving_output().saving(saved))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (inputs, results) = context.saved.split_at(context.inputs.len());
        let given = inputs[1..2 + states(self.cell)].iter().chain(results).chain([grad]);
        let given = side_by_side(&given.collect::<Vec<_>>());
        let (cell, steps) = (self.cell, self.steps.clone());
        let kernel = Kernel::RecurrentGradient { cell, steps, precision: precision() };
        let given: Vec<&Tensor> = given.iter().collect();
        let grads = launch_many(&kernel, &given, context.inputs)?;
        Ok(grads.into_iter().map(Some).collect())
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let first: Vec<Tensor> =
            inputs[2..2 + states(self.cell)].iter().map(|&state| state.clone()).collect();
        let (output, states) =
            walk(inputs[0], &self.steps, first, |x, states| step(self.cell, x, inputs, states));
        let all: Vec<Tensor> = std::iter::once(output).chain(states).collect();
        Some(Ok(Tensor::cat(&all, 0)))
    }

    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        let size = inputs[1].shape[1];
        (inputs[0].shape.count() * (2 * size + 2)) as u64
    }
}

/// The inputs of a kernel.
fn side_by_side(inputs: &[&Tensor]) -> Vec<Tensor> {
    inputs.iter().map(|x| x.detach().contiguous()).collect()
}

/// How many states a cell has.
fn states(cell: Cell) -> usize {
    1 + cell.has_cell_state() as usize
}

#[track_caller]
fn recur(cell: Cell, inputs: &[&Tensor], steps: &Steps) -> Recurrence {
    let all = Tensor::apply(Recurrent { cell, steps: steps.clone() }, inputs);
    let (rows, batch) = (steps.rows(), steps.batch());
    let hidden = all.narrow(0, rows, batch);
    let cell = cell.has_cell_state().then(|| all.narrow(0, rows + batch, batch));
    Recurrence { output: all.narrow(0, 0, rows), hidden, cell }
}

/// The states after a time, from those before it.
fn step(cell: Cell, x: &Tensor, inputs: &[&Tensor], states: &[Tensor]) -> Vec<Tensor> {
    let hidden = &states[0];
    let product = hidden.linear(inputs[1], None);
    match cell {
        Cell::Tanh => vec![(x + product).tanh()],
        Cell::Relu => vec![(x + product).relu()],
        Cell::Lstm => {
            let gates = parts(&(x + product), 4);
            let kept = gates[1].sigmoid() * &states[1];
            let cell = kept + gates[0].sigmoid() * gates[2].tanh();
            vec![gates[3].sigmoid() * cell.tanh(), cell]
        }
        Cell::Gru => {
            let (x, product) = (parts(x, 3), parts(&product, 3));
            let reset = (&x[0] + &product[0]).sigmoid();
            let update = (&x[1] + &product[1]).sigmoid();
            let candidate = match inputs.get(3) {
                Some(&bias) => &product[2] + bias,
                None => product[2].clone(),
            };
            let new = (&x[2] + reset * candidate).tanh();
            vec![&new + update * (hidden - &new)]
        }
    }
}

/// Rows cut into parts of the same length.
fn parts(x: &Tensor, count: usize) -> Vec<Tensor> {
    x.split(1, &vec![x.len_of(1) / count; count])
}

/// Checks the inputs: x [N, G H], the weight [G H, H], the states [B, H], and for a GRU maybe the
/// bias [H].
fn check(cell: Cell, inputs: &[Spec], steps: &Steps) -> Result<(), OpError> {
    check_types(inputs)?;
    common_device(inputs)?;
    let (x, weight) = (inputs[0].shape, inputs[1].shape);
    let gates = cell.gates();
    if weight.rank() != 2 || weight[0] != gates * weight[1] {
        reject!("takes a weight [{gates} H, H], not {weight}");
    }
    let size = weight[1];
    if x != [steps.rows(), weight[0]] {
        let rows = steps.rows();
        reject!("{rows} rows and a weight {weight} take inputs [{rows}, {}], not {x}", weight[0]);
    }
    let (states, batch) = (states(cell), steps.batch());
    if let Some(state) = inputs[2..2 + states].iter().find(|state| state.shape != [batch, size]) {
        reject!("{batch} sequences take states [{batch}, {size}], not {}", state.shape);
    }
    match inputs.get(2 + states).filter(|bias| bias.shape != [size]) {
        Some(bias) => reject!("states of {size} take a bias [{size}], not {}", bias.shape),
        None => Ok(()),
    }
}

/// Everything that a cell gave as one tensor.
fn joined(recurrence: Recurrence) -> Tensor {
    let all = [Some(recurrence.output), Some(recurrence.hidden), recurrence.cell];
    Tensor::cat(&all.into_iter().flatten().collect::<Vec<_>>(), 0)
}

/// Samples of a cell whose weight is the second of its inputs.
fn samples(cell: Cell, call: fn(&[Tensor], &Steps) -> Recurrence) -> Vec<Sample> {
    let sample = move |steps: Steps, size: usize, bias: bool| {
        let (batch, gates) = (steps.batch(), cell.gates() * size);
        let mut shapes = vec![vec![steps.rows(), gates], vec![gates, size], vec![batch, size]];
        if cell.has_cell_state() {
            shapes.push(vec![batch, size]);
        }
        if bias {
            shapes.push(vec![size]);
        }
        let args = shapes.iter().map(|shape| Arg::floats(shape, -1.0..1.0)).collect();
        Sample::new(args, move |x| joined(call(x, &steps)))
    };
    let biased = cell == Cell::Gru;
    vec![
        sample(Steps::batch_first(2, 3), 3, biased),
        sample(Steps::time_first(3, 2).reversed(), 2, false).label("reversed"),
        sample(Steps::packed(vec![3, 2, 2, 1]), 2, biased).label("lengths"),
        sample(Steps::packed(vec![3, 1]).reversed(), 2, false).label("lengths, reversed"),
        sample(Steps::time_first(2, 0), 2, biased).label("empty"),
    ]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "rnn_tanh_sequence",
        formula: "tanh(x + W h), time after time",
        torch: "torch.nn.RNN",
        gradient: Gradient::Twice,
        samples: || samples(Cell::Tanh, |x, steps| x[0].rnn_tanh_sequence(&x[1], &x[2], steps)),
    },
    Case {
        name: "rnn_relu_sequence",
        formula: "max(x + W h, 0), time after time",
        torch: "torch.nn.RNN(nonlinearity='relu')",
        gradient: Gradient::Twice,
        samples: || samples(Cell::Relu, |x, steps| x[0].rnn_relu_sequence(&x[1], &x[2], steps)),
    },
    Case {
        name: "lstm_sequence",
        formula: "o ∘ tanh(f ∘ c + i ∘ g), time after time",
        torch: "torch.nn.LSTM",
        gradient: Gradient::Twice,
        samples: || samples(Cell::Lstm, |x, steps| x[0].lstm_sequence(&x[1], &x[2], &x[3], steps)),
    },
    Case {
        name: "gru_sequence",
        formula: "(1 - z) ∘ n + z ∘ h, time after time",
        torch: "torch.nn.GRU",
        gradient: Gradient::Twice,
        samples: || samples(Cell::Gru, |x, steps| x[0].gru_sequence(&x[1], x.get(3), &x[2], steps)),
    },
];
