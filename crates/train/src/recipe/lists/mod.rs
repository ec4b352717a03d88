//! The lists of what recipes can name: one file for each part of a recipe.

pub mod augment;
pub mod blocks;
pub mod callbacks;
pub mod data;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod models;
pub mod optimizers;
pub mod penalties;
pub mod schedules;

use super::entry::{List, Product};
use crate::callback::Callback;
use crate::metrics::Metric;
use crate::trainer::Loss;
use gradus_nn::{Layer, Optimizer, schedule::Schedule};

/// Every list, in the order of a recipe.
pub fn lists() -> Vec<List> {
    vec![
        data::Data::list(),
        augment::Change::list(),
        models::Model::list(),
        Box::<dyn Layer>::list(),
        Loss::list(),
        Box::<dyn Optimizer>::list(),
        Box::<dyn Schedule>::list(),
        penalties::Penalty::list(),
        Box::<dyn Callback>::list(),
        Box::<dyn Metric>::list(),
    ]
}
