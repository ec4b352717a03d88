//! burn, with its flex backend, on the workloads of gradus-bench.

#[path = "../../serve.rs"]
mod serve;
mod weights;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::transformer::{
    TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput,
};
use burn::nn::{
    Embedding, EmbeddingConfig, Linear, LinearConfig, Lstm, LstmConfig, PaddingConfig2d,
};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Int, Tensor};
use serve::{Result, Step, Workload};
use std::path::PathBuf;
use weights::Weights;

const WORKLOADS: &[Workload] = &[
    ("W1.train", xor),
    ("W2.train", mlp),
    ("W3.train", textbook),
    ("W5.lstm", |file| reader(file, true)),
    ("W5c.lstm", |file| reader(file, false)),
    ("W6.train", encoder),
];

fn main() -> Result<()> {
    serve::run(&format!("{}, flex", env!("CARGO_PKG_VERSION")), WORKLOADS)
}

fn read(file: PathBuf) -> Result<Weights> {
    Weights::read(&file, Device::flex().autodiff())
}

/// Trains a model by its loss.
fn train<M: Module + 'static>(
    model: M,
    mut optimizer: ModuleOptimizer,
    learning_rate: f64,
    loss: impl Fn(&M) -> Tensor<1> + 'static,
) -> Result<Step> {
    let mut model = Some(model);
    Ok(Box::new(move || {
        let current = model.take().ok_or("a step has failed before")?;
        let value = loss(&current);
        let gradients = GradientsParams::from_grads(value.backward(), &current);
        model = Some(optimizer.step(learning_rate, current, gradients));
        Ok(f64::from(value.into_scalar::<f32>()))
    }))
}

fn cross_entropy(logits: Tensor<2>, y: Tensor<1, Int>) -> Tensor<1> {
    CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, y)
}

#[derive(Module, Debug)]
struct Dense {
    first: Linear,
    second: Linear,
}

impl Dense {
    fn new(weights: &Weights, [inputs, hidden, outputs]: [usize; 3]) -> Result<Self> {
        let mut model = Self {
            first: LinearConfig::new(inputs, hidden).init(&weights.device),
            second: LinearConfig::new(hidden, outputs).init(&weights.device),
        };
        weights.linear("0", &mut model.first)?;
        weights.linear("2", &mut model.second)?;
        Ok(model)
    }
}

fn xor(file: PathBuf) -> Result<Step> {
    let weights = read(file)?;
    let (x, y) = (weights.input::<2>("x")?, weights.input::<2>("y")?);
    train(Dense::new(&weights, [2, 4, 1])?, SgdConfig::new().init(), 0.1, move |model| {
        let output = sigmoid(model.second.forward(model.first.forward(x.clone()).tanh()));
        (output - y.clone()).powi_scalar(2).mean()
    })
}

fn adam() -> ModuleOptimizer {
    AdamConfig::new().with_epsilon(1e-8).init()
}

fn mlp(file: PathBuf) -> Result<Step> {
    let weights = read(file)?;
    let (x, y) = (weights.input::<2>("x")?, weights.integers::<1>("y")?);
    train(Dense::new(&weights, [784, 128, 10])?, adam(), 1e-3, move |model| {
        let hidden = relu(model.first.forward(x.clone()));
        cross_entropy(model.second.forward(hidden), y.clone())
    })
}

#[derive(Module, Debug)]
struct Convolutional {
    convs: [Conv2d; 2],
    pool: MaxPool2d,
    hidden: Linear,
    output: Linear,
}

fn textbook(file: PathBuf) -> Result<Step> {
    let weights = read(file)?;
    let device = &weights.device;
    let conv = |inputs, outputs| {
        let config = Conv2dConfig::new([inputs, outputs], [3, 3]);
        config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
    };
    let mut model = Convolutional {
        convs: [conv(3, 32), conv(32, 64)],
        pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
        hidden: LinearConfig::new(4096, 128).init(device),
        output: LinearConfig::new(128, 10).init(device),
    };
    weights.conv("0", &mut model.convs[0])?;
    weights.conv("3", &mut model.convs[1])?;
    weights.linear("7", &mut model.hidden)?;
    weights.linear("9", &mut model.output)?;
    let (x, y) = (weights.input::<4>("x")?, weights.integers::<1>("y")?);
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    train(model, optimizer, 0.01, move |model| {
        let mut h = x.clone();
        for conv in &model.convs {
            h = model.pool.forward(relu(conv.forward(h)));
        }
        let h = relu(model.hidden.forward(h.flatten::<2>(1, 3)));
        cross_entropy(model.output.forward(h), y.clone())
    })
}

#[derive(Module, Debug)]
struct Reader {
    embedding: Embedding,
    first: Lstm,
    second: Lstm,
    output: Linear,
}

/// Two recurrent layers, with logits at every place or at the last.
fn reader(file: PathBuf, everywhere: bool) -> Result<Step> {
    let weights = read(file)?;
    let (device, outputs) = (&weights.device, if everywhere { 10_000 } else { 10 });
    let mut model = Reader {
        embedding: EmbeddingConfig::new(10_000, 128).init(device),
        first: LstmConfig::new(128, 256, true).init(device),
        second: LstmConfig::new(256, 256, true).init(device),
        output: LinearConfig::new(256, outputs).init(device),
    };
    weights.embedding("embedding.weight", &mut model.embedding.weight)?;
    weights.lstm("recurrent", 0, &mut model.first)?;
    weights.lstm("recurrent", 1, &mut model.second)?;
    weights.linear("output", &mut model.output)?;
    let (x, y) = (weights.integers::<2>("x")?, weights.integers::<1>("y")?);
    train(model, adam(), 1e-3, move |model| {
        let (h, _) = model.first.forward(model.embedding.forward(x.clone()), None);
        let (h, _) = model.second.forward(h, None);
        let [_, time, _] = h.dims();
        let h = if everywhere { h } else { h.narrow(1, time - 1, 1) };
        cross_entropy(model.output.forward(h.flatten::<2>(0, 1)), y.clone())
    })
}

#[derive(Module, Debug)]
struct Encoder {
    layers: TransformerEncoder,
    output: Linear,
}

fn encoder(file: PathBuf) -> Result<Step> {
    let weights = read(file)?;
    let device = &weights.device;
    let config = TransformerEncoderConfig::new(256, 1024, 8, 4).with_dropout(0.0);
    let mut model =
        Encoder { layers: config.init(device), output: LinearConfig::new(256, 10).init(device) };
    weights.linear("output", &mut model.output)?;
    for (index, layer) in model.layers.layers.iter_mut().enumerate() {
        let at = |key: &str| format!("layers.layers.{index}.{key}");
        let names = [at("self_attn.in_proj_weight"), at("self_attn.in_proj_bias")];
        let projections = [&mut layer.mha.query, &mut layer.mha.key, &mut layer.mha.value];
        for (part, projection) in projections.into_iter().enumerate() {
            weights.part([&names[0], &names[1]], part, projection)?;
        }
        weights.linear(&at("self_attn.out_proj"), &mut layer.mha.output)?;
        weights.linear(&at("linear1"), &mut layer.pwff.linear_inner)?;
        weights.linear(&at("linear2"), &mut layer.pwff.linear_outer)?;
        weights.norm(&at("norm1"), &mut layer.norm_1)?;
        weights.norm(&at("norm2"), &mut layer.norm_2)?;
    }
    let (x, y) = (weights.input::<3>("x")?, weights.integers::<1>("y")?);
    train(model, adam(), 1e-3, move |model| {
        let h = model.layers.forward(TransformerEncoderInput::new(x.clone()));
        cross_entropy(model.output.forward(h.mean_dim(1).flatten::<2>(1, 2)), y.clone())
    })
}
