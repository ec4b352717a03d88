//! The sizes of convolutions, from settings and shapes.

use super::{Conv, ConvOptions, ConvTransposeOptions, Padding, Settings};
use crate::error::reject;
use crate::kernel::ConvGeometry;
use crate::ops::sizes::Sizes;
use crate::{OpError, Shape};

impl Conv {
    /// The sizes, from the shapes of the first two inputs.
    pub(super) fn geometry(&self, [x, weight]: [&Shape; 2]) -> Result<ConvGeometry, OpError> {
        let (options, padding, output_padding) = match &self.settings {
            Settings::Known(geometry) => return Ok(*geometry),
            Settings::Plain(options) => (*options, options.padding, 0.into()),
            Settings::Transposed(options) => {
                let ConvTransposeOptions { stride, padding, output_padding, dilation, groups } =
                    *options;
                let padding = padding.into();
                (ConvOptions { stride, padding, dilation, groups }, padding, output_padding)
            }
        };
        self.check_channels(x, weight, options.groups)?;
        let axes = Axes {
            padding,
            stride: options.stride.resolve("stride", self.axes)?,
            dilation: options.dilation.resolve("dilation", self.axes)?,
            output_padding: output_padding.resolve("output padding", self.axes)?,
        };
        let transposed = matches!(self.settings, Settings::Transposed(_));
        let (in_channels, out_channels) = match transposed {
            true => (weight[1] * options.groups, weight[0]),
            false => (x[1], weight[0]),
        };
        let mut geometry = ConvGeometry {
            batch: x[0],
            groups: options.groups,
            in_channels,
            out_channels,
            input: [1; 3],
            kernel: [1; 3],
            output: [1; 3],
            stride: [1; 3],
            dilation: [1; 3],
            before: [0; 3],
        };
        for axis in 0..self.axes {
            let at = 3 - self.axes + axis;
            let (len, kernel) = (x[2 + axis], weight[2 + axis]);
            let line = self.line(&axes, axis, len, kernel)?;
            let (input, output) = match transposed {
                true => (line.transposed(axes.output_padding[axis], axes.dilation[axis])?, len),
                false => (len, line.outputs()?),
            };
            geometry.input[at] = input;
            geometry.kernel[at] = kernel;
            geometry.output[at] = output;
            geometry.stride[at] = line.stride;
            geometry.dilation[at] = axes.dilation[axis];
            geometry.before[at] = line.before;
        }
        Ok(geometry)
    }

    /// How a kernel moves along a spatial axis of the input.
    fn line(&self, axes: &Axes, axis: usize, len: usize, kernel: usize) -> Result<Line, OpError> {
        let (stride, dilation) = (axes.stride[axis], axes.dilation[axis]);
        if kernel == 0 || stride == 0 || dilation == 0 {
            reject!(
                "kernel, stride and dilation are at least 1, not {kernel}, {stride} and {dilation}"
            );
        }
        let reach = (kernel - 1).checked_mul(dilation);
        let Some(reach) = reach.filter(|&reach| reach < MOST) else {
            reject!("a kernel of {kernel} with a dilation of {dilation} reaches too far");
        };
        let (before, after) = self.padding(axes.padding, axis, reach, stride)?;
        Ok(Line { len, stride, reach, before, after })
    }

    /// Checks ranks, channels and groups.
    fn check_channels(&self, x: &Shape, weight: &Shape, groups: usize) -> Result<(), OpError> {
        let (input, kernel) = match self.axes {
            1 => ("[B, C, T]", "[O, C, K]"),
            2 => ("[B, C, H, W]", "[O, C, K, K]"),
            _ => ("[B, C, D, H, W]", "[O, C, K, K, K]"),
        };
        let transposed = matches!(self.settings, Settings::Transposed(_));
        if x.rank() != self.axes + 2 {
            reject!("takes an input {input}, not {x}");
        }
        if weight.rank() != self.axes + 2 {
            let kernel = if transposed { kernel.replace("O, C", "C, O") } else { kernel.into() };
            reject!("takes a weight {kernel}, not {weight}");
        }
        let (channels, outputs) = (x[1], weight[0]);
        if groups == 0 || !channels.is_multiple_of(groups) {
            reject!("the {channels} channels of the input {x} do not divide into {groups} groups");
        }
        if transposed && weight[0] != channels {
            reject!("the weight {weight} takes {} channels, but the input is {x}", weight[0]);
        }
        if !transposed && !outputs.is_multiple_of(groups) {
            reject!(
                "the {outputs} outputs of the weight {weight} do not divide into {groups} groups"
            );
        }
        if !transposed && weight[1].checked_mul(groups) != Some(channels) {
            let each =
                if groups == 1 { String::new() } else { format!(" in each of {groups} groups") };
            reject!("the weight {weight} takes {} channels{each}, but the input is {x}", weight[1]);
        }
        if transposed && weight[1].checked_mul(groups).is_none() {
            reject!("the weight {weight} has too many outputs in {groups} groups");
        }
        Ok(())
    }

    /// The zeros before and behind an axis.
    fn padding(
        &self,
        padding: Padding,
        axis: usize,
        reach: usize,
        stride: usize,
    ) -> Result<(usize, usize), OpError> {
        match padding {
            Padding::Valid => Ok((0, 0)),
            Padding::Same if stride > 1 => Err(OpError::new(format_args!(
                "padding that keeps the lengths wants a stride of 1, not {stride}: give numbers"
            ))),
            Padding::Same => Ok((reach / 2, reach - reach / 2)),
            Padding::Sides { before, after } => {
                let before = before.resolve("padding", self.axes)?[axis];
                let after = after.resolve("padding", self.axes)?[axis];
                if before > MOST || after > MOST {
                    reject!("a padding of {} is too large", before.max(after));
                }
                Ok((before, after))
            }
        }
    }
}

/// Settings for each spatial axis.
struct Axes {
    padding: Padding,
    stride: Sizes,
    dilation: Sizes,
    output_padding: Sizes,
}

/// No length reaches this; sums of some lengths below it can be counted.
const MOST: usize = usize::MAX >> 4;

/// One axis of the input.
#[derive(Clone, Copy)]
struct Line {
    len: usize,
    stride: usize,
    /// The distance from the kernel's first number to its last.
    reach: usize,
    before: usize,
    after: usize,
}

impl Line {
    /// How many outputs a convolution has.
    fn outputs(self) -> Result<usize, OpError> {
        let Self { len, stride, reach, before, after } = self;
        let padded = len.min(MOST) + before + after;
        if padded <= reach {
            reject!(
                "the kernel covers {} places, but the input has {len}, {padded} with its padding",
                reach + 1
            );
        }
        Ok((padded - reach - 1) / stride + 1)
    }

    /// How long the output of a transposed convolution is.
    fn transposed(self, extra: usize, dilation: usize) -> Result<usize, OpError> {
        let Self { len, stride, reach, before, after } = self;
        if extra > 0 && extra >= stride.max(dilation) {
            reject!(
                "an output padding of {extra} is not below the stride {stride} or the dilation \
                 {dilation}"
            );
        }
        let Some(distance) = len.saturating_sub(1).checked_mul(stride).filter(|&d| d < MOST) else {
            reject!("{len} places with a stride of {stride} reach too far");
        };
        let whole = distance + reach + 1 + extra;
        if len == 0 || whole <= before + after {
            reject!(
                "nothing is left of the output: {len} places reach {whole}, of which the padding \
                 cuts off {}",
                before + after
            );
        }
        Ok(whole - before - after)
    }
}
