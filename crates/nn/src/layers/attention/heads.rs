//! Several attentions side by side: the heads.

use super::masks::{AttentionMasks, Meeting, check};
use crate::Dropout;
use gradus_tensor::Tensor;
use gradus_tensor::ops::AttentionOptions;

/// Queries, keys and values of all heads, and what is done with them.
pub(super) struct Heads<'a> {
    /// The layer's name, for complaints.
    pub layer: &'static str,
    /// `[B, H, T, D]`.
    pub query: Tensor,
    /// `[B, G, S, D]`, where each of the G heads serves H / G heads of queries.
    pub key: Tensor,
    /// `[B, G, S, E]`.
    pub value: Tensor,
    /// Who meets whom.
    pub masks: AttentionMasks<'a>,
    /// How many of the keys come before that of the first query.
    pub earlier: usize,
    /// How many of the keys come after all others and meet every query.
    pub extra: usize,
    /// What leaves out weights.
    pub dropout: &'a Dropout,
}

impl Heads<'_> {
    /// The means of values `[B, H, T, E]`, and the weights `[B, H, T, S]` if they are wanted.
    #[track_caller]
    pub fn attend(&self, with_weights: bool) -> (Tensor, Option<Tensor>) {
        let (heads, groups) = (self.query.len_of(1), self.key.len_of(1));
        let (queries, keys) = (self.query.len_of(2), self.key.len_of(2));
        let merged = self.masks.merged(Meeting {
            queries,
            keys,
            earlier: self.earlier,
            extra: self.extra,
            dtype: self.query.dtype(),
            device: self.query.device(),
        });
        let mut mask = merged.mask;
        if let Some(mask) = &mask {
            check(mask, &self.query.shape().with(3, keys), self.layer);
        }
        let (mut query, mut key, mut value) =
            (self.query.clone(), self.key.clone(), self.value.clone());
        if heads != groups {
            query = by_groups(&query, groups);
            mask = mask.map(|mask| by_groups(&mask, groups));
            if queries == 1 {
                // The queries of a group meet the same keys, as if they were one head's.
                query = query.squeeze(-2);
                mask = mask.map(|mask| if mask.rank() > 2 { mask.squeeze(-2) } else { mask });
            } else {
                (key, value) = (key.unsqueeze(2), value.unsqueeze(2));
            }
        }
        let dropout = self.dropout.draw();
        let options = AttentionOptions { causal: merged.causal, dropout, scale: None };
        let back = |x: Tensor, last: usize| {
            if heads == groups { x } else { x.reshape([x.len_of(0), heads, queries, last]) }
        };
        if !with_weights {
            let y = query.scaled_dot_product_attention(&key, &value, mask.as_ref(), options);
            return (back(y, value.len_of(-1)), None);
        }
        let weights = query.attention_weights(&key, mask.as_ref(), options);
        let y = back(weights.matmul(&value), value.len_of(-1));
        (y, Some(back(weights, keys)))
    }
}

/// The means of values `[B, T, H · D]` of queries, keys and values that lie together,
/// `[B, T, 3 · H · D]`.
#[track_caller]
pub(super) fn attend_together(
    layer: &'static str,
    x: &Tensor,
    heads: usize,
    masks: AttentionMasks<'_>,
    dropout: &Dropout,
) -> Tensor {
    let [batch, elements] = [x.len_of(0), x.len_of(1)];
    let merged = masks.merged(Meeting {
        queries: elements,
        keys: elements,
        earlier: 0,
        extra: 0,
        dtype: x.dtype(),
        device: x.device(),
    });
    if let Some(mask) = &merged.mask {
        check(mask, &[batch, heads, elements, elements].into(), layer);
    }
    let options = AttentionOptions { causal: merged.causal, dropout: dropout.draw(), scale: None };
    x.self_attention(heads, merged.mask.as_ref(), options)
}

/// The axis of heads `[.., H, T, D]` as two, `[.., G, H / G, T, D]`. What has no such axis, or one of
/// length 1, still broadcasts.
fn by_groups(x: &Tensor, groups: usize) -> Tensor {
    let rank = x.rank();
    if rank < 3 {
        return x.clone();
    }
    let (heads, shape) = (x.len_of(-3), x.shape());
    let pair = if heads == 1 { [1, 1] } else { [groups, heads / groups] };
    let lens: Vec<usize> =
        shape[..rank - 3].iter().copied().chain(pair).chain(shape[rank - 2..].to_vec()).collect();
    x.reshape(lens)
}

/// `[B, T, H · D] -> [B, H, T, D]`.
#[track_caller]
pub(super) fn split(x: &Tensor, heads: usize) -> Tensor {
    let [batch, len, features] = [0, 1, 2].map(|axis| x.len_of(axis));
    x.reshape([batch, len, heads, features / heads]).transpose(1, 2)
}

/// `[B, H, T, D] -> [B, T, H · D]`.
#[track_caller]
pub(super) fn joined(x: &Tensor) -> Tensor {
    let [batch, heads, len, features] = [0, 1, 2, 3].map(|axis| x.len_of(axis));
    x.transpose(1, 2).reshape([batch, len, heads * features])
}
