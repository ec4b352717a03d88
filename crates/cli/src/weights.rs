//! `gradus weights`.

use crate::output::{say, say_json};
use clap::Args;
use gradus_nn::Renames;
use gradus_tensor::io::npz::{self, Compression};
use gradus_tensor::io::safetensors::{self, Contents};
use gradus_tensor::io::{Weights, load_weights};
use gradus_tensor::{Error, Result, Tensor};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Of the places in a file that are not weights, so many are shown.
const MAX_PLACES: usize = 5;

/// List the tensors in a file of weights, and convert it
///
/// Reads safetensors, npz, and what torch.save wrote (.pt, .pth, .bin), of which nothing is run: a
/// file that asks for more than its numbers is refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gradus weights model.pt\n  gradus weights model.pt --rename \
                        'module.* -> *' --to model.safetensors")]
pub struct WeightsOf {
    /// The file
    file: PathBuf,
    /// Write the tensors to this file, of .safetensors or .npz
    #[arg(long, value_name = "FILE", value_parser = target)]
    to: Option<PathBuf>,
    /// Rename tensors; may be given several times, and each sees what those before it made
    #[arg(long, value_name = "'PATTERN -> REPLACEMENT'", value_parser = rule)]
    rename: Vec<String>,
    /// Write one JSON object a tensor
    #[arg(long)]
    json: bool,
}

/// A path whose end says what is written.
fn target(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    match extension(&path) {
        "safetensors" | "npz" => Ok(path),
        _ => Err("what is written is .safetensors or .npz".to_string()),
    }
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|end| end.to_str()).unwrap_or("")
}

/// A rule that can be read.
fn rule(text: &str) -> Result<String> {
    Renames::parse(&[text]).map(|_| text.to_string())
}

impl WeightsOf {
    /// Prints the list, and writes the file.
    ///
    /// # Errors
    /// If a file cannot be read or written, or a renaming does not fit.
    pub fn run(self) -> Result<()> {
        let mut weights = load_weights(&self.file)?;
        let renames = Renames::parse(&self.rename)?;
        let names = weights.tensors.iter().map(|(name, _)| name.as_str());
        if let Some(rule) = renames.unused(names) {
            let message =
                format!("the renaming `{rule}` matches no name: see the names without it");
            return Err(Error::Setting(message));
        }
        weights.tensors = renames.rename(&weights.tensors)?;
        match self.json {
            true => weights.tensors.iter().for_each(say_line),
            false => say_table(&weights),
        }
        let Some(path) = self.to else {
            return Ok(());
        };
        let tensors = weights.tensors;
        match extension(&path) {
            "npz" => npz::write(&path, &tensors, Compression::Stored)?,
            _ => safetensors::write(&path, &Contents { tensors, metadata: vec![] })?,
        }
        if !self.json {
            say(format_args!("written to {}", path.display()));
        }
        Ok(())
    }
}

fn say_line((name, x): &(String, Tensor)) {
    say_json(&json!({ "name": name, "type": x.dtype().to_string(), "shape": x.shape().to_vec() }));
}

fn say_table(weights: &Weights) {
    let shown: Vec<String> = weights.tensors.iter().map(|(name, _)| visible(name)).collect();
    let width = shown.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, (_, x)) in shown.iter().zip(&weights.tensors) {
        say(format_args!("{name:width$}  {:4}  {}", x.dtype(), x.shape()));
    }
    let count = weights.tensors.len();
    let numbers: usize = weights.tensors.iter().map(|(_, x)| x.count()).sum();
    let under = match &weights.part {
        Some(part) => format!(", under {part}"),
        None => String::new(),
    };
    say(format_args!("{count} tensors of {numbers} numbers{under}"));
    let places = &weights.left_out;
    if !places.is_empty() {
        let shown: Vec<String> = places.iter().take(MAX_PLACES).map(|it| visible(it)).collect();
        let more = match places.len().saturating_sub(MAX_PLACES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        say(format_args!("not taken: {}{more}", shown.join(", ")));
    }
}

/// A text from a file, without signs that would speak to the terminal.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    for sign in text.chars() {
        match sign.is_control() {
            true => shown.extend(sign.escape_default()),
            false => shown.push(sign),
        }
    }
    shown
}
