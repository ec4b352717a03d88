//! The workloads.

use crate::limit::Limit;
use crate::models;
use gradus::nn::{Module, Optimizer};
use gradus::tensor::{Tensor, no_grad};

/// Something that every framework can be asked to do.
pub struct Workload {
    /// What the command line and the peers' scripts call it.
    pub name: &'static str,
    /// What the table calls it.
    pub title: &'static str,
    /// How the peers can do it, apart from the plain way: names that their scripts know.
    pub variants: &'static [&'static str],
    /// What bounds a step.
    pub limit: Limit,
    /// Whether the peers' losses are the same. Weights of few bits are compared with whole ones.
    pub exact: bool,
    /// Makes it ready.
    pub make: fn() -> Box<dyn Task>,
}

/// A workload that is ready to run.
pub trait Task {
    /// Runs a step and returns its loss, or some number of its output.
    fn step(&mut self) -> f64;

    /// All that the peers need in order to do the same: weights `model.KEY`, inputs `x`, `y` ….
    fn tensors(&self) -> Vec<(String, Tensor)>;
}

/// For convolutional networks: other layouts of memory, fused optimizers, compiled code.
const IMAGES: &[&str] = &["channels_last", "compile", "compile_channels_last", "bf16"];
const DENSE: &[&str] = &["fused", "compile", "bf16"];
const PLAIN: &[&str] = &["compile"];

/// The arithmetic of one gate of two recurrent layers, from 128 and from 256 features.
const RECURRENT: f64 = 3.0 * 2.0 * 2048.0 * 256.0 * (128.0 + 3.0 * 256.0);
/// That of the logits of words.
const LANGUAGE_HEAD: f64 = 3.0 * 2.0 * 2048.0 * 256.0 * 10_000.0;

/// All workloads. Arithmetic is counted for the matrix products and convolutions alone: forward,
/// and twice that again for the gradients by input and by weight (but for the first layer's input).
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "W1.train",
        title: "XOR network 2-4-1, batch 4, SGD",
        variants: &["fused"],
        limit: Limit::None,
        exact: true,
        make: models::dense::xor,
    },
    Workload {
        name: "W2.train",
        title: "MLP 784-128-10, batch 64, Adam",
        variants: DENSE,
        limit: Limit::Arithmetic(2.0 * 64.0 * (2.0 * 784.0 * 128.0 + 3.0 * 128.0 * 10.0)),
        exact: true,
        make: models::dense::mlp,
    },
    Workload {
        name: "W3.train",
        title: "text-book CNN, batch 64 of 3x32x32, SGD",
        variants: IMAGES,
        limit: Limit::Arithmetic(
            2.0 * 64.0
                * (2.0 * 27.0 * 32.0 * 1024.0
                    + 3.0 * (288.0 * 64.0 * 256.0 + 4096.0 * 128.0 + 1280.0)),
        ),
        exact: true,
        make: models::convolutional::textbook,
    },
    Workload {
        name: "W4c.train",
        title: "ResNet-18, CIFAR stem, batch 32, SGD",
        variants: IMAGES,
        limit: Limit::Arithmetic(3.0 * 32.0 * 1.111e9),
        exact: true,
        make: models::resnet::train_cifar,
    },
    Workload {
        name: "W4i.train",
        title: "ResNet-18, 224², batch 32, SGD",
        variants: IMAGES,
        limit: Limit::Arithmetic(3.0 * 32.0 * 3.628e9),
        exact: true,
        make: models::resnet::train_imagenet,
    },
    Workload {
        name: "W4i.infer1",
        title: "ResNet-18, 224², inference, batch 1",
        variants: IMAGES,
        limit: Limit::Arithmetic(3.628e9),
        exact: true,
        make: models::resnet::infer_1,
    },
    Workload {
        name: "W4i.infer16",
        title: "ResNet-18, 224², inference, batch 16",
        variants: IMAGES,
        limit: Limit::Arithmetic(16.0 * 3.628e9),
        exact: true,
        make: models::resnet::infer_16,
    },
    Workload {
        name: "W5.lstm",
        title: "LSTM 2x256 over 64 words of 10,000, batch 32, Adam",
        variants: DENSE,
        limit: Limit::Arithmetic(RECURRENT * 4.0 + LANGUAGE_HEAD),
        exact: true,
        make: models::recurrent::lstm_language,
    },
    Workload {
        name: "W5.gru",
        title: "GRU 2x256 over 64 words of 10,000, batch 32, Adam",
        variants: DENSE,
        limit: Limit::Arithmetic(RECURRENT * 3.0 + LANGUAGE_HEAD),
        exact: true,
        make: models::recurrent::gru_language,
    },
    Workload {
        name: "W5c.lstm",
        title: "the same LSTM into ten classes",
        variants: DENSE,
        limit: Limit::Arithmetic(RECURRENT * 4.0),
        exact: true,
        make: models::recurrent::lstm_classes,
    },
    Workload {
        name: "W5c.gru",
        title: "the same GRU into ten classes",
        variants: DENSE,
        limit: Limit::Arithmetic(RECURRENT * 3.0),
        exact: true,
        make: models::recurrent::gru_classes,
    },
    Workload {
        name: "W6.train",
        title: "Transformer encoder 4x256, 16 x 128, Adam",
        variants: DENSE,
        limit: Limit::Arithmetic(
            3.0 * 4.0 * 2.0 * 2048.0 * (12.0 * 256.0 * 256.0 + 2.0 * 128.0 * 256.0),
        ),
        exact: true,
        make: models::transformer::train,
    },
    Workload {
        name: "W6.forward",
        title: "GPT-2 small, 128 tokens forward",
        variants: &["compile", "bf16"],
        limit: Limit::Arithmetic(
            2.0 * 128.0 * (12.0 * (12.0 * 589_824.0 + 196_608.0) + 768.0 * 50_257.0),
        ),
        exact: true,
        make: models::transformer::forward,
    },
    Workload {
        name: "W6.decode",
        title: "GPT-2 small, 32 tokens after 32, with a cache",
        variants: &["bf16"],
        limit: Limit::Memory(33.0 * 4.0 * 124e6),
        exact: true,
        make: models::transformer::decode,
    },
    Workload {
        name: "W6.int8",
        title: "the same with weights of 8 bits, against f32",
        variants: &["bf16"],
        limit: Limit::Memory(33.0 * 124e6),
        exact: false,
        make: models::transformer::decode_int8,
    },
    Workload {
        name: "W6.int4",
        title: "the same with weights of 4 bits, against f32",
        variants: &["bf16"],
        limit: Limit::Memory(33.0 * 124e6 * (0.5 + 4.0 / 64.0)),
        exact: false,
        make: models::transformer::decode_int4,
    },
    Workload {
        name: "W7.train",
        title: "U-Net of 32 channels, 4x3x128², Adam",
        variants: IMAGES,
        limit: Limit::Arithmetic(3.0 * 4.0 * 6.04e9),
        exact: true,
        make: models::unet::train,
    },
    Workload {
        name: "W8.gelu",
        title: "gelu(x·w + b) of 16 M",
        variants: PLAIN,
        limit: Limit::Memory(2.0 * 4.0 * 16_777_216.0),
        exact: true,
        make: models::pieces::gelu,
    },
    Workload {
        name: "W8.gelu_backward",
        title: "gelu(x·w + b) of 16 M, forward and backward",
        variants: PLAIN,
        limit: Limit::Memory(5.0 * 4.0 * 16_777_216.0),
        exact: true,
        make: models::pieces::gelu_backward,
    },
    Workload {
        name: "W8.cross_entropy",
        title: "cross-entropy 256x32,000, forward and backward",
        variants: PLAIN,
        limit: Limit::Memory(3.0 * 4.0 * 256.0 * 32_000.0),
        exact: true,
        make: models::pieces::cross_entropy,
    },
    Workload {
        name: "W8.layer_norm",
        title: "layer norm 4096x1024, forward and backward",
        variants: PLAIN,
        limit: Limit::Memory(5.0 * 4.0 * 4096.0 * 1024.0),
        exact: true,
        make: models::pieces::layer_norm,
    },
    Workload {
        name: "W8.adam",
        title: "Adam on 25 M parameters",
        variants: &["fused"],
        limit: Limit::Memory(7.0 * 4.0 * 25e6),
        exact: true,
        make: models::pieces::adam,
    },
];

/// The training of a model on one batch.
pub struct Training<M, O> {
    pub model: M,
    pub optimizer: O,
    pub x: Tensor,
    pub y: Tensor,
    pub loss: fn(&M, &Tensor, &Tensor) -> Tensor,
}

impl<M: Module, O: Optimizer> Task for Training<M, O> {
    fn step(&mut self) -> f64 {
        let loss = (self.loss)(&self.model, &self.x, &self.y);
        self.optimizer.step(&loss.backward());
        f64::from(loss.item::<f32>())
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        with_inputs(&self.model, [("x", &self.x), ("y", &self.y)])
    }
}

/// The use of a model.
pub struct Inference<M> {
    pub model: M,
    pub x: Tensor,
    pub forward: fn(&M, &Tensor) -> Tensor,
}

impl<M: Module> Task for Inference<M> {
    fn step(&mut self) -> f64 {
        no_grad(|| f64::from((self.forward)(&self.model, &self.x).mean(..).item::<f32>()))
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        with_inputs(&self.model, [("x", &self.x)])
    }
}

fn with_inputs<'a>(
    model: &dyn Module,
    inputs: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Vec<(String, Tensor)> {
    let weights = model.state_dict().into_iter().map(|(key, x)| (format!("model.{key}"), x));
    let inputs = inputs.into_iter().map(|(name, x)| (name.to_string(), x.detach()));
    weights.chain(inputs).collect()
}
