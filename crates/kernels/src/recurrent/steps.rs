//! Which row of a matrix belongs to which sequence and time.

use std::ops::Range;

/// The order of the rows of a matrix that holds some sequences, one row for each sequence and time,
/// and the order in which they are computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// How many sequences there are.
    batch: usize,
    /// How many of them, the first ones, have not ended at each time.
    sizes: Vec<usize>,
    /// Where the rows of each time start; of each sequence, if its rows lie side by side.
    starts: Vec<usize>,
    batch_first: bool,
    reversed: bool,
}

impl Steps {
    /// Sequences of one length, the rows of each side by side: row b T + t.
    pub fn batch_first(batch: usize, time: usize) -> Self {
        let starts = (0..time).collect();
        Self { batch, sizes: vec![batch; time], starts, batch_first: true, reversed: false }
    }

    /// Sequences of one length, the rows of each time side by side: row t B + b.
    pub fn time_first(time: usize, batch: usize) -> Self {
        Self::of_sizes(batch, vec![batch; time])
    }

    /// Sequences that become shorter, the rows of each time side by side: at time t there are the
    /// first `sizes[t]` of them.
    ///
    /// # Panics
    /// If sizes grow.
    #[track_caller]
    pub fn packed(sizes: Vec<usize>) -> Self {
        let fall = sizes.is_sorted_by(|a, b| a >= b);
        assert!(fall, "sizes {sizes:?} grow: put the longest sequences first");
        Self::of_sizes(sizes.first().copied().unwrap_or(0), sizes)
    }

    fn of_sizes(batch: usize, sizes: Vec<usize>) -> Self {
        let ends = sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end)
        });
        let starts = ends.zip(&sizes).map(|(end, size)| end - size).collect();
        Self { batch, sizes, starts, batch_first: false, reversed: false }
    }

    /// The same rows, computed from the last time to the first.
    pub fn reversed(self) -> Self {
        Self { reversed: !self.reversed, ..self }
    }

    /// How many sequences there are.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// How many times there are.
    pub fn time(&self) -> usize {
        self.sizes.len()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// True if the rows of a sequence, not those of a time, lie side by side.
    pub fn is_batch_first(&self) -> bool {
        self.batch_first
    }

    /// True if the last time is computed first.
    pub fn is_reversed(&self) -> bool {
        self.reversed
    }

    /// The times in the order in which they are computed.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let (time, reversed) = (self.time(), self.reversed);
        (0..time).map(move |step| if reversed { time - 1 - step } else { step })
    }

    /// How many sequences, the first ones, have a row at a time.
    pub fn size(&self, time: usize) -> usize {
        self.sizes[time]
    }

    /// The row of a sequence at a time.
    pub fn row(&self, time: usize, sequence: usize) -> usize {
        self.starts[time] + sequence * self.row_stride()
    }

    /// How far apart the rows of neighbouring sequences are.
    pub fn row_stride(&self) -> usize {
        if self.batch_first { self.time() } else { 1 }
    }

    /// The row of a sequence at the time that is computed before a time, if there is one.
    pub fn row_before(&self, time: usize, sequence: usize) -> Option<usize> {
        let before = if self.reversed { time + 1 } else { time.wrapping_sub(1) };
        let size = self.sizes.get(before)?;
        (sequence < *size).then(|| self.row(before, sequence))
    }

    /// The rows of a time, if they lie side by side.
    pub fn rows_at(&self, time: usize) -> Option<Range<usize>> {
        let start = self.starts[time];
        (!self.batch_first).then(|| start..start + self.sizes[time])
    }
}
