//! `gradus predict`.

use crate::output::{say, say_json};
use crate::trained::Trained;
use clap::Args;
use gradus_data::digits::prepare;
use gradus_data::image::read_png;
use gradus_tensor::{Error, Result, no_grad};
use gradus_train::RunFolder;
use serde_json::json;
use std::path::PathBuf;

/// Read a digit in a picture
///
/// The picture may be of any size and colour, dark on light or light on dark; it should show one
/// digit.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus predict runs/digits-1 digit.png")]
pub struct Predict {
    /// The folder of the training
    run: PathBuf,
    /// The picture, a PNG
    image: PathBuf,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

impl Predict {
    /// Says which digit the picture shows.
    ///
    /// # Errors
    /// If the run or the picture cannot be read, or the picture is blank.
    pub fn run(self) -> Result<()> {
        let run = RunFolder::open(self.run)?;
        let Trained { recipe, model, .. } = Trained::open(&run, None)?;
        if recipe.data_kind() != "digits" {
            let path = run.path().display();
            let message = format!("{path} was not trained on digits: pictures of digits are read");
            return Err(Error::Setting(message));
        }
        let image = prepare(&read_png(&self.image)?)?;
        let probabilities = no_grad(|| model.forward(&image).softmax(-1));
        let digit = probabilities.argmax(..).item::<i64>();
        let probabilities = probabilities.to_vec::<f32>();
        if self.json {
            say_json(&json!({
                "digit": digit, "probabilities": probabilities, "image": self.image,
            }));
            return Ok(());
        }
        let sure = 100.0 * probabilities[digit as usize];
        say(format_args!("{digit}  ({sure:.1} % sure)"));
        for (digit, p) in probabilities.iter().enumerate() {
            let bar = "█".repeat((p * 40.0).round() as usize);
            say(format_args!("{digit} {:5.1} % {bar}", 100.0 * p));
        }
        Ok(())
    }
}
