//! `gradus eval`.

use crate::digits::{self, Answers};
use crate::output::{say, say_json};
use clap::Args;
use gradus_tensor::Result;
use gradus_train::RunFolder;
use serde_json::json;
use std::path::PathBuf;

/// Test a trained model on the held-out digits
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus eval runs/digits-1")]
pub struct Eval {
    /// The folder of the training
    run: PathBuf,
    /// Test on the IDX files of MNIST in this folder instead of the digits that the run came with
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

impl Eval {
    /// Tests the model.
    ///
    /// # Errors
    /// If the run or the data cannot be read.
    pub fn run(self) -> Result<()> {
        let run = RunFolder::open(self.run)?;
        let model = digits::load_model(&run)?;
        let folder = self.data.or(digits::data_folder(&run.read_config()?));
        let test = digits::load(folder.as_deref())?.test;
        let answers = Answers::of(&model, &test);
        let (accuracy, loss, count) = (answers.accuracy(), answers.loss(), test.len());
        if self.json {
            let run = run.path();
            say_json(&json!({
                "test_accuracy": accuracy, "test_loss": loss, "digits": count, "run": run,
            }));
        } else {
            let percent = 100.0 * accuracy;
            say(format_args!("test accuracy {percent:.2} % of {count} digits, loss {loss:.4}"));
        }
        Ok(())
    }
}
