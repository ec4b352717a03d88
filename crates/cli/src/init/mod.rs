//! `gradus init`.

mod data;
mod training;

use crate::output::{say, say_json};
use clap::Args;
use gradus_data::source::{Prepared, Role, Seen, look, prepare};
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::{Error, Result};
use gradus_train::recipe::Draft;
use gradus_train::recipe::lists::data::Data;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Write a recipe for data
///
/// Looks at a folder or a file and writes a recipe that trains as it is, with comments on what was
/// seen and on what can be changed. What is known: folders of pictures, sounds or texts with a folder
/// for each class, or with a table of labels; tables (CSV, TSV, JSON lines, Parquet); texts; arrays of
/// NumPy; the files of MNIST and CIFAR.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gradus init pictures/\n  gradus init houses.csv --target price \
                        -o houses.toml"
)]
pub struct Init {
    /// The data: a folder or a file
    path: PathBuf,
    /// Where to write the recipe
    #[arg(short, long, value_name = "FILE", default_value = "recipe.toml")]
    output: PathBuf,
    /// The column of a table that is to be told
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Write a JSON object about what was seen
    #[arg(long)]
    json: bool,
}

/// What a recipe is written for.
struct Plan<'a> {
    seen: &'a Seen,
    data: &'a Prepared,
    /// The folder that the recipe will lie in.
    folder: PathBuf,
    recipe: &'a Path,
}

impl Init {
    /// Looks and writes.
    ///
    /// # Errors
    /// If the data cannot be read or the recipe cannot be written, or is there already.
    pub fn run(self) -> Result<()> {
        let output = &self.output;
        if output.exists() {
            let path = output.display();
            let message = format!("{path} is there already: remove it, or name another with -o");
            return Err(Error::Setting(message));
        }
        let seen = look(&self.path, self.target.as_deref())?;
        let data = prepare(&seen.options, 0)?;
        let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(|error| Error::io(folder, error))?;
        let plan = Plan { seen: &seen, data: &data, folder, recipe: output };
        let text = plan.write();

        // What is written here must train: it is checked as any recipe is.
        let recipe = Draft::parse(&output.display().to_string(), &text)?.check()?;
        let data = Data(data.clone());
        recipe.job(&data, recipe.model(&data)?)?;
        write_atomically(output, |file| file.write_all(text.as_bytes()))?;
        self.tell(&plan);
        Ok(())
    }

    /// Says what was seen and how to go on.
    fn tell(&self, plan: &Plan<'_>) {
        let output = self.output.display();
        if self.json {
            let columns = plan.seen.columns.iter().map(|column| {
                json!({
                    "name": column.name,
                    "role": role(&column.role).0,
                    "missing": column.missing,
                    "different": column.different,
                })
            });
            say_json(&json!({
                "recipe": self.output,
                "seen": plan.facts(),
                "columns": columns.collect::<Vec<_>>(),
                "samples": plan.data.train.len(),
            }));
            return;
        }
        plan.facts().iter().for_each(say);
        say(format_args!("written: {output}\ngo on:   gradus train {output}"));
    }
}

/// What a column is for, and why it is left out if it is.
fn role(role: &Role) -> (&'static str, &str) {
    match role {
        Role::Target => ("target", ""),
        Role::Given(kind) => (kind.name(), ""),
        Role::LeftOut(reason) => ("left out", reason),
    }
}

/// A text as TOML has it: as JSON has it.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

impl Plan<'_> {
    /// What was seen, a sentence each.
    fn facts(&self) -> Vec<String> {
        let mut facts = self.seen.facts.clone();
        let held = [("to validate with", &self.data.valid), ("to be tested with", &self.data.test)];
        let held = held.into_iter().filter_map(|(name, part)| {
            part.as_ref().map(|part| format!(", {} {name}", part.len()))
        });
        let unit = if self.seen.options.text.length.is_some() { "windows" } else { "samples" };
        let train = format!("{} {unit} to learn from", self.data.train.len());
        facts.push(held.fold(train, |all, held| all + &held));
        facts.push(self.data.encoder.describe());
        facts
    }

    /// The recipe.
    fn write(&self) -> String {
        let name = self.recipe.display();
        let facts: String = self.facts().iter().map(|fact| format!("# - {fact}\n")).collect();
        let text = format!(
            "# A recipe for {}. It trains as it is, and every value in it may be changed:\n#\n\
             #     gradus train {name}\n#\n# What was seen:\n{facts}#\n# All that a recipe can say: \
             gradus recipes --reference\n\n",
            self.source()
        );
        text + &self.metrics()
            + &self.run()
            + &self.data()
            + &self.augment()
            + &self.model()
            + &self.optimizer()
    }
}
