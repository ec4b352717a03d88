//! What a model is made of, without running it.

use crate::Layer;
use gradus_tensor::{Device, Shape, Source, Tensor, no_grad, op::Spec, trace_named};
use std::collections::HashMap;
use std::fmt;

/// A model, op by op, in the order in which they run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The ops.
    pub rows: Vec<Row>,
    /// What is there before any op runs, by the numbers of [`Source::Named`]: the input under an empty
    /// name, and each parameter and buffer under its own.
    pub named: Vec<(String, Shape)>,
    /// What the model takes.
    pub input: Shape,
    /// What the model gives.
    pub output: Shape,
    /// How many numbers are trained.
    pub trained: usize,
    /// How many numbers are frozen.
    pub frozen: usize,
}

/// One op of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The module whose parameters or buffers the op takes; empty for an op without any.
    pub module: String,
    /// The op.
    pub op: &'static str,
    /// What it takes: what was there before, or what an op of an earlier row gives.
    pub sources: Vec<Source>,
    /// What it gives.
    pub output: Shape,
    /// How many numbers of parameters it takes that no op before it took.
    pub params: usize,
    /// Operations on numbers.
    pub flops: u64,
}

/// Runs a model, in evaluation, on an input that has a shape only: nothing is computed, and errors
/// of shape panic as they would in earnest.
///
/// ```
/// use gradus_nn::{Linear, Relu, Sequential, summary};
/// use gradus_tensor::Rng;
///
/// let mut rng = Rng::new(1);
/// let model = Sequential::new().then(Linear::new(784, 10, &mut rng)).then(Relu);
/// let summary = summary(&model, [1, 784]);
/// assert_eq!(summary.output, [1, 10]);
/// assert_eq!(summary.trained, 7850);
/// assert_eq!(summary.rows[0].flops, 15_690);
/// ```
///
/// # Panics
/// If the model does not take such an input.
#[track_caller]
pub fn summary<M: Layer + ?Sized>(model: &M, input: impl Into<Spec>) -> Summary {
    let input = Spec { device: Device::shape_only(), ..input.into() };
    let modes = crate::module::modes(model);
    model.eval();
    let x = Tensor::zeros(input);
    let state = model.state_dict();
    let before: Vec<&Tensor> = std::iter::once(&x).chain(state.iter().map(|(_, x)| x)).collect();
    let (output, events) = trace_named(&before, || no_grad(|| model.forward(&x)));
    crate::module::set_modes(model, &modes);

    let mut waiting: HashMap<u64, usize> = HashMap::new();
    let (mut trained, mut frozen) = (0, 0);
    for (_, param) in model.named_params() {
        let count = param.tensor().count();
        *(if param.is_trainable() { &mut trained } else { &mut frozen }) += count;
        waiting.insert(param.id(), count);
    }
    let rows = events.into_iter().map(|event| {
        let leaves = event.leaves.iter().flatten();
        let params = leaves.filter_map(|leaf| waiting.remove(leaf)).sum();
        let owner = event.sources.iter().find_map(|source| match source {
            Source::Named(number @ 1..) => Some(&state[number - 1].0),
            _ => None,
        });
        let module = owner.and_then(|name| name.rsplit_once('.')).map_or("", |(module, _)| module);
        Row {
            module: module.to_string(),
            op: event.name,
            sources: event.sources,
            output: event.output.shape,
            params,
            flops: event.flops,
        }
    });
    let rows = rows.collect();
    let own = state.iter().map(|(name, x)| (name.clone(), *x.shape()));
    let named = std::iter::once((String::new(), input.shape)).chain(own).collect();
    Summary { rows, named, input: input.shape, output: *output.shape(), trained, frozen }
}

impl Summary {
    /// Operations on numbers, all ops together.
    pub fn flops(&self) -> u64 {
        self.rows.iter().map(|row| row.flops).sum()
    }
}

/// A table: module, op, output, parameters, operations.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["module", "op", "output", "parameters", "operations"].map(String::from);
        let input = ["", "input", &self.input.to_string(), "", ""].map(String::from);
        let rows = self.rows.iter().map(|row| {
            let params = if row.params == 0 { String::new() } else { grouped(row.params as u64) };
            let flops = if row.flops == 0 { String::new() } else { grouped(row.flops) };
            [row.module.clone(), row.op.to_string(), row.output.to_string(), params, flops]
        });
        let table: Vec<[String; 5]> = [head, input].into_iter().chain(rows).collect();
        let width = |column: usize| table.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3, 4].map(width);
        for (index, row) in table.iter().enumerate() {
            let [module, op, output, params, flops] = row;
            let [a, b, c, d, e] = widths;
            let line = format!("{module:a$}  {op:b$}  {output:c$}  {params:>d$}  {flops:>e$}");
            writeln!(f, "{}", line.trim_end())?;
            if index == 0 {
                writeln!(f, "{}", "-".repeat(widths.iter().sum::<usize>() + 8))?;
            }
        }
        let (trained, frozen) = (grouped(self.trained as u64), grouped(self.frozen as u64));
        let flops = grouped(self.flops());
        write!(f, "{trained} parameters trained, {frozen} frozen; {flops} operations")
    }
}

/// A whole number with its digits in groups of three: 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_counts_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567")];
        for (count, written) in cases {
            assert_eq!(grouped(count), written);
        }
    }
}
