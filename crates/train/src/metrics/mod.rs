//! How good a model's answers are: one file a family.
//!
//! A [`Metric`] is gathered batch by batch. Where a figure can be had from sums, memory is bounded;
//! rankings ([`RankingMetric`], [`MeanAveragePrecision`]) keep what they were given until they are
//! reset. A figure of nothing is NaN, and so is one of answers that have NaN among them.

mod calibration;
mod classes;
mod detection;
mod input;
mod mean;
mod overlap;
mod ranking;
mod regression;
mod text;

pub use calibration::{ProbabilityFigure, ProbabilityMetric, ProbabilityOptions};
pub use classes::{Accuracy, TopAccuracy};
pub use detection::{Detection, DetectionOptions, MeanAveragePrecision, TrueBox};
pub use mean::Mean;
pub use overlap::{Averaging, ClassFigure, ClassMetric, ClassOptions, ConfusionMatrix};
pub use ranking::{RankingFigure, RankingMetric, RankingOptions};
pub use regression::{RegressionFigure, RegressionMetric};
pub use text::{
    Bleu, BleuOptions, ErrorRate, ErrorUnit, Perplexity, PerplexityOptions, Rouge, RougeFigure,
    TokenOptions, tokenize_13a,
};

use crate::state::State;
use gradus_tensor::{Error, Result, Tensor};
use std::fmt::Debug;

/// A figure about a model's answers, gathered batch by batch.
pub trait Metric: Debug + Send {
    /// The name under which the figure is recorded.
    fn name(&self) -> &str;
    /// Takes in the answers to a batch.
    fn update(&mut self, output: &Tensor, target: &Tensor);
    /// The figure over all that was taken in; NaN if that is nothing.
    fn value(&self) -> f64;
    /// All figures that are recorded, by name: the value alone, unless there are more.
    fn figures(&self) -> Vec<(String, f64)> {
        vec![(self.name().to_string(), self.value())]
    }
    /// Forgets what was taken in.
    fn reset(&mut self);
    /// What was taken in, for a training that is interrupted in an epoch.
    fn state(&self) -> State;
    /// Goes on from what [`Metric::state`] gave.
    ///
    /// # Errors
    /// [`Error::Mismatch`](gradus_tensor::Error::Mismatch), if that was something else.
    fn load_state(&mut self, state: &State) -> Result<()>;
}

/// A table of figures by name, with what reads the names.
macro_rules! figures {
    (
        $(#[$doc:meta])*
        $type:ident: $noun:literal;
        $($(#[$figure_doc:meta])* $figure:ident = $name:literal,)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $($(#[$figure_doc])* $figure,)*
        }

        impl $type {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$figure),*];

            /// Its name in a recipe and in records.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$figure => $name,)*
                }
            }

            /// The one with a name.
            ///
            /// # Errors
            /// If there is none.
            pub fn named(name: &str) -> gradus_tensor::Result<Self> {
                let found = Self::ALL.iter().copied().find(|figure| figure.name() == name);
                found.ok_or_else(|| $crate::metrics::unknown($noun, name, &[$($name),*]))
            }
        }
    };
}
pub(crate) use figures;

/// The error that a name is none of those there are.
fn unknown(noun: &str, name: &str, names: &[&str]) -> Error {
    Error::Setting(format!("there is no {noun} {name:?}: there are {}", names.join(", ")))
}
