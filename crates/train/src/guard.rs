//! Ending a training that has lost its numbers.

use crate::callback::{Callback, Derived, Session, Step};
use crate::parts::{Sides, is_finite};
use gradus_data::Batch;
use gradus_nn::Param;
use gradus_tensor::autograd::detect_anomaly;
use gradus_tensor::{Gradients, OpError, Result};

/// Ends the training with an error when a loss, a gradient or a weight is not finite, and names the
/// op or the parameter in which it began.
///
/// A loss or a gradient is found before a step is made by it, so that the model is still as good as
/// it was; nothing is written afterwards, and the last checkpoint is one of finite numbers. Each step
/// then reads all gradients and weights once more.
///
/// ```
/// use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
/// use gradus_nn::{Linear, Module, Sgd, SgdOptions};
/// use gradus_tensor::{Rng, Tensor};
/// use gradus_train::{NanGuard, Trainer};
///
/// let set = TensorDataset::new(Tensor::ones([4, 2]), Tensor::ones([4, 1]) * -1.0);
/// let model = Linear::new(2, 1, &mut Rng::new(1));
/// let optimizer = Sgd::new(model.params(), SgdOptions::default());
/// // The logarithm of a negative number.
/// let loss = |output: &Tensor, target: &Tensor| (target.log() * output).mean(..);
/// let mut trainer = Trainer::new(model, loss, optimizer).callback(NanGuard::default());
/// let error = trainer.fit(&DataLoader::new(set, LoaderOptions::default()), None).unwrap_err();
/// assert!(error.to_string().contains("the first NaN came from log"));
/// ```
#[derive(Default)]
pub struct NanGuard {
    /// The batch that is trained on, and the model's sides before it.
    before: Option<(Batch, Sides)>,
}

/// What was found, and where.
struct Fault<'a> {
    /// The number of the batch, from 1 on.
    batch: usize,
    found: String,
    gradients: Option<&'a Gradients>,
}

impl NanGuard {
    /// Puts the model back to where it was before the batch, and says where it went wrong.
    fn complain(&mut self, session: &Session<'_>, fault: Fault<'_>) -> Result<()> {
        let Fault { batch: number, found, gradients } = fault;
        let mut reasons = vec![];
        if let Some((batch, sides)) = self.before.take() {
            sides.restore(session.model)?;
            let (_, anomaly) = detect_anomaly(|| {
                let output = session.model.forward(batch.input());
                (session.loss)(&output, batch.target()).backward()
            });
            sides.restore(session.model)?;
            reasons.extend(anomaly.map(|anomaly| anomaly.to_string()));
        }
        let bad = |param: &Param| {
            let gradient = gradients.and_then(|gradients| param.grad(gradients));
            gradient.is_some_and(|gradient| !is_finite(gradient))
        };
        let first = session.model.named_params().into_iter().find(|(_, param)| bad(param));
        reasons.extend(first.map(|(name, _)| format!("the first such gradient is that of {name}")));
        let reasons: String = reasons.iter().map(|reason| format!("; {reason}")).collect();
        let epoch = session.history.len() + 1;
        let message = format!(
            "in batch {number} of epoch {epoch} {found}{reasons}: no step was made by it; lower the \
             learning rate, clip gradients, or look at the data"
        );
        Err(OpError::of("nan guard", message).into())
    }
}

impl Callback for NanGuard {
    fn on_batch_start(&mut self, session: &mut Session<'_>, batch: &Batch) -> Result<()> {
        self.before = Some((batch.clone(), Sides::of(session.model)));
        Ok(())
    }

    fn on_gradients(&mut self, session: &mut Session<'_>, derived: &mut Derived<'_>) -> Result<()> {
        let params = session.optimizer.params();
        let mut reached = params.iter().filter_map(|param| param.grad(derived.gradients));
        let found = match derived.loss.is_finite() {
            false => format!("the loss is {}", derived.loss),
            true if reached.all(is_finite) => return Ok(()),
            true => "a gradient is not finite".into(),
        };
        let batch = session.position.batches_done + 1;
        self.complain(session, Fault { batch, found, gradients: Some(derived.gradients) })
    }

    fn on_step(&mut self, session: &mut Session<'_>) -> Result<()> {
        let named = session.model.named_params().into_iter();
        let mut trained = named.filter(|(_, param)| param.is_trainable());
        let Some((name, _)) = trained.find(|(_, param)| !is_finite(&param.tensor())) else {
            return Ok(());
        };
        let epoch = session.history.len() + 1;
        let batch = session.position.batches_done + 1;
        let rate = session.optimizer.learning_rate();
        let message = format!(
            "the step of batch {batch} of epoch {epoch} made {name} infinite or NaN, from finite \
             gradients and at a learning rate of {rate}: go on from the last checkpoint, with a \
             lower learning rate"
        );
        Err(OpError::of("nan guard", message).into())
    }

    // Where several batches make a step, gradients are not seen for each.
    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        if step.loss.is_finite() {
            self.before = None;
            return Ok(());
        }
        let found = format!("the loss is {}", step.loss);
        self.complain(session, Fault { batch: step.batch, found, gradients: None })
    }
}
