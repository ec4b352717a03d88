//! The metrics that a recipe can name.

use crate::metrics::{Accuracy, Metric};
use crate::recipe::entry::{Entry, Product, entry};
use gradus_data::source::Answers;

/// What a metric is made for.
#[derive(Clone, Debug)]
pub struct MetricSite {
    /// What the data wants a model to answer.
    pub answers: Answers,
}

impl Product for Box<dyn Metric> {
    type Site = MetricSite;
    const NAME: &'static str = "metrics";
    const NOUN: &'static str = "metric";

    fn entries() -> Vec<Entry<Self>> {
        vec![entry! {
            accuracy(_): "The share of right answers.";
            => Ok(Box::new(Accuracy::default()))
        }]
    }
}
