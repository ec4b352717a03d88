//! `gradus augment`.

use crate::output::{say, say_json};
use crate::recipes;
use clap::Args;
use gradus_data::Dataset;
use gradus_data::Subset;
use gradus_data::augment::{SheetOptions, contact_sheet};
use gradus_data::image::write_png;
use gradus_data::source::Input;
use gradus_tensor::{Error, Result};
use serde_json::json;
use std::path::PathBuf;

/// Show what the network of a recipe will see
///
/// Writes a sheet of training pictures: a sample in each row, as it is in one epoch after another.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gradus augment digits -o sheet.png")]
pub struct AugmentOf {
    /// The recipe: a file, or the name of a built-in one (see gradus recipes)
    #[arg(value_parser = recipes::known)]
    recipe: String,
    /// Where to write the sheet
    #[arg(short, long, value_name = "FILE", default_value = "augment.png")]
    output: PathBuf,
    /// Change a value of the recipe; may be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// How many samples are shown
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    samples: u16,
    /// In how many epochs
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    epochs: u16,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

impl AugmentOf {
    /// Writes the sheet.
    ///
    /// # Errors
    /// If the recipe cannot be, its data cannot be read or are no pictures, or the sheet cannot be
    /// written.
    pub fn run(self) -> Result<()> {
        let mut draft = recipes::draft(&self.recipe)?;
        self.set.iter().try_for_each(|assignment| draft.set(assignment))?;
        let data = draft.check()?.data()?;
        let normalisation = match data.encoder.input() {
            Input::Image { standard, .. } => {
                Some((standard.mean.clone(), standard.deviation.clone()))
            }
            Input::Audio { .. } if data.encoder.shape().rank() == 3 => None,
            _ => {
                let kind = data.encoder.kind();
                let message = format!("a sheet shows pictures, but the samples are of kind {kind}");
                return Err(Error::Setting(message));
            }
        };
        let (samples, epochs) = (self.samples.into(), self.epochs.into());
        let options = SheetOptions { samples, epochs, normalisation, ..Default::default() };
        // From all over the data, for neighbours are often of one class.
        let (all, count) = (data.train.len(), options.samples.min(data.train.len()));
        let spread: Vec<usize> = (0..count).map(|place| place * all / count).collect();
        let sheet = contact_sheet(&Subset::new(data.train.clone(), spread), &options)?;
        write_png(&self.output, &sheet)?;
        let output = self.output.display();
        match self.json {
            true => say_json(&json!({
                "sheet": self.output, "samples": count, "epochs": options.epochs,
                "width": sheet.width(), "height": sheet.height(),
            })),
            false => say(format_args!(
                "written: {output}, {count} samples in rows, as they are in epochs 1 to {} in columns",
                options.epochs
            )),
        }
        Ok(())
    }
}
