//! The callbacks that a recipe can name.

use crate::average::Averages;
use crate::callback::Callback;
use crate::guard::NanGuard;
use crate::limits::TimeBudget;
use crate::plateau::{EarlyStopping, Plateau};
use crate::recipe::entry::{Entry, Product, entry};
use crate::recipe::field::{POSITIVE, choices};
use gradus_nn::schedule::{Goal, ReduceOnPlateauOptions};

choices! {
    Goal { Lowest = "lowest", Highest = "highest" }
}

impl Product for Box<dyn Callback> {
    type Site = ();
    const NAME: &'static str = "callbacks";
    const NOUN: &'static str = "callback";

    fn entries() -> Vec<Entry<Self>> {
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
                ema(_): "Tests and keeps an exponential moving average of the weights in their place.";
                decay: f64 = 0.999, 0.0..1.0 => "The share of the average that each step leaves.";
                => Ok(Box::new(Averages::ema(decay)?))
            },
            entry! {
                swa(_): "Tests and keeps the mean of the weights at the ends of epochs in their place.";
                first_epoch: usize = 1, 1.. => "The first epoch that counts.";
                => Ok(Box::new(Averages::swa(first_epoch)?))
            },
            entry! {
                nan_guard(_): "Ends the training before a step by numbers that are not finite, and tells where they began.";
                => Ok(Box::new(NanGuard::default()))
            },
            entry! {
                time_budget(_): "Ends the training for now when another epoch would take it beyond a time.";
                seconds: f64, POSITIVE => "The time of one run of the program.";
                => Ok(Box::new(TimeBudget::new(seconds)?))
            },
        ]
    }
}
