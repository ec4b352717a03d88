//! What a device is asked to compute, as plain data.

use crate::autograd::is_grad_enabled;
use crate::{Layout, Tensor};

pub use gradus_kernels::attention::Attention;
pub use gradus_kernels::conv::Geometry as ConvGeometry;
pub use gradus_kernels::ctc::Ctc;
pub use gradus_kernels::dropout::Dropout;
pub use gradus_kernels::integer::CodeScale;
pub use gradus_kernels::norm::{Behind, ChannelNorm, RowNorm};
pub use gradus_kernels::optimizer;
pub use gradus_kernels::pool::{Pool, Window};
pub use gradus_kernels::quantised::{CodeBits, CodeFormat};
pub use gradus_kernels::random::Distribution;
pub use gradus_kernels::recurrent::{Cell, Steps};
pub use gradus_kernels::resize::{Interpolation, Resize};
pub use gradus_kernels::{
    Binary, Comparison, CrossEntropy, Extreme, Order, Precision, Reduction, Scan, Softmax, Total,
    Unary, Way,
};

/// What a device must compute. Inputs and outputs come beside it; see
/// [`Backend::launch`](crate::Backend::launch).
///
/// Inputs have any layout, outputs are contiguous. Where a kernel takes floats, all its inputs and
/// outputs have the same type.
#[derive(Clone, Debug, PartialEq)]
pub enum Kernel {
    /// out = x, in row-major order.
    Copy,
    /// out = x, converted to the output's type.
    Cast,
    /// outᵢ = value.
    Fill {
        /// The number, as the output's type.
        value: f64,
    },
    /// outᵢ = op(xᵢ). Floats; integers where [`Unary::takes_integers`].
    Map(Unary),
    /// outᵢ = op(xᵢ, yᵢ). Floats; integers where [`Binary::takes_integers`].
    Zip(Binary),
    /// outᵢ = xᵢ compared with yᵢ, a truth value.
    Compare(Comparison),
    /// outᵢ = yes where the condition (the first input) holds, else no.
    Select,
    /// Reduces the axes of x behind the first `kept` ones.
    Reduce {
        /// What is computed of them.
        reduction: Reduction,
        /// How many leading axes stay.
        kept: usize,
    },
    /// Finds the first extreme in the axes of x behind the first `kept` ones: its row-major index
    /// there, as `i64`.
    ArgExtreme {
        /// Which extreme.
        extreme: Extreme,
        /// How many leading axes stay.
        kept: usize,
    },
    /// out = 0, then each element of x is added where a view of `out` with this layout has it.
    Unview {
        /// The view, of x's shape.
        layout: Layout,
    },
    /// out = the inputs one after another along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// Writes x over a part of what the output holds.
    Overwrite {
        /// The axis along which x is shorter.
        axis: usize,
        /// Where x starts along it.
        start: usize,
    },
    /// Random numbers, from a position of a key's stream on. Floats.
    Random {
        /// Which numbers.
        distribution: Distribution,
        /// The key of the stream.
        key: u64,
        /// Where in the stream.
        position: u64,
    },
    /// Updates parameters by their gradients, the inputs, and what an optimizer remembers for them:
    /// the outputs are, for each gradient in turn, those that the rule lists.
    Optimizer(optimizer::Step),
    /// `out[b] = A[b] · B[b]` for inputs `[batch…, M, K]` and `[batch…, K, N]`, where a third input, if
    /// there is one, is added to each row.
    MatMul {
        /// What products of `f32` may lose.
        precision: Precision,
        /// Whether the same B will come again.
        weight: Weight,
    },
    /// out = x · Wᵀ + b for x `[.., D]` of floats, which lie side by side, and codes, scales and maybe
    /// zeros of W, all of them matrices; then, if there is one, b `[N]`. See
    /// [`gradus_kernels::quantised`].
    LinearQuantised(CodeFormat),
    /// Softmax, or its logarithm, of each row along the last axis.
    Softmax(Softmax),
    /// The gradient of softmax, or of its logarithm, by its input: from its output and the gradient
    /// by that.
    SoftmaxGradient(Softmax),
    /// The loss of each row of logits `[N, C]` whose class is the second input, `i64` `[N]`, and
    /// ln Σ e^x of each row as `f64`. A third input, if there is one, is the weights of the classes.
    /// If the losses are totalled, the first output is one number, and the second has one more: by
    /// what their sum was divided.
    CrossEntropy(CrossEntropy),
    /// The gradient by the logits: from the logits, their classes, the second output of
    /// [`Kernel::CrossEntropy`], the gradient by the first, and the weights if there are any.
    CrossEntropyGradient(CrossEntropy),
    /// out = Σ x² over all numbers of all inputs, of which there is one at least: a single `f64`.
    SumOfSquares,
    /// out = scale · Σ (xᵢ - yᵢ)², a single number. Floats.
    SquaredError {
        /// The factor of the sum.
        scale: f64,
    },
    /// The gradient of [`Kernel::SquaredError`] by its first input: from both inputs and the gradient
    /// by the result.
    SquaredErrorGradient {
        /// The factor of the sum.
        scale: f64,
    },
    /// The loss of each example by connectionist temporal classification, from log-probabilities
    /// [T, N, C], labels, `i64` [N, S], and how many steps and how many labels count, `i64` `[N]` each.
    /// The second output is α, `f64` [N, T + 1, 2 S + 3]; see [`gradus_kernels::ctc`].
    Ctc(Ctc),
    /// The gradient by the log-probabilities: from the inputs of [`Kernel::Ctc`], α and the gradient
    /// by each example's loss.
    CtcGradient(Ctc),
    /// out = the largest number of each window of x: [N, D, H, W], contiguous. A second output, if
    /// there is one, gets where in its plane the number lies, as `i32`.
    MaxPool(Pool),
    /// out = the mean of each window of x: [N, D, H, W], contiguous.
    AveragePool(Pool),
    /// The adjoint of [`Kernel::AveragePool`].
    AverageUnpool(Pool),
    /// out = 0, then each number of x: [N, ..] is added to out: [N, ..] where the second input, of
    /// x's shape and `i32`, says in the plane of the same number. All are contiguous.
    ScatterPlanes,
    /// The adjoint of [`Kernel::ScatterPlanes`]: out gets the numbers of x: [N, ..] that the second
    /// input names.
    GatherPlanes,
    /// outᵢ = 0 or, if the random stream says so, xᵢ scaled up.
    Dropout(Dropout),
    /// out = for each place of the windows of x: [N, D, H, W] the numbers there of all windows, [N,
    /// places, windows], zero in the padding. All are contiguous.
    Unfold(Pool),
    /// The adjoint of [`Kernel::Unfold`].
    Fold(Pool),
    /// out: [N, D, H, W] = x: [N, D, H, W] in another size. All are contiguous.
    Resize(Resize),
    /// The adjoint of [`Kernel::Resize`].
    ResizeAdjoint(Resize),
    /// out = softmax(scale · Q Kᵀ + mask) · V of queries [.., T, D], contiguous, keys [.., S, D] and
    /// values [.., S, E], both with the same [`Layout::room`], and, if there is one, a mask [.., T, S];
    /// the second output is ln Σ eˣ of the scores of each query, infinity if all are minus infinity.
    Attention(Attention),
    /// The gradients by queries, keys and values, from these, both outputs of
    /// [`Kernel::Attention`], the gradient by the first of them and, if there is one, the mask.
    AttentionGradient(Attention),
    /// [`Kernel::Attention`] of queries, keys and values that lie together, [B, T, 3, H, D], contiguous,
    /// and a mask [B, H, T, T] if there is one; gives [B, T, H, D] and ln Σ eˣ, [B, H, T].
    SelfAttention {
        /// How queries meet keys.
        how: Attention,
        /// H.
        heads: usize,
    },
    /// The gradient of [`Kernel::SelfAttention`], from its inputs but for the mask, both its outputs, the
    /// gradient by the first of them and, if there is one, the mask.
    SelfAttentionGradient {
        /// How queries met keys.
        how: Attention,
        /// H.
        heads: usize,
    },
    /// A cell that goes through sequences of N rows: of x [N, G H], the weight [G H, H], the hidden
    /// states [B, H] at the start, for an LSTM the cell states, and for a GRU, if there is one, the
    /// bias `[H]`. The first output is the hidden states of all rows, the last ones of all sequences
    /// and, for an LSTM, the last cell states: [N + B, H] or [N + 2 B, H]. A second output, if there
    /// is one, gets what the gradient needs, [N, S H] with S of [`Cell::saved`]. All are contiguous.
    Recurrent {
        /// What is computed at each time.
        cell: Cell,
        /// Which row belongs to which sequence and time.
        steps: Steps,
        /// What products of `f32` may lose.
        precision: Precision,
    },
    /// The gradients by x, the weight, the states and, if there is such an output, the bias: from the
    /// weight, the states, both outputs of [`Kernel::Recurrent`] and the gradient by the first of
    /// them. All are contiguous.
    RecurrentGradient {
        /// What was computed at each time.
        cell: Cell,
        /// Which row belongs to which sequence and time.
        steps: Steps,
        /// What products of `f32` may lose.
        precision: Precision,
    },
    /// out[i…, j, k…] = x[i…, indices[i…, j, k…], k…], where j counts along an axis; the indices are
    /// the second input, `i64`.
    Gather {
        /// The axis.
        axis: usize,
    },
    /// out = x, then out[i…, indices[i…, j, k…], k…] = source[i…, j, k…], the last one staying where
    /// several meet; the inputs are x, the indices and the source.
    Scatter {
        /// The axis.
        axis: usize,
    },
    /// out = x, then out[i…, indices[i…, j, k…], k…] += source[i…, j, k…].
    ScatterAdd {
        /// The axis.
        axis: usize,
    },
    /// `out[i…, j, k…] = x[i…, indices[j], k…]`, where j counts all indices, of any shape.
    IndexSelect {
        /// The axis.
        axis: usize,
    },
    /// out = x, then `out[i…, indices[j], k…] += source[i…, j, k…]`; the inputs are x, the indices and
    /// the source.
    IndexAdd {
        /// The axis.
        axis: usize,
    },
    /// The indices that sort the last axis of x, equal elements in their order, as `i64`: the first
    /// ones, as many as the output has place for.
    ArgSort {
        /// Which elements come first.
        order: Order,
    },
    /// out = a number everywhere, but for x in the middle.
    Pad {
        /// Where x starts along each axis.
        before: Vec<usize>,
        /// The number around it.
        value: f64,
    },
    /// Sums or products of the elements so far along an axis.
    Scan {
        /// Which of them.
        scan: Scan,
        /// Along which axis, and from which end.
        way: Way,
    },
    /// outᵢ = factorᵢ · outᵢ₋₁ + xᵢ along an axis, from 0; the inputs are the factor and x. Floats.
    LinearScan {
        /// Along which axis, and from which end.
        way: Way,
    },
    /// A convolution, or one of its gradients. Lengths of images and kernels are those of their last
    /// one, two or three axes.
    Conv {
        /// What is computed, of which inputs.
        direction: ConvDirection,
        /// The sizes.
        geometry: ConvGeometry,
        /// Whether the same weight will come again.
        weight: Weight,
        /// What products of `f32` may lose.
        precision: Precision,
    },
    /// The convolution of x, `f32`, with a weight, both as integers of eight bits, in one group: of x,
    /// the packed codes `u8`, their sums `i64` `[O]`, their scales `f32` `[O]` and, if there is a fifth
    /// input, the bias `f32` `[O]`. All are contiguous. See [`gradus_kernels::integer`].
    ConvInt8 {
        /// The sizes; those of a matrix product are of images of one place.
        geometry: ConvGeometry,
        /// How x becomes codes.
        input: CodeScale,
        /// Whether y then becomes max(y, 0).
        relu: bool,
    },
    /// Normalises the rows of x [N, L]; two more inputs, if there are any, are the weights and the
    /// biases. The second output is the mean and the factor of each row, `f64` [N, 2].
    RowNorm(RowNorm),
    /// The gradients by x, and by the weights and the biases if there are outputs for them: from x,
    /// the gradient by the result, the means and factors, and the weights if there are any.
    RowNormGradient(RowNorm),
    /// The mean and the variance of each channel of x [B, C, N], as `f64` [C, 2].
    ChannelMoments,
    /// Normalises the channels of x [B, C, N] by means and variances, `f64` [C, 2]; the next input, of
    /// x's shape, is what [`Behind::AddRelu`] adds. Two more inputs, if there are any, are the weights
    /// and the biases.
    ChannelNorm(ChannelNorm),
    /// The gradients by x, the weights, the biases and what was added: from x, the gradient by the
    /// result, the means and variances, what was added, and the weights and biases if there are any.
    ChannelNormGradient(ChannelNorm),
}

/// What a [`Kernel::Conv`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvDirection {
    /// The output, of the input, the weight and, if there is a third input, the bias of each output
    /// channel.
    Forward,
    /// The gradient by the input, of that by the output, the weight and, if there is a third input,
    /// a bias of each input channel.
    InputGradient,
    /// The gradient by the weight, of the input and the gradient by the output.
    WeightGradient,
}

/// Whether the weight of a kernel will come again as it is. Where it will, a device may keep with its
/// memory what it makes of it, until that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It is trained, or is no weight.
    Changing,
    /// The model is in use.
    Constant,
}

impl Weight {
    /// That of an op whose weight is a tensor.
    pub(crate) fn of(weight: &Tensor) -> Self {
        match is_grad_enabled() && weight.needs_grad() {
            true => Self::Changing,
            false => Self::Constant,
        }
    }
}

impl Kernel {
    /// True if the kernel moves or compares elements and computes with none.
    pub fn only_moves(&self) -> bool {
        matches!(
            self,
            Self::Copy
                | Self::Cast
                | Self::Fill { .. }
                | Self::Compare(_)
                | Self::Select
                | Self::ArgExtreme { .. }
                | Self::Concat { .. }
                | Self::Overwrite { .. }
                | Self::Gather { .. }
                | Self::Scatter { .. }
                | Self::IndexSelect { .. }
                | Self::ArgSort { .. }
                | Self::Pad { .. }
        )
    }

    /// True if the kernel changes values that its outputs already hold.
    pub fn updates(&self) -> bool {
        matches!(self, Self::Optimizer(_) | Self::Overwrite { .. })
    }
}
