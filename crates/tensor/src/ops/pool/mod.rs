//! Pooling: the maximum or the mean of windows over the last one, two or three axes.

mod average;
mod max;
mod methods;

use super::case::{Arg, Sample};
use super::sizes::Sizes;
use crate::error::reject;
use crate::kernel::{Pool, Window};
use crate::op::Spec;
use crate::{OpError, Shape, Tensor};

pub(super) use methods::{ADAPTIVE, CASES, SLIDING};

/// How windows lie, as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// How far apart windows start; their size if nothing is said.
    pub stride: Option<Sizes>,
    /// How many places are added on both sides of each axis: at most half a window. They never are
    /// the largest, and count as zeros for a mean.
    pub padding: Sizes,
    /// How far apart a window's places are. For the maximum only.
    pub dilation: Sizes,
    /// Keeps a last window that reaches beyond the end, as long as it starts before it.
    pub ceil_mode: bool,
    /// Divides the sum of a window by the number of all its places, those in the padding included.
    /// For the mean only.
    pub count_include_pad: bool,
}

/// Windows side by side, without padding.
impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            stride: None,
            padding: 0.into(),
            dilation: 1.into(),
            ceil_mode: false,
            count_include_pad: true,
        }
    }
}

/// The windows over the last `axes` axes of a tensor.
#[derive(Clone, Copy, Debug)]
struct Windows {
    axes: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Of a given size.
    Sliding(Sizes, PoolOptions),
    /// As many as given, of the size that this takes.
    Adaptive(Sizes),
}

impl Windows {
    fn sliding(axes: usize, kernel: Sizes, options: PoolOptions) -> Self {
        Self { axes, kind: Kind::Sliding(kernel, options) }
    }

    fn adaptive(axes: usize, sizes: Sizes) -> Self {
        Self { axes, kind: Kind::Adaptive(sizes) }
    }

    fn is_adaptive(&self) -> bool {
        matches!(self.kind, Kind::Adaptive(_))
    }

    /// The windows of a plane of a tensor.
    fn of(&self, x: Spec) -> Result<Pool, OpError> {
        let (shape, axes) = (x.shape, self.axes);
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        if shape.rank() < axes {
            reject!("takes at least {axes} axes, not shape {shape}");
        }
        let lens = &shape[shape.rank() - axes..];
        let plane = lens.iter().try_fold(1usize, |count, &len| count.checked_mul(len));
        if plane.is_none_or(|count| count > i32::MAX as usize) {
            reject!("a plane of shape {shape} has more than {} elements", i32::MAX);
        }
        if let Kind::Sliding(_, options) = &self.kind
            && options.dilation.contains(&0)
        {
            reject!("a dilation {} is not positive", options.dilation);
        }
        let mut pool = Pool {
            windows: [Window::EACH; 3],
            input: [1; 3],
            output: [1; 3],
            counts_padding: matches!(&self.kind, Kind::Sliding(_, o) if o.count_include_pad),
        };
        for (axis, &len) in lens.iter().enumerate() {
            let place = 3 - axes + axis;
            pool.input[place] = len;
            (pool.windows[place], pool.output[place]) = self.along(axis, len)?;
        }
        Ok(pool)
    }

    /// The windows along one axis, and how many there are.
    fn along(&self, axis: usize, len: usize) -> Result<(Window, usize), OpError> {
        match &self.kind {
            Kind::Adaptive(sizes) => {
                let count = sizes.resolve("output size", self.axes)?[axis];
                if count == 0 || len == 0 || len.checked_mul(count + 1).is_none() {
                    reject!("an axis of length {len} cannot be pooled to {count}");
                }
                Ok((Window::Adaptive, count))
            }
            Kind::Sliding(kernel, options) => {
                let of =
                    |sizes: &Sizes, what| Ok::<_, OpError>(sizes.resolve(what, self.axes)?[axis]);
                let size = of(kernel, "kernel")?;
                let stride = of(options.stride.as_ref().unwrap_or(kernel), "stride")?;
                let padding = of(&options.padding, "padding")?;
                let dilation = of(&options.dilation, "dilation")?;
                let window = Window::Sliding { size, stride, padding, dilation };
                let count = count_windows(window, len, options.ceil_mode)?;
                Ok((window, count))
            }
        }
    }

    /// The shape of the result.
    fn output(&self, shape: Shape, pool: &Pool) -> Shape {
        let first = shape.rank() - self.axes;
        (0..self.axes)
            .fold(shape, |shape, axis| shape.with(first + axis, pool.output[3 - self.axes + axis]))
    }
}

/// How many windows lie along an axis of length `len`.
fn count_windows(window: Window, len: usize, ceil_mode: bool) -> Result<usize, OpError> {
    let Window::Sliding { size, stride, padding, dilation } = window else {
        reject!("only sliding windows are counted");
    };
    if size == 0 || stride == 0 || dilation == 0 {
        reject!("size {size}, stride {stride} and dilation {dilation} are not all positive");
    }
    if padding > size / 2 {
        reject!("padding {padding} is more than half a window of {size}");
    }
    let reach = (size - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
    let padded = padding.checked_mul(2).and_then(|both| both.checked_add(len));
    // The last window may start up to a stride behind the end.
    let limit = padded.and_then(|padded| padded.checked_add(stride));
    let (Some(reach), Some(padded), Some(_)) = (reach, padded, limit) else {
        reject!("windows of {size} places {dilation} apart, padding {padding}: too large");
    };
    if len == 0 || reach > padded {
        reject!("a window that reaches over {reach} does not fit {len} with padding {padding}");
    }
    let free = padded - reach;
    let mut count = free / stride + 1;
    if ceil_mode {
        count = free.div_ceil(stride) + 1;
        if (count - 1) * stride >= len + padding {
            count -= 1;
        }
    }
    // Only windows with dilation can straddle the whole axis.
    let misses = |index| window.span(index, count, len).places == 0;
    if dilation > 1 && (0..count).any(misses) {
        reject!("a window of {size} places {dilation} apart has none within {len}");
    }
    Ok(count)
}

/// The tensor as planes side by side, [N, D, H, W], for a kernel.
fn planes(x: &Tensor, plane: [usize; 3]) -> Tensor {
    let count = x.count() / plane.iter().product::<usize>().max(1);
    x.detach().contiguous().reshape([count, plane[0], plane[1], plane[2]])
}

/// The shape of planes for a kernel, where the tensor has a shape.
fn planes_spec(x: Spec, plane: [usize; 3]) -> Spec {
    let count = x.shape.count() / plane.iter().product::<usize>().max(1);
    x.with_shape([count, plane[0], plane[1], plane[2]].into())
}

/// Samples of a pooling of some axes by windows of a size.
fn samples(
    axes: usize,
    call: fn(&Tensor, Sizes, PoolOptions) -> Tensor,
    dilates: bool,
) -> Vec<Sample> {
    let shape: &[usize] = [&[2, 3, 9][..], &[2, 5, 7], &[2, 3, 4, 3]][axes - 1];
    let sample = |kernel: usize, options: PoolOptions| {
        let input = vec![Arg::distinct(shape, -4.0..4.0)];
        Sample::new(input, move |x| call(&x[0], kernel.into(), options))
    };
    let options = PoolOptions::default();
    let overlapping =
        PoolOptions { stride: Some(1.into()), padding: 1.into(), ..PoolOptions::default() };
    let mut samples = vec![
        sample(2, options),
        sample(3, overlapping).label("overlapping, padded"),
        sample(2, PoolOptions { ceil_mode: true, ..options }).label("ceil mode"),
        Sample::floats(&[&[0, 2, 4, 4, 4]], -1.0..1.0, move |x| call(&x[0], 2.into(), options))
            .label("empty"),
    ];
    if dilates {
        let dilated = PoolOptions { dilation: 2.into(), ..overlapping };
        samples.push(sample(2, dilated).label("dilated"));
    } else {
        let within = PoolOptions { count_include_pad: false, ..overlapping };
        samples.push(sample(3, within).label("padding not counted"));
    }
    samples
}

/// Samples of a pooling of some axes to a number of windows.
fn adaptive_samples(axes: usize, call: fn(&Tensor, Sizes) -> Tensor) -> Vec<Sample> {
    let shape: &[usize] = [&[2, 3, 7][..], &[2, 5, 7], &[2, 3, 4, 3]][axes - 1];
    let sample = |count: usize| {
        let input = vec![Arg::distinct(shape, -4.0..4.0)];
        Sample::new(input, move |x| call(&x[0], count.into()))
    };
    vec![
        sample(1),
        sample(2).label("uneven"),
        Sample::floats(&[&[0, 2, 4, 4, 4]], -1.0..1.0, move |x| call(&x[0], 2.into()))
            .label("empty"),
    ]
}
