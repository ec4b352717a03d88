//! Convolutions of square images, and numbers for them.

use gradus_kernels::Strided;
use gradus_kernels::conv::Geometry;

/// A convolution of so many images, from channels to channels, of sides so long, with a kernel and a
/// stride, padded by half the kernel.
pub fn geometry(batch: usize, [inputs, outputs, side, kernel, stride]: [usize; 5]) -> Geometry {
    let before = kernel / 2;
    let out = (side + 2 * before - kernel) / stride + 1;
    Geometry {
        batch,
        groups: 1,
        in_channels: inputs,
        out_channels: outputs,
        input: [1, side, side],
        kernel: [1, kernel, kernel],
        output: [1, out, out],
        stride: [1, stride, stride],
        dilation: [1; 3],
        before: [0, before, before],
    }
}

/// Some numbers between -0.5 and 0.5.
pub fn numbers(count: usize) -> impl Iterator<Item = f32> {
    (0..count).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5)
}

/// The strides of a contiguous tensor.
pub fn strides([_, c, d, h, w]: [usize; 5]) -> [isize; 5] {
    [c * d * h * w, d * h * w, h * w, w, 1].map(|stride| stride as isize)
}

/// A contiguous tensor.
pub fn view<'a>(
    data: &'a [f32],
    shape: &'a [usize; 5],
    strides: &'a [isize; 5],
) -> Strided<'a, f32> {
    Strided { data, offset: 0, shape, strides }
}
