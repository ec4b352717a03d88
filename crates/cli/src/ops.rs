//! `gradus ops`.

use crate::output::{say, say_json};
use clap::Args;
use gradus_tensor::Result;
use gradus_tensor::ops::{cases, table};
use serde_json::json;

/// List every op: its name, formula, derivatives, and PyTorch's name for it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus ops")]
pub struct Ops {
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Ops {
    /// Prints the list.
    ///
    /// # Errors
    /// Never.
    pub fn run(self) -> Result<()> {
        if !self.json {
            say(table());
            return Ok(());
        }
        for case in cases() {
            say_json(&json!({
                "name": case.name,
                "formula": case.formula,
                "derivatives": case.gradient.to_string(),
                "torch": case.torch,
            }));
        }
        Ok(())
    }
}
