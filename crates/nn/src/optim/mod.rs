//! Optimizers: what changes parameters by their gradients.

mod adam;
mod sgd;

pub use adam::{Adam, AdamOptions, AdamW};
pub use sgd::{Sgd, SgdOptions};

use crate::Param;
use gradus_tensor::{Error, Gradients, Result, Tensor};

/// Changes parameters by their gradients, step by step.
pub trait Optimizer: Send {
    /// Changes every parameter that has a gradient.
    ///
    /// # Panics
    /// If the device fails.
    fn step(&mut self, gradients: &Gradients);

    /// How far a step goes.
    fn learning_rate(&self) -> f64;

    /// Changes how far a step goes.
    fn set_learning_rate(&mut self, learning_rate: f64);

    /// What the optimizer remembers, by name: it continues from there if it is given to
    /// [`Optimizer::load_state_dict`].
    fn state_dict(&self) -> Vec<(String, Tensor)>;

    /// Continues from what an optimizer of the same kind remembered for the same parameters.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if it was another kind or there were other parameters.
    fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()>;
}

/// What an optimizer remembers for each of its parameters: some tensors of the parameter's shape,
/// and how many steps it has made.
#[derive(Debug)]
struct Memory {
    /// The tensors' names.
    names: &'static [&'static str],
    slots: Vec<Slot>,
}

/// What is remembered for one parameter.
#[derive(Debug)]
struct Slot {
    param: Param,
    /// Nothing before the first step.
    tensors: Vec<Tensor>,
    steps: u64,
}

impl Memory {
    fn new(params: Vec<Param>, names: &'static [&'static str]) -> Self {
        let slot = |param| Slot { param, tensors: vec![], steps: 0 };
        Self { names, slots: params.into_iter().map(slot).collect() }
    }

    /// Calls `update` for each parameter that has a gradient, with its tensors, which start as
    /// zeros, and the number of its step.
    fn for_each(
        &mut self,
        gradients: &Gradients,
        update: impl Fn(&Param, &Tensor, &mut [Tensor], u64) -> Result<()>,
    ) {
        for Slot { param, tensors, steps } in &mut self.slots {
            let Some(gradient) = param.grad(gradients).filter(|_| param.is_trainable()) else {
                continue;
            };
            if tensors.is_empty() {
                *tensors = self.names.iter().map(|_| gradient.zeros_like()).collect();
            }
            *steps += 1;
            if let Err(error) = update(param, &gradient.contiguous(), tensors, *steps) {
                panic!("{error}");
            }
        }
    }

    fn state_dict(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![];
        for (index, slot) in self.slots.iter().enumerate() {
            state.push((format!("{index}.step"), Tensor::from(slot.steps as i64)));
            for (name, tensor) in self.names.iter().zip(&slot.tensors) {
                state.push((format!("{index}.{name}"), tensor.clone()));
            }
        }
        state
    }

    fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let find = |name: String| state.iter().find(|(own, _)| *own == name).map(|(_, x)| x);
        let mut loaded = vec![];
        let mut used = 0;
        for (index, slot) in self.slots.iter().enumerate() {
            let param = slot.param.tensor();
            let fits = |x: &&Tensor| x.shape() == param.shape();
            let convert = |x: &Tensor| x.to_dtype(param.dtype()).to_device(param.device());
            let steps = find(format!("{index}.step")).and_then(|x| x.try_to_vec::<i64>().ok());
            let names = self.names.iter().map(|name| format!("{index}.{name}"));
            let tensors: Option<Vec<Tensor>> =
                names.map(|name| find(name).filter(fits).map(convert)).collect();
            let slot = match (steps.as_deref(), tensors) {
                (Some([0]), _) => (0, vec![]),
                (Some(&[steps]), Some(tensors)) if steps > 0 => (steps as u64, tensors),
                _ => return Err(mismatch()),
            };
            used += 1 + slot.1.len();
            loaded.push(slot);
        }
        if used != state.len() {
            return Err(mismatch());
        }
        for (slot, (steps, tensors)) in self.slots.iter_mut().zip(loaded) {
            (slot.steps, slot.tensors) = (steps, tensors);
        }
        Ok(())
    }
}

/// Refuses a setting that should be zero or more.
#[track_caller]
fn check_not_negative(optimizer: &str, setting: &str, value: f64) {
    assert!(value >= 0.0, "{optimizer}: the {setting} is {value}: give zero or a positive number");
}

fn mismatch() -> Error {
    Error::Mismatch("the optimizer's saved state is that of another optimizer or model".into())
}
