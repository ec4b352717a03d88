//! The sections of a recipe.

use super::entry::{Part, field, section};
use super::field::{Field, OneOrMore, POSITIVE, choices};
use super::lists::augment::Change;
use super::lists::data::Data;
use super::lists::models::Model;
use super::lists::penalties::Penalty;
use crate::callback::Callback;
use crate::keep::CheckpointOptions;
use crate::metrics::Metric;
use crate::trainer::Loss;
use gradus_data::BadSamples;
use gradus_nn::Optimizer;
use gradus_nn::schedule::Schedule;
use gradus_tensor::Precision;
use std::path::PathBuf;

/// The sections, in the order in which they are written.
pub fn fields() -> Vec<Field> {
    vec![
        field!(metrics: Option<Vec<Part<Box<dyn Metric>>>> => "Figures that are recorded for training and validation; if not given, what suits the data."),
        field!(run: RunOptions => "How the training goes."),
        field!(data: Part<Data> => "What is learnt from."),
        field!(augment: Vec<Part<Change>> => "What is done to training samples, anew in each epoch, one after another."),
        field!(model: Part<Model> => "What is trained."),
        field!(transfer: Option<TransferOptions> => "What is taken over from an earlier training."),
        field!(loss: Option<Part<Loss>> => "What is made small; if not given, what suits the data."),
        field!(optimizer: Part<Box<dyn Optimizer>> = Part::named("adam") => "What changes the parameters."),
        field!(schedule: Option<Part<Box<dyn Schedule>>> => "How the learning rate changes; if not given, it stays."),
        field!(regularisation: Vec<Part<Penalty>> => "What is added to the loss in training."),
        field!(checkpoints: CheckpointOptions => "When the training is saved, and what is kept."),
        field!(callbacks: Vec<Part<Box<dyn Callback>>> => "What is done meanwhile."),
    ]
}

choices! {
    BadSamples { Stop = "stop", Skip = "skip" }
}

/// How a training goes.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOptions {
    /// What the run's folder is called.
    pub name: String,
    /// What first weights, the order of samples, and all else that is random are drawn from.
    pub seed: u64,
    /// How often to go through the data.
    pub epochs: usize,
    /// How many samples make a batch.
    pub batch: usize,
    /// How many batches make a step.
    pub accumulate: usize,
    /// The largest norm of a step's gradients.
    pub clip_norm: Option<f64>,
    /// The largest size of a number in a step's gradients.
    pub clip_value: Option<f64>,
    /// How many threads make batches ahead.
    pub workers: usize,
    /// What is done where a sample cannot be read.
    pub bad_samples: BadSamples,
    /// What is done where some classes are rarer than others.
    pub balance: Balance,
    /// What products may lose.
    pub precision: Precision,
}

/// What is done where some classes are rarer than others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Nothing.
    #[default]
    None,
    /// The loss weighs classes so that all count alike.
    Weights,
    /// Samples are drawn so that all classes are as frequent.
    Sampling,
}

choices! {
    Balance { None = "none", Weights = "weights", Sampling = "sampling" }
    Precision { Highest = "highest", High = "high", Medium = "medium" }
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            name: "run".into(),
            seed: 0,
            epochs: 10,
            batch: 64,
            accumulate: 1,
            clip_norm: None,
            clip_value: None,
            workers: 1,
            bad_samples: BadSamples::Stop,
            balance: Balance::None,
            precision: Precision::Highest,
        }
    }
}

section! {
    RunOptions {
        name => "What the run's folder is called; if not given, as the recipe's file.";
        seed, 0.. => "What first weights, the order of samples, and all else that is random are drawn from.";
        epochs, 1.. => "How often to go through the data.";
        batch, 1.. => "How many samples make a batch.";
        accumulate, 1.. => "How many batches make a step.";
        clip_norm, POSITIVE => "The largest norm of a step's gradients.";
        clip_value, POSITIVE => "The largest size of a number in a step's gradients.";
        workers, 0..=256 => "How many threads make batches ahead.";
        bad_samples => "What is done where a sample cannot be read while the model is trained: stop, or skip it and count. A test always stops, for its figures would be of other samples.";
        balance => "What is done where some classes are rarer than others: `weights` of the loss or `sampling` make all count alike.";
        precision => "What matrix products and convolutions may lose: `highest` nothing; `medium` rounds what they multiply to `bf16` where the processor is faster so, and sums as before; `high` loses about 10⁻⁵ on processors with tiles (AMX) and is as `highest` on others. Weights and all else stay as they are.";
    }
}

/// What is taken over from an earlier training.
#[derive(Clone, Debug, Default)]
pub struct TransferOptions {
    /// A file of weights, or the folder of a run.
    pub from: PathBuf,
    /// Patterns of the names of parameters that are not taken over: those of a new head.
    pub except: OneOrMore<String>,
    /// Patterns of the names of parameters that stay as they are.
    pub freeze: OneOrMore<String>,
    /// The epoch from which on these are trained, too.
    pub unfreeze_after: Option<usize>,
}

section! {
    TransferOptions {
        from => "A file of weights, or the folder of a run.";
        except => "Patterns of the names of parameters that are not taken over: those of a new head.";
        freeze => "Patterns of the names of parameters that stay as they are.";
        unfreeze_after, 1.. => "After how many epochs these are trained, too; if not given, never.";
    }
}

section! {
    CheckpointOptions {
        monitor => "The figure by which the best weights are known.";
        goal => "Which figures are better.";
        every_epochs, 1.. => "After how many epochs the training is saved.";
        every_steps, 1.. => "After how many steps, besides.";
        every_seconds, POSITIVE => "After how many seconds, besides.";
        keep_last, 1.. => "How many are kept to go on from.";
        keep_every_epochs, 1.. => "That of every so many epochs is kept for good.";
    }
}
