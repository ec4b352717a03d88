//! What a data set is.

use gradus_tensor::{OpError, Result, Tensor};
use std::sync::Arc;

/// One example to learn from: an input and the target that a model should give for it.
#[derive(Clone, Debug)]
pub struct Sample {
    input: Tensor,
    target: Tensor,
    kind: TargetKind,
}

/// What a target says about a picture, and so how it changes with the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TargetKind {
    /// Nothing about places: a class, a number, a text. It stays as it is.
    #[default]
    Fixed,
    /// A number for each pixel, `[H, W]` or `[N, H, W]`. It moves as the picture does, without
    /// mixing numbers.
    Mask {
        /// What it says where the picture is extended.
        fill: f64,
    },
    /// Boxes, `[N, 4 + D]`: left, top, right and bottom edge in pixels, then anything else, such as
    /// a class. A row whose right edge is not right of its left one stands for no box; boxes that
    /// leave the picture become rows of -1 after the others, so that the shape stays.
    Boxes,
    /// Key points, `[N, 2 + D]`: how far right and how far down in pixels, then anything else.
    Points {
        /// Rows that are exchanged when the picture is mirrored: the left eye and the right one.
        pairs: Arc<[(usize, usize)]>,
    },
}

/// Several samples together, their inputs and their targets each in one tensor along its first axis.
#[derive(Clone, Debug)]
pub struct Batch {
    input: Tensor,
    target: Tensor,
}

impl Sample {
    /// An input and its target.
    pub fn new(input: Tensor, target: Tensor) -> Self {
        Self { input, target, kind: TargetKind::Fixed }
    }

    /// The same sample, whose target is of a kind.
    pub fn of_kind(self, kind: TargetKind) -> Self {
        Self { kind, ..self }
    }

    /// The same sample with another input.
    pub fn with_input(self, input: Tensor) -> Self {
        Self { input, ..self }
    }

    /// What a model is given.
    pub fn input(&self) -> &Tensor {
        &self.input
    }

    /// What a model should make of it.
    pub fn target(&self) -> &Tensor {
        &self.target
    }

    /// What the target says about the input.
    pub fn kind(&self) -> &TargetKind {
        &self.kind
    }
}

impl Batch {
    /// Inputs `[B, ...]` and their targets `[B, ...]`.
    ///
    /// # Panics
    /// If there are not as many inputs as targets.
    #[track_caller]
    pub fn new(input: Tensor, target: Tensor) -> Self {
        check_lengths(&input, &target, "a batch");
        Self { input, target }
    }

    /// Samples, stacked.
    ///
    /// # Errors
    /// If there is none, or their shapes differ.
    pub fn stack(samples: &[Sample]) -> Result<Self> {
        let part =
            |part: fn(&Sample) -> &Tensor| samples.iter().map(|x| part(x).detach()).collect();
        let (inputs, targets) = (part(Sample::input), part(Sample::target));
        Ok(Self { input: stack("input", inputs)?, target: stack("target", targets)? })
    }

    /// Some samples of a data set, stacked.
    pub(crate) fn of<D: Dataset + ?Sized>(dataset: &D, indices: &[usize]) -> Result<Self> {
        let samples: Result<Vec<Sample>> = indices.iter().map(|&i| dataset.sample(i)).collect();
        Self::stack(&samples?)
    }

    /// Inputs that are stacked already, with the targets of samples.
    pub(crate) fn with_targets<'a>(
        input: Tensor,
        samples: impl Iterator<Item = &'a Sample>,
    ) -> Result<Self> {
        let targets = samples.map(|sample| sample.target().detach()).collect();
        Ok(Self { input, target: stack("target", targets)? })
    }

    /// What a model is given, `[B, ...]`.
    pub fn input(&self) -> &Tensor {
        &self.input
    }

    /// What a model should make of it, `[B, ...]`.
    pub fn target(&self) -> &Tensor {
        &self.target
    }

    /// The sample of a batch that has one only.
    pub(crate) fn single(&self) -> Sample {
        Sample::new(self.input.squeeze(0), self.target.squeeze(0))
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.input.len_of(0)
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The parts of samples, which must have one shape, stacked.
fn stack(what: &str, parts: Vec<Tensor>) -> Result<Tensor> {
    let Some(first) = parts.first() else {
        return Err(OpError::of("batch", "there is no sample to stack").into());
    };
    let (shape, device) = (first.shape(), first.device());
    if let Some(other) = parts.iter().find(|x| x.shape() != shape || x.device() != device) {
        let message = format_args!(
            "samples have {what}s of shape {shape} on {device} and of shape {} on {}: bring \
             them to one shape, or override Dataset::batch",
            other.shape(),
            other.device()
        );
        return Err(OpError::of("batch", message).into());
    }
    Ok(Tensor::stack(&parts, 0))
}

/// Panics if there are not as many inputs as targets.
#[track_caller]
fn check_lengths(input: &Tensor, target: &Tensor, what: &str) {
    let (x, y) = (input.shape(), target.shape());
    assert!(
        x.rank() > 0 && y.rank() > 0 && x[0] == y[0],
        "{what} needs as many inputs as targets along the first axes: their shapes are {x} and {y}"
    );
}

/// Samples that can be told apart by number.
///
/// The same number must give the same sample whenever, and on whichever thread, it is asked for:
/// what changes from epoch to epoch belongs into [`Dataset::in_epoch`].
///
/// ```
/// use gradus_data::{Dataset, Sample};
/// use gradus_tensor::{Result, Tensor};
///
/// /// The squares of 0 to 9.
/// struct Squares;
///
/// impl Dataset for Squares {
///     fn len(&self) -> usize {
///         10
///     }
///
///     fn sample(&self, index: usize) -> Result<Sample> {
///         let x = index as f32;
///         Ok(Sample::new(Tensor::from([x]), Tensor::from([x * x])))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// assert_eq!(Squares.batch(&[2, 3])?.target().to_vec::<f32>(), [4.0, 9.0]);
/// # Ok(())
/// # }
/// ```
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// True if there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sample with a number below [`Dataset::len`].
    ///
    /// # Errors
    /// If it cannot be read.
    fn sample(&self, index: usize) -> Result<Sample>;

    /// The samples with these numbers, in this order: by default stacked, so that their shapes must
    /// be equal. A data set that can gather them at once does better.
    ///
    /// # Errors
    /// If one cannot be read, or they do not fit together.
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        Batch::of(self, indices)
    }

    /// The data set as it is in an epoch, of the same length, if epochs differ.
    fn in_epoch(&self, _epoch: u64) -> Option<Arc<dyn Dataset>> {
        None
    }
}

/// A data set that several hold.
impl<D: Dataset + ?Sized> Dataset for Arc<D> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        (**self).sample(index)
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        (**self).batch(indices)
    }

    fn in_epoch(&self, epoch: u64) -> Option<Arc<dyn Dataset>> {
        (**self).in_epoch(epoch)
    }
}

/// Samples that lie in two tensors, one beside the other along the first axis. PyTorch:
/// `torch.utils.data.TensorDataset`.
#[derive(Clone, Debug)]
pub struct TensorDataset {
    input: Tensor,
    target: Tensor,
}

impl TensorDataset {
    /// Inputs `[N, ...]` and their targets `[N, ...]`, without their history.
    ///
    /// # Panics
    /// If there are not as many inputs as targets.
    #[track_caller]
    pub fn new(input: Tensor, target: Tensor) -> Self {
        check_lengths(&input, &target, "a data set");
        Self { input: input.detach(), target: target.detach() }
    }
}

impl Dataset for TensorDataset {
    fn len(&self) -> usize {
        self.input.len_of(0)
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(Sample::new(self.input.select(0, index), self.target.select(0, index)))
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let indices = Tensor::from(indices.iter().map(|&index| index as i64).collect::<Vec<_>>());
        let rows = |x: &Tensor| x.index_select(0, &indices.to_device(x.device()));
        Ok(Batch { input: rows(&self.input), target: rows(&self.target) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> TensorDataset {
        let input = Tensor::arange(0, 12, 1).reshape([6, 2]);
        TensorDataset::new(input, Tensor::arange(0, 6, 1))
    }

    #[test]
    fn rows_come_in_the_order_asked_for() {
        let batch = counting().batch(&[4, 0, 1, 1]).unwrap();
        assert_eq!(batch.input().to_vec::<i64>(), [8, 9, 0, 1, 2, 3, 2, 3]);
        assert_eq!(batch.target().to_vec::<i64>(), [4, 0, 1, 1]);
        assert_eq!(batch.len(), 4);
        assert_eq!(counting().batch(&[]).unwrap().input().shape(), [0, 2]);
    }

    #[test]
    fn stacking_is_the_same_as_gathering() {
        let samples: Vec<Sample> = [3, 5].map(|i| counting().sample(i).unwrap()).into();
        let batch = Batch::stack(&samples).unwrap();
        let gathered = counting().batch(&[3, 5]).unwrap();
        assert_eq!(batch.input().to_vec::<i64>(), gathered.input().to_vec::<i64>());
        assert_eq!(batch.input().shape(), gathered.input().shape());
        assert_eq!(batch.target().shape(), [2]);
    }

    #[test]
    fn samples_of_different_shapes_are_an_error() {
        let sample = |len: usize| Sample::new(Tensor::zeros([len]), Tensor::from(0.0));
        let error = Batch::stack(&[sample(2), sample(3)]).unwrap_err().to_string();
        assert!(error.contains("inputs of shape [2]") && error.contains("shape [3]"), "{error}");
        assert!(Batch::stack(&[]).is_err());
    }

    #[test]
    #[should_panic(expected = "their shapes are [3] and [2]")]
    fn as_many_inputs_as_targets() {
        TensorDataset::new(Tensor::zeros([3]), Tensor::zeros([2]));
    }
}
