//! Lookahead.

use super::groups::{mismatch, single};
use super::{Optimizer, check_not_negative};
use crate::Param;
use gradus_tensor::{Gradients, Result, Tensor, no_grad};

/// The settings of [`Lookahead`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LookaheadOptions {
    /// α, how far the slow weights follow.
    pub follow: f64,
    /// k, after how many steps they do.
    pub every: u64,
}

impl Default for LookaheadOptions {
    fn default() -> Self {
        Self { follow: 0.5, every: 5 }
    }
}

/// Slow weights that follow another optimizer's fast ones: after every k steps
/// slow ← slow + α (fast - slow), and the fast ones go on from there.
///
/// ```
/// use gradus_nn::{Adam, AdamOptions, Linear, Lookahead, LookaheadOptions, Module};
/// use gradus_tensor::Rng;
///
/// let model = Linear::new(4, 2, &mut Rng::new(1));
/// let adam = Adam::new(model.params(), AdamOptions::default());
/// let optimizer = Lookahead::new(adam, LookaheadOptions::default());
/// ```
///
/// # Source
/// Zhang, Lucas, Hinton, Ba 2019, "Lookahead Optimizer: k steps forward, 1 step back", algorithm 1.
/// PyTorch has none.
pub struct Lookahead {
    fast: Box<dyn Optimizer>,
    slow: Vec<Tensor>,
    steps: u64,
    options: LookaheadOptions,
}

impl Lookahead {
    /// Slow weights for those of an optimizer.
    ///
    /// # Panics
    /// If α is negative or k is zero.
    #[track_caller]
    pub fn new(fast: impl Optimizer + 'static, options: LookaheadOptions) -> Self {
        check_not_negative("lookahead", "share by which slow weights follow", options.follow);
        assert!(options.every > 0, "lookahead: slow weights follow after 0 steps: give 1 or more");
        let slow = fast.params().iter().map(|param| param.tensor().detach()).collect();
        Self { fast: Box::new(fast), slow, steps: 0, options }
    }

    fn follow(&mut self) -> Result<()> {
        for (slow, param) in self.slow.iter_mut().zip(self.fast.params()) {
            *slow = &*slow + (param.tensor().detach() - &*slow) * self.options.follow;
            param.set(slow)?;
        }
        Ok(())
    }
}

impl Optimizer for Lookahead {
    fn step(&mut self, gradients: &Gradients) {
        self.fast.step(gradients);
        self.steps += 1;
        if self.steps.is_multiple_of(self.options.every)
            && let Err(error) = no_grad(|| self.follow())
        {
            panic!("{error}");
        }
    }

    fn params(&self) -> Vec<Param> {
        self.fast.params()
    }

    fn learning_rates(&self) -> Vec<f64> {
        self.fast.learning_rates()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.fast.set_learning_rate(learning_rate);
    }

    fn momentum(&self) -> Option<f64> {
        self.fast.momentum()
    }

    fn set_momentum(&mut self, momentum: f64) {
        self.fast.set_momentum(momentum);
    }

    fn state_dict(&self) -> Vec<(String, Tensor)> {
        let fast = self.fast.state_dict().into_iter();
        let mut state: Vec<_> = fast.map(|(name, x)| (format!("fast.{name}"), x)).collect();
        let slow = self.slow.iter().enumerate();
        state.extend(slow.map(|(index, x)| (format!("slow.{index}"), x.clone())));
        state.push(("steps".into(), Tensor::from(self.steps as i64)));
        state
    }

    fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let part = |prefix: &str| -> Vec<(String, Tensor)> {
            let named = state.iter();
            named
                .filter_map(|(name, x)| Some((name.strip_prefix(prefix)?.into(), x.clone())))
                .collect()
        };
        let (fast, slow) = (part("fast."), part("slow."));
        let steps = state.iter().find(|(name, _)| name == "steps");
        let steps = steps.and_then(|(_, x)| single::<i64>(x)).and_then(|x| u64::try_from(x).ok());
        let own = self.slow.iter().enumerate();
        let fit = slow.len() == self.slow.len()
            && own.zip(&slow).all(|((index, own), (name, x))| {
                *name == index.to_string() && x.shape() == own.shape()
            });
        let Some(steps) = steps.filter(|_| fit && fast.len() + slow.len() + 1 == state.len())
        else {
            return Err(mismatch());
        };
        self.fast.load_state_dict(&fast)?;
        for (own, (_, x)) in self.slow.iter_mut().zip(slow) {
            *own = x.to_dtype(own.dtype()).to_device(own.device());
        }
        self.steps = steps;
        Ok(())
    }
}
