//! `gradus report`.

use crate::output::{say, say_json};
use clap::Args;
use gradus_tensor::Result;
use gradus_train::{Report, RunFolder};
use serde_json::json;
use std::path::PathBuf;

/// Draw the report of a training from the files in its folder
///
/// A training that ends draws its own; this is for one that was stopped, or is still going on.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus report runs/digits-1")]
pub struct ReportOf {
    /// The folder of the training
    run: PathBuf,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

impl ReportOf {
    /// Writes `report.html`.
    ///
    /// # Errors
    /// If the run cannot be read or the file cannot be written.
    pub fn run(self) -> Result<()> {
        let run = RunFolder::open(self.run)?;
        Report::of_run(&run)?.write(&run)?;
        let path = run.file("report.html");
        if self.json {
            say_json(&json!({ "report": path }));
        } else {
            say(path.display());
        }
        Ok(())
    }
}
