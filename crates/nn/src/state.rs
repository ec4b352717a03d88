//! Loading saved values into modules.

use crate::Renames;
use std::fmt;

/// How saved values are given to a module.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Whether every value of the module must be there, and no other.
    pub strict: bool,
    /// What the saved values are called in the module.
    pub renames: Renames,
}

impl Default for LoadOptions {
    /// Strict, and under the names that the values have.
    fn default() -> Self {
        Self { strict: true, renames: Renames::default() }
    }
}

/// How a saved state differs from what a module wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateReport {
    /// Names that the module has and the state does not.
    pub missing: Vec<String>,
    /// Names that the state has and the module does not.
    pub unexpected: Vec<String>,
    /// Values of another shape, each with both shapes.
    pub mis_shaped: Vec<String>,
}

impl StateReport {
    /// True if there is no difference.
    pub fn fits(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mis_shaped.is_empty()
    }
}

impl fmt::Display for StateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the saved values are those of another model:")?;
        let kinds = [
            ("missing", &self.missing),
            ("unexpected", &self.unexpected),
            ("mis-shaped", &self.mis_shaped),
        ];
        let mut separator = " ";
        for (kind, names) in kinds.into_iter().filter(|(_, names)| !names.is_empty()) {
            let shown = names[..names.len().min(3)].join(", ");
            let more = match names.len() {
                0..=3 => String::new(),
                count => format!(" and {} more", count - 3),
            };
            write!(f, "{separator}{kind} {shown}{more}")?;
            separator = "; ";
        }
        Ok(())
    }
}
