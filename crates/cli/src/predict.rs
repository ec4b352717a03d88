//! `gradus predict`.

use crate::output::{say, say_json};
use crate::trained::Trained;
use clap::Args;
use gradus_data::digits::prepare;
use gradus_data::image::read_png;
use gradus_data::source::Answer;
use gradus_tensor::{Result, no_grad};
use gradus_train::RunFolder;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Ask a trained model about files
///
/// What the files are is what the model was trained on: pictures, tables, texts. A picture of a digit
/// may be of any size and colour, dark on light or light on dark.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus predict runs/digits-1 digit.png")]
pub struct Predict {
    /// The folder of the training
    run: PathBuf,
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write a JSON object a file
    #[arg(long)]
    json: bool,
}

impl Predict {
    /// Says what the model answers.
    ///
    /// # Errors
    /// If the run or a file cannot be read.
    pub fn run(self) -> Result<()> {
        let trained = Trained::open(&RunFolder::open(&self.run)?)?;
        self.files.iter().try_for_each(|file| self.predict(&trained, file))
    }

    fn predict(&self, trained: &Trained, file: &Path) -> Result<()> {
        let Trained { recipe, encoder, model } = trained;
        let digits = recipe.data_kind() == "digits";
        let input = match digits {
            // Drawn digits are brought to the form of MNIST's first.
            true => prepare(&read_png(file)?)?,
            false => encoder.encode_file(file)?,
        };
        let output = no_grad(|| model.forward(&input));
        for answer in encoder.decode(&output)? {
            if self.json {
                let mut object = to_json(&answer);
                object["file"] = json!(file);
                say_json(&object);
            } else {
                say(format_args!("{}: {answer}", file.display()));
            }
        }
        Ok(())
    }
}

fn to_json(answer: &Answer) -> Value {
    match answer {
        Answer::Classes(ranked) => {
            let (best, _) = ranked.first().cloned().unwrap_or_default();
            json!({ "answer": best, "probabilities": object(ranked.iter().map(|(name, p)| (name, p))) })
        }
        Answer::Labels(labels) => {
            json!({ "probabilities": object(labels.iter().map(|(name, p)| (name, p))) })
        }
        Answer::Numbers(numbers) => {
            json!({ "numbers": object(numbers.iter().map(|(name, value, _)| (name, value))) })
        }
        other => json!({ "answer": other.to_string() }),
    }
}

/// Numbers by name.
fn object<'a>(pairs: impl Iterator<Item = (&'a String, &'a f64)>) -> Value {
    Value::Object(pairs.map(|(name, number)| (name.clone(), json!(number))).collect())
}
