//! `gradus eval`.

use crate::output::{say, say_json};
use crate::trained::{Trained, test};
use clap::Args;
use gradus_tensor::{Error, Result};
use gradus_train::RunFolder;
use serde_json::{Map, json};
use std::path::PathBuf;

/// Test a trained model on held-out data
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus eval runs/digits-1")]
pub struct Eval {
    /// The folder of the training
    run: PathBuf,
    /// Test on the data of this path instead of those that the run came with
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

impl Eval {
    /// Tests the model.
    ///
    /// # Errors
    /// If the run or the data cannot be read, or nothing is held out.
    pub fn run(self) -> Result<()> {
        let run = RunFolder::open(self.run)?;
        let Trained { recipe, model, .. } = Trained::open(&run, self.data.as_deref())?;
        let data = recipe.data()?;
        let Some(test) = test(&recipe, &data, &*model)? else {
            let path = run.path().display();
            let message = format!("{path} holds out no data to test with: give some with --data");
            return Err(Error::Setting(message));
        };
        if !self.json {
            say(test.sentence());
            return Ok(());
        }
        let figures = test.figures.iter();
        let figures = figures.map(|(name, value)| (format!("{}_{name}", test.name), json!(value)));
        let rest = [
            ("samples".to_string(), json!(test.part.len())),
            ("run".to_string(), json!(run.path())),
        ];
        say_json(&figures.chain(rest).collect::<Map<_, _>>().into());
        Ok(())
    }
}
