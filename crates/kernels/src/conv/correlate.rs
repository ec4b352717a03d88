//! The correlation of images with a kernel: the outputs of a convolution, or their gradient by the
//! input.
//!
//! Where the target has many channels vectors run along these (`channels`), else along the lines of
//! images (`lines`). Processors that have tiles compute large ones with these (`tiled`).

use super::plan::Plan;
use super::{Geometry, Weight, channels, lines, tiled, winograd};
use crate::memory::Block;
use crate::multiplier::{self, Format, Unrounded};
use crate::threads::Shared;
use crate::{Chunks, Float, Machine, Precision, Strided};

/// From so many channels of the target, and of the source, on vectors run along channels.
const ROWS: usize = 16;
const CHANNELS: usize = 8;

/// Lines of so many outputs fill vectors better than up to so many channels of the target do.
const LONG: usize = 64;
const FEW_ROWS: usize = 32;

/// The weight as the matrix of each group: its rows make the target's channels, its depth runs over
/// the source's channels and the taps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'a, T> {
    pub(super) data: &'a [T],
    pub(super) offset: usize,
    pub(super) group_stride: isize,
    pub(super) row_stride: isize,
    pub(super) channel_stride: isize,
    pub(super) tap_strides: [isize; 3],
    /// The lengths of the whole kernel.
    pub(super) kernel: [usize; 3],
}

impl<'a, T> Weights<'a, T> {
    /// The weight `[O, C / groups, D, H, W]`, one of whose first two axes gives the rows, the other
    /// one the channels.
    pub(super) fn new(
        geometry: &Geometry,
        weight: Strided<'a, T>,
        [rows, channels]: [usize; 2],
    ) -> Self {
        let group = geometry.out_channels / geometry.groups;
        Self {
            data: weight.data,
            offset: weight.offset,
            group_stride: weight.strides[0] * group as isize,
            row_stride: weight.strides[rows],
            channel_stride: weight.strides[channels],
            tap_strides: [2, 3, 4].map(|axis| weight.strides[axis]),
            kernel: geometry.kernel,
        }
    }

    /// How far behind the number of a row and channel each tap of a plan lies.
    pub(super) fn taps(&self, plan: &Plan) -> Vec<isize> {
        let mut taps = vec![];
        plan.for_each_kernel(|tap| {
            let steps = tap.iter().zip(self.tap_strides);
            taps.push(steps.map(|(&tap, stride)| tap as isize * stride).sum());
        });
        taps
    }
}

/// A correlation: target[b, g, r, …] = Σ source[b, g, c, …] · weight[g, r, c, tap] + bias[g, r].
#[derive(Clone, Copy, Debug)]
pub(super) struct Correlation<'a, T> {
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// The source's channels of one group.
    pub(super) channels: usize,
    /// The target's channels of one group.
    pub(super) rows: usize,
    pub(super) source: Strided<'a, T>,
    pub(super) weights: Weights<'a, T>,
    /// The weight's memory, if what is packed of it is to be kept there.
    pub(super) kept_with: Option<&'a Block>,
    pub(super) bias: Option<&'a [T]>,
    /// The lengths of the target.
    pub(super) target: [usize; 3],
    pub(super) precision: Precision,
    pub(super) cost_ns: usize,
}

impl<'a, T> Correlation<'a, T> {
    /// The outputs of a convolution.
    pub(super) fn forward(
        geometry: &Geometry,
        precision: Precision,
        x: Strided<'a, T>,
        weight: Weight<'a, T>,
        bias: Option<&'a [T]>,
    ) -> Self {
        Self::new(geometry, precision, x, weight, bias, [0, 1])
    }

    /// The gradient by the input, given that by the output.
    pub(super) fn input_gradient(
        geometry: &Geometry,
        precision: Precision,
        grad: Strided<'a, T>,
        weight: Strided<'a, T>,
        bias: Option<&'a [T]>,
    ) -> Self {
        Self::new(geometry, precision, grad, weight.into(), bias, [1, 0])
    }

    /// The correlation whose target has the channels of one of the weight's first two axes, its source
    /// those of the other.
    fn new(
        geometry: &Geometry,
        precision: Precision,
        source: Strided<'a, T>,
        weight: Weight<'a, T>,
        bias: Option<&'a [T]>,
        axes: [usize; 2],
    ) -> Self {
        let Weight { numbers, kept_with } = weight;
        let all = [geometry.out_channels, geometry.in_channels];
        let [rows, channels] = axes.map(|axis| all[axis] / geometry.groups);
        Self {
            batch: geometry.batch,
            groups: geometry.groups,
            channels,
            rows,
            source,
            weights: Weights::new(geometry, numbers, axes),
            kept_with,
            bias,
            target: [geometry.output, geometry.input][axes[0]],
            precision,
            cost_ns: geometry.cost_ns(),
        }
    }
}

/// Computes the correlation, whose target's places the plans share among themselves.
pub(super) fn run<T: Float>(
    on: Machine,
    correlation: &Correlation<'_, T>,
    plans: &[Plan],
    out: &mut [T],
) {
    let out_len = out.len();
    if out_len == 0 {
        return;
    }
    // What no tap meets is the bias alone, as with a stride longer than the kernel.
    let (plans, empty): (Vec<&Plan>, Vec<&Plan>) = plans.iter().partition(|plan| plan.taps() > 0);
    if !empty.is_empty() {
        let place_count = correlation.target.iter().product();
        on.for_each(Chunks::new(out, place_count), out_len / 4, |plane, out| {
            let channel = plane % (correlation.groups * correlation.rows);
            out.fill(correlation.bias.map_or(T::ZERO, |bias| bias[channel]));
        });
    }
    if tiled::correlate(on, correlation, &plans, out) {
        return;
    }
    let (out, plans) = (Shared::new(out), &plans[..]);
    // A packed number holds channels of one place.
    let even = correlation.channels.is_multiple_of(T::Rounded::STEPS);
    if even && multiplier::rounds::<T>(on, correlation.precision) {
        run_as::<T, T::Rounded>(on, correlation, plans, &out);
    } else {
        run_as::<T, Unrounded>(on, correlation, plans, &out);
    }
}

/// Computes the correlation with numbers packed to a format.
fn run_as<T: Float, F: Format<T>>(
    on: Machine,
    correlation: &Correlation<'_, T>,
    plans: &[&Plan],
    out: &Shared<'_, T>,
) {
    let Correlation { rows, channels: depth, .. } = *correlation;
    for plan in plans {
        let lines = plan.line() >= LONG && rows <= FEW_ROWS;
        if winograd::fits::<T, F>(correlation, plan) {
            winograd::run::<T, F>(on, correlation, plan, out);
        } else if rows >= ROWS && depth >= CHANNELS && !lines {
            channels::run::<T, F>(on, correlation, plan, plans.len(), out);
        } else {
            lines::run(on, correlation, plan, plans.len(), out);
        }
    }
}
