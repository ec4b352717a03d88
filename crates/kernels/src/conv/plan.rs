//! What each output reads, axis by axis, and how the outputs are cut into boxes.

use super::Geometry;
use super::gather::Window;

/// What the outputs read along one axis.
///
/// Output i and a tap meet at place `i + tap.shift` of the tap's phase; place j of phase p is the
/// source's number `start + phases[p] + j * step`, or zero where there is none.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// How many outputs there are.
    count: usize,
    start: isize,
    step: usize,
    phases: Vec<usize>,
    source_len: usize,
    taps: Vec<Tap>,
    /// The largest shift.
    reach: usize,
    /// Where output 0 lies in the target.
    pub(super) target_start: usize,
    /// The distance between outputs in the target.
    pub(super) target_step: usize,
}

#[derive(Clone, Copy, Debug)]
struct Tap {
    /// Which number of the kernel it is.
    kernel: usize,
    phase: usize,
    shift: usize,
}

impl Axis {
    /// The outputs read the input at their stride.
    fn forward(geometry: &Geometry, axis: usize) -> Self {
        let stride = geometry.stride[axis];
        let mut phases = vec![];
        let taps: Vec<Tap> = (0..geometry.kernel[axis])
            .map(|kernel| {
                let place = kernel * geometry.dilation[axis];
                let (shift, residue) = (place / stride, place % stride);
                let known = phases.iter().position(|&phase| phase == residue);
                let phase = known.unwrap_or_else(|| {
                    phases.push(residue);
                    phases.len() - 1
                });
                Tap { kernel, phase, shift }
            })
            .collect();
        Self {
            count: geometry.output[axis],
            start: -(geometry.before[axis] as isize),
            step: stride,
            phases,
            source_len: geometry.input[axis],
            reach: taps.iter().map(|tap| tap.shift).max().unwrap_or(0),
            taps,
            target_start: 0,
            target_step: 1,
        }
    }

    /// The input's places `first`, `first + stride` … read the outputs that they had a part in.
    fn input_gradient(geometry: &Geometry, axis: usize, first: usize) -> Self {
        let (stride, before) = (geometry.stride[axis], geometry.before[axis]);
        // Tap k brings input x to output (x + before - k * dilation) / stride, if that is whole.
        let (origin, residue) = ((first + before) / stride, (first + before) % stride);
        let meeting = (0..geometry.kernel[axis]).filter_map(|kernel| {
            let place = kernel * geometry.dilation[axis];
            (place % stride == residue).then_some((kernel, place / stride))
        });
        let meeting: Vec<(usize, usize)> = meeting.collect();
        let reach = meeting.iter().map(|&(_, back)| back).max().unwrap_or(0);
        let taps =
            meeting.iter().map(|&(kernel, back)| Tap { kernel, phase: 0, shift: reach - back });
        Self {
            count: (geometry.input[axis] - first).div_ceil(stride),
            start: origin as isize - reach as isize,
            step: 1,
            phases: vec![0],
            source_len: geometry.output[axis],
            taps: taps.collect(),
            reach,
            target_start: first,
            target_step: stride,
        }
    }
}

impl Axis {
    /// If each output reads `N` numbers side by side, and the next one a number later: which tap of
    /// the kernel each of them meets.
    fn order<const N: usize>(&self) -> Option<[usize; N]> {
        let dense = self.phases == [0] && self.step == 1 && self.target_step == 1;
        if !dense || self.taps.len() != N || self.reach + 1 != N {
            return None;
        }
        let mut order = [0; N];
        for tap in &self.taps {
            order[tap.shift] = tap.kernel;
        }
        Some(order)
    }

    /// How many of the zeros behind each line of a box are also those before the next line.
    fn shared(&self, axis: usize, boxed: usize) -> usize {
        // The last axis shares between lines, the one before it between planes.
        if axis == 0 || boxed != self.count {
            return 0;
        }
        let len = self.count + self.reach;
        let zeros = self.phases.iter().map(|&phase| {
            let first = self.start + phase as isize;
            let inside = Window { first, step: self.step, end: self.source_len, len }.inside();
            inside.start.min(len - inside.end)
        });
        zeros.min().unwrap_or(0).min(self.reach)
    }
}

/// What the outputs read.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) axes: [Axis; 3],
}

impl Plan {
    pub(super) fn forward(geometry: &Geometry) -> Self {
        Self { axes: [0, 1, 2].map(|axis| Axis::forward(geometry, axis)) }
    }

    /// One plan for each phase of the stride.
    pub(super) fn input_gradient(geometry: &Geometry) -> Vec<Self> {
        let phases = [0, 1, 2].map(|axis| geometry.stride[axis].min(geometry.input[axis]));
        let mut plans = Vec::with_capacity(phases.iter().product());
        for depth in 0..phases[0] {
            for height in 0..phases[1] {
                for width in 0..phases[2] {
                    let axis = |axis, first| Axis::input_gradient(geometry, axis, first);
                    plans.push(Self { axes: [axis(0, depth), axis(1, height), axis(2, width)] });
                }
            }
        }
        plans
    }

    /// How many taps the kernel has.
    pub(super) fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.taps.len()).product()
    }

    /// How many outputs an image has.
    pub(super) fn outputs(&self) -> usize {
        self.axes.iter().map(|axis| axis.count).product()
    }

    /// How many outputs there are along each axis.
    pub(super) fn counts(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.axes[axis].count)
    }

    /// What outputs that lie side by side read, from `origin` on, `lens` along each axis.
    pub(super) fn read_by(&self, origin: [usize; 3], lens: [usize; 3]) -> [Window; 3] {
        [0, 1, 2].map(|axis| {
            let Axis { start, step, source_len, reach, .. } = self.axes[axis];
            let first = start + (origin[axis] * step) as isize;
            Window { first, step, end: source_len, len: lens[axis] + reach }
        })
    }

    /// For a kernel of three by three at stride 1, in a plane: which of its numbers meet the three
    /// places that an output reads along height and width.
    pub(super) fn three_by_three(&self) -> Option<[[usize; 3]; 2]> {
        let [depth, height, width] = &self.axes;
        let plane = depth.count == 1 && depth.order::<1>().is_some();
        if plane { Some([height.order()?, width.order()?]) } else { None }
    }

    /// How many outputs a line has.
    pub(super) fn line(&self) -> usize {
        self.axes[2].count
    }

    /// Calls a function for each tap, in row-major order: its numbers in the kernel, and its start
    /// in a channel's scratch copy.
    pub(super) fn for_each_tap(&self, layout: &Layout, mut body: impl FnMut([usize; 3], usize)) {
        let [depth, height, width] = &self.axes;
        let phase_len = layout.images * layout.lens.iter().product::<usize>();
        for d in &depth.taps {
            for h in &height.taps {
                for w in &width.taps {
                    let phase = (d.phase * height.phases.len() + h.phase) * width.phases.len();
                    let shift = (d.shift * layout.lens[1] + h.shift) * layout.lens[2] + w.shift;
                    let start = (phase + w.phase) * phase_len + shift;
                    body([d.kernel, h.kernel, w.kernel], start);
                }
            }
        }
    }

    /// Where each tap of each channel starts in a copy.
    pub(super) fn starts(&self, layout: &Layout, channels: usize) -> Vec<usize> {
        let mut starts = vec![];
        for channel in 0..channels {
            let start = channel * layout.channel_len;
            self.for_each_tap(layout, |_, tap| starts.push(start + tap));
        }
        starts
    }

    /// Calls a function for each tap, in the same order, with its numbers in the kernel.
    pub(super) fn for_each_kernel(&self, mut body: impl FnMut([usize; 3])) {
        let [depth, height, width] = &self.axes;
        for d in &depth.taps {
            for h in &height.taps {
                for w in &width.taps {
                    body([d.kernel, h.kernel, w.kernel]);
                }
            }
        }
    }

    /// Calls a function with the place in a channel's copy that each output of a box starts from.
    pub(super) fn for_each_output(
        &self,
        layout: &Layout,
        part: &Part,
        mut body: impl FnMut(usize),
    ) {
        let [depth, height, width] = layout.lens;
        for image in 0..part.images {
            for d in 0..part.lens[0] {
                for h in 0..part.lens[1] {
                    let line = ((image * depth + d) * height + h) * width;
                    (line..line + part.lens[2]).for_each(&mut body);
                }
            }
        }
    }

    /// What each phase of an axis reads for a box that starts at an output.
    pub(super) fn windows(&self, axis: usize, layout: &Layout, origin: [usize; 3]) -> Vec<Window> {
        let of = &self.axes[axis];
        let window = |&phase: &usize| Window {
            first: of.start + (phase + origin[axis] * of.step) as isize,
            step: of.step,
            end: of.source_len,
            len: layout.lens[axis],
        };
        of.phases.iter().map(window).collect()
    }

    /// What a phase reads for a box that starts at an output. The phases count in the order in which
    /// they lie in scratch.
    pub(super) fn phase(&self, index: usize, layout: &Layout, origin: [usize; 3]) -> [Window; 3] {
        let [_, height, width] = &self.axes;
        let (rest, w) = (index / width.phases.len(), index % width.phases.len());
        let numbers = [rest / height.phases.len(), rest % height.phases.len(), w];
        [0, 1, 2].map(|axis| {
            let of = &self.axes[axis];
            let phase = of.phases[numbers[axis]];
            Window {
                first: of.start + (phase + origin[axis] * of.step) as isize,
                step: of.step,
                end: of.source_len,
                len: layout.lens[axis],
            }
        })
    }

    /// How many phases there are.
    pub(super) fn phases(&self) -> usize {
        self.axes.iter().map(|axis| axis.phases.len()).product()
    }

    /// Cuts the outputs of some images into boxes.
    pub(super) fn layout(&self, batch: usize, goal: &Goal) -> Layout {
        let &Goal { channels, rows, budget, wanted } = goal;
        let counts = [0, 1, 2].map(|axis| self.axes[axis].count);
        let mut layout = self.layout_of(1, counts);
        let copied = |layout: &Layout| {
            channels.saturating_mul(layout.channel_len) + rows.saturating_mul(layout.flat)
        };
        let boxes = |layout: &Layout| -> usize {
            let spatial = (0..3).map(|axis| counts[axis].div_ceil(layout.boxed[axis].max(1)));
            batch.div_ceil(layout.images).saturating_mul(spatial.product())
        };
        while (copied(&layout) > budget || boxes(&layout) < wanted) && layout.flat > 2 * FEW {
            let Some(axis) = (0..3).find(|&axis| layout.boxed[axis] > 1) else { break };
            let mut boxed = layout.boxed;
            boxed[axis] = boxed[axis].div_ceil(2);
            layout = self.layout_of(1, boxed);
        }
        while layout.boxed == counts && layout.flat < 4 * FEW && layout.images < batch {
            let more = self.layout_of(layout.images + 1, counts);
            if copied(&more) > budget || boxes(&more) < wanted {
                break;
            }
            layout = more;
        }
        // All boxes alike.
        let images = batch.div_ceil(batch.div_ceil(layout.images).max(1)).max(1);
        if images < layout.images { self.layout_of(images, counts) } else { layout }
    }

    /// All images in one box.
    pub(super) fn whole(&self, batch: usize) -> Layout {
        self.layout_of(batch, [0, 1, 2].map(|axis| self.axes[axis].count))
    }

    /// The layout of boxes of so many images and outputs.
    pub(super) fn layout_of(&self, images: usize, boxed: [usize; 3]) -> Layout {
        let shared = [0, 1, 2].map(|axis| self.axes[axis].shared(axis, boxed[axis]));
        let lens = [0, 1, 2].map(|axis| boxed[axis] + self.axes[axis].reach - shared[axis]);
        let flat = flat_len(images, boxed, lens);
        let channel_len = apart(self.phases() * images * lens.iter().product::<usize>());
        let spill = shared[1] * lens[2] + shared[2];
        Layout { images, boxed, lens, flat, channel_len, spill }
    }

    /// How many boxes there are along images, depth, height and width.
    pub(super) fn boxes(&self, batch: usize, layout: &Layout) -> [usize; 4] {
        let along = |axis: usize| self.axes[axis].count.div_ceil(layout.boxed[axis].max(1));
        [batch.div_ceil(layout.images), along(0), along(1), along(2)]
    }

    /// A box by its index.
    pub(super) fn part(&self, batch: usize, layout: &Layout, index: usize) -> Part {
        let [_, depth, height, width] = self.boxes(batch, layout);
        let (rest, w) = (index / width, index % width);
        let (rest, h) = (rest / height, rest % height);
        let (n, d) = (rest / depth, rest % depth);
        let origin = [d * layout.boxed[0], h * layout.boxed[1], w * layout.boxed[2]];
        let len = |axis: usize| layout.boxed[axis].min(self.axes[axis].count - origin[axis]);
        let lens = [len(0), len(1), len(2)];
        let first_image = n * layout.images;
        let images = layout.images.min(batch - first_image);
        let flat = flat_len(images, lens, layout.lens);
        Part { first_image, images, origin, lens, flat }
    }
}

/// A length at least as long, and such that numbers so far apart do not all share a few places of
/// the innermost cache.
pub(super) fn apart(len: usize) -> usize {
    if len > 0 && len.is_multiple_of(64) { len + 16 } else { len }
}

/// What a layout should be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    /// How many channels are copied with what lies around the outputs.
    pub(super) channels: usize,
    /// How many channels of outputs are copied too.
    pub(super) rows: usize,
    /// How many numbers the copies should hold at most.
    pub(super) budget: usize,
    /// How many boxes there should be at least, if they do not become tiny.
    pub(super) wanted: usize,
}

/// A few vectors of outputs: fewer do not keep a tile busy.
const FEW: usize = 96;

/// How many places a run covers, from the first output of a box to its last.
fn flat_len(images: usize, outputs: [usize; 3], lens: [usize; 3]) -> usize {
    if images == 0 || outputs.contains(&0) {
        return 0;
    }
    let last = |len: usize| len - 1;
    let depth = last(images) * lens[0] + last(outputs[0]);
    (depth * lens[1] + last(outputs[1])) * lens[2] + outputs[2]
}

/// How the scratch copy of a box is laid out: `[channel][phase][image][depth][height][width]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// The most images in a box.
    pub(super) images: usize,
    /// The most outputs along each axis of a box.
    pub(super) boxed: [usize; 3],
    /// The lengths of an image's copy.
    pub(super) lens: [usize; 3],
    /// The most places of a run.
    pub(super) flat: usize,
    /// How many numbers the copy of a channel holds.
    pub(super) channel_len: usize,
    /// How many zeros follow the last channel, in place of those that others have before them.
    pub(super) spill: usize,
}

/// One box of outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) first_image: usize,
    pub(super) images: usize,
    /// The first output.
    pub(super) origin: [usize; 3],
    /// How many outputs along each axis.
    pub(super) lens: [usize; 3],
    /// How many places its run has.
    pub(super) flat: usize,
}
