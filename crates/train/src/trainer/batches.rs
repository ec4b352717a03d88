//! One epoch.

use super::{Clip, Ending, Trainer};
use crate::callback::{Derived, Position, Step};
use crate::history::Epoch;
use crate::interrupt::Interrupt;
use crate::metrics::Mean;
use crate::skipped::Skipped;
use gradus_data::{Batch, DataLoader};
use gradus_nn::{Accumulator, Layer, clip_grad_norm, clip_grad_value};
use gradus_tensor::{DType, Error, Gradients, Result, Tensor, no_grad, with_precision};
use std::time::Instant;

/// An epoch in progress.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    /// How many batches are done.
    pub(super) batches: usize,
    /// How many steps were made.
    pub(super) steps: usize,
    /// The mean loss.
    pub(super) loss: Mean,
    /// How many samples were left out.
    pub(super) skipped: u64,
    /// The gradients since the last step, where several batches make one.
    pub(super) gathered: Option<Accumulator>,
    /// How long it took up to here.
    pub(super) seconds: f64,
    /// With which learning rate it began.
    pub(super) learning_rate: f64,
    /// Its figures, once all batches are done.
    pub(super) figures: Option<Vec<(String, f64)>>,
}

impl<M: Layer> Trainer<M> {
    /// Finds out how far the training goes.
    pub(super) fn plan(&mut self, train: &DataLoader) -> Result<()> {
        let batches = train.len();
        let (planned, done) = (self.position.batches, self.running.batches);
        if done > 0 && planned != batches {
            return Err(Error::Mismatch(format!(
                "the training was interrupted after {done} of {planned} batches, and an epoch now \
                 has {batches}: go on with the data and the batch size that it had"
            )));
        }
        let steps = batches.div_ceil(self.accumulate);
        self.position = Position { epochs: self.epochs, batches, steps, ..Default::default() };
        Ok(())
    }

    /// Trains and validates for one epoch, or what is left of it; tells if the training is to end.
    pub(super) fn epoch(
        &mut self,
        train: &DataLoader,
        valid: Option<&DataLoader>,
    ) -> Result<Option<Ending>> {
        let (start, before) = (Instant::now(), self.running.seconds);
        if let Some(ending) = self.train_epoch(train)? {
            return Ok(Some(ending));
        }
        let mut figures = self.running.figures.clone().unwrap_or_default();
        if let Some(valid) = valid {
            match self.validate(valid)? {
                Some(measured) => figures.extend(measured),
                None => {
                    self.save()?;
                    return Ok(Some(Ending::Interrupted));
                }
            }
        }
        figures.push(("learning_rate".into(), self.running.learning_rate));
        let seconds = before + start.elapsed().as_secs_f64();
        let number = self.history.len() + 1;
        self.history.push(Epoch { number, figures, seconds });
        self.running = Running::default();
        self.tell(|callback, session| callback.on_epoch_end(session))?;
        self.save_epoch()?;
        Ok(self.wished_ending())
    }

    /// Trains the batches that are left of an epoch.
    fn train_epoch(&mut self, train: &DataLoader) -> Result<Option<Ending>> {
        if self.running.figures.is_some() {
            return Ok(None);
        }
        self.model.train();
        if self.running.batches == 0 {
            self.metrics.iter_mut().for_each(|metric| metric.reset());
            self.running.learning_rate = self.optimizer.learning_rate();
            self.tell(|callback, session| callback.on_epoch_start(session))?;
        }
        let (start, before) = (Instant::now(), self.running.seconds);
        for batch in train.epoch_from(self.history.len() as u64, self.running.batches) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    // The reason why the training ends is what counts.
                    let _ = self.save();
                    return Err(error);
                }
            };
            let lacking = self.skipped.note(train, self.running.batches, &batch);
            let stepped = self.train_within_memory(&batch)?;
            self.running.skipped += lacking;
            self.running.seconds = before + start.elapsed().as_secs_f64();
            let last = self.running.batches == self.position.batches;
            if last {
                self.running.figures = Some(self.train_figures(train));
            }
            if let Some(ending) = self.after_batch(stepped, last)? {
                return Ok(Some(ending));
            }
        }
        if self.running.figures.is_none() {
            self.running.figures = Some(self.train_figures(train));
        }
        Ok(None)
    }

    /// Writes a checkpoint if one is due or wanted; tells if the training is to end.
    fn after_batch(&mut self, stepped: bool, last: bool) -> Result<Option<Ending>> {
        let ending = self.wished_ending();
        // What ends an epoch is written when that is over.
        let ending = ending.filter(|ending| !last || *ending == Ending::Interrupted);
        let step = self.history.len() * self.position.steps + self.running.steps;
        let due = self
            .checkpoints
            .as_ref()
            .is_some_and(|checkpoints| checkpoints.is_due(stepped.then_some(step as u64)));
        if std::mem::take(&mut self.wishes.save) || due || ending.is_some() {
            self.save()?;
        }
        Ok(ending)
    }

    /// Trains one batch; tells if it completed a step.
    pub(super) fn train_batch(&mut self, batch: &Batch) -> Result<bool> {
        self.tell(|callback, session| callback.on_batch_start(session, batch))?;
        let samples = batch.len() as u64;
        let (loss, gradients, output) = self.derive(batch);
        let done = self.running.batches + 1;
        let stepping = done.is_multiple_of(self.accumulate) || done == self.position.batches;
        let gradients = self.gather(gradients, samples, stepping);
        if let Some(mut gradients) = gradients {
            self.tell(|callback, session| {
                let gradients = &mut gradients;
                callback.on_gradients(session, &mut Derived { batch, loss, gradients })
            })?;
            self.clip(&mut gradients);
            self.optimizer.step(&gradients);
            self.running.steps += 1;
            self.tell(|callback, session| callback.on_step(session))?;
        }
        self.metrics.iter_mut().for_each(|metric| metric.update(&output, batch.target()));
        self.running.loss.add(loss, samples);
        self.running.batches = done;
        let (batch, steps, mean_loss) = (done, self.running.steps, self.running.loss.value());
        // Taken out, since the callbacks may look at them while the trainer is borrowed.
        let metrics = std::mem::take(&mut self.metrics);
        let step = Step { batch, steps, samples, loss, mean_loss, metrics: &metrics };
        let told = self.tell(|callback, session| callback.on_batch_end(session, &step));
        self.metrics = metrics;
        told.map(|()| stepping)
    }

    /// The gradients of a step, if these complete it.
    fn gather(&mut self, own: Gradients, samples: u64, stepping: bool) -> Option<Gradients> {
        if self.accumulate == 1 {
            return Some(own);
        }
        let params = || self.optimizer.params();
        let gathered = self.running.gathered.get_or_insert_with(|| Accumulator::new(params()));
        gathered.add(&own, samples as f64);
        stepping.then(|| gathered.take())
    }

    /// Forward and backward: the loss of a batch, its gradients, and the output.
    pub(super) fn derive(&mut self, batch: &Batch) -> (f64, Gradients, Tensor) {
        with_precision(self.precision, || {
            let output = self.model.forward(batch.input());
            let loss = (self.loss)(&output, batch.target());
            let gradients = loss.backward();
            (number(&loss), gradients, output.detach())
        })
    }

    /// Clips gradients, if they are to be.
    pub(super) fn clip(&self, gradients: &mut Gradients) {
        match self.clip {
            Some(Clip::Norm(clip)) => {
                clip_grad_norm(&self.optimizer.params(), gradients, clip);
            }
            Some(Clip::Value(limit)) => {
                clip_grad_value(&self.optimizer.params(), gradients, limit);
            }
            None => {}
        }
    }

    /// The figures of validation; none if it was interrupted.
    fn validate(&mut self, valid: &DataLoader) -> Result<Option<Vec<(String, f64)>>> {
        self.tell(|callback, session| callback.on_validation_start(session))?;
        let interrupt = self.interrupt.clone();
        let figures = self.with_averages(|trainer| trainer.measure(valid, "valid", &interrupt));
        let figures = match figures {
            Ok(Some(figures)) => figures,
            Ok(None) => return Ok(None),
            Err(error) => {
                // The reason why the training ends is what counts.
                let _ = self.save();
                return Err(error);
            }
        };
        self.tell(|callback, session| callback.on_validation_end(session, &figures))?;
        Ok(Some(figures))
    }

    /// The loss and the figures over a loader, in evaluation; none if it is interrupted.
    pub(super) fn measure(
        &mut self,
        loader: &DataLoader,
        prefix: &str,
        interrupt: &Interrupt,
    ) -> Result<Option<Vec<(String, f64)>>> {
        self.model.eval();
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let (mut mean, mut lacking) = (Mean::default(), 0);
        for (index, batch) in loader.epoch(0).enumerate() {
            let batch = batch?;
            lacking += self.skipped.note(loader, index, &batch);
            let (input, target) = (batch.input(), batch.target());
            with_precision(self.precision, || {
                no_grad(|| {
                    let output = self.model.forward(input);
                    mean.add(number(&(self.loss)(&output, target)), batch.len() as u64);
                    self.metrics.iter_mut().for_each(|metric| metric.update(&output, target));
                });
            });
            if interrupt.is_requested() {
                return Ok(None);
            }
        }
        Ok(Some(self.figures(prefix, &mean, Skipped::figure(loader, lacking))))
    }

    /// The figures of the epoch that was trained.
    fn train_figures(&self, train: &DataLoader) -> Vec<(String, f64)> {
        let skipped = Skipped::figure(train, self.running.skipped);
        self.figures("train", &self.running.loss, skipped)
    }

    /// The loss, the metrics and one more, if there is one.
    fn figures(&self, prefix: &str, loss: &Mean, more: Option<(&str, f64)>) -> Vec<(String, f64)> {
        let name = |name: &str| match prefix {
            "" => name.to_string(),
            prefix => format!("{prefix}_{name}"),
        };
        let mut figures = vec![(name("loss"), loss.value())];
        let own = self.metrics.iter().flat_map(|metric| metric.figures());
        figures.extend(own.map(|(own, value)| (name(&own), value)));
        figures.extend(more.map(|(own, value)| (name(own), value)));
        figures
    }
}

/// A loss as a number.
fn number(loss: &Tensor) -> f64 {
    loss.detach().to_dtype(DType::F64).item()
}
