//! Which queries meet which keys.

use gradus_tensor::{DType, Device, OpError, Shape, Tensor};

/// Which queries meet which keys. All that is said holds at once; nothing said, all meet all.
///
/// Truth values are true where a query **meets** a key, as in
/// `torch.nn.functional.scaled_dot_product_attention`. PyTorch's modules (`attn_mask`,
/// `key_padding_mask`) mean the opposite: their masks of truth values come here by way of
/// [`Tensor::logical_not`], their masks of numbers as they are. A query that meets no key gets zeros,
/// where PyTorch's modules give NaN.
///
/// ```
/// use gradus_nn::{AttentionMasks, MultiheadAttention};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let attention = MultiheadAttention::new(16, 4, &mut rng);
/// let x = Tensor::randn([2, 3, 16], &mut rng);
/// // The second example has two elements, then padding.
/// let keys = Tensor::from_vec(vec![true, true, true, true, true, false], [2, 3]);
/// let masks = AttentionMasks { keys: Some(&keys), ..AttentionMasks::causal() };
/// assert_eq!(attention.attend(&x, &x, &x, masks).shape(), [2, 3, 16]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionMasks<'a> {
    /// Truth values, or numbers that are added to the scores: `[T, S]`, or whatever broadcasts to
    /// `[B, H, T, S]`, where the heads H come before the last two axes.
    pub mask: Option<&'a Tensor>,
    /// Which keys count, `[B, S]`: truth values, false for padding, or numbers that are added to the
    /// scores.
    pub keys: Option<&'a Tensor>,
    /// Lets query i meet only the keys up to number i; where keys of earlier steps come from a
    /// [`KeyValueCache`](crate::KeyValueCache), up to that many more.
    pub causal: bool,
}

impl AttentionMasks<'_> {
    /// Each query meets its own key and those before it.
    pub fn causal() -> Self {
        Self { causal: true, ..Self::default() }
    }
}

/// Truth values `[T, S]`: query i meets the keys up to number i + `earlier`. PyTorch:
/// `Transformer.generate_square_subsequent_mask`, which has minus infinity where this is false.
pub fn causal_mask(queries: usize, keys: usize, earlier: usize) -> Tensor {
    let last = Tensor::arange(earlier as i64, (earlier + queries) as i64, 1).unsqueeze(1);
    Tensor::arange(0, keys as i64, 1).unsqueeze(0).le(&last)
}

/// How many queries and keys meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meeting {
    /// How many queries.
    pub queries: usize,
    /// How many keys.
    pub keys: usize,
    /// How many of the keys come before that of the first query.
    pub earlier: usize,
    /// How many of the keys come after all others and meet every query.
    pub extra: usize,
    /// How the scores are kept.
    pub dtype: DType,
    /// Where the scores are.
    pub device: Device,
}

/// What is left of masks for the kernel.
#[derive(Debug, Default)]
pub(super) struct KernelMasks {
    /// Broadcasts to `[B, H, T, S]`.
    pub mask: Option<Tensor>,
    /// Query i meets the keys up to number i.
    pub causal: bool,
}

impl AttentionMasks<'_> {
    /// All masks in one, but for what the kernel does itself.
    #[track_caller]
    pub(super) fn merged(&self, of: Meeting) -> KernelMasks {
        let from_the_start = of.earlier == 0 && of.extra == 0;
        // The last query meets all keys there are.
        let all = of.queries == 1 && of.earlier + 1 + of.extra >= of.keys;
        let causal = (self.causal && !from_the_start && !all)
            .then(|| causal_mask(of.queries, of.keys - of.extra, of.earlier).to_device(of.device));
        let keys = self.keys.map(|keys| keys.unsqueeze(1).unsqueeze(1));
        let mask = all_of([self.mask.cloned(), keys, causal], of.dtype);
        let mask = mask.map(|mask| extended(&mask, of.extra));
        KernelMasks { mask, causal: self.causal && from_the_start && !all }
    }
}

/// All masks there are as one.
#[track_caller]
pub(super) fn all_of(masks: [Option<Tensor>; 3], dtype: DType) -> Option<Tensor> {
    let mut all: Option<Tensor> = None;
    for mask in masks.into_iter().flatten() {
        all = Some(match all {
            None => mask,
            Some(all) => both(&all, &mask, dtype),
        });
    }
    all
}

/// Complains about a mask that does not broadcast to scores.
#[track_caller]
pub(super) fn check(mask: &Tensor, scores: &Shape, layer: &'static str) {
    if mask.shape().broadcast(scores).ok().as_ref() != Some(scores) {
        let message =
            format_args!("masks, {} together, do not broadcast to scores {scores}", mask.shape());
        panic!("{}", OpError::of(layer, message));
    }
}

/// Two masks as one.
#[track_caller]
fn both(mask: &Tensor, other: &Tensor, dtype: DType) -> Tensor {
    match (mask.dtype(), other.dtype()) {
        (DType::Bool, DType::Bool) => mask.logical_and(other),
        (DType::Bool, _) => both(other, mask, dtype),
        (_, DType::Bool) => {
            mask.to_dtype(dtype).masked_fill(&other.logical_not(), f64::NEG_INFINITY)
        }
        _ => mask.to_dtype(dtype) + other.to_dtype(dtype),
    }
}

/// A mask with columns for keys that meet every query.
fn extended(mask: &Tensor, columns: usize) -> Tensor {
    if columns == 0 {
        return mask.clone();
    }
    let last = mask.rank() - 1;
    let columns = mask.shape().with(last, columns);
    let open = match mask.dtype() {
        DType::Bool => Tensor::full((columns, DType::Bool), true),
        dtype => Tensor::zeros((columns, dtype)),
    };
    Tensor::cat(&[mask.clone(), open.to_device(mask.device())], -1)
}
