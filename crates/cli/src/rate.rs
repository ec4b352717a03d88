//! `gradus rate`.

use crate::output::{say, say_json};
use crate::recipes;
use clap::Args;
use gradus_tensor::{Error, Result};
use gradus_train::{FinderOptions, RateCurve};
use serde_json::json;

/// Look for a learning rate
///
/// Trains a few batches with ever larger learning rates and shows the losses: a good rate lies where
/// the loss falls, well before it runs away. Nothing is written, and the rate of the recipe plays no
/// part.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus rate digits")]
pub struct RateOf {
    /// The recipe: a file, or the name of a built-in one (see gradus recipes)
    #[arg(value_parser = recipes::known)]
    recipe: String,
    /// Change a value of the recipe; may be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// The first learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-6)]
    lowest: f64,
    /// The last one
    #[arg(long, value_name = "RATE", default_value_t = 1.0)]
    highest: f64,
    /// How many batches are trained, unless the loss runs away before
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(3..))]
    steps: u32,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

/// So many rates are shown.
const SHOWN: usize = 20;

/// The longest bar, in signs.
const WIDEST: f64 = 40.0;

impl RateOf {
    /// Trains and shows what came out.
    ///
    /// # Errors
    /// If the recipe cannot be, its data cannot be read, or the rates are not two numbers in order.
    pub fn run(self) -> Result<()> {
        let Self { lowest, highest, .. } = self;
        if !(0.0 < lowest && lowest < highest && highest.is_finite()) {
            let message = format!(
                "--lowest {lowest} and --highest {highest} are not two numbers above 0 in order"
            );
            return Err(Error::Setting(message));
        }
        let mut draft = recipes::draft(&self.recipe)?;
        self.set.iter().try_for_each(|assignment| draft.set(assignment))?;
        let recipe = draft.check()?;
        let data = recipe.data()?;
        let mut job = recipe.job(&data, recipe.model(&data)?)?;
        let steps = self.steps as usize;
        let options = FinderOptions { lowest, highest, steps, ..Default::default() };
        let curve = job.trainer.find_learning_rate(&job.train, options)?;
        let suggestion = curve.suggestion().map(rounded);
        if self.json {
            say_json(&json!({
                "rates": curve.rates, "losses": curve.losses, "suggestion": suggestion,
            }));
            return Ok(());
        }
        show(&curve);
        match suggestion {
            Some(rate) => say(format_args!(
                "suggested: {rate}, a tenth of the rate of the lowest loss\ntry it:    gradus train {} \
                 --set optimizer.learning_rate={rate}",
                self.recipe
            )),
            None => say(format_args!(
                "the loss never falls: try --lowest {:e}, or another model",
                lowest / 1000.0
            )),
        }
        Ok(())
    }
}

fn show(curve: &RateCurve) {
    // The first loss is that of knowing nothing. One that has run away would dwarf all others.
    let highest = 1.25 * curve.losses[0];
    say("learning rate      loss");
    let count = curve.rates.len();
    for place in 0..count.min(SHOWN) {
        let index = place * count / count.min(SHOWN);
        let (rate, loss) = (curve.rates[index], curve.losses[index]);
        let length = (loss / highest * WIDEST).round().clamp(0.0, WIDEST);
        say(format_args!("{rate:13.1e}  {loss:8.4}  {}", "█".repeat(length as usize)));
    }
}

/// To two digits that count: more would promise too much.
fn rounded(rate: f64) -> f64 {
    format!("{rate:.1e}").parse().unwrap_or(rate)
}
