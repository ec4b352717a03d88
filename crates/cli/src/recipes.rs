//! `gradus recipes`, and the recipes within the program.

use crate::output::{say, say_json};
use clap::Args;
use gradus_tensor::Result;
use gradus_train::recipe::{Draft, reference, schema};
use serde_json::json;
use std::path::Path;

/// For each name of a recipe: itself, and the text of its file.
macro_rules! built_in {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../recipes/", $name, ".toml")))),*]
    };
}

/// The recipes within the program, by name.
const BUILT_IN: &[(&str, &str)] =
    built_in!["digits", "mnist", "fashion_mnist", "cifar10", "adult", "reviews"];

/// The text of a built-in recipe.
fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(own, _)| *own == name).map(|(_, text)| *text)
}

/// Accepts the name of a built-in recipe, or the path of a file that is there.
///
/// # Errors
/// A sentence, if it is neither.
pub fn known(name: &str) -> Result<String, String> {
    if built_in(name).is_some() || Path::new(name).is_file() {
        return Ok(name.to_string());
    }
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    Err(format!(
        "there is no such file, and the built-in recipes are {}: write one with gradus init",
        names.join(", ")
    ))
}

/// The recipe of a name or a file.
///
/// # Errors
/// If it cannot be read.
pub fn draft(name: &str) -> Result<Draft> {
    match built_in(name) {
        Some(text) => Draft::parse(&format!("{name}.toml"), text),
        None => Draft::read(name),
    }
}

/// List the built-in recipes, or show one
///
/// A recipe is a training in a file: `gradus recipes digits > mine.toml` is a good start for one of
/// your own.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gradus recipes\n  gradus recipes digits\n  gradus recipes \
                        --schema > recipe.schema.json")]
pub struct Recipes {
    /// The recipe to show
    #[arg(value_parser = built_in_name)]
    name: Option<String>,
    /// Show the JSON schema of recipes, by which editors complete them
    #[arg(long, conflicts_with = "name")]
    schema: bool,
    /// Show everything that a recipe can say
    #[arg(long, conflicts_with_all = ["name", "schema"])]
    reference: bool,
    /// Write one JSON object a recipe
    #[arg(long)]
    json: bool,
}

fn built_in_name(name: &str) -> Result<String, String> {
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    match built_in(name) {
        Some(_) => Ok(name.to_string()),
        None => Err(format!("the built-in recipes are {}", names.join(", "))),
    }
}

impl Recipes {
    /// Prints them.
    ///
    /// # Errors
    /// Never: the built-in recipes are well-formed.
    pub fn run(self) -> Result<()> {
        if self.schema {
            say(format_args!("{:#}", schema()));
        } else if self.reference {
            say(reference().trim_end());
        } else if let (Some(name), false) = (&self.name, self.json) {
            say(built_in(name).unwrap_or_default().trim_end());
        } else {
            let all = BUILT_IN.iter().map(|(name, text)| (*name, *text));
            let wanted = |name: &str| self.name.as_ref().is_none_or(|own| own == name);
            for (name, text) in all.filter(|(name, _)| wanted(name)) {
                match self.json {
                    true => say_json(&json!({
                        "name": name,
                        "about": about(text),
                        "recipe": draft(name)?.check()?.to_json(),
                    })),
                    false => say(format_args!("{name:10}  {}", about(text))),
                }
            }
        }
        Ok(())
    }
}

/// What a recipe says about itself: its first comment.
fn about(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("# "));
    lines.collect::<Vec<_>>().join(" ")
}
