//! Averages of weights.

use super::check_share;
use super::groups::{mismatch, single};
use crate::{Buffer, Param};
use gradus_tensor::{Result, Tensor, no_grad};

/// How [`AveragedWeights`] average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Averaging {
    /// All weights count alike: a ← a + (p - a) / (n + 1). Stochastic weight averaging.
    Mean,
    /// The last weights count most: a ← decay · a + (1 - decay) · p.
    Exponential {
        /// How much of the average is kept.
        decay: f64,
    },
}

/// A second set of weights, the average of those that a training goes through, which is often better
/// than the last of them.
///
/// ```
/// use gradus_nn::{AveragedWeights, Averaging, Linear, Module};
/// use gradus_tensor::Rng;
///
/// let model = Linear::new(4, 2, &mut Rng::new(1));
/// let mut average = AveragedWeights::new(model.params(), Averaging::Exponential { decay: 0.999 });
/// // After each step of the optimizer:
/// average.update();
/// // To evaluate the model with the averages, and to go on with its own weights:
/// average.swap();
/// average.swap();
/// ```
///
/// Where a model has batch normalisation, its running means are those of its own weights, unless they
/// are averaged too ([`AveragedWeights::buffers`]); or run training data through the model in training
/// mode after [`AveragedWeights::swap`] to renew them.
///
/// # Source
/// Izmailov, Podoprikhin, Garipov, Vetrov, Wilson 2018, "Averaging Weights Leads to Wider Optima and
/// Better Generalization", algorithm 1; PyTorch: `torch.optim.swa_utils.AveragedModel`, with
/// `get_ema_multi_avg_fn` for the exponential one.
#[derive(Debug)]
pub struct AveragedWeights {
    params: Vec<Param>,
    averages: Vec<Tensor>,
    /// Saved but not trained tensors, and their averages.
    buffers: Vec<(Buffer, Tensor)>,
    count: u64,
    averaging: Averaging,
}

impl AveragedWeights {
    /// The averages of these parameters, which begin with their values of now.
    ///
    /// # Panics
    /// If the decay is not from 0 to below 1.
    #[track_caller]
    pub fn new(params: Vec<Param>, averaging: Averaging) -> Self {
        if let Averaging::Exponential { decay } = averaging {
            check_share("averaged weights", "the decay", decay);
        }
        let averages = params.iter().map(|param| param.tensor().detach()).collect();
        Self { params, averages, buffers: vec![], count: 0, averaging }
    }

    /// Also averages buffers, running means say; of those that hold no floats the last value counts.
    /// PyTorch: `use_buffers=True`.
    pub fn buffers(mut self, buffers: Vec<Buffer>) -> Self {
        self.buffers =
            buffers.into_iter().map(|buffer| (buffer.clone(), buffer.tensor())).collect();
        self
    }

    /// Takes the weights of now into the averages; the first ones are the averages alone.
    pub fn update(&mut self) {
        let share = match self.averaging {
            _ if self.count == 0 => 1.0,
            Averaging::Mean => 1.0 / (self.count + 1) as f64,
            Averaging::Exponential { decay } => 1.0 - decay,
        };
        no_grad(|| {
            let params = self.params.iter().zip(&mut self.averages);
            let params = params.map(|(param, average)| (param.tensor().detach(), average));
            let buffers = self.buffers.iter_mut();
            let buffers = buffers.map(|(buffer, average)| (buffer.tensor(), average));
            for (now, average) in params.chain(buffers) {
                *average = match share < 1.0 && now.dtype().is_float() {
                    true => &*average + (now - &*average) * share,
                    false => now,
                };
            }
        });
        self.count += 1;
    }

    /// Exchanges the averages and the weights of the model; a second time puts both back.
    ///
    /// # Panics
    /// If the device fails.
    pub fn swap(&mut self) {
        for (param, average) in self.params.iter().zip(&mut self.averages) {
            let now = param.tensor().detach();
            if let Err(error) = param.set(average) {
                panic!("{error}");
            }
            *average = now;
        }
        for (buffer, average) in &mut self.buffers {
            let now = buffer.tensor();
            if let Err(error) = buffer.set(average) {
                panic!("{error}");
            }
            *average = now;
        }
    }

    /// The averages, in the order of the parameters.
    pub fn averages(&self) -> &[Tensor] {
        &self.averages
    }

    /// How many weights were averaged.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The averages and their count by name; see [`AveragedWeights::load_state_dict`].
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        let averages = self.all().enumerate();
        let mut state: Vec<_> = averages.map(|(index, x)| (index.to_string(), x.clone())).collect();
        state.push(("n_averaged".into(), Tensor::from(self.count as i64)));
        state
    }

    /// The averages of parameters, then those of buffers.
    fn all(&self) -> impl Iterator<Item = &Tensor> {
        self.averages.iter().chain(self.buffers.iter().map(|(_, average)| average))
    }

    /// Continues from saved averages.
    ///
    /// # Errors
    /// [`Error::Mismatch`](gradus_tensor::Error::Mismatch), if they are those of other parameters.
    pub fn load_state_dict(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let find = |name: &str| state.iter().find(|(own, _)| own == name).map(|(_, x)| x);
        let count = find("n_averaged").and_then(single::<i64>);
        let own = self.all().enumerate();
        let averages: Option<Vec<Tensor>> = own
            .map(|(index, own)| {
                let saved = find(&index.to_string()).filter(|x| x.shape() == own.shape())?;
                Some(saved.to_dtype(own.dtype()).to_device(own.device()))
            })
            .collect();
        match (count.and_then(|count| u64::try_from(count).ok()), averages) {
            (Some(count), Some(averages)) if state.len() == averages.len() + 1 => {
                self.count = count;
                let buffers = self.buffers.iter_mut().map(|(_, average)| average);
                let own = self.averages.iter_mut().chain(buffers);
                own.zip(averages).for_each(|(own, saved)| *own = saved);
                Ok(())
            }
            _ => Err(mismatch()),
        }
    }
}
