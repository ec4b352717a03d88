//! The ops that layers are made of.

use crate::Family;
use gradus::nn::losses;
use gradus::tensor::Tensor;
use gradus::tensor::ops::{
    AttentionOptions, ConvOptions, ConvTransposeOptions, CrossEntropyOptions, LossReduction,
    Padding, PoolOptions,
};

#[test]
fn matrix_products() {
    let family = &mut Family::read("matmul");
    for case in ["matrices", "batched", "broadcast", "vector_right", "vector_left", "dot", "long"] {
        family.check(case, |x| x[0].matmul(&x[1]));
    }
    family.check("linear", |x| x[0].linear(&x[1], Some(&x[2])));
}

/// The plain call, and that of the options: stride, padding, dilation, groups.
macro_rules! convolutions {
    ($family:ident, $method:ident, $($case:literal: {$($option:ident: $value:expr),*};)*) => {
        $($family.check($case, |x| {
            let options = ConvOptions { $($option: $value.into(),)* ..Default::default() };
            x[0].$method(&x[1], x.get(2), options)
        });)*
    };
}

/// The same of transposed convolutions.
macro_rules! transposed {
    ($family:ident, $method:ident, $($case:literal: {$($option:ident: $value:expr),*};)*) => {
        $($family.check($case, |x| {
            let options =
                ConvTransposeOptions { $($option: $value.into(),)* ..Default::default() };
            x[0].$method(&x[1], x.get(2), options)
        });)*
    };
}

#[test]
fn convolutions() {
    let family = &mut Family::read("conv");
    convolutions! { family, conv1d,
        "conv1d": {};
        "conv1d_stride": { stride: 2, padding: 2, dilation: 2, groups: 2usize };
        "conv1d_same": { padding: Padding::Same, dilation: 2 };
    }
    convolutions! { family, conv2d,
        "conv2d": {};
        "conv2d_padding": { padding: 1 };
        "conv2d_stride": { stride: [2, 3], padding: [1, 2] };
        "conv2d_dilation": { dilation: [2, 3], padding: 2 };
        "conv2d_groups": { groups: 3usize, padding: 1 };
        "conv2d_depthwise": { groups: 8usize, padding: 1 };
        "conv2d_multiplier": { groups: 4usize, stride: 2 };
        "conv2d_pointwise": {};
        "conv2d_pointwise_stride": { stride: 2 };
        "conv2d_same": { padding: Padding::Same };
        "conv2d_first": { padding: 1 };
        "conv2d_patches": { stride: 4 };
    }
    convolutions! { family, conv3d,
        "conv3d": { padding: 1 };
        "conv3d_stride": {
            stride: [1, 2, 3], padding: [0, 1, 1], dilation: [2, 1, 1], groups: 2usize
        };
    }
    transposed! { family, conv_transpose1d,
        "conv_transpose1d": { stride: 2, padding: 1, output_padding: 1 };
    }
    transposed! { family, conv_transpose2d,
        "conv_transpose2d": {};
        "conv_transpose2d_stride": { stride: [2, 3], padding: [1, 2], output_padding: [1, 0] };
        "conv_transpose2d_groups": { groups: 2usize, dilation: 2 };
    }
    transposed! { family, conv_transpose3d,
        "conv_transpose3d": { stride: 2, padding: 1, output_padding: 1 };
    }
}
