//! Batch norms taken up by the layers before them.

use crate::{Layer, Param};
use gradus_tensor::{DType, Error, Result, Tensor, no_grad};

/// What is done to each channel: y = scale · x + shift. Both are `[C]`, of `f64`.
#[derive(Clone, Debug)]
pub struct ChannelLine {
    /// The factor of each channel.
    pub scale: Tensor,
    /// What is added to each channel.
    pub shift: Tensor,
}

/// Lets a convolution or a linear layer do what the batch norm behind it does in evaluation:
/// w' = w · γ / √(σ² + ε) and b' = (b - μ) · γ / √(σ² + ε) + β, for each output. The norm is not
/// needed from then on. Weight and bias become parameters of their own.
///
/// # Errors
/// [`Error::Setting`] if the norm is in training (call `eval` first), what is behind is no batch norm,
/// or the layer has no plain weight with as many outputs. Then nothing is changed.
///
/// # Source
/// Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
/// Integer-Arithmetic-Only Inference", equation 14. PyTorch:
/// `torch.nn.utils.fusion.fuse_conv_bn_eval` and `fuse_linear_bn_eval`, which return a new layer.
///
/// ```
/// use gradus_nn::{BatchNorm2d, Conv2d, ConvOptions, Layer, Module, fold_norm};
/// use gradus_tensor::{Rng, Tensor};
///
/// let rng = &mut Rng::new(1);
/// let mut conv = Conv2d::new(3, 8, 3, ConvOptions::default(), rng).without_bias();
/// let norm = BatchNorm2d::new(8);
/// norm.forward(&Tensor::randn([4, 8, 5, 5], rng));
/// norm.eval();
/// let x = Tensor::randn([1, 3, 9, 9], rng);
/// let before = norm.forward(&conv.forward(&x));
/// fold_norm(&mut conv, &norm)?;
/// assert!((conv.forward(&x) - before).abs().max(..).item::<f32>() < 1e-5);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
pub fn fold_norm(layer: &mut dyn Layer, norm: &dyn Layer) -> Result<()> {
    let Some(line) = norm.channel_line() else {
        let message = format!("{norm:?} is no batch norm in evaluation: call eval() first");
        return Err(Error::Setting(message));
    };
    if !layer.take_up(&line) {
        let channels = line.scale.count();
        let message = format!("{layer:?} has no plain weight with {channels} outputs to scale");
        return Err(Error::Setting(message));
    }
    Ok(())
}

/// Lets the layers of a model take up the batch norms right behind them, as [`fold_norm`] does, and
/// says how many did. These norms are gone from the model then, the names of all else stay.
///
/// A linear layer's outputs are taken to be `[B, C]`.
///
/// # Errors
/// [`Error::Setting`] if there is none: the model is in training, or it is of a type that does not
/// implement [`Layer::fold_norms`], or the batch norms do not stand behind convolutions.
pub fn fold_norms(model: &mut dyn Layer) -> Result<usize> {
    match model.fold_norms() {
        0 => Err(Error::Setting(
            "no batch norm could be folded: call eval() first, and see Layer::fold_norms".into(),
        )),
        count => Ok(count),
    }
}

/// Gives a layer a weight, whose outputs are along an axis, and a bias with which it does what a line
/// does behind it, and says whether they fit.
pub(crate) fn take_up(
    line: &ChannelLine,
    (weight, axis): (&mut Param, usize),
    bias: &mut Option<Param>,
) -> bool {
    let shape = weight.shape();
    if !weight.is_plain() || shape[axis] != line.scale.count() {
        return false;
    }
    let old = weight.tensor().detach();
    let as_old = |x: Tensor| Param::new(x.to_dtype(old.dtype()));
    let ChannelLine { scale, shift } = line;
    let (weight_to, bias_to) = no_grad(|| {
        let mut along = vec![1; shape.rank()];
        along[axis] = shape[axis];
        let shift = match &*bias {
            Some(bias) => bias.tensor().to_dtype(DType::F64) * scale + shift,
            None => shift.clone(),
        };
        (as_old(old.to_dtype(DType::F64) * scale.reshape(along)), as_old(shift))
    });
    if !weight.is_trainable() {
        weight_to.freeze();
    }
    if bias.as_ref().is_some_and(|bias| !bias.is_trainable()) {
        bias_to.freeze();
    }
    (*weight, *bias) = (weight_to, Some(bias_to));
    true
}
