//! Normalisations of each element of a batch for itself as layers.

use crate::{Layer, Module, Param};
use gradus_tensor::ops::NormOptions;
use gradus_tensor::{OpError, Shape, Tensor};

/// What the ops of normalisation take.
pub(super) fn norm_options(
    weight: &Option<Param>,
    bias: &Option<Param>,
    epsilon: f64,
) -> NormOptions {
    let tensor = |param: &Option<Param>| param.as_ref().map(Param::tensor);
    NormOptions { weight: tensor(weight), bias: tensor(bias), epsilon }
}

/// Layer normalisation: y = (x - mean) / √(variance + ε) · w + b over the last axes.
///
/// # Shapes
/// `x: [.., D] -> [.., D]` with `weight: [D]` and `bias: [D]`, where D may be several axes.
///
/// # Source
/// Ba, Kiros, Hinton 2016, "Layer Normalization"; PyTorch: `torch.nn.LayerNorm`.
///
/// ```
/// use gradus_nn::{Layer, LayerNorm};
/// use gradus_tensor::Tensor;
///
/// let y = LayerNorm::new(2).forward(&Tensor::from_vec(vec![5f32, 7.0], [1, 2]));
/// assert!((y.to_vec::<f32>()[1] - 1.0).abs() < 1e-5);
/// ```
#[derive(Debug, Module)]
pub struct LayerNorm {
    /// w, ones at first.
    pub weight: Option<Param>,
    /// b, zeros at first.
    pub bias: Option<Param>,
    #[module(skip)]
    shape: Shape,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// A layer that normalises the last axes, which have these lengths, with ε = 10⁻⁵.
    #[track_caller]
    pub fn new(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let (weight, bias) = (Param::new(Tensor::ones(shape)), Param::new(Tensor::zeros(shape)));
        Self { weight: Some(weight), bias: Some(bias), shape, epsilon: 1e-5 }
    }

    /// The layer with another ε.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The layer without its bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// The layer with neither weight nor bias.
    pub fn without_affine(self) -> Self {
        Self { weight: None, bias: None, ..self }
    }
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.shape, &norm_options(&self.weight, &self.bias, self.epsilon))
    }
}

/// y = x / √(mean x² + ε) · w over the last axes.
///
/// # Shapes
/// `x: [.., D] -> [.., D]` with `weight: [D]`, where D may be several axes.
///
/// # Source
/// Zhang, Sennrich 2019, "Root Mean Square Layer Normalization"; PyTorch: `torch.nn.RMSNorm`, whose
/// ε is that of `f32` unless another is given, as here.
#[derive(Debug, Module)]
pub struct RmsNorm {
    /// w, ones at first.
    pub weight: Param,
    #[module(skip)]
    shape: Shape,
    #[module(skip)]
    epsilon: f64,
}

impl RmsNorm {
    /// A layer that normalises the last axes, which have these lengths, with ε = 2⁻²³.
    #[track_caller]
    pub fn new(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Self { weight: Param::new(Tensor::ones(shape)), shape, epsilon: f32::EPSILON as f64 }
    }

    /// The layer with another ε.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }
}

impl Layer for RmsNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        let weight = Some(self.weight.tensor());
        x.rms_norm(self.shape, &NormOptions { weight, bias: None, epsilon: self.epsilon })
    }
}

/// Group normalisation: y = (x - mean) / √(variance + ε) · w + b over groups of channels.
///
/// # Shapes
/// `x: [B, C, …] -> [B, C, …]` with `weight: [C]` and `bias: [C]`.
///
/// # Source
/// Wu, He 2018, "Group Normalization"; PyTorch: `torch.nn.GroupNorm`.
#[derive(Debug, Module)]
pub struct GroupNorm {
    /// w, ones at first.
    pub weight: Option<Param>,
    /// b, zeros at first.
    pub bias: Option<Param>,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    epsilon: f64,
}

impl GroupNorm {
    /// A layer that divides the channels in groups, with ε = 10⁻⁵.
    ///
    /// # Panics
    /// If the channels do not make that many groups.
    #[track_caller]
    pub fn new(groups: usize, channels: usize) -> Self {
        if groups == 0 || !channels.is_multiple_of(groups) {
            let message = format_args!("{channels} channels do not make {groups} groups");
            panic!("{}", OpError::of("GroupNorm", message));
        }
        let weight = Some(Param::new(Tensor::ones(channels)));
        let bias = Some(Param::new(Tensor::zeros(channels)));
        Self { weight, bias, groups, epsilon: 1e-5 }
    }

    /// The layer with another ε.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The layer with neither weight nor bias.
    pub fn without_affine(self) -> Self {
        Self { weight: None, bias: None, ..self }
    }
}

impl Layer for GroupNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.group_norm(self.groups, &norm_options(&self.weight, &self.bias, self.epsilon))
    }
}
