//! `gradus summary`.

use crate::digits::DigitsNet;
use crate::output::{say, say_json};
use clap::{Args, ValueEnum};
use gradus_nn::summary;
use gradus_tensor::{Result, Rng};
use serde_json::{Value, json};

/// Show what a model is made of, without running it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus summary digits")]
pub struct SummaryOf {
    /// The model
    model: Model,
    /// How many samples go in at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Model {
    /// The network that reads handwritten digits
    Digits,
}

impl SummaryOf {
    /// Prints the table.
    ///
    /// # Errors
    /// Never.
    pub fn run(self) -> Result<()> {
        let Model::Digits = self.model;
        let summary = summary(&DigitsNet::new(&mut Rng::new(0)), [self.batch as usize, 1, 28, 28]);
        if !self.json {
            say(&summary);
            return Ok(());
        }
        let rows = summary.rows.iter().map(|row| {
            json!({
                "module": row.module,
                "op": row.op,
                "output": row.output.to_vec(),
                "parameters": row.params,
                "operations": row.flops,
            })
        });
        say_json(&json!({
            "rows": rows.collect::<Value>(),
            "input": summary.input.to_vec(),
            "output": summary.output.to_vec(),
            "parameters": summary.trained,
            "operations": summary.flops(),
        }));
        Ok(())
    }
}
