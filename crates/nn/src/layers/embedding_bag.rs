//! Tables of vectors, of which several make one.

use crate::{Init, Layer, Module, Param};
use gradus_tensor::{OpError, Rng, Tensor};

/// What becomes of the vectors of a bag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BagMode {
    /// Their sum.
    Sum,
    /// Their mean.
    #[default]
    Mean,
    /// The largest of each feature.
    Max,
}

/// The sum, the mean or the largest of the vectors to which the indices of a bag point.
///
/// A bag without indices gives zeros. The row of padding, if there is one, is left out of all bags.
///
/// # Shapes
/// `indices: [B, N] -> [B, D]`, of integers below the number of rows, with `weight: [rows, D]`.
///
/// # Source
/// PyTorch: `torch.nn.EmbeddingBag`, whose first values it has: all standard normal. Where several
/// vectors hold the largest number, they share its gradient; PyTorch gives it to the first.
///
/// ```
/// use gradus_nn::{BagMode, EmbeddingBag, Layer};
/// use gradus_tensor::{Rng, Tensor};
///
/// let layer = EmbeddingBag::new(1000, 16, &mut Rng::new(1)).with_mode(BagMode::Sum);
/// let words = Tensor::from(vec![3i64, 14, 15, 92, 65]);
/// // Three bags: words 0 and 1, none, words 2 to 4.
/// assert_eq!(layer.forward_bags(&words, &[0, 2, 2], None).shape(), [3, 16]);
/// assert_eq!(layer.forward(&words.reshape([5, 1])).shape(), [5, 16]);
/// ```
#[derive(Debug, Module)]
pub struct EmbeddingBag {
    /// The table.
    pub weight: Param,
    /// What becomes of the vectors of a bag.
    #[module(skip)]
    pub mode: BagMode,
    /// The row that stands for padding.
    pub padding: Option<usize>,
}

impl EmbeddingBag {
    /// A table of `count` vectors of `features` numbers, of which means are taken.
    #[track_caller]
    pub fn new(count: usize, features: usize, rng: &mut Rng) -> Self {
        let weight = Init::Normal { mean: 0.0, std: 1.0 }.draw([count, features], rng);
        Self { weight: Param::new(weight), mode: BagMode::default(), padding: None }
    }

    /// The table with another mode.
    pub fn with_mode(self, mode: BagMode) -> Self {
        Self { mode, ..self }
    }

    /// The table with a row that stands for padding, of zeros. PyTorch: `padding_idx`.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn with_padding(self, row: usize) -> Self {
        let table = super::Embedding { weight: self.weight, padding: None }.with_padding(row);
        Self { weight: table.weight, padding: table.padding, ..self }
    }

    /// The vectors of bags of any size: bag i has the indices from place `offsets[i]` up to the
    /// next offset. In a sum, each vector may have a weight of its own.
    ///
    /// # Shapes
    /// `indices: [N]`, `weights: [N] -> [B, D]` for B offsets.
    ///
    /// # Panics
    /// If the offsets do not start with 0, fall, or exceed the indices; if there are weights and
    /// the mode is not a sum.
    #[track_caller]
    pub fn forward_bags(
        &self,
        indices: &Tensor,
        offsets: &[usize],
        weights: Option<&Tensor>,
    ) -> Tensor {
        let count = indices.count();
        if let Some(message) = self.complaint(indices, offsets, weights) {
            panic!("{}", OpError::of("EmbeddingBag", message));
        }
        let ends = offsets[1..].iter().copied().chain([count]);
        let lens: Vec<usize> = offsets.iter().zip(ends).map(|(start, end)| end - start).collect();
        let longest = lens.iter().copied().max().unwrap_or(0);
        // The bags as rows of equal length: past its end a bag repeats place 0, and is masked.
        let mut places = Vec::with_capacity(lens.len() * longest);
        let mut there = Vec::with_capacity(places.capacity());
        for (&start, &len) in offsets.iter().zip(&lens) {
            places.extend((0..longest).map(|i| if i < len { (start + i) as i64 } else { 0 }));
            there.extend((0..longest).map(|i| i < len));
        }
        let shape = [lens.len(), longest];
        let device = indices.device();
        let places = Tensor::from_vec(places, shape).to_device(device);
        let there = Tensor::from_vec(there, shape).to_device(device);
        let weights = weights.map(|weights| weights.take(&places));
        self.reduce(&indices.take(&places), Some(there), weights.as_ref())
    }

    /// What is wrong with bags.
    fn complaint(
        &self,
        indices: &Tensor,
        offsets: &[usize],
        weights: Option<&Tensor>,
    ) -> Option<String> {
        let count = indices.count();
        if indices.rank() != 1 {
            return Some(format!("takes a list of indices, not {}", indices.shape()));
        }
        if offsets.first() != Some(&0) || !offsets.is_sorted() || offsets.last() > Some(&count) {
            return Some(format!("offsets rise from 0 to at most {count}, not as {offsets:?}"));
        }
        let weights = weights?;
        if weights.shape() != indices.shape() {
            let (weights, indices) = (weights.shape(), indices.shape());
            return Some(format!("weights {weights} for indices {indices}: give one for each"));
        }
        let mode = self.mode;
        (mode != BagMode::Sum).then(|| format!("weights are for sums, not for {mode:?}"))
    }

    /// Makes a vector of each row of indices, of those places that are there and no padding.
    #[track_caller]
    fn reduce(&self, indices: &Tensor, there: Option<Tensor>, weights: Option<&Tensor>) -> Tensor {
        let vectors = self.weight.tensor().embedding(indices, self.padding);
        let no_padding = self.padding.map(|row| indices.ne_scalar(row as i64));
        let mask = match (there, no_padding) {
            (Some(there), Some(no_padding)) => Some(there.logical_and(&no_padding)),
            (there, no_padding) => there.or(no_padding),
        };
        let dtype = vectors.dtype();
        let scale = weights.map(|weights| weights.to_dtype(dtype).unsqueeze(-1));
        let absent = mask.as_ref().map(|mask| mask.logical_not().unsqueeze(-1));
        let fill = |vectors: &Tensor, value: f64| match &absent {
            Some(absent) => vectors.masked_fill(absent, value),
            None => vectors.clone(),
        };
        match self.mode {
            _ if indices.len_of(1) == 0 => vectors.sum(1),
            BagMode::Sum => match scale {
                Some(scale) => fill(&(vectors * scale), 0.0).sum(1),
                None => fill(&vectors, 0.0).sum(1),
            },
            BagMode::Mean => match &mask {
                Some(mask) => {
                    let count = mask.to_dtype(dtype).sum_keepdim(1).clamp(1.0, f64::INFINITY);
                    fill(&vectors, 0.0).sum(1) / count
                }
                None => vectors.mean(1),
            },
            BagMode::Max => {
                let largest = fill(&vectors, f64::NEG_INFINITY).max(1);
                match &mask {
                    Some(mask) => {
                        let empty = mask.any(1).logical_not().unsqueeze(-1);
                        largest.masked_fill(&empty, 0.0)
                    }
                    None => largest,
                }
            }
        }
    }
}

impl Layer for EmbeddingBag {
    fn forward(&self, indices: &Tensor) -> Tensor {
        if indices.rank() != 2 {
            let message = format_args!(
                "takes indices [B, N], not {}: bags of other sizes go to forward_bags",
                indices.shape()
            );
            panic!("{}", OpError::of("EmbeddingBag", message));
        }
        self.reduce(indices, None, None)
    }
}
