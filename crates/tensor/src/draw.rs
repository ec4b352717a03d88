//! Drawing indices with given weights.

use crate::error::fail;
use crate::{DType, OpError, Rng, Tensor};

impl Tensor {
    /// Indices drawn by the weights of the last axis, none twice. The weights need not add up to 1.
    /// PyTorch: `torch.multinomial`.
    ///
    /// # Shapes
    /// `[.., N] -> [.., count]`, as `i64`.
    ///
    /// # Panics
    /// If a weight is negative or not finite, or fewer than `count` are above zero.
    ///
    /// # Source
    /// Efraimidis, Spirakis 2006, "Weighted random sampling with a reservoir": the indices with the
    /// largest u^(1/w).
    #[track_caller]
    pub fn multinomial(&self, count: usize, rng: &mut Rng) -> Self {
        self.draw_rows("multinomial", count, |weights| {
            let positive = weights.iter().filter(|&&weight| weight > 0.0).count();
            if positive < count {
                fail(OpError::of(
                    "multinomial",
                    format_args!("only {positive} weights are above zero: cannot draw {count}"),
                ));
            }
            let mut keys: Vec<(f64, i64)> = Vec::with_capacity(positive);
            for (index, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0)
            {
                keys.push(((1.0 - rng.uniform()).ln() / weight, index as i64));
            }
            keys.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            keys.into_iter().take(count).map(|(_, index)| index).collect()
        })
    }

    /// Indices drawn by the weights of the last axis, each anew. PyTorch:
    /// `torch.multinomial(replacement=True)`.
    ///
    /// # Shapes
    /// `[.., N] -> [.., count]`, as `i64`.
    ///
    /// # Panics
    /// If a weight is negative or not finite, or none is above zero.
    #[track_caller]
    pub fn multinomial_with_replacement(&self, count: usize, rng: &mut Rng) -> Self {
        self.draw_rows("multinomial", count, |weights| {
            let sums: Vec<f64> = weights
                .iter()
                .scan(0.0, |sum, weight| {
                    *sum += weight;
                    Some(*sum)
                })
                .collect();
            let total = sums.last().copied().unwrap_or(0.0);
            let Some(last) = weights.iter().rposition(|&weight| weight > 0.0) else {
                fail(OpError::of("multinomial", "no weight is above zero"));
            };
            let mut draw = || {
                let point = rng.uniform() * total;
                sums.partition_point(|&sum| sum <= point).min(last) as i64
            };
            (0..count).map(|_| draw()).collect()
        })
    }

    /// Draws `count` indices for each row of the last axis.
    #[track_caller]
    fn draw_rows(
        &self,
        op: &'static str,
        count: usize,
        mut draw: impl FnMut(&[f64]) -> Vec<i64>,
    ) -> Self {
        let Some(&len) = self.shape().last() else {
            fail(OpError::of(op, "takes rows of weights, not a single number"));
        };
        let shape = self.shape().with(self.rank() - 1, count);
        if self.device().is_shape_only() {
            return Self::zeros((shape, DType::I64, self.device()));
        }
        let weights = self.to_dtype(DType::F64).to_vec::<f64>();
        if let Some(weight) = weights.iter().find(|weight| !(0.0..f64::INFINITY).contains(*weight))
        {
            fail(OpError::of(
                op,
                format_args!("the weight {weight} is no finite number from 0 on"),
            ));
        }
        let rows = if len == 0 { &[][..] } else { &weights[..] };
        let indices: Vec<i64> = rows.chunks_exact(len.max(1)).flat_map(&mut draw).collect();
        if indices.len() != shape.count() {
            fail(OpError::of(
                op,
                format_args!("there is nothing to draw from in {}", self.shape()),
            ));
        }
        Self::from_vec(indices, shape).to_device(self.device())
    }
}
