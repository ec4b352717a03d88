//! What a training tells TensorBoard.

use super::EventWriter;
use crate::callback::{Callback, Derived, Session, Step};
use crate::histogram::Histogram;
use gradus_data::Batch;
use gradus_data::image::{Colour, Image};
use gradus_nn::summary;
use gradus_tensor::op::Spec;
use gradus_tensor::{DType, Error, Result, Tensor};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The settings of a [`TensorBoard`].
#[derive(Clone, Debug, PartialEq)]
pub struct TensorBoardOptions {
    /// Writes the loss and the learning rate of every so many steps.
    pub every_steps: usize,
    /// Writes how the numbers of each parameter are spread, after each epoch.
    pub parameters: bool,
    /// Writes how the gradients of the last step of each epoch are spread.
    pub gradients: bool,
    /// Writes the layers of the model with their shapes.
    pub graph: bool,
    /// Writes so many pictures of the first batch, if the model is given pictures.
    pub pictures: usize,
    /// The settings of the training, for the table that compares trainings.
    pub settings: Map<String, Value>,
}

impl Default for TensorBoardOptions {
    fn default() -> Self {
        Self {
            every_steps: 10,
            parameters: true,
            gradients: true,
            graph: true,
            pictures: 8,
            settings: Map::new(),
        }
    }
}

/// Writes what TensorBoard shows of a training into a folder.
///
/// Figures are under their name and whose they are: `loss/train`, `loss/valid`; the loss of single
/// steps is `loss/step`. All are counted in steps of the optimizer. A training that goes on writes
/// another file into the folder.
///
/// ```no_run
/// # use gradus_data::{DataLoader, LoaderOptions, TensorDataset};
/// # use gradus_nn::{Linear, Module, Sgd, SgdOptions, losses::mse_loss};
/// # use gradus_tensor::{Rng, Tensor};
/// # use gradus_train::{TensorBoard, Trainer};
/// # fn main() -> gradus_tensor::Result<()> {
/// # let set = TensorDataset::new(Tensor::ones([8, 1]), Tensor::ones([8, 1]));
/// # let train = DataLoader::new(set, LoaderOptions::default());
/// # let model = Linear::new(1, 1, &mut Rng::new(1));
/// # let optimizer = Sgd::new(model.params(), SgdOptions::default());
/// let board = TensorBoard::new("runs/line-1/tensorboard");
/// let mut trainer = Trainer::new(model, mse_loss, optimizer).callback(board).epochs(3);
/// trainer.fit(&train, None)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    options: TensorBoardOptions,
    writer: Option<EventWriter>,
}

impl TensorBoard {
    /// Writes into a folder with the usual settings.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), options: TensorBoardOptions::default(), writer: None }
    }

    /// With other settings.
    ///
    /// # Errors
    /// [`Error::Setting`], if there are no steps between those that are written.
    pub fn with(folder: impl Into<PathBuf>, options: TensorBoardOptions) -> Result<Self> {
        if options.every_steps == 0 {
            let message = "tensorboard: every_steps is 0: give 1 for each step, or more";
            return Err(Error::Setting(message.into()));
        }
        Ok(Self { options, ..Self::new(folder) })
    }

    /// The model as it is on a batch, and pictures of the batch.
    fn describe(&mut self, session: &Session<'_>, batch: &Batch) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let input = batch.input();
        if self.options.graph {
            let spec = Spec { shape: *input.shape(), dtype: input.dtype(), device: input.device() };
            writer.graph(&summary(session.model, spec))?;
        }
        let strip = strip(input, self.options.pictures);
        strip.map_or(Ok(()), |strip| writer.image("first batch", 0, &strip?))
    }
}

impl Callback for TensorBoard {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        let mut writer = EventWriter::create(&self.folder)?;
        match session.steps_made() {
            0 if !self.options.settings.is_empty() => writer.settings(&self.options.settings)?,
            0 => {}
            made => writer.restart(made + 1)?,
        }
        self.writer = Some(writer);
        Ok(())
    }

    fn on_batch_start(&mut self, session: &mut Session<'_>, batch: &Batch) -> Result<()> {
        match session.steps_made() == 0 && session.position.batches_done == 0 {
            true => self.describe(session, batch),
            false => Ok(()),
        }
    }

    fn on_gradients(&mut self, session: &mut Session<'_>, derived: &mut Derived<'_>) -> Result<()> {
        let last = session.position.steps_done + 1 == session.position.steps;
        let (Some(writer), true) = (&mut self.writer, last && self.options.gradients) else {
            return Ok(());
        };
        let step = session.steps_made() + 1;
        for (name, param) in session.model.named_params() {
            if let Some(gradient) = derived.gradients.get(&param.tensor()) {
                writer.histogram(&format!("gradients/{name}"), step, &Histogram::of(gradient))?;
            }
        }
        Ok(())
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        let made = session.steps_made();
        let (Some(writer), true) =
            (&mut self.writer, made.is_multiple_of(self.options.every_steps as u64) && made > 0)
        else {
            return Ok(());
        };
        writer.scalar("loss/step", made, step.loss)?;
        writer.scalar("learning_rate", made, session.optimizer.learning_rate())
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        let (Some(writer), Some(epoch)) = (&mut self.writer, session.history.epochs().last())
        else {
            return Ok(());
        };
        let step = session.steps_made();
        for (name, value) in epoch.figures.iter().filter(|(name, _)| name != "learning_rate") {
            writer.scalar(&grouped(name), step, *value)?;
        }
        writer.scalar("epoch/number", step, epoch.number as f64)?;
        writer.scalar("epoch/seconds", step, epoch.seconds)?;
        if self.options.parameters {
            for (name, param) in session.model.named_params() {
                let histogram = Histogram::of(&param.tensor());
                writer.histogram(&format!("parameters/{name}"), step, &histogram)?;
            }
        }
        writer.flush()
    }

    fn on_end(&mut self, _: &mut Session<'_>) -> Result<()> {
        self.writer.as_mut().map_or(Ok(()), EventWriter::flush)
    }
}

/// `train_loss` as `loss/train`.
fn grouped(name: &str) -> String {
    match name.split_once('_') {
        Some((whose @ ("train" | "valid"), figure)) => format!("{figure}/{whose}"),
        _ => name.to_string(),
    }
}

/// The first pictures of a batch beside each other, the smallest number as black and the largest as
/// white; none, if these are no pictures.
fn strip(input: &Tensor, most: usize) -> Option<Result<Image>> {
    let [count, channels @ (1 | 3), height, width] = **input.shape() else {
        return None;
    };
    let shown = count.min(most);
    if shown == 0 || height * width == 0 {
        return None;
    }
    let pictures = input.detach().narrow(0, 0, shown).to_dtype(DType::F32);
    let numbers = pictures.permute(&[2, 0, 3, 1]).contiguous().to_vec::<f32>();
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (low, high) = (finite().reduce(f32::min)?, finite().reduce(f32::max)?);
    let range = if high > low { high - low } else { 1.0 };
    let pixels = numbers.iter().map(|number| (255.0 * (number - low) / range).round() as u8);
    let colour = if channels == 1 { Colour::Grey } else { Colour::Rgb };
    Some(Image::new(shown * width, height, colour, pixels.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_beside_each_other() {
        // Two pictures of 1 by 2 pixels in three colours.
        let numbers: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let batch = Tensor::from_slice(&numbers, [2, 3, 1, 2]);
        let strip = strip(&batch, 8).unwrap().unwrap();
        assert_eq!((strip.width(), strip.height(), strip.colour()), (4, 1, Colour::Rgb));
        let grey = |i: u32| (255.0 * i as f32 / 11.0).round() as u8;
        assert_eq!(strip.pixels(), [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11].map(grey));
        assert!(super::strip(&Tensor::zeros([2, 5]), 8).is_none());
        assert!(super::strip(&batch, 0).is_none());
        assert!(super::strip(&Tensor::full([1, 1, 1, 1], f32::NAN), 8).is_none());
    }

    #[test]
    fn figures_are_grouped_by_name() {
        assert_eq!(grouped("train_loss"), "loss/train");
        assert_eq!(grouped("valid_top_5"), "top_5/valid");
        assert_eq!(grouped("training"), "training");
    }
}
