//! `gradus eval`.

use crate::output::{say, say_json};
use crate::trained::Asked;
use clap::Args;
use gradus_tensor::Result;
use gradus_train::{Interval, is_share};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

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
        let Asked { path, part, mut answered, .. } = Asked::of(self.run, self.data.as_deref())?;
        let intervals = answered.intervals()?;
        let names = answered.figures.iter().map(|(name, _)| name.as_str());
        let named: Vec<(&str, Interval)> = names.zip(intervals).collect();
        match self.json {
            true => say_json(&to_json(&path, part, answered.len(), &named)),
            false => show(part, answered.len(), &named),
        }
        Ok(())
    }
}

fn to_json(run: &Path, part: &str, count: usize, figures: &[(&str, Interval)]) -> Value {
    let mut object = Map::new();
    let mut intervals = Map::new();
    for (name, Interval { value, low, high }) in figures {
        let name = format!("{part}_{name}");
        object.insert(name.clone(), json!(value));
        intervals.insert(name, json!([low, high]));
    }
    object.insert("intervals".into(), Value::Object(intervals));
    object.insert("samples".into(), json!(count));
    object.insert("run".into(), json!(run));
    Value::Object(object)
}

fn show(part: &str, count: usize, figures: &[(&str, Interval)]) {
    for (name, interval) in figures {
        let label = name.replace('_', " ");
        let Interval { value, low, high } = interval;
        match is_share(name) {
            true => say(format_args!(
                "{part} {label} {:.2} % ({:.2} to {:.2})",
                100.0 * value,
                100.0 * low,
                100.0 * high
            )),
            false => say(format_args!("{part} {label} {interval}")),
        }
    }
    say(format_args!(
        "of {count} samples; in brackets, where 95 % of the figures of samples drawn anew lie"
    ));
}
