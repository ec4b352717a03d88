//! The callbacks that a recipe can name.

use crate::average::{AverageOptions, Averages};
use crate::callback::Callback;
use crate::guard::NanGuard;
use crate::limits::{TimeBudget, Unfreeze};
use crate::plateau::{EarlyStopping, Plateau};
use crate::recipe::entry::{Entry, Product, entry};
use crate::recipe::field::{POSITIVE, choices};
use crate::statistics::{Statistics, StatisticsOptions};
use crate::tensorboard::{TensorBoard, TensorBoardOptions};
use gradus_nn::Averaging;
use gradus_nn::schedule::{Goal, ReduceOnPlateauOptions};
use serde_json::{Map, Value};
use std::path::PathBuf;

choices! {
    Goal { Lowest = "lowest", Highest = "highest" }
}

/// What a callback is made for.
#[derive(Clone, Debug)]
pub struct CallbackSite {
    /// The folder of the run.
    pub folder: PathBuf,
    /// The whole recipe, for those that write it down.
    pub settings: Map<String, Value>,
}

impl Product for Box<dyn Callback> {
    type Site = CallbackSite;
    const NAME: &'static str = "callbacks";
    const NOUN: &'static str = "callback";

    fn entries() -> Vec<Entry<Self>> {
        [ends(), weights(), files()].into_iter().flatten().collect()
    }
}

fn ends() -> Vec<Entry<Box<dyn Callback>>> {
    vec![
        entry! {
            early_stopping(_): "Ends the training when a figure has not got better for some epochs.";
            monitor: String = "valid_loss".into() => "The figure.";
            goal: Goal = Goal::Lowest => "Which figures are better.";
            patience: usize = 10, 1.. => "How many epochs may pass.";
            margin: f64 = 0.0, 0.0.. => "By how much a figure must be better to count.";
            => Ok(Box::new(EarlyStopping { monitor, goal, patience, margin }))
        },
        entry! {
            reduce_on_plateau(_): "Lowers the learning rate when a figure has not got better for some epochs.";
            monitor: String = "valid_loss".into() => "The figure.";
            goal: Goal = Goal::Lowest => "Which figures are better.";
            patience: u64 = 10 => "How many epochs may pass.";
            factor: f64 = 0.1, 0.0..1.0 => "The factor by which it falls.";
            cooldown: u64 = 0 => "How many epochs after that do not count.";
            lowest: f64 = 0.0, 0.0.. => "The lowest learning rate.";
            => {
                let options = ReduceOnPlateauOptions {
                    goal, patience, factor, cooldown, lowest, ..Default::default()
                };
                Ok(Box::new(Plateau::new(monitor, options)))
            }
        },
        entry! {
            nan_guard(_): "Ends the training when a number is not finite, names where it began, and makes no step by it.";
            => Ok(Box::new(NanGuard::default()))
        },
        entry! {
            time_budget(_): "Ends the training for now when another epoch would not fit into a time.";
            seconds: f64, POSITIVE => "The time, of one run of the program.";
            => Ok(Box::new(TimeBudget::new(seconds)?))
        },
    ]
}

fn weights() -> Vec<Entry<Box<dyn Callback>>> {
    vec![
        entry! {
            ema(_): "Evaluates and keeps a moving average of the weights in which the last count most.";
            decay: f64 = 0.999, 0.0..1.0 => "How much of the average is kept.";
            every_steps: usize = 1, 1.. => "After how many steps the weights are taken in.";
            first_epoch: usize = 1, 1.. => "The epoch in which it begins.";
            => {
                let averaging = Averaging::Exponential { decay };
                let every_steps = Some(every_steps);
                Ok(Box::new(Averages::new(AverageOptions { averaging, every_steps, first_epoch })?))
            }
        },
        entry! {
            swa(_): "Evaluates and keeps the mean of the weights at the ends of epochs.";
            first_epoch: usize, 1.. => "The first of these epochs.";
            => Ok(Box::new(Averages::swa(first_epoch)?))
        },
        entry! {
            unfreeze(_): "Trains parameters that `transfer.freeze` keeps as they are, from an epoch on.";
            pattern: String => "A pattern of their names: \"layer4.*\".";
            epoch: usize, 1.. => "The epoch, the first being 1.";
            => Ok(Box::new(Unfreeze { pattern, epoch }))
        },
    ]
}

fn files() -> Vec<Entry<Box<dyn Callback>>> {
    vec![
        entry! {
            tensorboard(site): "Writes what TensorBoard shows into the folder `tensorboard` of the run.";
            every_steps: usize = 10, 1.. => "After how many steps the loss and the learning rate are written.";
            parameters: bool = true => "Write how the numbers of each parameter are spread.";
            gradients: bool = true => "Write how gradients are spread.";
            graph: bool = true => "Write the layers of the model.";
            pictures: usize = 8 => "How many pictures of the first batch are written.";
            => {
                let settings = site.settings.clone();
                let options = TensorBoardOptions {
                    every_steps, parameters, gradients, graph, pictures, settings,
                };
                Ok(Box::new(TensorBoard::with(site.folder.join("tensorboard"), options)?))
            }
        },
        entry! {
            statistics(site): "Writes the norms of parameters and gradients to `statistics.jsonl` of the run.";
            every_steps: usize = 10, 1.. => "After how many steps.";
            histogram: Option<usize>, 1.. => "How many bins histograms of both have; if not given, there are none.";
            => {
                let options = StatisticsOptions { every_steps, histogram };
                Ok(Box::new(Statistics::new(site.folder.join("statistics.jsonl"), options)?))
            }
        },
    ]
}
