//! Attention: means of values, weighted by how well their keys fit a query.

mod cache;
mod grouped;
mod heads;
mod masks;
mod multihead;
mod scoring;

pub use cache::KeyValueCache;
pub use grouped::{GroupedQueryAttention, GroupedQueryOptions};
pub use masks::{AttentionMasks, causal_mask};
pub use multihead::{MultiheadAttention, MultiheadOptions};
pub use scoring::{AdditiveAttention, AttentionPooling, DotAttention, GeneralAttention, Scoring};
