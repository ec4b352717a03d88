//! The figures of answers, by the loss and the metrics of a recipe.

use super::Recipe;
use super::lists::data::Data;
use crate::bootstrap::{Bootstrap, Interval};
use crate::metrics::Metric;
use crate::trainer::Loss;
use gradus_data::Dataset;
use gradus_nn::Layer;
use gradus_tensor::{DType, Result, Tensor, no_grad};
use std::sync::Arc;

/// What a trained model answers to samples: its figures, and those of any draw of the samples.
pub struct Answered {
    /// The loss and the metrics of all samples, by name.
    pub figures: Vec<(String, f64)>,
    outputs: Tensor,
    targets: Tensor,
    loss: Loss,
    metrics: Vec<Box<dyn Metric>>,
}

impl Recipe {
    /// Has a model answer samples, and keeps the answers.
    ///
    /// # Errors
    /// If a sample cannot be read, or a metric cannot be made.
    pub fn answered(
        &self,
        data: &Data,
        model: &dyn Layer,
        part: &Arc<dyn Dataset>,
    ) -> Result<Answered> {
        let (mut outputs, mut targets) = (vec![], vec![]);
        let figures = self.evaluate(data, model, part, |output, target| {
            outputs.push(output.detach());
            targets.push(target.detach());
        })?;
        let (outputs, targets) = (Tensor::cat(&outputs, 0), Tensor::cat(&targets, 0));
        let (loss, metrics) = (self.loss(data)?, self.metrics(data)?);
        Ok(Answered { figures, outputs, targets, loss, metrics })
    }
}

/// So many numbers may be drawn in all draws together.
const MOST_DRAWN: u64 = 4_000_000_000;

impl Answered {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.targets.len_of(0)
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the answers should have been.
    pub fn targets(&self) -> &Tensor {
        &self.targets
    }

    /// The figures of a draw of the samples, in the order of [`Answered::figures`].
    pub fn figures_of(&mut self, drawn: &[usize]) -> Vec<f64> {
        let indices: Vec<i64> = drawn.iter().map(|&index| index as i64).collect();
        let indices = Tensor::from(indices);
        no_grad(|| {
            let output = self.outputs.index_select(0, &indices);
            let target = self.targets.index_select(0, &indices);
            let loss = (self.loss)(&output, &target).to_dtype(DType::F64).item();
            for metric in &mut self.metrics {
                metric.reset();
                metric.update(&output, &target);
            }
            let figures = self.metrics.iter().flat_map(|metric| metric.figures());
            figures.map(|(_, figure)| figure).chain([loss]).collect()
        })
    }

    /// A bootstrap with as many draws as can be made of these answers in a reasonable time.
    pub fn bootstrap(&self) -> Bootstrap {
        let options = Bootstrap::default();
        let most = MOST_DRAWN / self.outputs.count().max(1) as u64;
        Bootstrap { resamples: options.resamples.min(most.max(100) as usize), ..options }
    }

    /// The intervals of the figures, in their order.
    ///
    /// # Errors
    /// Those of [`Bootstrap::intervals`].
    pub fn intervals(&mut self) -> Result<Vec<Interval>> {
        let (count, bootstrap) = (self.len(), self.bootstrap());
        let intervals = bootstrap.intervals(count, |drawn| self.figures_of(drawn))?;
        let own = self.figures.iter().map(|(_, value)| *value);
        Ok(intervals.into_iter().zip(own).map(|(own, value)| Interval { value, ..own }).collect())
    }
}
