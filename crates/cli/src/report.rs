//! What was found in a test, and the report of it.

use crate::trained::held_out;
use gradus_data::Dataset;
use gradus_nn::{Layer, summary};
use gradus_tensor::Result;
use gradus_tensor::io::atomic::write_atomically;
use gradus_train::recipe::Recipe;
use gradus_train::recipe::lists::data::Data;
use gradus_train::{Gather, Report, RunFolder, figure_text};
use std::io::Write;
use std::sync::Arc;

/// How a model does on held-out samples.
pub struct Test<'a> {
    /// What figures are called: `test` or `valid`.
    pub name: &'static str,
    /// The loss and the metrics.
    pub figures: Vec<(String, f64)>,
    part: Arc<dyn Dataset>,
    gather: Gather<'a>,
}

/// Tests a model with what was held out, if anything was.
///
/// # Errors
/// If a sample cannot be read.
pub fn test<'a>(recipe: &Recipe, data: &'a Data, model: &dyn Layer) -> Result<Option<Test<'a>>> {
    let Some((name, part)) = held_out(data) else {
        return Ok(None);
    };
    let mut gather = Gather::new(&data.encoder);
    let figures =
        recipe.evaluate(data, model, part, |output, target| gather.add(output, target))?;
    Ok(Some(Test { name, figures, part: part.clone(), gather }))
}

impl Test<'_> {
    /// All figures in a line: shares in percent.
    pub fn sentence(&self) -> String {
        let figure = |(name, value): &(String, f64)| {
            format!("{} {}", name.replace('_', " "), figure_text(name, *value))
        };
        let mut figures: Vec<String> = self.figures.iter().map(figure).collect();
        if let Some(first) = figures.first_mut() {
            *first = format!("{} {first} of {} samples", self.name, self.part.len());
        }
        figures.join(", ")
    }
}

/// Writes what was found in the test, the table of the model's layers, and `report.html`.
///
/// # Errors
/// If a file cannot be written or a sample cannot be read.
pub fn write(
    run: &RunFolder,
    recipe: &Recipe,
    data: &Data,
    model: &dyn Layer,
    test: Option<Test<'_>>,
) -> Result<()> {
    if let Some(test) = test {
        test.gather.finish(&*test.part, model, recipe.run().seed)?.write(run)?;
    }
    let layers = summary(model, data.input(1));
    write_atomically(run.file("model.txt"), |file| writeln!(file, "{layers}"))?;
    Report::of_run(run)?.write(run)
}
