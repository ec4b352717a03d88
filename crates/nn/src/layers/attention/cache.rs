//! Keys and values of what came before.

use gradus_tensor::kernel::Kernel;
use gradus_tensor::op::update;
use gradus_tensor::{Tensor, autograd::is_grad_enabled};

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
    /// Keys `[B, H, R, D]` and values `[B, H, R, E]` with room for R.
    kept: Option<[Tensor; 2]>,
    /// How many of them there are.
    len: usize,
}

impl KeyValueCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys there are, S.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Forgets all but the first keys and values. With more than there are, it forgets nothing.
    pub fn truncate(&mut self, len: usize) {
        self.len = len.min(self.len);
    }

    /// Goes on with the examples that `rows` names (`[B']`, `i64`), in that order: what beam search
    /// does with its beams.
    ///
    /// # Panics
    /// If there is no such example.
    #[track_caller]
    pub fn reorder(&mut self, rows: &Tensor) {
        if let Some(all) = self.get() {
            self.kept = Some(all.map(|x| x.index_select(0, rows)));
        }
    }

    /// Adds keys `[B, H, S, D]` and values `[B, H, S, E]`, and gives all there are. What is given are
    /// views: as long as somebody holds them, adding more means to copy all.
    ///
    /// Where gradients flow to keys or values, all are copied, too.
    ///
    /// # Panics
    /// If they do not fit those that are kept.
    #[track_caller]
    pub fn append(&mut self, keys: &Tensor, values: &Tensor) -> [Tensor; 2] {
        let (old, new) = (self.get(), [keys, values]);
        let recorded = is_grad_enabled()
            && new.into_iter().chain(old.iter().flatten()).any(Tensor::needs_grad);
        let earlier = std::mem::take(&mut self.len);
        let all = earlier + keys.len_of(-2);
        self.kept = Some(match (old, self.kept.take()) {
            (Some(old), Some(kept)) if !recorded && fit(&old, new) => {
                let [old_keys, old_values] = old;
                let [kept_keys, kept_values] = kept;
                let keys = put_behind(kept_keys, old_keys, keys);
                [keys, put_behind(kept_values, old_values, values)]
            }
            (Some([old_keys, old_values]), _) => [
                Tensor::cat(&[old_keys, keys.clone()], -2),
                Tensor::cat(&[old_values, values.clone()], -2),
            ],
            _ => new.map(Tensor::contiguous),
        });
        self.len = all;
        self.get().expect("there are some now")
    }

    /// The keys and values, if there are any.
    pub(super) fn get(&self) -> Option<[Tensor; 2]> {
        let kept = self.kept.as_ref()?;
        Some(kept.each_ref().map(|x| x.narrow(-2, 0, self.len)))
    }
}

/// True if new keys and values can lie behind old ones.
fn fit(old: &[Tensor; 2], new: [&Tensor; 2]) -> bool {
    old.iter().zip(new).all(|(old, new)| {
        let axis = old.rank() - 2;
        let alike =
            old.rank() == new.rank() && old.shape().with(axis, 0) == new.shape().with(axis, 0);
        alike && old.dtype() == new.dtype() && old.device() == new.device()
    })
}

/// What is kept with new keys or values behind the old ones, which are a view of it: in the same
/// memory if there is room, else in one with room for twice as many.
#[track_caller]
fn put_behind(kept: Tensor, old: Tensor, new: &Tensor) -> Tensor {
    let earlier = old.len_of(-2);
    let all = earlier + new.len_of(-2);
    let mut kept = kept.detach();
    if kept.len_of(-2) < all {
        let shape = old.shape().with(old.rank() - 2, 2 * all);
        kept = Tensor::zeros(old.spec().with_shape(shape));
        put(&old, &mut kept, 0);
    }
    // Nobody else may hold the memory, or it is copied.
    drop(old);
    put(new, &mut kept, earlier);
    kept
}

/// Writes keys or values over those of a memory, from a place on.
#[track_caller]
fn put(x: &Tensor, memory: &mut Tensor, start: usize) {
    let kernel = Kernel::Overwrite { axis: x.rank() - 2, start };
    if let Err(error) = update(&kernel, &[x], &mut [memory]) {
        panic!("{error}");
    }
}
