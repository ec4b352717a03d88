//! Optimizers: what changes parameters by their gradients.
//!
//! Each takes parameters and options, and further groups of parameters with options of their own:
//!
//! ```
//! use gradus_nn::{AdamOptions, AdamW, LayerNorm, Linear, Module, Sequential, optim::split_for_decay};
//! use gradus_tensor::Rng;
//!
//! let model = Sequential::new().then(Linear::new(4, 2, &mut Rng::new(1))).then(LayerNorm::new(2));
//! let options = AdamOptions { learning_rate: 3e-4, ..AdamOptions::adamw() };
//! let (weights, others) = split_for_decay(&model);
//! let optimizer =
//!     AdamW::new(weights, options).group(others, AdamOptions { weight_decay: 0.0, ..options });
//! ```

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
mod average;
mod belief;
mod groups;
mod lamb;
mod lars;
mod lbfgs;
mod lion;
mod lookahead;
mod muon;
mod nadam;
mod radam;
mod rmsprop;
mod rprop;
mod sam;
mod scaler;
mod sgd;
mod wolfe;

pub use adadelta::{Adadelta, AdadeltaOptions};
pub use adafactor::{Adafactor, AdafactorOptions};
pub use adagrad::{Adagrad, AdagradOptions};
pub use adam::{Adam, AdamOptions, AdamW};
pub use adamax::{Adamax, AdamaxOptions};
pub use asgd::{Asgd, AsgdOptions};
pub use average::{AveragedWeights, Averaging};
pub use belief::{AdaBelief, AdaBeliefOptions};
pub use lamb::{Lamb, LambOptions};
pub use lars::{Lars, LarsOptions};
pub use lbfgs::{Lbfgs, LbfgsOptions};
pub use lion::{Lion, LionOptions};
pub use lookahead::{Lookahead, LookaheadOptions};
pub use muon::{Muon, MuonOptions, MuonScale};
pub use nadam::{NAdam, NAdamOptions};
pub use radam::{RAdam, RAdamOptions};
pub use rmsprop::{RmsProp, RmsPropOptions};
pub use rprop::{Rprop, RpropOptions};
pub use sam::{Sam, SamOptions};
pub use scaler::{GradScaler, GradScalerOptions};
pub use sgd::{Sgd, SgdOptions};

use crate::{Module, Param};
use gradus_tensor::{Gradients, Result, Tensor};
use groups::Groups;
use std::collections::HashSet;

/// Changes parameters by their gradients, step by step.
pub trait Optimizer: Send {
    /// Changes every parameter that has a gradient.
    ///
    /// # Panics
    /// If the device fails.
    fn step(&mut self, gradients: &Gradients);

    /// The parameters of all groups.
    fn params(&self) -> Vec<Param>;

    /// How far a step goes; with several groups, in each of them.
    fn learning_rates(&self) -> Vec<f64>;

    /// How far a step goes, in the first group.
    fn learning_rate(&self) -> f64 {
        self.learning_rates()[0]
    }

    /// Changes how far a step goes. This is the first group's learning rate: those of the others
    /// keep their ratios to it, so that a schedule moves all of them.
    fn set_learning_rate(&mut self, learning_rate: f64);

    /// How much of the last direction is kept (β₁ in Adam and its kin), if that is a setting of this
    /// optimizer.
    fn momentum(&self) -> Option<f64>;

    /// Changes how much of the last direction is kept, in all groups.
    ///
    /// # Panics
    /// If the optimizer has no such setting, or takes no such number.
    #[track_caller]
    fn set_momentum(&mut self, momentum: f64);

    /// What the optimizer remembers, by name: it continues from there if it is given to
    /// [`Optimizer::load_state_dict`]. Learning rates and other settings are not among it.
    fn state_dict(&self) -> Vec<(String, Tensor)>;

    /// Continues from what an optimizer of the same kind remembered for the same parameters.
    ///
    /// # Errors
    /// [`Error::Mismatch`](gradus_tensor::Error::Mismatch), if it was another kind or there were
    /// other parameters.
    fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()>;
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn step(&mut self, gradients: &Gradients) {
        (**self).step(gradients);
    }
    fn params(&self) -> Vec<Param> {
        (**self).params()
    }
    fn learning_rates(&self) -> Vec<f64> {
        (**self).learning_rates()
    }
    fn set_learning_rate(&mut self, learning_rate: f64) {
        (**self).set_learning_rate(learning_rate);
    }
    fn momentum(&self) -> Option<f64> {
        (**self).momentum()
    }
    fn set_momentum(&mut self, momentum: f64) {
        (**self).set_momentum(momentum);
    }
    fn state_dict(&self) -> Vec<(String, Tensor)> {
        (**self).state_dict()
    }
    fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        (**self).load_state_dict(state)
    }
}

/// The parameters of a model that should decay, and those that should not: biases, and the weights
/// and biases of normalisation, which are those with fewer than two axes.
///
/// # Source
/// The rule goes back to Loshchilov, Hutter 2019 and to the code of GPT-2: a decay keeps matrices
/// small, whose products make a network's slope; it would only bias shifts and scales.
pub fn split_for_decay<M: Module + ?Sized>(model: &M) -> (Vec<Param>, Vec<Param>) {
    model.params().into_iter().partition(|param| param.tensor().rank() >= 2)
}

/// The parameters of a model whose names fit a pattern, and the others, without those that are frozen;
/// see [`Module::params_matching`].
pub fn split_by_name<M: Module + ?Sized>(model: &M, pattern: &str) -> (Vec<Param>, Vec<Param>) {
    let chosen: HashSet<u64> = model.params_matching(pattern).iter().map(Param::id).collect();
    model.params().into_iter().partition(|param| chosen.contains(&param.id()))
}

/// Makes each of the optimizers of its groups: how one is made, and what all of them do. Where
/// there is a function behind the options, the options go through it first.
macro_rules! optimizers {
    ($($name:ident($options:ty $(, $prepare:path)?);)*) => {$(
        impl $name {
            /// An optimizer of parameters.
            ///
            /// # Panics
            /// If a setting cannot be, or a parameter comes twice.
            #[track_caller]
            pub fn new(params: Vec<Param>, options: $options) -> Self {
                $(let options = $prepare(options);)?
                Self(Groups::new(params, options))
            }

            /// Also optimizes other parameters, with options of their own. PyTorch:
            /// `add_param_group`.
            ///
            /// # Panics
            /// If a setting cannot be, or a parameter was given before.
            #[track_caller]
            pub fn group(mut self, params: Vec<Param>, options: $options) -> Self {
                $(let options = $prepare(options);)?
                self.0.add(params, options);
                self
            }
        }

        impl Optimizer for $name {
            fn step(&mut self, gradients: &Gradients) {
                self.0.step(gradients);
            }

            fn params(&self) -> Vec<Param> {
                self.0.params()
            }

            fn learning_rates(&self) -> Vec<f64> {
                self.0.learning_rates()
            }

            fn set_learning_rate(&mut self, learning_rate: f64) {
                self.0.set_learning_rate(learning_rate);
            }

            fn momentum(&self) -> Option<f64> {
                self.0.momentum()
            }

            fn set_momentum(&mut self, momentum: f64) {
                self.0.set_momentum(momentum);
            }

            fn state_dict(&self) -> Vec<(String, Tensor)> {
                self.0.state_dict()
            }

            fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
                self.0.load_state_dict(state)
            }
        }
    )*};
}
optimizers! {
    AdaBelief(AdaBeliefOptions);
    Adadelta(AdadeltaOptions);
    Adafactor(AdafactorOptions);
    Adagrad(AdagradOptions);
    Adam(AdamOptions);
    AdamW(AdamOptions, AdamOptions::decoupling);
    Adamax(AdamaxOptions);
    Asgd(AsgdOptions);
    Lamb(LambOptions);
    Lars(LarsOptions);
    Lion(LionOptions);
    Muon(MuonOptions);
    NAdam(NAdamOptions);
    RAdam(RAdamOptions);
    RmsProp(RmsPropOptions);
    Rprop(RpropOptions);
    Sgd(SgdOptions);
}

/// Refuses a setting that should be zero or more.
#[track_caller]
fn check_not_negative(optimizer: &str, setting: &str, value: f64) {
    assert!(value >= 0.0, "{optimizer}: the {setting} is {value}: give zero or a positive number");
}

/// Refuses a share that should be from 0 to below 1.
#[track_caller]
fn check_share(optimizer: &str, setting: &str, value: f64) {
    assert!(
        (0.0..1.0).contains(&value),
        "{optimizer}: {setting} is {value}: give a number from 0 to below 1"
    );
}

/// Refuses settings of Adam and its kin that cannot be.
#[track_caller]
fn check_adam(optimizer: &str, rates: [f64; 3], betas: [f64; 2]) {
    let [learning_rate, epsilon, weight_decay] = rates;
    check_not_negative(optimizer, "learning rate", learning_rate);
    check_not_negative(optimizer, "epsilon", epsilon);
    check_not_negative(optimizer, "weight decay", weight_decay);
    // A loop, since a closure would be the caller that the panic names.
    for beta in betas {
        check_share(optimizer, "a beta", beta);
    }
}

/// 1 - βᵗ: how much of a running mean that started at zero is filled after t steps.
fn filled(beta: f64, steps: u64) -> f64 {
    1.0 - beta.powf(steps as f64)
}
