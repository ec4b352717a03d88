//! Self-attention by heads whose queries, keys and values lie together.

use super::attention::{AttentionOptions, additive, weights, wide};
use super::case::{Arg, Case, Gradient, Sample};
use super::dropout::DropOut;
use crate::error::{fail, reject};
use crate::kernel::{Attention, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch_many};
use crate::{OpError, Result, Rng, Shape, Tensor};
use smallvec::smallvec;

/// y = softmax(scale · Q Kᵀ + mask) · V for each head of x: [B, T, 3 · H · D] and, if there is a second
/// input, a mask [B, H, T, T].
///
/// Queries, keys and values are never copied to places of their own, nor are their gradients.
#[derive(Debug)]
struct SelfAttend {
    how: Attention,
    heads: usize,
}

impl SelfAttend {
    /// The shape of the scores.
    fn scores(&self, x: Shape) -> Shape {
        [x[0], self.heads, x[1], x[1]].into()
    }
}

impl Op for SelfAttend {
    fn name(&self) -> &'static str {
        "self_attention"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, heads) = (inputs[0], self.heads);
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        let &[batch, elements, width] = &x.shape[..] else {
            reject!("takes queries, keys and values side by side, [B, T, 3 C], not {}", x.shape);
        };
        if heads == 0 || !width.is_multiple_of(3 * heads) {
            reject!("{width} numbers are not a query, a key and a value for each of {heads} heads");
        }
        let scores = self.scores(x.shape);
        scores.try_count()?;
        if let Some(mask) =
            inputs.get(1).filter(|mask| (mask.shape, mask.dtype) != (scores, x.dtype))
        {
            reject!("scores {scores} of {} take a mask like them, not {mask:?}", x.dtype);
        }
        if let Some(dropout) = self.how.dropout {
            DropOut::check(dropout.share)?;
        }
        let shape = [batch, elements, width / 3].into();
        Ok(Spec { shape, device: common_device(inputs)?, ..x })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let [batch, elements] = [output.shape[0], output.shape[1]];
        let log_sums = output.with_shape([batch, self.heads, elements].into());
        let log_sums = log_sums.with_dtype(wide(output.dtype));
        let x = inputs[0].detach().contiguous();
        let mut given = vec![&x];
        given.extend(&inputs[1..]);
        let kernel = Kernel::SelfAttention { how: self.how, heads: self.heads };
        let mut outputs = launch_many(&kernel, &given, &[output, log_sums])?;
        let (log_sums, out) = (outputs.remove(1), outputs.remove(0));
        Ok(Forward::new(out).saving_inputs(inputs.len()).saving_output().saving(log_sums))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (inputs, results) = context.saved.split_at(context.inputs.len());
        let [x, grad] = [&inputs[0], grad].map(|x| x.detach().contiguous());
        let mut given = vec![&x];
        given.extend(results);
        given.push(&grad);
        given.extend(&inputs[1..]);
        let kernel = Kernel::SelfAttentionGradient { how: self.how, heads: self.heads };
        let mut grads: Grads = smallvec![launch_many(&kernel, &given, &context.inputs[..1])?.pop()];
        grads.extend(inputs.get(1).map(|_| None));
        Ok(grads)
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let x = inputs[0];
        let [batch, elements, width] = [0, 1, 2].map(|axis| x.len_of(axis));
        let features = width / 3 / self.heads;
        let parts = x.reshape([batch, elements, 3, self.heads, features]);
        let [query, key, value] = [0, 1, 2].map(|i| parts.select(2, i).transpose(1, 2));
        let y = weights(self.how, &query, &key, inputs.get(1).copied()).matmul(&value);
        Some(Ok(y.transpose(1, 2).reshape([batch, elements, width / 3])))
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        4 * output.shape.count() as u64 * inputs[0].shape[1] as u64
    }
}

impl Tensor {
    /// Self-attention by several heads: for each, y = softmax(scale · Q Kᵀ + mask) · V as in
    /// [`Tensor::scaled_dot_product_attention`], where an element's queries of all heads lie side by
    /// side, then its keys, then its values, as one product makes them.
    ///
    /// # Shapes
    /// `x: [B, T, 3 C], mask: [B, H, T, T] -> [B, T, C]` for H heads of C / H features, with
    /// broadcasting of the mask.
    ///
    /// # Source
    /// Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2 without its projections.
    /// PyTorch: `torch.nn.MultiheadAttention` between `in_proj` and `out_proj`.
    ///
    /// ```
    /// use gradus_tensor::ops::AttentionOptions;
    /// use gradus_tensor::{Rng, Tensor};
    ///
    /// let x = Tensor::randn([2, 10, 3 * 32], &mut Rng::new(1));
    /// let y = x.self_attention(4, None, AttentionOptions::default());
    /// assert_eq!(y.shape(), [2, 10, 32]);
    /// ```
    ///
    /// # Panics
    /// If x has not three axes, or the last of them is no multiple of three times the heads.
    #[track_caller]
    pub fn self_attention(
        &self,
        heads: usize,
        mask: Option<&Self>,
        options: AttentionOptions,
    ) -> Self {
        let features = self.shape().last().map_or(1, |width| width / (3 * heads.max(1)));
        let op = SelfAttend { how: options.of(features), heads };
        let Some(mask) = mask else {
            return Self::apply(op, &[self]);
        };
        if let Err(error) = op.infer(&[self.spec()]) {
            fail(error.named("self_attention"));
        }
        let mask = additive(mask, self.dtype()).broadcast_to(op.scores(*self.shape()));
        // The kernel has no gradient by the mask.
        if mask.needs_grad()
            && let Some(output) = op.composite(&[self, &mask])
        {
            return output.unwrap_or_else(|error| fail(error));
        }
        Self::apply(op, &[self, &mask])
    }
}

pub(super) const CASES: &[Case] = &[Case {
    name: "self_attention",
    formula: "softmax(scale · Q Kᵀ + mask) · V for each head",
    torch: "torch.nn.MultiheadAttention",
    gradient: Gradient::Twice,
    samples: || {
        let x = |elements: usize| Arg::floats(&[2, elements, 3 * 2 * 3], -1.0..1.0);
        let sample = |elements: usize, causal: bool| {
            let options = AttentionOptions { causal, ..Default::default() };
            Sample::new(vec![x(elements)], move |x| x[0].self_attention(2, None, options))
        };
        let masked = |mask: Arg| {
            Sample::new(vec![x(4), mask], |x| {
                x[0].self_attention(2, Some(&x[1]), AttentionOptions::default())
            })
        };
        vec![
            sample(4, false),
            sample(5, true).label("causal"),
            masked(Arg::bools(&[4, 4])).label("mask"),
            masked(Arg::floats(&[2, 1, 1, 4], -1.0..1.0)).label("mask that is added"),
            Sample::new(vec![x(4)], |x| {
                let dropout = Rng::new(3).dropout(0.4);
                let options = AttentionOptions { dropout, ..Default::default() };
                x[0].self_attention(2, None, options)
            })
            .label("dropout"),
            sample(0, false).label("empty"),
        ]
    },
}];
