//! Recipes: a training in one file of TOML.
//!
//! A recipe names the data, the model, the loss, the optimizer and all else that decides how a
//! training goes. What it may say stands in [`lists`]: from these lists derive the reading with its
//! complaints, the [reference](reference()), and the [schema](schema()) by which editors complete.
//!
//! ```
//! use gradus_train::recipe::Draft;
//!
//! # fn main() -> gradus_tensor::Result<()> {
//! let draft = Draft::parse("mine.toml", "
//!     model.layers = [\"flatten\", \"linear\"]
//!     [run]
//!     epochs = 1
//!     [data]
//!     kind = \"digits\"
//! ")?;
//! let recipe = draft.check()?;
//! let data = recipe.data()?;
//! let model = recipe.model(&data)?;
//! assert_eq!(model.param_count(), 7850);
//!
//! let wrong = Draft::parse("mine.toml", "[model]\nlayers = [\"flaten\"]\n[data]\nkind = \"digits\"")?;
//! let complaint = wrong.check().unwrap_err().to_string();
//! assert_eq!(complaint, "mine.toml:2:11: there is no layer `flaten`: did you mean `flatten`?");
//! # Ok(())
//! # }
//! ```

mod check;
mod document;
pub mod entry;
pub mod field;
mod job;
mod judge;
pub mod lists;
mod schema;
mod sections;
pub mod tree;

pub use document::reference;
pub use job::Job;
pub use judge::Answered;
pub use schema::schema;
pub use sections::{Balance, RunOptions, TransferOptions, fields};

use crate::keep::CheckpointOptions;
use entry::{Part, Settings};
use gradus_tensor::{Error, Result};
use serde_json::Value as Json;
use std::path::Path;
use tree::{Node, Table, Value};

/// A recipe as it was written, not checked yet.
#[derive(Clone, Debug)]
pub struct Draft {
    root: Node,
    name: String,
}

impl Draft {
    /// The recipe of a text, which complaints and the run's folder call by a file's name.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("run");
        Ok(Self { root: Node::parse(file, text)?, name: stem.to_string() })
    }

    /// The recipe of a file.
    ///
    /// # Errors
    /// If it cannot be read or is not TOML.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Changes a value: `optimizer.learning_rate=0.01` or `model.layers.0.out=64`.
    ///
    /// # Errors
    /// If that cannot be a path.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        self.root.assign(assignment)
    }

    /// The recipe, with the defaults of all that it does not say.
    ///
    /// # Errors
    /// The first complaint, with the file, the line and the column.
    pub fn check(mut self) -> Result<Recipe> {
        if let Value::Table(root) = &mut self.root.value {
            if root.get("run").is_none() {
                root.set("run", Node::unwritten(Value::Table(Table::default())));
            }
            if let Some(Node { value: Value::Table(run), .. }) = root.get_mut("run")
                && run.get("name").is_none()
            {
                run.set("name", Node::unwritten(Value::Text(self.name)));
            }
        }
        Ok(Recipe { root: check::settings(&fields(), &self.root, "")? })
    }
}

/// A recipe that was checked, with the defaults of all that it did not say.
#[derive(Clone, Debug)]
pub struct Recipe {
    root: Node,
}

impl Recipe {
    /// The settings of the run.
    pub fn run(&self) -> RunOptions {
        self.settings().get("run")
    }

    /// When the training is saved, and what is kept.
    pub fn checkpoints(&self) -> CheckpointOptions {
        self.settings().get("checkpoints")
    }

    /// The whole recipe, defaults written out: it makes the same training.
    pub fn to_toml(&self) -> String {
        tree::to_toml(self.table())
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Json {
        self.root.to_json()
    }

    /// The layers that the recipe lists, if it lists any.
    pub fn layers(&self) -> Vec<Part<Box<dyn gradus_nn::Layer>>> {
        let model: Part<lists::models::Model> = self.settings().get("model");
        match model.kind().as_str() {
            "layers" => model.settings().get("layers"),
            _ => vec![],
        }
    }

    /// Which kind of data it names.
    pub fn data_kind(&self) -> String {
        let data: Part<lists::data::Data> = self.settings().get("data");
        data.kind()
    }

    fn table(&self) -> &Table {
        match &self.root.value {
            Value::Table(table) => table,
            _ => unreachable!("a recipe is a table"),
        }
    }

    fn settings(&self) -> Settings<'_> {
        Settings::of(self.table())
    }

    /// One thing that the recipe names, if it does.
    fn part<P: entry::Product>(&self, name: &str) -> Option<Part<P>> {
        self.settings().get(name)
    }

    /// All things that the recipe names.
    fn parts<P: entry::Product>(&self, name: &str) -> Vec<Part<P>> {
        self.settings().get(name)
    }
}
