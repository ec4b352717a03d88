//! Sequences of different lengths without the numbers that would fill them up.

use gradus_tensor::{OpError, Tensor};
use std::cmp::Reverse;

/// Sequences of different lengths, one row for each sequence and time: the rows of time 0 of all
/// sequences, the longest first, then those of time 1 of the sequences that have not ended, and so
/// on. PyTorch: `torch.nn.utils.rnn.PackedSequence`.
///
/// ```
/// use gradus_nn::{PackedSequence, PadOptions};
/// use gradus_tensor::Tensor;
///
/// let x = Tensor::arange(0.0, 6.0, 1.0).reshape([2, 3, 1]);
/// let packed = PackedSequence::pack_padded(&x, &[1, 3], true);
/// assert_eq!(packed.batch_sizes(), [2, 1, 1]);
/// assert_eq!(packed.data().to_vec::<f32>(), [3.0, 0.0, 4.0, 5.0]);
/// let (y, lengths) = packed.pad_packed(PadOptions::default());
/// assert_eq!(y.to_vec::<f32>(), [0.0, 0.0, 0.0, 3.0, 4.0, 5.0]);
/// assert_eq!(lengths, [1, 3]);
/// ```
#[derive(Clone, Debug)]
pub struct PackedSequence {
    data: Tensor,
    batch_sizes: Vec<usize>,
    /// The length of each sequence, in the order in which they were given.
    lengths: Vec<usize>,
    /// The sequences, the longest first.
    order: Vec<usize>,
}

/// How packed sequences are filled up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PadOptions {
    /// Give [B, T, ..], not [T, B, ..].
    pub batch_first: bool,
    /// The number behind the end of a sequence.
    pub value: f64,
    /// T; the length of the longest sequence if nothing is said.
    pub total_length: Option<usize>,
}

impl Default for PadOptions {
    fn default() -> Self {
        Self { batch_first: true, value: 0.0, total_length: None }
    }
}

impl PackedSequence {
    /// Packs sequences that were filled up to the same length, `[B, T, ..]`, or `[T, B, ..]` if not
    /// `batch_first`. Their lengths come in any order. PyTorch:
    /// `torch.nn.utils.rnn.pack_padded_sequence(enforce_sorted=False)`.
    ///
    /// # Panics
    /// If there is not one length for each sequence, between 1 and T.
    #[track_caller]
    pub fn pack_padded(x: &Tensor, lengths: &[usize], batch_first: bool) -> Self {
        let axes = if batch_first { [0, 1] } else { [1, 0] };
        let fits = x.rank() >= 2
            && lengths.len() == x.shape()[axes[0]]
            && lengths.iter().all(|length| (1..=x.shape()[axes[1]]).contains(length));
        if !fits || lengths.is_empty() {
            let message =
                format_args!("lengths {lengths:?} are not those of sequences in {}", x.shape());
            panic!("{}", OpError::of("pack_padded", message));
        }
        let [batch, time] = axes.map(|axis| x.shape()[axis]);
        let stride = |sequence: usize, step: usize| match batch_first {
            true => sequence * time + step,
            false => step * batch + sequence,
        };
        Self::gather(&x.flatten(0, 1), lengths, stride)
    }

    /// Packs sequences `[T, ..]`, each of its own length. PyTorch:
    /// `torch.nn.utils.rnn.pack_sequence(enforce_sorted=False)`.
    ///
    /// # Panics
    /// If there is none, or one is empty.
    #[track_caller]
    pub fn pack(sequences: &[Tensor]) -> Self {
        let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.len_of(0)).collect();
        if lengths.is_empty() || lengths.contains(&0) {
            let message = format_args!("takes sequences of at least one row, not of {lengths:?}");
            panic!("{}", OpError::of("pack", message));
        }
        let starts: Vec<usize> = lengths
            .iter()
            .scan(0, |end, length| {
                *end += length;
                Some(*end - length)
            })
            .collect();
        Self::gather(&Tensor::cat(sequences, 0), &lengths, |sequence, step| starts[sequence] + step)
    }

    /// Takes the row of each sequence and time from where `row` says it lies.
    #[track_caller]
    fn gather(rows: &Tensor, lengths: &[usize], row: impl Fn(usize, usize) -> usize) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&sequence| Reverse(lengths[sequence]));
        let longest = lengths[order[0]];
        let size = |step| order.iter().take_while(|&&sequence| lengths[sequence] > step).count();
        let batch_sizes: Vec<usize> = (0..longest).map(size).collect();
        let mut indices = vec![];
        for (step, &size) in batch_sizes.iter().enumerate() {
            indices.extend(order[..size].iter().map(|&sequence| row(sequence, step)));
        }
        let data = select(rows, &indices, 0);
        Self { data, batch_sizes, lengths: lengths.to_vec(), order }
    }

    /// The rows, `[N, ..]`.
    pub fn data(&self) -> &Tensor {
        &self.data
    }

    /// How many sequences have a row at each time.
    pub fn batch_sizes(&self) -> &[usize] {
        &self.batch_sizes
    }

    /// The length of each sequence, in the order in which they were packed.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The sequences in the order in which their rows come, the longest first. PyTorch:
    /// `sorted_indices`.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The same sequences with other rows, as many as these.
    ///
    /// # Panics
    /// If there are not as many.
    #[track_caller]
    pub fn with_data(&self, data: Tensor) -> Self {
        if data.rank() == 0 || data.len_of(0) != self.data.len_of(0) {
            let rows = self.data.len_of(0);
            let message = format_args!("takes {rows} rows, not {}", data.shape());
            panic!("{}", OpError::of("with_data", message));
        }
        Self { data, ..self.clone() }
    }

    /// The sequences filled up to the same length, in the order in which they were packed, and
    /// their lengths. PyTorch: `torch.nn.utils.rnn.pad_packed_sequence`.
    ///
    /// # Panics
    /// If a sequence is longer than `total_length`.
    #[track_caller]
    pub fn pad_packed(&self, options: PadOptions) -> (Tensor, Vec<usize>) {
        let (batch, longest) = (self.lengths.len(), self.batch_sizes.len());
        let time = options.total_length.unwrap_or(longest);
        if time < longest {
            let message = format_args!("a sequence has {longest} rows, more than {time}");
            panic!("{}", OpError::of("pad_packed", message));
        }
        let count = self.data.len_of(0);
        // Behind the last row comes one of padding.
        let mut indices = vec![count; batch * time];
        let mut row = 0;
        for (step, &size) in self.batch_sizes.iter().enumerate() {
            for &sequence in &self.order[..size] {
                let place = match options.batch_first {
                    true => sequence * time + step,
                    false => step * batch + sequence,
                };
                indices[place] = row;
                row += 1;
            }
        }
        let padding = self.data.narrow(0, 0, 1).detach().full_like(options.value);
        let rows = Tensor::cat(&[self.data.clone(), padding], 0);
        let axes = if options.batch_first { [batch, time] } else { [time, batch] };
        let shape = axes.iter().chain(&self.data.shape()[1..]).copied().collect::<Vec<_>>();
        (select(&rows, &indices, 0).reshape(shape), self.lengths.clone())
    }

    /// Each sequence by itself, `[T, ..]`, in the order in which they were packed. PyTorch:
    /// `torch.nn.utils.rnn.unpack_sequence`.
    pub fn unpack(&self) -> Vec<Tensor> {
        let (padded, lengths) = self.pad_packed(PadOptions::default());
        let sequence = |(index, &length)| padded.select(0, index).narrow(0, 0, length);
        lengths.iter().enumerate().map(sequence).collect()
    }

    /// What belongs to sequences along an axis, the longest sequence first.
    #[track_caller]
    pub(super) fn sorted(&self, x: &Tensor, axis: isize) -> Tensor {
        if x.shape().axis(axis).is_err() || x.len_of(axis) != self.order.len() {
            let count = self.order.len();
            let message = format_args!("{count} sequences take [L, {count}, H], not {}", x.shape());
            panic!("{}", OpError::of("the state of packed sequences", message));
        }
        select(x, &self.order, axis)
    }

    /// The reverse of [`Self::sorted`].
    pub(super) fn unsorted(&self, x: &Tensor, axis: isize) -> Tensor {
        let mut places = vec![0; self.order.len()];
        for (place, &sequence) in self.order.iter().enumerate() {
            places[sequence] = place;
        }
        select(x, &places, axis)
    }
}

/// The parts of x that indices name along an axis.
fn select(x: &Tensor, indices: &[usize], axis: isize) -> Tensor {
    let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    let count = indices.len();
    x.index_select(axis, &Tensor::from_vec(indices, count).to_device(x.device()))
}
