//! How exact products are.

use crate::autograd::{mode, with_mode};

pub use gradus_kernels::Precision;

/// Runs `body` with matrix products and convolutions of `f32` that may lose as much as a precision
/// says. Attention, linear and recurrent layers are made of such products. Gradients are computed with
/// the precision of the ops that they are gradients of, wherever the backward pass runs.
///
/// Weights, gradients, sums and all other ops stay `f32`, so that a model is trained as it is: there is
/// nothing to convert, and no loss to scale. The same numbers give the same bits at any number of
/// threads.
///
/// ```
/// use gradus_tensor::{Precision, Rng, Tensor, with_precision};
///
/// let mut rng = Rng::new(1);
/// let (x, w) = (Tensor::randn([64, 256], &mut rng), Tensor::randn([256, 64], &mut rng));
/// let exact = x.matmul(&w);
/// let fast = with_precision(Precision::Medium, || x.matmul(&w));
/// let error = (fast - &exact).abs().max(..).item::<f32>();
/// assert!(error < 0.01 * exact.abs().max(..).item::<f32>());
/// ```
///
/// # Source
/// PyTorch: `torch.set_float32_matmul_precision`, which holds for a whole program; in the place of
/// `torch.autocast`, which also keeps results as `bf16`.
pub fn with_precision<R>(precision: Precision, body: impl FnOnce() -> R) -> R {
    with_mode(|mode| mode.precision = precision, body)
}

/// The precision of products on this thread; see [`with_precision`].
pub fn precision() -> Precision {
    mode().precision
}
