//! The training loop and what stands around it: figures, callbacks, checkpoints, reports.
//!
//! A [`Trainer`] trains a model; everything it does can also be done by hand, and every part used
//! alone: [`Metric`], [`History`], [`Checkpoint`], [`RunFolder`], [`Report`].

#![forbid(unsafe_code)]

mod callback;
mod checkpoint;
mod cross;
mod finder;
mod history;
mod metrics;
mod plateau;
mod progress;
mod report;
mod run;
mod trainer;

pub use callback::{Callback, Scheduled, Session, Step};
pub use checkpoint::{Checkpoint, Checkpoints, read_weights, write_json, write_weights};
pub use cross::{CrossValidation, cross_validate};
pub use finder::{FinderOptions, RateCurve};
pub use history::{Epoch, History};
pub use metrics::{Accuracy, ConfusionMatrix, Mean, Metric};
pub use plateau::{EarlyStopping, Plateau};
pub use progress::Progress;
pub use report::{Best, Chart, Confusion, Mistake, Report, Series, Unit};
pub use run::{MetricsFile, RunFolder};
pub use trainer::{Loss, Trainer};
