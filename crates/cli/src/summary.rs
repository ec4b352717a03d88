//! `gradus summary`.

use crate::output::{say, say_json};
use crate::recipes;
use clap::Args;
use gradus_nn::summary;
use gradus_tensor::Result;
use serde_json::{Value, json};

/// Show what the model of a recipe is made of, without running it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus summary digits")]
pub struct SummaryOf {
    /// The recipe: a file, or the name of a built-in one (see gradus recipes)
    #[arg(value_parser = recipes::known)]
    recipe: String,
    /// Change a value of the recipe; may be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// How many samples go in at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

impl SummaryOf {
    /// Prints the table.
    ///
    /// # Errors
    /// If the recipe cannot be, or its data, which say what the model is given, cannot be read.
    pub fn run(self) -> Result<()> {
        let mut draft = recipes::draft(&self.recipe)?;
        self.set.iter().try_for_each(|assignment| draft.set(assignment))?;
        let recipe = draft.check()?;
        let data = recipe.data()?;
        let summary = summary(&*recipe.model(&data)?, data.input(self.batch as usize));
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
