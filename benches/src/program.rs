//! The peers that are programs in Rust, each built from its own folder in `peers`.

use crate::peer::answer_of;
use crate::{Comparison, Result};
use serde::Deserialize;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// A framework whose workloads are a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Candle,
    Burn,
}

/// What a program tells of itself.
#[derive(Debug, Deserialize)]
pub struct About {
    /// The version, and what it multiplies matrices with.
    pub version: String,
    /// The names of those that it can do.
    pub workloads: Vec<String>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Candle => "candle",
            Self::Burn => "burn",
        })
    }
}

impl Program {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Candle, Self::Burn];

    /// Where it is.
    ///
    /// # Errors
    /// If it does not take part.
    pub fn path(self, on: &Comparison) -> Result<&Path> {
        let given = match self {
            Self::Candle => &on.candle,
            Self::Burn => &on.burn,
        };
        Ok(given.as_deref().ok_or_else(|| format!("--{self} does not say where {self} is"))?)
    }

    /// Those that take part, and what they tell of themselves.
    ///
    /// # Errors
    /// If one is not there, or is not built from its folder in `peers`.
    pub fn given(on: &Comparison) -> Result<Vec<(Self, About)>> {
        let given = Self::ALL.into_iter().filter(|program| program.path(on).is_ok());
        given.map(|program| Ok((program, program.about(on)?))).collect()
    }

    fn about(self, on: &Comparison) -> Result<About> {
        let path = self.path(on)?;
        let mut command = Command::new(path);
        command.arg("about");
        let named = |error| format!("{}, {self}: {error}", path.display());
        Ok(answer_of(command).map_err(named)?)
    }
}
