//! Keys and values of what came before.

use gradus_tensor::Tensor;

/// The keys and values that an attention computed in earlier steps, so that a model which writes
/// token after token computes only what is new.
///
/// ```
/// use gradus_nn::{AttentionMasks, KeyValueCache, MultiheadAttention};
/// use gradus_tensor::{Rng, Tensor, no_grad};
///
/// let mut rng = Rng::new(1);
/// let attention = MultiheadAttention::new(16, 4, &mut rng);
/// let x = Tensor::randn([1, 5, 16], &mut rng);
/// let mut cache = KeyValueCache::new();
/// no_grad(|| {
///     for t in 0..5 {
///         let next = x.narrow(1, t, 1);
///         attention.attend_next(&next, AttentionMasks::causal(), &mut cache);
///     }
/// });
/// assert_eq!(cache.len(), 5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeyValueCache {
    /// Keys `[B, H, S, D]` and values `[B, H, S, E]`.
    kept: Option<[Tensor; 2]>,
}

impl KeyValueCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys there are, S.
    pub fn len(&self) -> usize {
        self.kept.as_ref().map_or(0, |[keys, _]| keys.len_of(-2))
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.kept = None;
    }

    /// Forgets all but the first keys and values. With more than there are, it forgets nothing.
    pub fn truncate(&mut self, len: usize) {
        let left = len.min(self.len());
        if let Some([keys, values]) = &mut self.kept {
            *keys = keys.narrow(-2, 0, left).copied();
            *values = values.narrow(-2, 0, left).copied();
        }
    }

    /// Goes on with the examples that `rows` names (`[B']`, `i64`), in that order: what beam search
    /// does with its beams.
    ///
    /// # Panics
    /// If there is no such example.
    #[track_caller]
    pub fn reorder(&mut self, rows: &Tensor) {
        if let Some([keys, values]) = &mut self.kept {
            *keys = keys.index_select(0, rows);
            *values = values.index_select(0, rows);
        }
    }

    /// Adds keys `[B, H, S, D]` and values `[B, H, S, E]`, and gives all there are.
    ///
    /// # Panics
    /// If they do not fit those that are kept.
    #[track_caller]
    pub fn append(&mut self, keys: &Tensor, values: &Tensor) -> [Tensor; 2] {
        let all = match self.kept.take() {
            None => [keys.contiguous(), values.contiguous()],
            Some([old_keys, old_values]) => [
                Tensor::cat(&[old_keys, keys.clone()], -2),
                Tensor::cat(&[old_values, values.clone()], -2),
            ],
        };
        self.kept = Some(all.clone());
        all
    }

    /// The keys and values, if there are any.
    pub(super) fn get(&self) -> Option<[Tensor; 2]> {
        self.kept.clone()
    }
}
