//! The models of the workloads, of candle's own layers where it has them.

use crate::Loss;
use crate::weights::Weights;
use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::kv_cache::KvCache;
use candle_nn::loss::{cross_entropy, mse};
use candle_nn::ops::{layer_norm, layer_norm_slow, sigmoid, softmax, softmax_last_dim};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN};
use candle_nn::{Embedding, Linear, Module};

pub fn xor(weights: &Weights) -> Result<Loss> {
    let (first, second) = (weights.linear("0")?, weights.linear("2")?);
    let (x, y) = (weights.input("x")?, weights.input("y")?);
    Ok(Box::new(move || mse(&sigmoid(&second.forward(&first.forward(&x)?.tanh()?)?)?, &y)))
}

pub fn mlp(weights: &Weights) -> Result<Loss> {
    let (first, second) = (weights.linear("0")?, weights.linear("2")?);
    let (x, y) = (weights.input("x")?, weights.integers("y")?);
    Ok(Box::new(move || cross_entropy(&second.forward(&first.forward(&x)?.relu()?)?, &y)))
}

pub fn textbook(weights: &Weights) -> Result<Loss> {
    let convs = [weights.conv("0")?, weights.conv("3")?];
    let (hidden, output) = (weights.linear("7")?, weights.linear("9")?);
    let (x, y) = (weights.input("x")?, weights.integers("y")?);
    Ok(Box::new(move || {
        let mut h = x.clone();
        for conv in &convs {
            h = conv.forward(&h)?.relu()?.max_pool2d(2)?;
        }
        let h = hidden.forward(&h.flatten_from(1)?)?.relu()?;
        cross_entropy(&output.forward(&h)?, &y)
    }))
}

/// Words through two recurrent layers: the features `[B, T, D]`.
fn reader(weights: &Weights) -> Result<impl Fn() -> Result<Tensor> + use<>> {
    let embedding = Embedding::new(weights.of("embedding.weight")?, 128);
    let builder = weights.builder().pp("recurrent");
    let config = |layer_idx| LSTMConfig { layer_idx, ..Default::default() };
    let first = LSTM::new(128, 256, config(0), builder.clone())?;
    let second = LSTM::new(256, 256, config(1), builder)?;
    let x = weights.integers("x")?;
    Ok(move || {
        let h = embedding.forward(&x)?;
        let h = first.states_to_tensor(&first.seq(&h)?)?;
        second.states_to_tensor(&second.seq(&h)?)
    })
}

pub fn lstm_everywhere(weights: &Weights) -> Result<Loss> {
    let (features, output) = (reader(weights)?, weights.linear("output")?);
    let y = weights.integers("y")?;
    Ok(Box::new(move || cross_entropy(&output.forward(&features()?.flatten(0, 1)?)?, &y)))
}

pub fn lstm_at_the_end(weights: &Weights) -> Result<Loss> {
    let (features, output) = (reader(weights)?, weights.linear("output")?);
    let y = weights.integers("y")?;
    Ok(Box::new(move || {
        let h = features()?;
        let last = h.narrow(1, h.dim(1)? - 1, 1)?.squeeze(1)?.contiguous()?;
        cross_entropy(&output.forward(&last)?, &y)
    }))
}

/// The weights of one layer of a transformer.
struct Layer {
    heads: usize,
    projection: Linear,
    output: Linear,
    hidden: [Linear; 2],
    norms: [(Tensor, Tensor); 2],
}

impl Layer {
    fn new(weights: &Weights, index: usize, heads: usize) -> Result<Self> {
        let at = |key: &str| format!("layers.layers.{index}.{key}");
        let norm = |name: &str| -> Result<(Tensor, Tensor)> {
            let weight = weights.of(&at(&format!("{name}.weight")))?;
            Ok((weight, weights.of(&at(&format!("{name}.bias")))?))
        };
        let bias = weights.of(&at("self_attn.in_proj_bias"))?;
        Ok(Self {
            heads,
            projection: Linear::new(weights.of(&at("self_attn.in_proj_weight"))?, Some(bias)),
            output: weights.linear(&at("self_attn.out_proj"))?,
            hidden: [weights.linear(&at("linear1"))?, weights.linear(&at("linear2"))?],
            norms: [norm("norm1")?, norm("norm2")?],
        })
    }

    /// Queries, keys and values, `[B, H, T, D]` each.
    fn project(&self, x: &Tensor) -> Result<[Tensor; 3]> {
        let (b, t, d) = x.dims3()?;
        let all = self.projection.forward(x)?.reshape((b, t, 3, self.heads, d / self.heads))?;
        let all = all.permute((2, 0, 3, 1, 4))?.contiguous()?;
        Ok([all.get(0)?, all.get(1)?, all.get(2)?])
    }

    fn scores(&self, queries: &Tensor, keys: &Tensor) -> Result<Tensor> {
        let scale = 1.0 / (queries.dim(D::Minus1)? as f64).sqrt();
        queries.matmul(&keys.transpose(2, 3)?.contiguous()?)? * scale
    }

    /// What the heads found, side by side.
    fn join(&self, mixed: &Tensor) -> Result<Tensor> {
        let mixed = mixed.transpose(1, 2)?.contiguous()?;
        self.output.forward(&mixed.flatten_from(2)?)
    }

    /// With norms behind. candle's fast norms and softmax have no gradients.
    fn train(&self, x: &Tensor) -> Result<Tensor> {
        let norm = |x: Tensor, index: usize| {
            layer_norm_slow(&x, &self.norms[index].0, &self.norms[index].1, 1e-5)
        };
        let [q, k, v] = self.project(x)?;
        let mixed = softmax(&self.scores(&q, &k)?, D::Minus1)?.matmul(&v)?;
        let x = norm((x + self.join(&mixed)?)?, 0)?;
        let h = self.hidden[1].forward(&self.hidden[0].forward(&x)?.gelu_erf()?)?;
        norm((x + h)?, 1)
    }

    /// With norms in front, for what comes behind what the cache holds.
    fn extend(&self, x: &Tensor, mask: Option<&Tensor>, cache: &mut KvCache) -> Result<Tensor> {
        let norm = |x: &Tensor, index: usize| {
            layer_norm(x, &self.norms[index].0, &self.norms[index].1, 1e-5)
        };
        let [q, k, v] = self.project(&norm(x, 0)?)?;
        let (k, v) = cache.append(&k, &v)?;
        let mut scores = self.scores(&q, &k)?;
        if let Some(mask) = mask {
            scores = scores.broadcast_add(mask)?;
        }
        let mixed = softmax_last_dim(&scores)?.matmul(&v.contiguous()?)?;
        let x = (x + self.join(&mixed)?)?;
        let h = self.hidden[0].forward(&norm(&x, 1)?)?.gelu()?;
        x + self.hidden[1].forward(&h)?
    }
}

pub fn encoder(weights: &Weights) -> Result<Loss> {
    let layers = (0..4).map(|index| Layer::new(weights, index, 8)).collect::<Result<Vec<_>>>()?;
    let output = weights.linear("output")?;
    let (x, y) = (weights.input("x")?, weights.integers("y")?);
    Ok(Box::new(move || {
        let h = layers.iter().try_fold(x.clone(), |h, layer| layer.train(&h))?;
        cross_entropy(&output.forward(&h.mean(1)?)?, &y)
    }))
}

/// The shape of GPT-2's smallest.
pub struct Gpt {
    words: Tensor,
    positions: Tensor,
    layers: Vec<Layer>,
    norm: (Tensor, Tensor),
    caches: Vec<KvCache>,
    mask: Tensor,
}

const PROMPT: usize = 32;
const DECODED: usize = 32;

impl Gpt {
    pub fn new(weights: &Weights) -> Result<Self> {
        let layers = (0..12).map(|index| Layer::new(weights, index, 12));
        let hidden = |i: usize| if i % PROMPT > i / PROMPT { f32::NEG_INFINITY } else { 0.0 };
        let mask: Vec<f32> = (0..PROMPT * PROMPT).map(hidden).collect();
        Ok(Self {
            words: weights.of("words.weight")?,
            positions: weights.of("positions.weight")?,
            layers: layers.collect::<Result<_>>()?,
            norm: (weights.of("layers.norm.weight")?, weights.of("layers.norm.bias")?),
            caches: (0..12).map(|_| KvCache::new(2, PROMPT + DECODED)).collect(),
            mask: Tensor::from_vec(mask, (1, 1, PROMPT, PROMPT), &Device::Cpu)?,
        })
    }

    /// The logits of what comes next, `[1, N]`.
    fn next(&mut self, x: &Tensor, position: usize) -> Result<Tensor> {
        let time = x.dim(1)?;
        let words = self.words.index_select(&x.flatten_all()?, 0)?.unsqueeze(0)?;
        let mut h = words.broadcast_add(&self.positions.narrow(0, position, time)?)?;
        let mask = (time > 1).then_some(&self.mask);
        for (layer, cache) in self.layers.iter().zip(&mut self.caches) {
            h = layer.extend(&h, mask, cache)?;
        }
        let last = layer_norm(&h, &self.norm.0, &self.norm.1, 1e-5)?.narrow(1, time - 1, 1)?;
        last.squeeze(1)?.contiguous()?.matmul(&self.words.t()?)
    }

    /// Tokens one by one, each the likeliest: the logits behind the last.
    pub fn decode(&mut self, x: &Tensor) -> Result<Tensor> {
        self.caches.iter_mut().for_each(KvCache::reset);
        let mut logits = self.next(x, 0)?;
        for index in 0..DECODED {
            let token = logits.argmax(D::Minus1)?.to_dtype(DType::U32)?.reshape((1, 1))?;
            logits = self.next(&token, PROMPT + index)?;
        }
        Ok(logits)
    }
}
