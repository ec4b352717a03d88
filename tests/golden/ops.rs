//! The ops that layers are made of.

use crate::family::Family;
use gradus::tensor::Tensor;
use gradus::tensor::ops::{
    AttentionOptions, ConvOptions, ConvTransposeOptions, CrossEntropyOptions, LossReduction,
    NormOptions, Padding, PatchOptions, PoolOptions,
};

pub fn matmul(family: &mut Family) {
    family.row("matmul", "torch.matmul");
    for case in ["matrices", "batched", "broadcast", "vector_right", "vector_left", "dot", "long"] {
        family.check(case, |x| x[0].matmul(&x[1]));
    }
    family.row("linear", "F.linear");
    family.check("linear", |x| x[0].linear(&x[1], Some(&x[2])));
}

/// A convolution of some number of axes.
type Conv<O> = fn(&Tensor, &Tensor, Option<&Tensor>, O) -> Tensor;

fn check_conv<O: Copy>(family: &mut Family, convolve: Conv<O>, case: &str, options: O) {
    family.check(case, |x| convolve(&x[0], &x[1], x.get(2), options));
}

pub fn conv(family: &mut Family) {
    let plain = ConvOptions::default();
    let padded = ConvOptions { padding: 1.into(), ..plain };

    family.row("conv1d", "F.conv1d");
    let conv1d = Tensor::conv1d;
    check_conv(family, conv1d, "conv1d", plain);
    let all = ConvOptions { stride: 2.into(), padding: 2.into(), dilation: 2.into(), groups: 2 };
    check_conv(family, conv1d, "conv1d_stride", all);
    let same = ConvOptions { padding: Padding::Same, ..plain };
    check_conv(family, conv1d, "conv1d_same", ConvOptions { dilation: 2.into(), ..same });

    family.row("conv2d", "F.conv2d");
    let conv2d = Tensor::conv2d;
    check_conv(family, conv2d, "conv2d", plain);
    check_conv(family, conv2d, "conv2d_padding", padded);
    let wide = ConvOptions { stride: [2, 3].into(), padding: [1, 2].into(), ..plain };
    check_conv(family, conv2d, "conv2d_stride", wide);
    let dilated = ConvOptions { dilation: [2, 3].into(), padding: 2.into(), ..plain };
    check_conv(family, conv2d, "conv2d_dilation", dilated);
    check_conv(family, conv2d, "conv2d_groups", ConvOptions { groups: 3, ..padded });
    check_conv(family, conv2d, "conv2d_depthwise", ConvOptions { groups: 8, ..padded });
    check_conv(
        family,
        conv2d,
        "conv2d_multiplier",
        ConvOptions { groups: 4, stride: 2.into(), ..plain },
    );
    check_conv(family, conv2d, "conv2d_pointwise", plain);
    check_conv(
        family,
        conv2d,
        "conv2d_pointwise_stride",
        ConvOptions { stride: 2.into(), ..plain },
    );
    check_conv(family, conv2d, "conv2d_same", same);
    check_conv(family, conv2d, "conv2d_first", padded);
    check_conv(family, conv2d, "conv2d_patches", ConvOptions { stride: 4.into(), ..plain });

    family.row("conv3d", "F.conv3d");
    let conv3d = Tensor::conv3d;
    check_conv(family, conv3d, "conv3d", padded);
    let all = ConvOptions {
        stride: [1, 2, 3].into(),
        padding: [0, 1, 1].into(),
        dilation: [2, 1, 1].into(),
        groups: 2,
    };
    check_conv(family, conv3d, "conv3d_stride", all);

    let plain = ConvTransposeOptions::default();
    let doubling = ConvTransposeOptions {
        stride: 2.into(),
        padding: 1.into(),
        output_padding: 1.into(),
        ..plain
    };
    family.row("conv_transpose1d", "F.conv_transpose1d");
    check_conv(family, Tensor::conv_transpose1d, "conv_transpose1d", doubling);
    family.row("conv_transpose2d", "F.conv_transpose2d");
    check_conv(family, Tensor::conv_transpose2d, "conv_transpose2d", plain);
    let wide = ConvTransposeOptions {
        stride: [2, 3].into(),
        padding: [1, 2].into(),
        output_padding: [1, 0].into(),
        ..plain
    };
    check_conv(family, Tensor::conv_transpose2d, "conv_transpose2d_stride", wide);
    let groups = ConvTransposeOptions { groups: 2, dilation: 2.into(), ..plain };
    check_conv(family, Tensor::conv_transpose2d, "conv_transpose2d_groups", groups);
    family.row("conv_transpose3d", "F.conv_transpose3d");
    check_conv(family, Tensor::conv_transpose3d, "conv_transpose3d", doubling);
}

pub fn pool(family: &mut Family) {
    let plain = PoolOptions::default();
    let options = |stride: usize, padding: usize| PoolOptions {
        stride: Some(stride.into()),
        padding: padding.into(),
        ..plain
    };
    let ceil = |options| PoolOptions { ceil_mode: true, ..options };
    family.row("max_pool1d", "F.max_pool1d");
    family.check("max_pool1d", |x| x[0].max_pool1d(3, options(2, 1)));
    family.row("max_pool2d", "F.max_pool2d");
    family.check("max_pool2d", |x| x[0].max_pool2d(2, plain));
    let overlap = PoolOptions { stride: Some([2, 1].into()), ..options(1, 1) };
    family.check("max_pool2d_overlap", |x| x[0].max_pool2d([3, 2], overlap));
    family.check("max_pool2d_ceil", |x| x[0].max_pool2d(3, ceil(options(2, 0))));
    let dilated = PoolOptions { dilation: 2.into(), ..options(2, 1) };
    family.check("max_pool2d_dilation", |x| x[0].max_pool2d(3, dilated));
    family.row("max_pool3d", "F.max_pool3d");
    family.check("max_pool3d", |x| x[0].max_pool3d(2, options(2, 1)));
    family.row("avg_pool1d", "F.avg_pool1d");
    family.check("avg_pool1d", |x| x[0].avg_pool1d(3, options(2, 1)));
    family.row("avg_pool2d", "F.avg_pool2d");
    family.check("avg_pool2d", |x| x[0].avg_pool2d(2, plain));
    family.check("avg_pool2d_padding", |x| x[0].avg_pool2d(3, options(2, 1)));
    let without = PoolOptions { count_include_pad: false, ..options(2, 1) };
    family.check("avg_pool2d_without", |x| x[0].avg_pool2d(3, without));
    family.check("avg_pool2d_ceil", |x| x[0].avg_pool2d(3, ceil(options(2, 1))));
    family.row("avg_pool3d", "F.avg_pool3d");
    family.check("avg_pool3d", |x| x[0].avg_pool3d(2, options(2, 1)));
    family.row("adaptive_avg_pool1d", "F.adaptive_avg_pool1d");
    family.check("adaptive_avg_pool1d", |x| x[0].adaptive_avg_pool1d(4));
    family.row("adaptive_avg_pool2d", "F.adaptive_avg_pool2d");
    family.check("adaptive_avg_pool2d", |x| x[0].adaptive_avg_pool2d([3, 5]));
    family.check("adaptive_avg_pool2d_global", |x| x[0].adaptive_avg_pool2d(1));
    family.row("adaptive_avg_pool3d", "F.adaptive_avg_pool3d");
    family.check("adaptive_avg_pool3d", |x| x[0].adaptive_avg_pool3d([2, 4, 3]));
    family.row("adaptive_max_pool1d", "F.adaptive_max_pool1d");
    family.check("adaptive_max_pool1d", |x| x[0].adaptive_max_pool1d(4));
    family.row("adaptive_max_pool2d", "F.adaptive_max_pool2d");
    family.check("adaptive_max_pool2d", |x| x[0].adaptive_max_pool2d([3, 5]));
    let patches = PatchOptions { stride: 2.into(), padding: 1.into(), dilation: [1, 2].into() };
    family.row("unfold2d", "F.unfold");
    family.check("unfold2d", |x| x[0].unfold2d([3, 2], patches));
    family.row("fold2d", "F.fold");
    family.check("fold2d", |x| x[0].fold2d([6, 5], 2, PatchOptions::default()));
    family.row("upsample_nearest1d", "F.interpolate");
    family.check("upsample_nearest1d", |x| x[0].upsample_nearest1d(8));
    family.row("upsample_nearest2d", "F.interpolate");
    family.check("upsample_nearest2d", |x| x[0].upsample_nearest2d(2.0));
    family.check("upsample_nearest2d_size", |x| x[0].upsample_nearest2d([7, 3]));
    family.row("upsample_linear1d", "F.interpolate");
    family.check("upsample_linear1d", |x| x[0].upsample_linear1d(9, false));
    family.row("upsample_bilinear2d", "F.interpolate");
    family.check("upsample_bilinear2d", |x| x[0].upsample_bilinear2d([9, 6], false));
    family.check("upsample_bilinear2d_corners", |x| x[0].upsample_bilinear2d([9, 6], true));
    family.check("upsample_bilinear2d_smaller", |x| x[0].upsample_bilinear2d([3, 5], false));
}

/// The weight and the bias that come behind x, if they do.
fn affine(x: &[Tensor], epsilon: f64) -> NormOptions {
    NormOptions { weight: x.get(1).cloned(), bias: x.get(2).cloned(), epsilon }
}

pub fn norm(family: &mut Family) {
    family.row("layer_norm", "F.layer_norm");
    for (case, axes) in [
        ("layer_norm", &[10][..]),
        ("layer_norm_axes", &[3, 10]),
        ("layer_norm_plain", &[33]),
        ("layer_norm_offset", &[64]),
    ] {
        family.check(case, |x| x[0].layer_norm(axes, &affine(x, 1e-5)));
    }
    family.row("rms_norm", "F.rms_norm");
    family.check("rms_norm", |x| x[0].rms_norm([12], &affine(x, 1e-6)));
    family.row("group_norm", "F.group_norm");
    family.check("group_norm", |x| x[0].group_norm(3, &affine(x, 1e-5)));
    family.row("instance_norm", "F.instance_norm");
    family.check("instance_norm", |x| x[0].instance_norm(&affine(x, 1e-5)));
    family.row("batch_norm_training", "F.batch_norm(training=True)");
    family.check("batch_norm", |x| x[0].batch_norm_training(&affine(x, 1e-5)).output);
    family.check("batch_norm1d", |x| x[0].batch_norm_training(&affine(x, 1e-5)).output);
    family.row("batch_norm", "F.batch_norm(training=False)");
    family.check("batch_norm_eval", |x| x[0].batch_norm(&x[3], &x[4], &affine(x, 1e-5)));
}

pub fn attention(family: &mut Family) {
    family.row("scaled_dot_product_attention", "F.scaled_dot_product_attention");
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

pub fn softmax(family: &mut Family) {
    family.row("softmax", "F.softmax");
    family.check("softmax", |x| x[0].softmax(-1));
    family.check("softmax_axis", |x| x[0].softmax(1));
    family.row("log_softmax", "F.log_softmax");
    family.check("log_softmax", |x| x[0].log_softmax(-1));
    family.check("log_softmax_axis", |x| x[0].log_softmax(0));
    family.row("cross_entropy", "F.cross_entropy");
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

/// For each element-wise function: its case and the method, PyTorch's name, the call.
macro_rules! functions {
    ($family:ident: $($method:ident, $torch:literal, $x:ident -> $call:expr;)*) => {$(
        $family.row(stringify!($method), $torch);
        $family.check(stringify!($method), |$x| $call);
    )*};
}

pub fn elementwise(family: &mut Family) {
    functions! { family:
        relu, "F.relu", x -> x[0].relu();
        selu, "F.selu", x -> x[0].selu();
        gelu, "F.gelu", x -> x[0].gelu();
        silu, "F.silu", x -> x[0].silu();
        mish, "F.mish", x -> x[0].mish();
        softsign, "F.softsign", x -> x[0].softsign();
        gelu_tanh, "F.gelu(approximate=\"tanh\")", x -> x[0].gelu_tanh();
        log_sigmoid, "F.logsigmoid", x -> x[0].log_sigmoid();
        leaky_relu, "F.leaky_relu", x -> x[0].leaky_relu(0.01);
        elu, "F.elu", x -> x[0].elu(1.0);
        celu, "F.celu", x -> x[0].celu(1.0);
        softplus, "F.softplus", x -> x[0].softplus(1.0);
        hard_swish, "F.hardswish", x -> x[0].hard_swish();
        clamp, "torch.clamp", x -> x[0].clamp(0.0, 6.0);
        sigmoid, "torch.sigmoid", x -> x[0].sigmoid();
        tanh, "torch.tanh", x -> x[0].tanh();
        erf, "torch.erf", x -> x[0].erf();
        exp, "torch.exp", x -> x[0].exp();
        expm1, "torch.expm1", x -> x[0].expm1();
        sin, "torch.sin", x -> x[0].sin();
        cos, "torch.cos", x -> x[0].cos();
        tan, "torch.tan", x -> x[0].tan();
        atan, "torch.atan", x -> x[0].atan();
        sinh, "torch.sinh", x -> x[0].sinh();
        cosh, "torch.cosh", x -> x[0].cosh();
        asinh, "torch.asinh", x -> x[0].asinh();
        log, "torch.log", x -> x[0].log();
        log1p, "torch.log1p", x -> x[0].log1p();
        sqrt, "torch.sqrt", x -> x[0].sqrt();
        rsqrt, "torch.rsqrt", x -> x[0].rsqrt();
        asin, "torch.asin", x -> x[0].asin();
        acos, "torch.acos", x -> x[0].acos();
        atanh, "torch.atanh", x -> x[0].atanh();
        acosh, "torch.acosh", x -> (&x[0] + 1.0).acosh();
        pow, "torch.pow", x -> x[0].pow(&x[1]);
        atan2, "torch.atan2", x -> x[0].atan2(&x[1]);
    }
    family.row("hard_sigmoid", "F.hardsigmoid");
    family.differs("The fixture is the formula's: PyTorch's gradient has 1/6 rounded to f32.");
    family.check("hard_sigmoid", |x| x[0].hard_sigmoid());
}
