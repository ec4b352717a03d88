//! The training loop and what stands around it: figures, callbacks, checkpoints, reports.
//!
//! A [`Trainer`] trains a model; everything it does can also be done by hand, and every part used
//! alone: [`Metric`], [`History`], [`Checkpoint`], [`RunFolder`], [`Report`].

#![forbid(unsafe_code)]

mod average;
mod bootstrap;
mod callback;
mod caught;
mod checkpoint;
mod checksum;
mod cross;
mod file;
mod finder;
mod findings;
mod guard;
mod histogram;
mod history;
mod interrupt;
mod journal;
mod keep;
mod limits;
mod lines;
mod metrics;
mod parts;
mod plateau;
mod progress;
pub mod recipe;
mod report;
mod run;
mod shares;
mod skipped;
mod state;
mod statistics;
mod system;
mod tensorboard;
mod terminal;
mod trainer;

pub use average::{AverageOptions, Averages};
pub use bootstrap::{Bootstrap, Interval};
pub use callback::{Callback, Derived, Position, Scheduled, Session, Step, Wishes};
pub use caught::is_caught;
pub use checkpoint::{Checkpoint, read_weights, write_json, write_weights};
pub use cross::{CrossValidation, cross_validate};
pub use finder::{FinderOptions, RateCurve};
pub use findings::{
    Answer, Findings, Found, Gather, Input, LabelFindings, LanguageFindings, NumberFindings,
    Prediction, Predictions,
};
pub use guard::NanGuard;
pub use histogram::Histogram;
pub use history::{Epoch, History};
pub use interrupt::Interrupt;
pub use journal::Journal;
pub use keep::{CheckpointOptions, Checkpoints, Newest};
pub use limits::{TimeBudget, Unfreeze};
pub use metrics::{
    Accuracy, Averaging, Bleu, BleuOptions, ClassFigure, ClassMetric, ClassOptions,
    ConfusionMatrix, Detection, DetectionOptions, ErrorRate, ErrorUnit, Mean, MeanAveragePrecision,
    Metric, Perplexity, PerplexityOptions, ProbabilityFigure, ProbabilityMetric,
    ProbabilityOptions, RankingFigure, RankingMetric, RankingOptions, RegressionFigure,
    RegressionMetric, Rouge, RougeFigure, TokenOptions, TopAccuracy, TrueBox, tokenize_13a,
};
pub use plateau::{EarlyStopping, Plateau};
pub use progress::Progress;
pub use report::{Best, COLOURS, Chart, Confusion, Report, Series, Unit, settings_of};
pub use run::{MetricsFile, RunFolder};
pub use shares::{SHARES, figure_text, is_share};
pub use skipped::Skipped;
pub use state::State;
pub use statistics::{Activations, Observed, Statistics, StatisticsOptions};
pub use system::{Machine, Usage};
pub use tensorboard::{EventWriter, TensorBoard, TensorBoardOptions};
pub use terminal::Terminal;
pub use trainer::{Ending, Loss, Resumed, Trainer};
