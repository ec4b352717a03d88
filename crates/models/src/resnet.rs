//! Residual networks.

use crate::check_sizes;
use gradus_nn::init::{Fan, gain};
use gradus_nn::{
    BatchNorm2d, Conv2d, ConvOptions, Init, Layer, Linear, MaxPool2d, Module, Param, PoolOptions,
    Sequential, fold_norm,
};
use gradus_tensor::{Error, Result, Rng, Tensor};

/// How a [`ResNet`] begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stem {
    /// A convolution of 7x7 with stride 2 and a pooling with stride 2: for images of 224 pixels.
    #[default]
    Large,
    /// A convolution of 3x3: for images of 32 pixels.
    Small,
}

/// The settings of a [`ResNet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetOptions {
    /// The number of layers with weights: 18, 34, 50, 101 or 152.
    pub depth: usize,
    /// The channels of an image.
    pub channels: usize,
    /// How many classes there are.
    pub classes: usize,
    /// The channels of the first stage; each other has twice as many as the one before.
    pub width: usize,
    /// How the network begins.
    pub stem: Stem,
}

impl Default for ResNetOptions {
    fn default() -> Self {
        Self { depth: 18, channels: 3, classes: 1000, width: 64, stem: Stem::default() }
    }
}

/// The residual network: blocks y = ReLU(x + f(x)) in four stages, each of half the size and twice
/// the channels of the one before.
///
/// # Shapes
/// `x: [B, C, H, W] -> [B, N]`, N being the number of classes.
///
/// # Source
/// He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition", table 1, with the stride
/// of a block of three convolutions in the middle one. The keys are those of
/// `torchvision.models.resnet18` and its kin.
///
/// ```
/// use gradus_models::{ResNet, ResNetOptions, Stem};
/// use gradus_nn::{Layer, Module};
/// use gradus_tensor::{Rng, Tensor};
///
/// let options = ResNetOptions { classes: 10, width: 8, stem: Stem::Small, ..Default::default() };
/// let net = ResNet::new(options, &mut Rng::new(1)).unwrap();
/// assert_eq!(net.forward(&Tensor::ones([2, 3, 32, 32])).shape(), [2, 10]);
/// assert_eq!(net.named_params()[3].0, "layer1.0.conv1.weight");
/// ```
#[derive(Debug, Module)]
pub struct ResNet {
    /// The first convolution.
    pub conv1: Conv2d,
    /// Its normalisation, until it is folded.
    pub bn1: Option<BatchNorm2d>,
    /// Only in a large stem.
    pub maxpool: Option<MaxPool2d>,
    /// The first stage.
    pub layer1: Sequential,
    /// The second stage.
    pub layer2: Sequential,
    /// The third stage.
    pub layer3: Sequential,
    /// The fourth stage.
    pub layer4: Sequential,
    /// From features to classes.
    pub fc: Linear,
}

impl ResNet {
    /// A network with random first weights.
    ///
    /// # Errors
    /// If there is no network of that depth, or a size is 0.
    pub fn new(options: ResNetOptions, rng: &mut Rng) -> Result<Self> {
        let ResNetOptions { depth, channels, classes, width, stem } = options;
        let (kind, counts) = match depth {
            18 => (Kind::Basic, [2, 2, 2, 2]),
            34 => (Kind::Basic, [3, 4, 6, 3]),
            50 => (Kind::Bottleneck, [3, 4, 6, 3]),
            101 => (Kind::Bottleneck, [3, 4, 23, 3]),
            152 => (Kind::Bottleneck, [3, 8, 36, 3]),
            _ => {
                let message = format!("resnet: depth is {depth}: choose 18, 34, 50, 101 or 152");
                return Err(Error::Setting(message));
            }
        };
        check_sizes("resnet", &[("channels", channels), ("classes", classes), ("width", width)])?;
        let (conv1, maxpool) = match stem {
            Stem::Small => (convolution(channels, width, 3, 1, rng), None),
            Stem::Large => {
                let halving =
                    PoolOptions { stride: Some(2.into()), padding: 1.into(), ..Default::default() };
                (convolution(channels, width, 7, 2, rng), Some(MaxPool2d::with_options(3, halving)))
            }
        };
        let mut inputs = width;
        let mut stages = (0..4).map(|stage| {
            let plan = Plan { kind, width: width << stage, stride: if stage == 0 { 1 } else { 2 } };
            plan.stage(&mut inputs, counts[stage], rng)
        });
        let mut next = || stages.next().unwrap_or_default();
        let (layer1, layer2, layer3, layer4) = (next(), next(), next(), next());
        drop(stages);
        let fc = Linear::new(inputs, classes, rng);
        Ok(Self {
            conv1,
            bn1: Some(BatchNorm2d::new(width)),
            maxpool,
            layer1,
            layer2,
            layer3,
            layer4,
            fc,
        })
    }
}

impl Layer for ResNet {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = normed_relu(&self.conv1, &self.bn1, x);
        if let Some(maxpool) = &self.maxpool {
            x = maxpool.forward(&x);
        }
        for stage in [&self.layer1, &self.layer2, &self.layer3, &self.layer4] {
            x = stage.forward(&x);
        }
        self.fc.forward(&x.mean([2, 3]))
    }

    fn fold_norms(&mut self) -> usize {
        let stages = [&mut self.layer1, &mut self.layer2, &mut self.layer3, &mut self.layer4];
        let within: usize = stages.into_iter().map(|stage| stage.fold_norms()).sum();
        within + fold(&mut self.conv1, &mut self.bn1)
    }
}

/// What the blocks of a network are made of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Basic,
    Bottleneck,
}

/// The blocks of a stage.
#[derive(Clone, Copy, Debug)]
struct Plan {
    kind: Kind,
    width: usize,
    /// That of the first block.
    stride: usize,
}

impl Plan {
    /// `count` blocks, the first of which takes `inputs` channels; they become those of the last.
    fn stage(self, inputs: &mut usize, count: usize, rng: &mut Rng) -> Sequential {
        (0..count).fold(Sequential::new(), |stage, index| {
            let stride = if index == 0 { self.stride } else { 1 };
            match self.kind {
                Kind::Basic => {
                    let block = BasicBlock::new(*inputs, self.width, stride, rng);
                    *inputs = self.width;
                    stage.then(block)
                }
                Kind::Bottleneck => {
                    let block = Bottleneck::new(*inputs, self.width, stride, rng);
                    *inputs = self.width * EXPANSION;
                    stage.then(block)
                }
            }
        })
    }
}

/// How many times as many channels come out of a bottleneck as its middle has.
const EXPANSION: usize = 4;

/// Two convolutions of 3x3 with a way around them.
#[derive(Debug, Module)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: Option<BatchNorm2d>,
    conv2: Conv2d,
    bn2: Option<BatchNorm2d>,
    downsample: Option<Sequential>,
}

impl BasicBlock {
    fn new(inputs: usize, outputs: usize, stride: usize, rng: &mut Rng) -> Self {
        Self {
            conv1: convolution(inputs, outputs, 3, stride, rng),
            bn1: Some(BatchNorm2d::new(outputs)),
            conv2: convolution(outputs, outputs, 3, 1, rng),
            bn2: Some(BatchNorm2d::new(outputs)),
            downsample: downsample(inputs, outputs, stride, rng),
        }
    }
}

impl Layer for BasicBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = normed_relu(&self.conv1, &self.bn1, x);
        let around = around(x, self.downsample.as_ref());
        normed_add_relu(&self.conv2, &self.bn2, [&y, &around])
    }

    fn fold_norms(&mut self) -> usize {
        let around = self.downsample.as_mut().map_or(0, |downsample| downsample.fold_norms());
        let pairs = [(&mut self.conv1, &mut self.bn1), (&mut self.conv2, &mut self.bn2)];
        around + pairs.into_iter().map(|(conv, norm)| fold(conv, norm)).sum::<usize>()
    }
}

/// Convolutions of 1x1 to fewer channels, of 3x3, and of 1x1 to more, with a way around them.
#[derive(Debug, Module)]
struct Bottleneck {
    conv1: Conv2d,
    bn1: Option<BatchNorm2d>,
    conv2: Conv2d,
    bn2: Option<BatchNorm2d>,
    conv3: Conv2d,
    bn3: Option<BatchNorm2d>,
    downsample: Option<Sequential>,
}

impl Bottleneck {
    fn new(inputs: usize, width: usize, stride: usize, rng: &mut Rng) -> Self {
        let outputs = width * EXPANSION;
        Self {
            conv1: convolution(inputs, width, 1, 1, rng),
            bn1: Some(BatchNorm2d::new(width)),
            conv2: convolution(width, width, 3, stride, rng),
            bn2: Some(BatchNorm2d::new(width)),
            conv3: convolution(width, outputs, 1, 1, rng),
            bn3: Some(BatchNorm2d::new(outputs)),
            downsample: downsample(inputs, outputs, stride, rng),
        }
    }
}

impl Layer for Bottleneck {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = normed_relu(&self.conv1, &self.bn1, x);
        let y = normed_relu(&self.conv2, &self.bn2, &y);
        let around = around(x, self.downsample.as_ref());
        normed_add_relu(&self.conv3, &self.bn3, [&y, &around])
    }

    fn fold_norms(&mut self) -> usize {
        let around = self.downsample.as_mut().map_or(0, |downsample| downsample.fold_norms());
        let pairs = [
            (&mut self.conv1, &mut self.bn1),
            (&mut self.conv2, &mut self.bn2),
            (&mut self.conv3, &mut self.bn3),
        ];
        around + pairs.into_iter().map(|(conv, norm)| fold(conv, norm)).sum::<usize>()
    }
}

/// max(y, 0) of a convolution with its normalisation.
fn normed_relu(conv: &Conv2d, norm: &Option<BatchNorm2d>, x: &Tensor) -> Tensor {
    match norm {
        Some(norm) => norm.forward_relu(&conv.forward(x)),
        None => conv.forward_relu(x),
    }
}

/// max(y + z, 0) of a convolution of x with its normalisation.
fn normed_add_relu(conv: &Conv2d, norm: &Option<BatchNorm2d>, [x, z]: [&Tensor; 2]) -> Tensor {
    match norm {
        Some(norm) => norm.forward_add_relu(&conv.forward(x), z),
        None => (conv.forward(x) + z).relu(),
    }
}

/// Lets a convolution take up its normalisation, and says how many it did.
fn fold(conv: &mut Conv2d, norm: &mut Option<BatchNorm2d>) -> usize {
    let folded = norm.take_if(|norm| fold_norm(conv, norm).is_ok());
    folded.is_some() as usize
}

/// What comes around a block: its input, brought to the shape of its output.
fn around(x: &Tensor, downsample: Option<&Sequential>) -> Tensor {
    downsample.map_or_else(|| x.clone(), |downsample| downsample.forward(x))
}

fn downsample(inputs: usize, outputs: usize, stride: usize, rng: &mut Rng) -> Option<Sequential> {
    (stride != 1 || inputs != outputs).then(|| {
        Sequential::new()
            .then(convolution(inputs, outputs, 1, stride, rng))
            .then(BatchNorm2d::new(outputs))
    })
}

/// A convolution that keeps the size but for its stride, without bias: a normalisation follows.
fn convolution(
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    rng: &mut Rng,
) -> Conv2d {
    let options =
        ConvOptions { stride: stride.into(), padding: (kernel / 2).into(), ..Default::default() };
    let he = Init::HeNormal { gain: gain::RELU, fan: Fan::Out };
    let weight = Param::new(he.draw([outputs, inputs, kernel, kernel], rng));
    Conv2d { weight, bias: None, options }
}
