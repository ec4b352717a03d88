//! Layers: the keys of their state dicts, and their numbers.

use crate::family::Family;
use gradus::nn::*;
use gradus::tensor::Rng;
use gradus::tensor::ops::PatchOptions;

pub fn check(family: &mut Family) {
    linear(family);
    convolutions(family);
    pools(family);
    norms(family);
    weighted(family);
    embeddings(family);
    shapes(family);
    dropouts(family);
    containers(family);
}

fn rng() -> Rng {
    Rng::new(1)
}

/// A layer of one input and one output.
fn layer<L: Layer>(family: &mut Family, case: &str, make: impl Fn() -> L) {
    family.layer(case, make, |layer, x| vec![layer.forward(&x[0])]);
}

/// A layer in evaluation.
fn evaluated<L: Layer>(family: &mut Family, case: &str, make: impl Fn() -> L) {
    layer(family, case, || {
        let made = make();
        made.eval();
        made
    });
}

fn linear(family: &mut Family) {
    family.row("Linear", "nn.Linear");
    layer(family, "linear", || Linear::new(5, 4, &mut rng()));
    layer(family, "linear_plain", || Linear::new(5, 4, &mut rng()).without_bias());
    family.row("Bilinear", "nn.Bilinear");
    let make = || Bilinear::new([3, 4], 5, &mut rng());
    family.layer("bilinear", make, |m, x| vec![m.forward(&x[0], &x[1])]);
    let make = || make().without_bias();
    family.layer("bilinear_plain", make, |m, x| vec![m.forward(&x[0], &x[1])]);
    family.row("CosineSimilarity", "nn.CosineSimilarity");
    let make = CosineSimilarity::default;
    family.layer("cosine_similarity", make, |m, x| vec![m.forward(&x[0], &x[1])]);
    let make = || CosineSimilarity { axis: -1, epsilon: 0.9 };
    family.layer("cosine_similarity_axis", make, |m, x| vec![m.forward(&x[0], &x[1])]);
    family.differs(
        "Where a length is below ε, it is constant for gradients; PyTorch's gradient ignores ε.",
    );
    family.row("PairwiseDistance", "nn.PairwiseDistance");
    let make = PairwiseDistance::default;
    family.layer("pairwise_distance", make, |m, x| vec![m.forward(&x[0], &x[1])]);
    let make = || PairwiseDistance { p: 3.0, epsilon: 0.1, keepdim: true };
    family.layer("pairwise_distance_p", make, |m, x| vec![m.forward(&x[0], &x[1])]);
}

fn convolutions(family: &mut Family) {
    let plain = ConvOptions::default();
    let padded = ConvOptions { padding: 1.into(), ..plain };
    family.row("Conv1d", "nn.Conv1d");
    let options = ConvOptions { stride: 2.into(), groups: 2, ..padded };
    layer(family, "conv1d", || Conv1d::new(4, 6, 3, options, &mut rng()));
    let options = ConvOptions { dilation: 2.into(), ..plain };
    layer(family, "conv1d_plain", || Conv1d::new(4, 3, 2, options, &mut rng()).without_bias());
    family.row("Conv2d", "nn.Conv2d");
    let options = ConvOptions { stride: [2, 1].into(), padding: [1, 0].into(), groups: 2, ..plain };
    layer(family, "conv2d", || Conv2d::new(4, 6, [3, 2], options, &mut rng()));
    let options = ConvOptions { padding: Padding::Same, ..plain };
    layer(family, "conv2d_same", || Conv2d::new(2, 3, 3, options, &mut rng()).without_bias());
    family.row("Conv3d", "nn.Conv3d");
    let options = ConvOptions { stride: [1, 2, 1].into(), padding: [0, 1, 1].into(), ..plain };
    layer(family, "conv3d", || Conv3d::new(2, 4, 2, options, &mut rng()));

    let plain = ConvTransposeOptions::default();
    family.row("ConvTranspose1d", "nn.ConvTranspose1d");
    let options = ConvTransposeOptions {
        stride: 2.into(),
        padding: 1.into(),
        output_padding: 1.into(),
        groups: 2,
        ..plain
    };
    layer(family, "conv_transpose1d", || ConvTranspose1d::new(4, 6, 3, options, &mut rng()));
    family.row("ConvTranspose2d", "nn.ConvTranspose2d");
    let options = ConvTransposeOptions { stride: 2.into(), dilation: 2.into(), ..plain };
    layer(family, "conv_transpose2d", || ConvTranspose2d::new(2, 3, [3, 2], options, &mut rng()));
    family.row("ConvTranspose3d", "nn.ConvTranspose3d");
    let options = ConvTransposeOptions { stride: [1, 2, 1].into(), ..plain };
    let make = || ConvTranspose3d::new(2, 3, 2, options, &mut rng()).without_bias();
    layer(family, "conv_transpose3d", make);

    family.row("Conv2d::depthwise", "nn.Conv2d(groups=channels)");
    layer(family, "depthwise", || Conv2d::depthwise(4, 3, padded, &mut rng()));
    family.row("DepthwiseSeparableConv1d", "paper: Howard et al. 2017, section 3.1");
    layer(family, "separable1d", || DepthwiseSeparableConv1d::new(4, 6, 3, padded, &mut rng()));
    family.row("DepthwiseSeparableConv2d", "paper: Howard et al. 2017, section 3.1");
    layer(family, "separable2d", || DepthwiseSeparableConv2d::new(4, 6, 3, padded, &mut rng()));
}

/// A row for each layer that PyTorch calls the same, and its case of that name.
macro_rules! rows {
    ($family:ident: $($name:ident, $make:expr;)*) => {$(
        $family.row(stringify!($name), concat!("nn.", stringify!($name)));
        layer($family, stringify!($name), || $make);
    )*};
}

fn pools(family: &mut Family) {
    let plain = PoolOptions::default();
    let stride = |stride: usize| PoolOptions { stride: Some(stride.into()), ..plain };
    let options = PoolOptions { padding: 1.into(), ceil_mode: true, ..stride(2) };
    rows! { family:
        MaxPool1d, MaxPool1d::with_options(3, options);
        MaxPool2d, MaxPool2d::with_options([3, 2], options);
        MaxPool3d, MaxPool3d::with_options(2, options);
        AvgPool1d, AvgPool1d::with_options(3, options);
        AvgPool2d, AvgPool2d::with_options([3, 2], options);
        AvgPool3d, AvgPool3d::with_options(2, options);
        AdaptiveMaxPool1d, AdaptiveMaxPool1d::new(4);
        AdaptiveMaxPool2d, AdaptiveMaxPool2d::new([3, 4]);
        AdaptiveMaxPool3d, AdaptiveMaxPool3d::new(3);
        AdaptiveAvgPool1d, AdaptiveAvgPool1d::new(4);
        AdaptiveAvgPool2d, AdaptiveAvgPool2d::new([3, 4]);
        AdaptiveAvgPool3d, AdaptiveAvgPool3d::new(3);
    }
    family.row("GlobalAvgPool", "nn.AdaptiveAvgPool2d(1)");
    layer(family, "GlobalAvgPool", || GlobalAvgPool);
    family.row("GlobalMaxPool", "nn.AdaptiveMaxPool2d(1)");
    layer(family, "GlobalMaxPool", || GlobalMaxPool);
    family.differs("Several numbers that are the largest share the gradient, as for torch.amax.");
    family.row("LpPool1d", "nn.LPPool1d");
    layer(family, "LpPool1d", || LpPool1d::with_options(2.0, 3, stride(2)));
    layer(family, "LpPool1d_sum", || LpPool1d::new(1.0, 3));
    family.row("LpPool2d", "nn.LPPool2d");
    let options = PoolOptions { stride: Some([2, 1].into()), ceil_mode: true, ..plain };
    layer(family, "LpPool2d", || LpPool2d::with_options(2.0, [3, 2], options));
    layer(family, "LpPool2d_p", || LpPool2d::new(1.5, 2));
    layer(family, "LpPool2d_zero", || LpPool2d::new(2.0, 2));
    family.row("LpPool3d", "nn.LPPool3d");
    layer(family, "LpPool3d", || LpPool3d::new(2.0, 2));
    family.row("Upsample", "nn.Upsample");
    let linear = |align_corners: bool| UpsampleMode::Linear { align_corners };
    layer(family, "upsample_nearest", || Upsample::new(2.0, UpsampleMode::Nearest));
    layer(family, "upsample_linear", || Upsample::new(7, linear(false)));
    layer(family, "upsample_bilinear", || Upsample::new([5, 7], linear(true)));
    layer(family, "upsample_trilinear", || Upsample::new(2.0, linear(false)));
}

/// For each number of axes: the layers, and the rows of both norms.
macro_rules! norms {
    ($family:ident: $($batch:ident, $instance:ident;)*) => {$(
        $family.row(stringify!($batch), concat!("nn.", stringify!($batch)));
        layer($family, stringify!($batch), || $batch::new(3));
        let options = BatchNormOptions { epsilon: 0.1, ..Default::default() };
        let case = concat!(stringify!($batch), "_evaluation");
        evaluated($family, case, || $batch::with_options(3, options));
        let options = BatchNormOptions { momentum: None, affine: false, ..Default::default() };
        let case = concat!(stringify!($batch), "_options");
        layer($family, case, || $batch::with_options(3, options));

        $family.row(stringify!($instance), concat!("nn.", stringify!($instance)));
        layer($family, stringify!($instance), || $instance::new(3));
        let options = InstanceNormOptions {
            epsilon: 0.1,
            momentum: 0.3,
            affine: true,
            track_running_stats: true,
        };
        let case = concat!(stringify!($instance), "_options");
        layer($family, case, || $instance::with_options(3, options));
        let case = concat!(stringify!($instance), "_evaluation");
        evaluated($family, case, || $instance::with_options(3, options));
    )*};
}

fn norms(family: &mut Family) {
    norms! { family:
        BatchNorm1d, InstanceNorm1d;
        BatchNorm2d, InstanceNorm2d;
        BatchNorm3d, InstanceNorm3d;
    }
    family.row("BatchNorm1d of features", "nn.BatchNorm1d");
    layer(family, "BatchNorm1d_features", || BatchNorm1d::new(3));
    family.row("LayerNorm", "nn.LayerNorm");
    layer(family, "layer_norm", || LayerNorm::new([3, 5]));
    layer(family, "layer_norm_no_bias", || LayerNorm::new(5).with_epsilon(0.1).without_bias());
    layer(family, "layer_norm_plain", || LayerNorm::new(5).without_affine());
    family.row("RmsNorm", "nn.RMSNorm");
    layer(family, "rms_norm", || RmsNorm::new(5).with_epsilon(1e-3));
    family.row("GroupNorm", "nn.GroupNorm");
    layer(family, "group_norm", || GroupNorm::new(2, 6));
    layer(family, "group_norm_plain", || GroupNorm::new(3, 6).with_epsilon(0.1).without_affine());
    family.row("LocalResponseNorm", "nn.LocalResponseNorm");
    let make = || LocalResponseNorm { alpha: 0.5, k: 1.5, ..LocalResponseNorm::new(3) };
    layer(family, "local_response_norm", make);
    let make = || LocalResponseNorm { alpha: 0.5, beta: 0.6, ..LocalResponseNorm::new(4) };
    layer(family, "local_response_norm_even", make);
}

fn weighted(family: &mut Family) {
    let plain = ConvOptions::default();
    let transposed = ConvTransposeOptions::default();
    family.row("WeightNorm", "nn.utils.parametrizations.weight_norm");
    layer(family, "weight_norm_linear", || WeightNorm::new(Linear::new(4, 3, &mut rng())));
    let conv = || Conv2d::new(2, 3, 2, plain, &mut rng());
    layer(family, "weight_norm_conv", || WeightNorm::new(conv()));
    let make = || Conv1d::new(2, 3, 2, plain, &mut rng()).without_bias();
    layer(family, "weight_norm_axis", || WeightNorm::along(make(), 1));
    let make = || ConvTranspose1d::new(2, 3, 2, transposed, &mut rng());
    layer(family, "weight_norm_transposed", || WeightNorm::new(make()));
    family.row("SpectralNorm", "nn.utils.parametrizations.spectral_norm");
    let make = || SpectralNorm::new(Linear::new(4, 3, &mut rng()), &mut rng());
    layer(family, "spectral_norm_linear", make);
    evaluated(family, "spectral_norm_evaluation", make);
    let options = SpectralNormOptions { iterations: 3, ..Default::default() };
    let make = || SpectralNorm::with_options(conv(), options, &mut rng());
    layer(family, "spectral_norm_conv", make);
    let make = || ConvTranspose2d::new(2, 3, 2, transposed, &mut rng());
    layer(family, "spectral_norm_transposed", || SpectralNorm::new(make(), &mut rng()));
}

fn embeddings(family: &mut Family) {
    family.row("Embedding", "nn.Embedding");
    layer(family, "embedding", || Embedding::new(7, 4, &mut rng()));
    layer(family, "embedding_padding", || Embedding::new(5, 3, &mut rng()).with_padding(2));
    family.row("EmbeddingBag", "nn.EmbeddingBag");
    let bag = |mode: BagMode| EmbeddingBag::new(7, 4, &mut rng()).with_mode(mode);
    for (mode, name) in [(BagMode::Sum, "sum"), (BagMode::Mean, "mean"), (BagMode::Max, "max")] {
        layer(family, &format!("embedding_bag_{name}"), || bag(mode));
        let case = format!("embedding_bag_{name}_offsets");
        let offsets = [0, 3, 3, 7];
        family.layer(
            &case,
            || bag(mode).with_padding(2),
            |m, x| vec![m.forward_bags(&x[0], &offsets, None)],
        );
    }
    family.layer(
        "embedding_bag_weights",
        || bag(BagMode::Sum),
        |m, x| vec![m.forward_bags(&x[0], &[0, 4], Some(&x[1]))],
    );
}

fn shapes(family: &mut Family) {
    family.row("Flatten", "nn.Flatten");
    layer(family, "flatten", || Flatten);
    family.row("FlattenAxes", "nn.Flatten(start_dim, end_dim)");
    layer(family, "flatten_axes", || FlattenAxes { first: 0, last: -2 });
    family.row("Unflatten", "nn.Unflatten");
    layer(family, "unflatten", || Unflatten::new(1, [2, 3]));
    family.row("Identity", "nn.Identity");
    layer(family, "identity", || Identity);
    family.row("PixelShuffle", "nn.PixelShuffle");
    layer(family, "pixel_shuffle", || PixelShuffle { factor: 2 });
    family.row("PixelUnshuffle", "nn.PixelUnshuffle");
    layer(family, "pixel_unshuffle", || PixelUnshuffle { factor: 2 });
    family.row("ChannelShuffle", "nn.ChannelShuffle");
    layer(family, "channel_shuffle", || ChannelShuffle { groups: 3 });
    family.row("Unfold", "nn.Unfold");
    let options = PatchOptions { stride: 2.into(), padding: 1.into(), dilation: [1, 2].into() };
    layer(family, "unfold", || Unfold::new([3, 2], options));
    family.row("Fold", "nn.Fold");
    layer(family, "fold", || Fold::new([4, 5], [3, 2], PatchOptions::default()));

    let (one, two, three) = ([(2, 1)], [(0, 2), (2, 1)], [(0, 1), (2, 1), (1, 1)]);
    rows! { family:
        ZeroPad1d, ZeroPad1d::new(one);
        ZeroPad2d, ZeroPad2d::new(two);
        ZeroPad3d, ZeroPad3d::new(three);
        ConstantPad1d, ConstantPad1d::new(one, 1.5);
        ConstantPad2d, ConstantPad2d::new(two, 1.5);
        ConstantPad3d, ConstantPad3d::new(three, 1.5);
        ReflectionPad1d, ReflectionPad1d::new(one);
        ReflectionPad2d, ReflectionPad2d::new(two);
        ReflectionPad3d, ReflectionPad3d::new(three);
        ReplicationPad1d, ReplicationPad1d::new(one);
        ReplicationPad2d, ReplicationPad2d::new(two);
        ReplicationPad3d, ReplicationPad3d::new(three);
        CircularPad1d, CircularPad1d::new(one);
        CircularPad2d, CircularPad2d::new(two);
        CircularPad3d, CircularPad3d::new(three);
    }
}

/// In evaluation. What is drawn in training, the tests of nn check.
fn dropouts(family: &mut Family) {
    macro_rules! dropouts {
        ($($name:ident, $torch:literal;)*) => {$(
            family.row(stringify!($name), concat!($torch, ", in evaluation"));
            evaluated(family, stringify!($name), || $name::new(0.4, &mut rng()));
        )*};
    }
    dropouts! {
        Dropout, "nn.Dropout";
        Dropout1d, "nn.Dropout1d";
        Dropout2d, "nn.Dropout2d";
        Dropout3d, "nn.Dropout3d";
        DropPath, "torchvision.ops.StochasticDepth(mode='row')";
        AlphaDropout, "nn.AlphaDropout";
        FeatureAlphaDropout, "nn.FeatureAlphaDropout";
    }
}

fn containers(family: &mut Family) {
    let linear = |inputs: usize, outputs: usize| Linear::new(inputs, outputs, &mut rng());
    family.row("Sequential", "nn.Sequential");
    let make = || Sequential::new().then(linear(4, 3)).then(Tanh).then(linear(3, 2));
    layer(family, "sequential", make);
    family.row("ModuleList", "nn.ModuleList");
    let make = || ModuleList::new().with(linear(4, 4)).with(Tanh).with(linear(4, 4).without_bias());
    family.layer("module_list", make, |layers, x| {
        vec![layers.iter().fold(x[0].clone(), |x, layer| layer.forward(&x))]
    });
    family.row("ModuleDict", "nn.ModuleDict");
    let make = || ModuleDict::new().with("value", linear(4, 1)).with("policy", linear(4, 3));
    family.layer("module_dict", make, |layers, x| {
        vec![layers["policy"].forward(&x[0]), layers["value"].forward(&x[0])]
    });
    family.row("Residual", "paper: He et al. 2016, eq. 2");
    let make = || Residual::new(linear(4, 3)).with_shortcut(linear(4, 3).without_bias());
    layer(family, "residual", make);
    family.row("Parallel", "the sum of branches, torch.cat of branches");
    let make =
        |join: Join| Parallel::new(join).with(linear(4, 3)).with(linear(4, 3).without_bias());
    layer(family, "parallel_sum", || make(Join::Sum));
    layer(family, "parallel_concat", || make(Join::Concat { axis: -1 }));
    family.row("Lambda", "a function");
    layer(family, "lambda", || Lambda::new("square", |x| x * x));
}
