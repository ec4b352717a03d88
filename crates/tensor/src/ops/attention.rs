//! Scaled dot-product attention.

use super::case::{Arg, Case, Gradient, Sample};
use super::dropout::DropOut;
use crate::error::{fail, reject};
use crate::kernel::{Attention, Dropout, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch_many};
use crate::{DType, OpError, Result, Rng, Shape, Tensor, precision};

/// How queries meet keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionOptions {
    /// Lets query i meet only the keys up to number i.
    pub causal: bool,
    /// What the products of queries and keys are multiplied by; 1/√D if nothing is said.
    pub scale: Option<f64>,
    /// Which weights are left out; see [`Rng::dropout`](crate::Rng::dropout).
    pub dropout: Option<Dropout>,
}

impl AttentionOptions {
    /// The settings for queries of so many features.
    pub(super) fn of(self, features: usize) -> Attention {
        let scale = self.scale.unwrap_or(1.0 / (features.max(1) as f64).sqrt());
        Attention { scale, causal: self.causal, dropout: self.dropout, precision: precision() }
    }
}

/// y = softmax(scale · Q Kᵀ + mask) · V for Q: [.., T, D], K: [.., S, D], V: [.., S, E] and, if there
/// is a fourth input, a mask [.., T, S].
#[derive(Debug)]
struct Attend(Attention);

impl Op for Attend {
    fn name(&self) -> &'static str {
        "scaled_dot_product_attention"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        if !q.dtype.is_float() {
            return Err(OpError::dtype(q.dtype, "floats"));
        }
        if let Some(other) = inputs.iter().find(|input| input.dtype != q.dtype) {
            reject!("types differ: {} and {}", q.dtype, other.dtype);
        }
        let rank = q.shape.rank();
        let same = k.shape.rank() == rank && v.shape.rank() == rank;
        if rank < 2
            || !same
            || q.shape[..rank - 2] != k.shape[..rank - 2]
            || k.shape[..rank - 1] != v.shape[..rank - 1]
            || q.shape[rank - 1] != k.shape[rank - 1]
        {
            reject!(
                "takes queries [.., T, D], keys [.., S, D] and values [.., S, E], not {}, {} and {}",
                q.shape,
                k.shape,
                v.shape
            );
        }
        let scores = q.shape.with(rank - 1, k.shape[rank - 2]);
        if let Some(mask) = inputs.get(3).filter(|mask| mask.shape != scores) {
            reject!("scores {scores} take a mask of their shape, not {}", mask.shape);
        }
        if let Some(dropout) = self.0.dropout {
            DropOut::check(dropout.share)?;
        }
        let shape = q.shape.with(rank - 1, v.shape[rank - 1]);
        Ok(Spec { shape, dtype: q.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let log_sums = output.with_shape(output.shape.without(output.shape.rank() - 1));
        let log_sums = log_sums.with_dtype(wide(output.dtype));
        let inputs_for_kernel = side_by_side(inputs);
        let inputs_for_kernel: Vec<&Tensor> = inputs_for_kernel.iter().collect();
        let kernel = Kernel::Attention(self.0);
        let mut outputs = launch_many(&kernel, &inputs_for_kernel, &[output, log_sums])?;
        let (log_sums, out) = (outputs.remove(1), outputs.remove(0));
        Ok(Forward::new(out).saving_inputs(inputs.len()).saving_output().saving(log_sums))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (inputs, results) = context.saved.split_at(context.inputs.len());
        let all: Vec<&Tensor> =
            inputs[..3].iter().chain(results).chain([grad]).chain(inputs.get(3)).collect();
        let all = side_by_side(&all);
        let kernel = Kernel::AttentionGradient(self.0);
        let grads = launch_many(&kernel, &all.iter().collect::<Vec<_>>(), &context.inputs[..3])?;
        let mut grads: Grads = grads.into_iter().map(Some).collect();
        grads.extend(inputs.get(3).map(|_| None));
        Ok(grads)
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let weights = weights(self.0, inputs[0], inputs[1], inputs.get(3).copied());
        Some(Ok(weights.matmul(inputs[2])))
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let key = inputs[1].shape;
        let products = inputs[0].shape.count() + output.shape.count();
        2 * products as u64 * key[key.rank() - 2] as u64
    }
}

/// softmax(scale · Q Kᵀ + mask) for Q: [.., T, D], K: [.., S, D], some of it left out; zeros for a
/// query that meets no key.
#[track_caller]
pub(super) fn weights(
    how: Attention,
    query: &Tensor,
    key: &Tensor,
    mask: Option<&Tensor>,
) -> Tensor {
    let mut scores = query.matmul(&key.t()) * how.scale;
    let (queries, keys) = (scores.len_of(-2), scores.len_of(-1));
    if keys == 0 {
        return scores;
    }
    if how.causal {
        let count = |len: usize| Tensor::arange(0, len as i64, 1).to_device(query.device());
        let later = count(keys).unsqueeze(0).gt(&count(queries).unsqueeze(1));
        scores = scores.masked_fill(&later, f64::NEG_INFINITY);
    }
    let weights = match mask {
        None => scores.softmax(-1),
        Some(mask) => scores.masked_softmax(mask),
    };
    match how.dropout {
        None => weights,
        Some(dropout) => Tensor::apply(DropOut(dropout), &[&weights]),
    }
}

/// The type in which sums are kept.
pub(super) fn wide(dtype: DType) -> DType {
    if dtype.is_half() { DType::F32 } else { dtype }
}

/// The inputs of a kernel: all side by side but a mask, which comes last and may be broadcast, and
/// keys and values that have the same room between them.
fn side_by_side(inputs: &[&Tensor]) -> Vec<Tensor> {
    let has_mask = inputs.len() == 4 || inputs.len() == 7;
    let plain = inputs.len() - has_mask as usize;
    let rooms = [1, 2].map(|i| inputs[i].layout().room());
    let roomy = rooms[0].is_some() && rooms[0] == rooms[1];
    let contiguous = |(i, x): (usize, &&Tensor)| {
        if i >= plain || (roomy && (1..3).contains(&i)) {
            x.detach()
        } else {
            x.detach().contiguous()
        }
    };
    inputs.iter().enumerate().map(contiguous).collect()
}

impl Tensor {
    /// Attention: y = softmax(scale · Q Kᵀ + mask) · V, where these are the queries Q: means of
    /// values, weighted by how well their keys fit a query.
    ///
    /// The mask tells by truth values which query meets which key, or is added to the scores. A
    /// query that meets no key gives zeros.
    ///
    /// # Shapes
    /// `Q: [.., T, D], K: [.., S, D], V: [.., S, E], mask: [.., T, S] -> [.., T, E]`, with
    /// broadcasting of the axes before the last two and of the mask.
    ///
    /// # Source
    /// Vaswani et al. 2017, "Attention Is All You Need", equation 1; computed by some queries at a
    /// time as in Dao, Fu, Ermon, Rudra, Ré 2022, "FlashAttention", algorithm 1 and 4. PyTorch:
    /// `torch.nn.functional.scaled_dot_product_attention`, some versions of which give NaN for a
    /// query that meets no key.
    ///
    /// ```
    /// use gradus_tensor::ops::AttentionOptions;
    /// use gradus_tensor::{Rng, Tensor};
    ///
    /// let x = Tensor::randn([2, 4, 10, 8], &mut Rng::new(1));
    /// let options = AttentionOptions { causal: true, ..Default::default() };
    /// let y = x.scaled_dot_product_attention(&x, &x, None, options);
    /// assert_eq!(y.shape(), [2, 4, 10, 8]);
    /// ```
    #[track_caller]
    pub fn scaled_dot_product_attention(
        &self,
        key: &Self,
        value: &Self,
        mask: Option<&Self>,
        options: AttentionOptions,
    ) -> Self {
        let lowest = self.rank().min(key.rank()).min(value.rank());
        if lowest < 2 {
            let message = format_args!(
                "takes queries [.., T, D], keys [.., S, D] and values [.., S, E], not {}, {} and {}",
                self.shape(),
                key.shape(),
                value.shape()
            );
            fail(OpError::of("scaled_dot_product_attention", message));
        }
        let leading = |x: &Self| Shape::from(&x.shape()[..x.rank() - 2]);
        let shared = leading(self).broadcast(&leading(key));
        let shared = shared.and_then(|shared| shared.broadcast(&leading(value)));
        let shared = shared.unwrap_or_else(|error| {
            fail(error.named("scaled_dot_product_attention"));
        });
        let spread = |x: &Self, last: [usize; 2]| {
            let lens: Vec<usize> = shared.iter().copied().chain(last).collect();
            x.broadcast_to(lens)
        };
        let whole = |x: &Self| spread(x, [x.len_of(-2), x.len_of(-1)]);
        let op = Attend(options.of(self.len_of(-1)));
        let inputs = [whole(self), whole(key), whole(value)];
        let mut inputs: Vec<&Self> = inputs.iter().collect();
        let Some(mask) = mask else {
            return Self::apply(op, &inputs);
        };
        let mask = spread(&additive(mask, self.dtype()), [self.len_of(-2), key.len_of(-2)]);
        inputs.push(&mask);
        // The kernel has no gradient by the mask.
        if mask.needs_grad()
            && let Some(output) = op.composite(&inputs)
        {
            return output.unwrap_or_else(|error| fail(error));
        }
        Self::apply(op, &inputs)
    }

    /// softmax(x + mask) along the last axis. A row in which the mask leaves nothing gives zeros, and
    /// no gradient, where the softmax of minus infinities would be NaN.
    ///
    /// # Shapes
    /// `x: [.., N], mask: [.., N] -> [.., N]`, with broadcasting. The mask has truth values, true for
    /// what takes part, or numbers that are added.
    #[track_caller]
    pub fn masked_softmax(&self, mask: &Self) -> Self {
        let x = self + additive(mask, self.dtype());
        if x.len_of(-1) == 0 {
            return x;
        }
        let empty = x.detach().max_keepdim(-1).eq_scalar(f64::NEG_INFINITY);
        x.masked_fill(&empty, 0.0).softmax(-1).masked_fill(&empty, 0.0)
    }

    /// The weights of attention: softmax(scale · Q Kᵀ + mask), where these are the queries Q. A query
    /// that meets no key has weights of zero.
    ///
    /// [`Tensor::scaled_dot_product_attention`] is faster where only the means are wanted: it never
    /// holds all weights.
    ///
    /// # Shapes
    /// `Q: [.., T, D], K: [.., S, D], mask: [.., T, S] -> [.., T, S]`, with broadcasting of the axes
    /// before the last two and of the mask.
    ///
    /// # Source
    /// Vaswani et al. 2017, "Attention Is All You Need", equation 1 without its last product.
    #[track_caller]
    pub fn attention_weights(
        &self,
        key: &Self,
        mask: Option<&Self>,
        options: AttentionOptions,
    ) -> Self {
        let features = self.shape().last().copied().unwrap_or(1);
        weights(options.of(features), self, key, mask)
    }
}

/// The mask that is added to the scores: of a mask of truth values, minus infinity where it is not.
pub(super) fn additive(mask: &Tensor, dtype: DType) -> Tensor {
    if mask.dtype() != DType::Bool {
        return mask.to_dtype(dtype);
    }
    let zeros = mask.to_dtype(dtype).zeros_like();
    zeros.masked_fill(&mask.logical_not(), f64::NEG_INFINITY)
}

/// Queries and keys.
fn queries_and_keys(queries: usize, keys: usize) -> Vec<Arg> {
    vec![Arg::floats(&[2, queries, 4], -1.0..1.0), Arg::floats(&[2, keys, 4], -1.0..1.0)]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "scaled_dot_product_attention",
        formula: "softmax(scale · Q Kᵀ + mask) · V",
        torch: "torch.nn.functional.scaled_dot_product_attention",
        gradient: Gradient::Twice,
        samples: || {
            let floats = |shape: &[usize]| Arg::floats(shape, -1.0..1.0);
            let inputs = |queries: usize, keys: usize| {
                let mut inputs = queries_and_keys(queries, keys);
                inputs.push(floats(&[2, keys, 3]));
                inputs
            };
            let call = |x: &[Tensor], causal: bool| {
                let options = AttentionOptions { causal, ..Default::default() };
                x[0].scaled_dot_product_attention(&x[1], &x[2], x.get(3), options)
            };
            let masked = |mask: Arg| {
                let mut inputs = inputs(3, 5);
                inputs.push(mask);
                Sample::new(inputs, move |x| call(x, false))
            };
            let heads = vec![floats(&[2, 3, 2, 4]), floats(&[2, 1, 5, 4]), floats(&[1, 5, 3])];
            vec![
                Sample::new(inputs(3, 5), move |x| call(x, false)),
                Sample::new(inputs(5, 3), move |x| call(x, true)).label("causal"),
                masked(Arg::bools(&[3, 5])).label("mask"),
                masked(floats(&[2, 3, 1])).label("mask that is added"),
                Sample::new(heads, move |x| call(x, false)).label("broadcast"),
                Sample::new(inputs(3, 5), move |x| {
                    let dropout = Rng::new(3).dropout(0.4);
                    let options = AttentionOptions { causal: true, dropout, ..Default::default() };
                    x[0].scaled_dot_product_attention(&x[1], &x[2], None, options)
                })
                .label("dropout"),
                Sample::new(inputs(0, 4), move |x| call(x, true)).label("empty"),
                Sample::new(inputs(3, 0), move |x| call(x, false)).label("no keys"),
            ]
        },
    },
    Case {
        name: "masked_softmax",
        formula: "softmax(x + mask), zeros where the mask leaves nothing",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |mask: Arg| {
                let x = Arg::floats(&[4, 3], -1.0..1.0);
                Sample::new(vec![x, mask], |x| x[0].masked_softmax(&x[1]))
            };
            let nothing = vec![Arg::floats(&[2, 0], -1.0..1.0), Arg::bools(&[0])];
            vec![
                sample(Arg::bools(&[4, 3])),
                sample(Arg::floats(&[2, 1, 3], -1.0..1.0)).label("mask that is added"),
                Sample::new(nothing, |x| x[0].masked_softmax(&x[1])).label("empty"),
            ]
        },
    },
    Case {
        name: "attention_weights",
        formula: "softmax(scale · Q Kᵀ + mask)",
        torch: "",
        gradient: Gradient::Twice,
        samples: || {
            let call = |x: &[Tensor], causal: bool| {
                let options = AttentionOptions { causal, scale: Some(0.7), ..Default::default() };
                x[0].attention_weights(&x[1], x.get(2), options)
            };
            let masked = |mask: Arg| {
                let mut inputs = queries_and_keys(3, 5);
                inputs.push(mask);
                Sample::new(inputs, move |x| call(x, false))
            };
            vec![
                Sample::new(queries_and_keys(3, 5), move |x| call(x, false)),
                Sample::new(queries_and_keys(5, 3), move |x| call(x, true)).label("causal"),
                masked(Arg::bools(&[3, 5])).label("mask"),
                masked(Arg::floats(&[2, 3, 1], -1.0..1.0)).label("mask that is added"),
                Sample::new(queries_and_keys(3, 0), move |x| call(x, false)).label("empty"),
            ]
        },
    },
];
