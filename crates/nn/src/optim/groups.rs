//! Groups of parameters, and what an optimizer remembers for each of them.

use crate::Param;
use gradus_tensor::kernel::Kernel;
use gradus_tensor::kernel::optimizer::{Rule, Step};
use gradus_tensor::op::{as_product, update};
use gradus_tensor::{DType, Error, Gradients, Result, Tensor, no_grad};
use smallvec::{SmallVec, smallvec};
use std::collections::HashSet;
use std::fmt::Debug;

/// How one kind of optimizer goes about it. Its options implement this.
pub(super) trait Method: Copy + Debug + Send {
    /// How errors call the optimizer.
    fn name(&self) -> &'static str;

    /// Refuses settings that cannot be.
    #[track_caller]
    fn check(&self);

    /// Refuses a parameter that the optimizer cannot train.
    #[track_caller]
    fn check_param(&self, _param: &Tensor) {}

    /// η, how far a step goes.
    fn learning_rate(&mut self) -> &mut f64;

    /// How much of the last direction is kept, where there is such a setting.
    fn momentum(&mut self) -> Option<&mut f64> {
        None
    }

    /// What is remembered for a parameter, as it is before the first step.
    fn start(&self, param: &Tensor) -> State;

    /// Makes a step for a parameter by its gradient, which is contiguous, or says which step the
    /// kernel is to make; `state.steps` counts it.
    fn step(&self, param: &Param, gradient: &Tensor, state: &mut State) -> Result<Option<Step>>;
}

/// What an optimizer remembers for one parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// How many steps were made.
    pub(super) steps: u64,
    /// What the tensors are saved as.
    pub(super) names: &'static [&'static str],
    pub(super) tensors: Vec<Tensor>,
    /// Single numbers, with what they are saved as.
    pub(super) numbers: Vec<(&'static str, f64)>,
}

impl State {
    /// Zeros of the parameter's shape under each of the names.
    pub(super) fn zeros(names: &'static [&'static str], param: &Tensor) -> Self {
        let tensors = names.iter().map(|_| param.zeros_like()).collect();
        Self { names, tensors, ..Self::default() }
    }
}

/// A step of so many parameters asks nobody for memory.
const FEW: usize = 8;

/// A step that the kernel is to make for a parameter.
struct Planned<'a> {
    step: Step,
    param: &'a Param,
    gradient: Tensor,
    remembered: &'a mut [Tensor],
}

impl Planned<'_> {
    /// True if the kernel can make both steps at once.
    fn goes_with(&self, other: &Self) -> bool {
        let (own, others) = (self.gradient.spec(), other.gradient.spec());
        self.step == other.step && own.dtype == others.dtype && own.device == others.device
    }
}

/// Makes steps that go with each other: of all parameters at once, unless somebody else is at one of
/// them. That one is waited for while no other is held, lest two wait for each other for ever.
fn launch(mut planned: &mut [Planned<'_>]) -> Result<()> {
    while let [first, others @ ..] = &*planned {
        let step = first.step;
        let mut values: SmallVec<[_; FEW]> = smallvec![first.param.lock()];
        values.extend(others.iter().map_while(|other| other.param.try_lock()));
        let (now, later) = std::mem::take(&mut planned).split_at_mut(values.len());
        let mut gradients = SmallVec::<[_; FEW]>::new();
        let mut targets = SmallVec::<[_; 3 * FEW]>::new();
        for (Planned { gradient, remembered, .. }, value) in now.iter_mut().zip(&mut values) {
            gradients.push(&*gradient);
            targets.push(value.tensor());
            targets.extend(remembered.iter_mut());
        }
        update(&Kernel::Optimizer(step), &gradients, &mut targets)?;
        planned = later;
    }
    Ok(())
}

/// The weight decay and the direction of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decay {
    /// λ.
    pub(super) weight_decay: f64,
    /// Take it off the parameter itself, not by way of the gradient: the η of p ← p - η λ p.
    pub(super) decoupled: Option<f64>,
    pub(super) maximize: bool,
}

impl Decay {
    /// The decay is added to the gradient.
    pub(super) fn coupled(weight_decay: f64, maximize: bool) -> Self {
        Self { weight_decay, decoupled: None, maximize }
    }

    /// The step with this decay.
    pub(super) fn step(self, rule: Rule) -> Step {
        let (added, kept) = match self.decoupled {
            None => (self.weight_decay, 1.0),
            Some(rate) => (0.0, 1.0 - rate * self.weight_decay),
        };
        Step { scale: if self.maximize { -1.0 } else { 1.0 }, added, kept, rule }
    }
}

/// Groups of parameters, each with settings of its own.
#[derive(Debug)]
pub(super) struct Groups<M>(Vec<Group<M>>);

#[derive(Debug)]
struct Group<M> {
    method: M,
    /// The learning rate as a multiple of the first group's.
    factor: f64,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    param: Param,
    /// None before the first step.
    state: Option<State>,
}

impl<M: Method> Group<M> {
    fn step(&mut self, gradients: &Gradients) -> Result<()> {
        let mut planned = SmallVec::<[_; FEW]>::new();
        for Slot { param, state } in &mut self.slots {
            let Some(gradient) = param.grad(gradients).filter(|_| param.is_trainable()) else {
                continue;
            };
            let gradient = gradient.detach().contiguous();
            let state = state.get_or_insert_with(|| self.method.start(&param.tensor().detach()));
            state.steps += 1;
            if let Some(mut step) = self.method.step(param, &gradient, state)? {
                // One that was just clipped need not be written before it is read.
                let gradient = match as_product(&gradient).filter(|(x, _)| x.is_contiguous()) {
                    Some((whole, factor)) => {
                        step.scale *= factor;
                        whole
                    }
                    None => gradient,
                };
                planned.push(Planned { step, param, gradient, remembered: &mut state.tensors });
            }
        }
        planned.chunk_by_mut(Planned::goes_with).try_for_each(launch)
    }
}

impl<M: Method> Groups<M> {
    #[track_caller]
    pub(super) fn new(params: Vec<Param>, method: M) -> Self {
        let mut groups = Self(vec![]);
        groups.add(params, method);
        groups
    }

    #[track_caller]
    pub(super) fn add(&mut self, params: Vec<Param>, mut method: M) {
        method.check();
        let name = method.name();
        let mut seen: HashSet<u64> = self.params().iter().map(Param::id).collect();
        for param in &params {
            method.check_param(&param.tensor());
            assert!(
                seen.insert(param.id()),
                "{name}: {param:?} was given before: a parameter can be in one group only, once"
            );
        }
        let rate = *method.learning_rate();
        let first = self.0.first_mut().map_or(rate, |group| *group.method.learning_rate());
        let factor = if rate == first { 1.0 } else { rate / first };
        assert!(
            factor.is_finite(),
            "{name}: a group's learning rate is kept as a multiple of the first group's, which is \
             {first}: give the first group another"
        );
        let slots = params.into_iter().map(|param| Slot { param, state: None }).collect();
        self.0.push(Group { method, factor, slots });
    }

    pub(super) fn step(&mut self, gradients: &Gradients) {
        for group in &mut self.0 {
            if let Err(error) = no_grad(|| group.step(gradients)) {
                panic!("{error}");
            }
        }
    }

    pub(super) fn params(&self) -> Vec<Param> {
        self.slots().map(|slot| slot.param.clone()).collect()
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().flat_map(|group| &group.slots)
    }

    pub(super) fn learning_rates(&self) -> Vec<f64> {
        self.0.iter().map(|group| *group.method.clone().learning_rate()).collect()
    }

    pub(super) fn set_learning_rate(&mut self, rate: f64) {
        for group in &mut self.0 {
            *group.method.learning_rate() = rate * group.factor;
        }
    }

    pub(super) fn momentum(&self) -> Option<f64> {
        self.0[0].method.clone().momentum().copied()
    }

    #[track_caller]
    pub(super) fn set_momentum(&mut self, momentum: f64) {
        for Group { method, .. } in &mut self.0 {
            let name = method.name();
            match method.momentum() {
                Some(own) => *own = momentum,
                None => panic!("{name} goes without momentum: it cannot be set to {momentum}"),
            }
            method.check();
        }
    }

    pub(super) fn state_dict(&self) -> Vec<(String, Tensor)> {
        let mut dict = vec![];
        for (index, slot) in self.slots().enumerate() {
            let none = State::default();
            let state = slot.state.as_ref().unwrap_or(&none);
            dict.push((format!("{index}.step"), Tensor::from(state.steps as i64)));
            for (name, tensor) in state.names.iter().zip(&state.tensors) {
                dict.push((format!("{index}.{name}"), tensor.clone()));
            }
            for (name, number) in &state.numbers {
                dict.push((format!("{index}.{name}"), Tensor::from(*number)));
            }
        }
        dict
    }

    /// All or nothing is loaded.
    pub(super) fn load_state_dict(&mut self, dict: &[(String, Tensor)]) -> Result<()> {
        let groups = self.0.iter().flat_map(|group| {
            group.slots.iter().map(|slot| (group.method, slot.param.tensor().detach()))
        });
        let mut used = 0;
        let mut loaded = vec![];
        for (index, (method, param)) in groups.enumerate() {
            let Some(state) = load(dict, index, method.start(&param)) else {
                return Err(mismatch());
            };
            used += 1 + state.as_ref().map_or(0, |state| state.tensors.len() + state.numbers.len());
            loaded.push(state);
        }
        if used != dict.len() {
            return Err(mismatch());
        }
        let slots = self.0.iter_mut().flat_map(|group| &mut group.slots);
        slots.zip(loaded).for_each(|(slot, state)| slot.state = state);
        Ok(())
    }
}

/// What was saved for the parameter with a number, if it is like `state`; inner none if no step was
/// made.
fn load(dict: &[(String, Tensor)], index: usize, mut state: State) -> Option<Option<State>> {
    let find = |name: &str| {
        let name = format!("{index}.{name}");
        dict.iter().find(|(own, _)| *own == name).map(|(_, tensor)| tensor)
    };
    state.steps = u64::try_from(single::<i64>(find("step")?)?).ok()?;
    if state.steps == 0 {
        return Some(None);
    }
    for (name, own) in state.names.iter().zip(&mut state.tensors) {
        let saved = find(name).filter(|saved| saved.shape() == own.shape())?;
        *own = saved.to_dtype(own.dtype()).to_device(own.device());
    }
    for (name, own) in &mut state.numbers {
        *own = single::<f64>(&find(name)?.to_dtype(DType::F64))?;
    }
    Some(Some(state))
}

/// The only element, if the tensor has one of this type.
pub(super) fn single<T: gradus_tensor::Element>(tensor: &Tensor) -> Option<T> {
    match &tensor.try_to_vec::<T>().ok()?[..] {
        &[number] => Some(number),
        _ => None,
    }
}

pub(super) fn mismatch() -> Error {
    Error::Mismatch("the optimizer's saved state is that of another optimizer or model".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_tensor::kernel::optimizer::Descent;

    #[test]
    fn a_parameter_that_somebody_is_at_is_waited_for_with_no_other_held() {
        let params: Vec<Param> = (0..3).map(|_| Param::new(Tensor::ones(2))).collect();
        let step = Step::new(Rule::Descent(Descent { rate: 0.25 }));
        std::thread::scope(|scope| {
            let held = params[1].lock();
            scope.spawn(|| {
                let plan =
                    |param| Planned { step, param, gradient: Tensor::ones(2), remembered: &mut [] };
                launch(&mut params.iter().map(plan).collect::<Vec<_>>()).unwrap();
            });
            // The first parameter can be read, and gets its step, while the second is held.
            while params[0].tensor().to_vec::<f32>() == [1.0; 2] {
                std::thread::yield_now();
            }
            assert_eq!(params[2].tensor().to_vec::<f32>(), [1.0; 2]);
            drop(held);
        });
        for param in params {
            assert_eq!(param.tensor().to_vec::<f32>(), [0.75; 2]);
        }
    }
}
