//! The ops that layers are made of.

use crate::Family;
use gradus::tensor::Tensor;
use gradus::tensor::ops::{
    AttentionOptions, ConvOptions, ConvTransposeOptions, CrossEntropyOptions, LossReduction,
    NormOptions, Padding, PatchOptions, PoolOptions,
};

#[test]
fn matrix_products() {
    let family = &mut Family::read("matmul");
    for case in ["matrices", "batched", "broadcast", "vector_right", "vector_left", "dot", "long"] {
        family.check(case, |x| x[0].matmul(&x[1]));
    }
    family.check("linear", |x| x[0].linear(&x[1], Some(&x[2])));
}

/// A convolution of some number of axes.
type Conv<O> = fn(&Tensor, &Tensor, Option<&Tensor>, O) -> Tensor;

#[test]
fn convolutions() {
    let family = &mut Family::read("conv");
    let plain = ConvOptions::default();
    let mut check = |convolve: Conv<ConvOptions>, case: &str, options: ConvOptions| {
        family.check(case, |x| convolve(&x[0], &x[1], x.get(2), options));
    };
    let padded = ConvOptions { padding: 1.into(), ..plain };

    let conv1d = Tensor::conv1d;
    check(conv1d, "conv1d", plain);
    let all = ConvOptions { stride: 2.into(), padding: 2.into(), dilation: 2.into(), groups: 2 };
    check(conv1d, "conv1d_stride", all);
    let same = ConvOptions { padding: Padding::Same, ..plain };
    check(conv1d, "conv1d_same", ConvOptions { dilation: 2.into(), ..same });

    let conv2d = Tensor::conv2d;
    check(conv2d, "conv2d", plain);
    check(conv2d, "conv2d_padding", padded);
    let wide = ConvOptions { stride: [2, 3].into(), padding: [1, 2].into(), ..plain };
    check(conv2d, "conv2d_stride", wide);
    let dilated = ConvOptions { dilation: [2, 3].into(), padding: 2.into(), ..plain };
    check(conv2d, "conv2d_dilation", dilated);
    check(conv2d, "conv2d_groups", ConvOptions { groups: 3, ..padded });
    check(conv2d, "conv2d_depthwise", ConvOptions { groups: 8, ..padded });
    check(conv2d, "conv2d_multiplier", ConvOptions { groups: 4, stride: 2.into(), ..plain });
    check(conv2d, "conv2d_pointwise", plain);
    check(conv2d, "conv2d_pointwise_stride", ConvOptions { stride: 2.into(), ..plain });
    check(conv2d, "conv2d_same", same);
    check(conv2d, "conv2d_first", padded);
    check(conv2d, "conv2d_patches", ConvOptions { stride: 4.into(), ..plain });

    let conv3d = Tensor::conv3d;
    check(conv3d, "conv3d", padded);
    let all = ConvOptions {
        stride: [1, 2, 3].into(),
        padding: [0, 1, 1].into(),
        dilation: [2, 1, 1].into(),
        groups: 2,
    };
    check(conv3d, "conv3d_stride", all);

    let plain = ConvTransposeOptions::default();
    let mut check = |convolve: Conv<ConvTransposeOptions>, case: &str, options| {
        family.check(case, |x| convolve(&x[0], &x[1], x.get(2), options));
    };
    let doubling = ConvTransposeOptions {
        stride: 2.into(),
        padding: 1.into(),
        output_padding: 1.into(),
        ..plain
    };
    check(Tensor::conv_transpose1d, "conv_transpose1d", doubling);
    check(Tensor::conv_transpose2d, "conv_transpose2d", plain);
    let wide = ConvTransposeOptions {
        stride: [2, 3].into(),
        padding: [1, 2].into(),
        output_padding: [1, 0].into(),
        ..plain
    };
    check(Tensor::conv_transpose2d, "conv_transpose2d_stride", wide);
    let groups = ConvTransposeOptions { groups: 2, dilation: 2.into(), ..plain };
    check(Tensor::conv_transpose2d, "conv_transpose2d_groups", groups);
    check(Tensor::conv_transpose3d, "conv_transpose3d", doubling);
}

#[test]
fn pooling() {
    let family = &mut Family::read("pool");
    let plain = PoolOptions::default();
    let options = |stride: usize, padding: usize| PoolOptions {
        stride: Some(stride.into()),
        padding: padding.into(),
        ..plain
    };
    let ceil = |options| PoolOptions { ceil_mode: true, ..options };
    family.check("max_pool1d", |x| x[0].max_pool1d(3, options(2, 1)));
    family.check("max_pool2d", |x| x[0].max_pool2d(2, plain));
    let overlap = PoolOptions { stride: Some([2, 1].into()), ..options(1, 1) };
    family.check("max_pool2d_overlap", |x| x[0].max_pool2d([3, 2], overlap));
    family.check("max_pool2d_ceil", |x| x[0].max_pool2d(3, ceil(options(2, 0))));
    let dilated = PoolOptions { dilation: 2.into(), ..options(2, 1) };
    family.check("max_pool2d_dilation", |x| x[0].max_pool2d(3, dilated));
    family.check("max_pool3d", |x| x[0].max_pool3d(2, options(2, 1)));
    family.check("avg_pool1d", |x| x[0].avg_pool1d(3, options(2, 1)));
    family.check("avg_pool2d", |x| x[0].avg_pool2d(2, plain));
    family.check("avg_pool2d_padding", |x| x[0].avg_pool2d(3, options(2, 1)));
    let without = PoolOptions { count_include_pad: false, ..options(2, 1) };
    family.check("avg_pool2d_without", |x| x[0].avg_pool2d(3, without));
    family.check("avg_pool2d_ceil", |x| x[0].avg_pool2d(3, ceil(options(2, 1))));
    family.check("avg_pool3d", |x| x[0].avg_pool3d(2, options(2, 1)));
    family.check("adaptive_avg_pool1d", |x| x[0].adaptive_avg_pool1d(4));
    family.check("adaptive_avg_pool2d", |x| x[0].adaptive_avg_pool2d([3, 5]));
    family.check("adaptive_avg_pool2d_global", |x| x[0].adaptive_avg_pool2d(1));
    family.check("adaptive_avg_pool3d", |x| x[0].adaptive_avg_pool3d([2, 4, 3]));
    family.check("adaptive_max_pool1d", |x| x[0].adaptive_max_pool1d(4));
    family.check("adaptive_max_pool2d", |x| x[0].adaptive_max_pool2d([3, 5]));
    let patches = PatchOptions { stride: 2.into(), padding: 1.into(), dilation: [1, 2].into() };
    family.check("unfold2d", |x| x[0].unfold2d([3, 2], patches));
    family.check("fold2d", |x| x[0].fold2d([6, 5], 2, PatchOptions::default()));
    family.check("upsample_nearest1d", |x| x[0].upsample_nearest1d(8));
    family.check("upsample_nearest2d", |x| x[0].upsample_nearest2d(2.0));
    family.check("upsample_nearest2d_size", |x| x[0].upsample_nearest2d([7, 3]));
    family.check("upsample_linear1d", |x| x[0].upsample_linear1d(9, false));
    family.check("upsample_bilinear2d", |x| x[0].upsample_bilinear2d([9, 6], false));
    family.check("upsample_bilinear2d_corners", |x| x[0].upsample_bilinear2d([9, 6], true));
    family.check("upsample_bilinear2d_smaller", |x| x[0].upsample_bilinear2d([3, 5], false));
}

/// The weight and the bias that come behind x, if they do.
fn affine(x: &[Tensor], epsilon: f64) -> NormOptions {
    NormOptions { weight: x.get(1).cloned(), bias: x.get(2).cloned(), epsilon }
}

#[test]
fn normalisation() {
    let family = &mut Family::read("norm");
    for (case, axes) in [
        ("layer_norm", &[10][..]),
        ("layer_norm_axes", &[3, 10]),
        ("layer_norm_plain", &[33]),
        ("layer_norm_offset", &[64]),
    ] {
        family.check(case, |x| x[0].layer_norm(axes, &affine(x, 1e-5)));
    }
    family.check("rms_norm", |x| x[0].rms_norm([12], &affine(x, 1e-6)));
    family.check("group_norm", |x| x[0].group_norm(3, &affine(x, 1e-5)));
    family.check("instance_norm", |x| x[0].instance_norm(&affine(x, 1e-5)));
    family.check("batch_norm", |x| x[0].batch_norm_training(&affine(x, 1e-5)).output);
    family.check("batch_norm1d", |x| x[0].batch_norm_training(&affine(x, 1e-5)).output);
    family.check("batch_norm_eval", |x| x[0].batch_norm(&x[3], &x[4], &affine(x, 1e-5)));
}

#[test]
fn attention() {
    let family = &mut Family::read("attention");
    let mut check = |case: &str, options: AttentionOptions| {
        family.check(case, |x| x[0].scaled_dot_product_attention(&x[1], &x[2], x.get(3), options));
    };
    let plain = AttentionOptions::default();
    check("plain", plain);
    check("scale", AttentionOptions { scale: Some(0.7), ..plain });
    check("causal", AttentionOptions { causal: true, ..plain });
    check("float_mask", plain);
    check("bool_mask", plain);
}

#[test]
fn softmax_and_cross_entropy() {
    let family = &mut Family::read("softmax");
    family.check("softmax", |x| x[0].softmax(-1));
    family.check("softmax_axis", |x| x[0].softmax(1));
    family.check("log_softmax", |x| x[0].log_softmax(-1));
    family.check("log_softmax_axis", |x| x[0].log_softmax(0));
    let mut check = |case: &str, options: CrossEntropyOptions| {
        family.check(case, |x| {
            let options = CrossEntropyOptions { weight: x.get(2).cloned(), ..options.clone() };
            x[0].cross_entropy_with(&x[1], &options)
        });
    };
    let plain = CrossEntropyOptions::default;
    check("cross_entropy", plain());
    check("cross_entropy_sum", CrossEntropyOptions { reduction: LossReduction::Sum, ..plain() });
    check("cross_entropy_none", CrossEntropyOptions { reduction: LossReduction::None, ..plain() });
    check("cross_entropy_smoothing", CrossEntropyOptions { label_smoothing: 0.1, ..plain() });
    check("cross_entropy_ignore", CrossEntropyOptions { ignore_index: Some(2), ..plain() });
    let all = CrossEntropyOptions { label_smoothing: 0.2, ignore_index: Some(1), ..plain() };
    check("cross_entropy_weight", all);
    check("cross_entropy_spatial", plain());
    check("cross_entropy_probabilities", plain());
}

/// The elementwise functions whose names are PyTorch's.
macro_rules! functions {
    ($family:ident: $($method:ident)*) => {
        $($family.check(stringify!($method), |x| x[0].$method());)*
    };
}

#[test]
fn elementwise_functions() {
    let family = &mut Family::read("elementwise");
    functions! { family:
        relu selu gelu gelu_tanh silu mish softsign sigmoid log_sigmoid tanh erf exp expm1 sin cos tan
        atan sinh cosh asinh log log1p sqrt rsqrt asin acos atanh
    }
    family.check("relu6", |x| x[0].clamp(0.0, 6.0));
    family.check("leaky_relu", |x| x[0].leaky_relu(0.01));
    family.check("elu", |x| x[0].elu(1.0));
    family.check("celu", |x| x[0].celu(1.0));
    family.check("softplus", |x| x[0].softplus(1.0));
    family.check("hardsigmoid", |x| x[0].hard_sigmoid());
    family.check("hardswish", |x| x[0].hard_swish());
    family.check("acosh", |x| (&x[0] + 1.0).acosh());
    family.check("pow", |x| x[0].pow(&x[1]));
    family.check("atan2", |x| x[0].atan2(&x[1]));
}

#[test]
fn losses() {
    let family = &mut Family::read("losses");
    family.check("mse", |x| gradus::nn::losses::mse_loss(&x[0], &x[1]));
    family.check("mae", |x| gradus::nn::losses::mae_loss(&x[0], &x[1]));
    family.check("bce", |x| gradus::nn::losses::bce_loss(&x[0], &x[1]));
    family.check("bce_with_logits", |x| gradus::nn::losses::bce_with_logits_loss(&x[0], &x[1]));
}
