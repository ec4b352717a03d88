//! `gradus new`.

use crate::output::{say, say_json};
use crate::trained::absolute;
use clap::Args;
use gradus_tensor::io::atomic::write_atomically;
use gradus_tensor::{Error, Result};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The program that a project begins with: an example that is compiled with the library.
const MAIN: &str = include_str!("../../../examples/digits.rs");

/// Make a small cargo project that trains a network with the library
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gradus new letters\n  gradus new letters --path ../gradus")]
pub struct New {
    /// The project's folder, whose name it gets
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// Use the library in this folder instead of the one that is published
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Write a JSON object
    #[arg(long)]
    json: bool,
}

/// Names that cargo has no package by, or that stand for something else in it.
const TAKEN: [&str; 8] = ["gradus", "test", "core", "std", "alloc", "main", "build", "deps"];

/// The name of a package.
fn package(folder: &Path) -> Result<&str> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let sign = |sign: char| sign.is_ascii_alphanumeric() || "-_".contains(sign);
    let fits =
        name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(sign);
    match fits && !TAKEN.contains(&name) {
        true => Ok(name),
        false => Err(Error::Setting(format!(
            "`{name}` cannot be the name of a project: take letters, digits, - and _, a letter first, \
             and none of {}",
            TAKEN.join(", ")
        ))),
    }
}

impl New {
    /// Writes the project.
    ///
    /// # Errors
    /// If its name cannot be, its folder is there already, or it cannot be written.
    pub fn run(self) -> Result<()> {
        let name = package(&self.folder)?;
        let folder = self.folder.display();
        if self.folder.exists() {
            let message = format!("{folder} is there already: remove it, or take another name");
            return Err(Error::Setting(message));
        }
        let library = match &self.path {
            Some(path) => library(path)?,
            None => json!(env!("CARGO_PKG_VERSION")).to_string(),
        };
        let source = self.folder.join("src");
        fs::create_dir_all(&source).map_err(|error| Error::io(&source, error))?;
        let files = [
            ("Cargo.toml", manifest(name, &library)),
            ("src/main.rs", MAIN.to_string()),
            ("README.md", readme(name)),
            (".gitignore", "/target\n/runs\n".into()),
        ];
        for (file, text) in &files {
            write_atomically(self.folder.join(file), |file| file.write_all(text.as_bytes()))?;
        }
        match self.json {
            true => {
                say_json(&json!({ "project": self.folder, "files": files.map(|(file, _)| file) }))
            }
            false => {
                say(format_args!("written: {folder}\ngo on:   cd {folder} && cargo run --release"))
            }
        }
        Ok(())
    }
}

/// The library in a folder, as a dependency.
fn library(path: &Path) -> Result<String> {
    let path = absolute(path)?;
    let manifest = path.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| Error::io(&manifest, error))?;
    if !text.lines().any(|line| line.trim() == "name = \"gradus\"") {
        let message = "is not that of the library gradus: give the folder of its source";
        return Err(Error::format(manifest.display(), message));
    }
    Ok(format!("{{ path = {} }}", json!(path)))
}

fn manifest(name: &str, library: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         gradus = {library}\n\n# Debug builds compute, too.\n[profile.dev]\nopt-level = 1\n\
         [profile.dev.package.\"*\"]\nopt-level = 3\n\n# The project stands by itself, wherever it \
         lies.\n[workspace]\n"
    )
}

fn readme(name: &str) -> String {
    format!(
        "# {name}\n\nA network that learns to read handwritten digits, by the library \
         [gradus](https://github.com/gradus-rs/gradus).\n\n```sh\ncargo run --release\n```\n\nIt trains \
         for three epochs, says how many of 2,000 other digits it reads right, and keeps its \
         weights in `runs/digits`.\n\nWhere to go on, in `src/main.rs`:\n\n- `DataLoader::new` takes any \
         data set: `gradus::data::source` reads folders of pictures, tables, texts.\n- `Sequential` \
         stacks layers; `#[derive(Module)]` makes a model of a struct.\n- `Trainer` calls callbacks: \
         `.callback(EarlyStopping {{ .. }})`.\n"
    )
}
