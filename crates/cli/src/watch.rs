//! How a training is watched: a bar, the whole terminal, lines of JSON; what is left for TensorBoard.

use crate::output::say_json;
use clap::Args;
use gradus_nn::Layer;
use gradus_tensor::Result;
use gradus_train::recipe::Recipe;
use gradus_train::{
    Callback, Interrupt, Journal, Progress, RunFolder, Session, TensorBoard, TensorBoardOptions,
    Terminal, Trainer,
};

/// The options of whoever watches a training.
#[derive(Debug, Args)]
pub struct Watch {
    /// Write one JSON object a line instead of a progress bar
    #[arg(long)]
    pub json: bool,
    /// Show curves, load and events in the whole of the terminal instead of a progress bar
    #[arg(long, conflicts_with = "json")]
    tui: bool,
    /// Also write files for TensorBoard, into tensorboard/ in the run's folder
    #[arg(long)]
    tensorboard: bool,
}

impl Watch {
    /// Gives a trainer the callbacks that tell of it, and the journal that the dashboard reads.
    ///
    /// # Errors
    /// If an option of a callback cannot be.
    pub fn over<M: Layer>(
        &self,
        trainer: Trainer<M>,
        run: &RunFolder,
        interrupt: &Interrupt,
        recipe: &Recipe,
    ) -> Result<Trainer<M>> {
        let mut trainer = trainer.callback(Journal::new(run.path()));
        // A recipe that asks for the same has its own way of it.
        if self.tensorboard && !recipe.has_callback("tensorboard") {
            let settings = recipe.to_json();
            let settings = settings.as_object().cloned().unwrap_or_default();
            let options = TensorBoardOptions { settings, ..Default::default() };
            trainer = trainer.callback(TensorBoard::with(run.file("tensorboard"), options)?);
        }
        if self.json {
            return Ok(trainer.callback(JsonLines));
        }
        let title = run.path().display().to_string();
        let terminal = self.tui.then(|| Terminal::new(title, interrupt.clone())).flatten();
        Ok(match terminal {
            Some(terminal) => trainer.callback(terminal),
            None => trainer.callback(Progress::default()),
        })
    }
}

/// Writes each epoch's figures as a JSON line.
struct JsonLines;

impl Callback for JsonLines {
    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        session.history.epochs().last().iter().for_each(|epoch| say_json(&epoch.to_json()));
        Ok(())
    }
}
