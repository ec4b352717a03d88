//! The workloads, one by one.

use crate::limit::Limit;
use crate::models;
use crate::workload::{Bar, Ratio, Workload};

/// For convolutional networks: another layout of memory, compiled code, both.
const IMAGES: &[&str] = &["channels_last", "compile", "compile_channels_last"];
/// For all others that are trained: an optimizer of one pass, compiled code.
const DENSE: &[&str] = &["fused", "compile"];
const PLAIN: &[&str] = &["compile"];

/// The arithmetic of one gate of two recurrent layers, from 128 and from 256 features.
const RECURRENT: f64 = 3.0 * 2.0 * 2048.0 * 256.0 * (128.0 + 3.0 * 256.0);
/// That of the logits of words.
const LANGUAGE_HEAD: f64 = 3.0 * 2.0 * 2048.0 * 256.0 * 10_000.0;

const fn bar(ratio: Ratio, at_least: f64) -> Bar {
    Bar { ratio, at_least }
}

const fn best(at_least: f64) -> Bar {
    bar(Ratio::Best, at_least)
}

/// Under a quarter of PyTorch's memory.
const QUARTER: Bar = bar(Ratio::Memory, 4.0);

/// What most workloads are.
const COMMON: Workload = Workload {
    name: "",
    title: "",
    variants: &[],
    rounded: false,
    limit: Limit::None,
    exact: true,
    bars: &[],
    make: models::dense::xor,
};

/// All workloads. Arithmetic is counted for the matrix products and convolutions alone: forward,
/// and twice that again for the gradients by input and by weight (but for the first layer's input).
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "W1.train",
        title: "XOR network 2-4-1, batch 4, SGD",
        variants: &["fused"],
        bars: &[best(20.0), bar(Ratio::Candle, 3.0)],
        make: models::dense::xor,
        ..COMMON
    },
    Workload {
        name: "W2.train",
        title: "MLP 784-128-10, batch 64, Adam",
        variants: DENSE,
        limit: Limit::Arithmetic(2.0 * 64.0 * (2.0 * 784.0 * 128.0 + 3.0 * 128.0 * 10.0)),
        bars: &[best(3.0), bar(Ratio::FirstStep, 50.0)],
        make: models::dense::mlp,
        ..COMMON
    },
    Workload {
        name: "W3.train",
        title: "text-book CNN, batch 64 of 3x32x32, SGD",
        variants: IMAGES,
        rounded: true,
        limit: Limit::Arithmetic(
            2.0 * 64.0
                * (2.0 * 27.0 * 32.0 * 1024.0
                    + 3.0 * (288.0 * 64.0 * 256.0 + 4096.0 * 128.0 + 1280.0)),
        ),
        bars: &[best(2.0), bar(Ratio::Default, 3.0), QUARTER],
        make: models::convolutional::textbook,
        ..COMMON
    },
    Workload {
        name: "W4c.train",
        title: "ResNet-18, CIFAR stem, batch 32, SGD",
        variants: IMAGES,
        rounded: true,
        limit: Limit::Arithmetic(3.0 * 32.0 * 1.111e9),
        bars: &[best(1.5), bar(Ratio::Rounded, 1.0), QUARTER],
        make: models::resnet::train_cifar,
        ..COMMON
    },
    Workload {
        name: "W4i.train",
        title: "ResNet-18, 224², batch 32, SGD",
        variants: IMAGES,
        limit: Limit::Arithmetic(3.0 * 32.0 * 3.628e9),
        bars: &[best(1.5)],
        make: models::resnet::train_imagenet,
        ..COMMON
    },
    Workload {
        name: "W4i.infer1",
        title: "ResNet-18, 224², inference, batch 1",
        variants: IMAGES,
        rounded: true,
        limit: Limit::Arithmetic(3.628e9),
        bars: &[best(1.5)],
        make: models::resnet::infer_1,
        ..COMMON
    },
    Workload {
        name: "W4i.infer16",
        title: "ResNet-18, 224², inference, batch 16",
        variants: IMAGES,
        limit: Limit::Arithmetic(16.0 * 3.628e9),
        bars: &[best(1.5)],
        make: models::resnet::infer_16,
        ..COMMON
    },
    Workload {
        name: "W4i.int8",
        title: "ResNet-18, 224², inference, batch 1, integers of 8 bits against f32",
        variants: IMAGES,
        exact: false,
        make: models::resnet::infer_int8,
        ..COMMON
    },
    Workload {
        name: "W5.lstm",
        title: "LSTM 2x256 over 64 words of 10,000, batch 32, Adam",
        variants: DENSE,
        rounded: true,
        limit: Limit::Arithmetic(RECURRENT * 4.0 + LANGUAGE_HEAD),
        bars: &[best(2.0)],
        make: models::recurrent::lstm_language,
        ..COMMON
    },
    Workload {
        name: "W5.gru",
        title: "GRU 2x256 over 64 words of 10,000, batch 32, Adam",
        variants: DENSE,
        limit: Limit::Arithmetic(RECURRENT * 3.0 + LANGUAGE_HEAD),
        bars: &[best(2.0)],
        make: models::recurrent::gru_language,
        ..COMMON
    },
    Workload {
        name: "W5c.lstm",
        title: "the same LSTM into ten classes",
        variants: DENSE,
        limit: Limit::Arithmetic(RECURRENT * 4.0),
        bars: &[best(2.0)],
        make: models::recurrent::lstm_classes,
        ..COMMON
    },
    Workload {
        name: "W5c.gru",
        title: "the same GRU into ten classes",
        variants: DENSE,
        limit: Limit::Arithmetic(RECURRENT * 3.0),
        bars: &[best(2.0)],
        make: models::recurrent::gru_classes,
        ..COMMON
    },
    Workload {
        name: "W6.train",
        title: "Transformer encoder 4x256, 16 x 128, Adam",
        variants: DENSE,
        rounded: true,
        limit: Limit::Arithmetic(
            3.0 * 4.0 * 2.0 * 2048.0 * (12.0 * 256.0 * 256.0 + 2.0 * 128.0 * 256.0),
        ),
        bars: &[best(1.6), bar(Ratio::Rounded, 2.0), QUARTER],
        make: models::transformer::train,
        ..COMMON
    },
    Workload {
        name: "W6.forward",
        title: "GPT-2 small, 128 tokens forward",
        variants: PLAIN,
        rounded: true,
        limit: Limit::Arithmetic(
            2.0 * 128.0 * (12.0 * (12.0 * 589_824.0 + 196_608.0) + 768.0 * 50_257.0),
        ),
        bars: &[best(1.6)],
        make: models::transformer::forward,
        ..COMMON
    },
    Workload {
        name: "W6.decode",
        title: "GPT-2 small, 32 tokens after 32, with a cache",
        limit: Limit::Memory(33.0 * 4.0 * 124e6),
        bars: &[best(1.3)],
        make: models::transformer::decode,
        ..COMMON
    },
    Workload {
        name: "W6.int8",
        title: "the same with weights of 8 bits, against f32",
        limit: Limit::Memory(33.0 * 124e6),
        exact: false,
        bars: &[best(3.0)],
        make: models::transformer::decode_int8,
        ..COMMON
    },
    Workload {
        name: "W6.int4",
        title: "the same with weights of 4 bits, against f32",
        limit: Limit::Memory(33.0 * 124e6 * (0.5 + 4.0 / 64.0)),
        exact: false,
        bars: &[best(5.0)],
        make: models::transformer::decode_int4,
        ..COMMON
    },
    Workload {
        name: "W7.train",
        title: "U-Net of 32 channels, 4x3x128², Adam",
        variants: IMAGES,
        rounded: true,
        limit: Limit::Arithmetic(3.0 * 4.0 * 6.04e9),
        bars: &[best(1.6), bar(Ratio::Rounded, 1.2)],
        make: models::unet::train,
        ..COMMON
    },
    Workload {
        name: "W8.gelu",
        title: "gelu(x·w + b) of 16 M",
        variants: PLAIN,
        limit: Limit::Memory(2.0 * 4.0 * 16_777_216.0),
        bars: &[best(8.0)],
        make: models::pieces::gelu,
        ..COMMON
    },
    Workload {
        name: "W8.gelu_backward",
        title: "gelu(x·w + b) of 16 M, forward and backward",
        variants: PLAIN,
        limit: Limit::Memory(5.0 * 4.0 * 16_777_216.0),
        bars: &[best(6.0)],
        make: models::pieces::gelu_backward,
        ..COMMON
    },
    Workload {
        name: "W8.cross_entropy",
        title: "cross-entropy 256x32,000, forward and backward",
        variants: PLAIN,
        limit: Limit::Memory(3.0 * 4.0 * 256.0 * 32_000.0),
        bars: &[best(2.5)],
        make: models::pieces::cross_entropy,
        ..COMMON
    },
    Workload {
        name: "W8.layer_norm",
        title: "layer norm 4096x1024, forward and backward",
        variants: PLAIN,
        limit: Limit::Memory(5.0 * 4.0 * 4096.0 * 1024.0),
        bars: &[best(1.1)],
        make: models::pieces::layer_norm,
        ..COMMON
    },
    Workload {
        name: "W8.adam",
        title: "Adam on 25 M parameters",
        variants: &["fused"],
        limit: Limit::Memory(7.0 * 4.0 * 25e6),
        bars: &[best(1.3)],
        make: models::pieces::adam,
        ..COMMON
    },
    Workload {
        name: "product.128",
        title: "128 x 128 x 128",
        limit: product(models::products::SMALL),
        make: models::products::small,
        ..COMMON
    },
    Workload {
        name: "product.512",
        title: "512 x 512 x 512",
        limit: product(models::products::MIDDLE),
        make: models::products::middle,
        ..COMMON
    },
    Workload {
        name: "product.1024",
        title: "1024 x 1024 x 1024",
        limit: product(models::products::LARGE),
        bars: &[best(1.3)],
        make: models::products::large,
        ..COMMON
    },
    Workload {
        name: "product.64x784x128",
        title: "64 x 784 x 128",
        limit: product(models::products::FLAT),
        make: models::products::flat,
        ..COMMON
    },
    Workload {
        name: "product.512x768x3072",
        title: "512 x 768 x 3072",
        limit: product(models::products::WIDE),
        bars: &[best(1.3)],
        make: models::products::wide,
        ..COMMON
    },
    Workload {
        name: "product.1x4096x4096",
        title: "1 x 4096 x 4096",
        limit: Limit::Memory(4.0 * 4096.0 * 4096.0),
        make: models::products::vector,
        ..COMMON
    },
];

/// The arithmetic of a product of rows, depth and columns.
const fn product([rows, depth, columns]: [usize; 3]) -> Limit {
    Limit::Arithmetic(2.0 * (rows * depth * columns) as f64)
}
