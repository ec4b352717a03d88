//! Images as codes, with the channels of a place side by side.

use super::{CodeScale, STEP};
use crate::conv::Geometry;
use crate::conv::transpose;
use crate::memory::{Scratch, scratch};
use crate::simd::{Bits, IntVector, MAX_LANES, Routine, Simd, Vector};
use crate::{Chunks, Machine};

/// Images as codes, with their padding, and where their outputs read.
pub(super) struct Images {
    pub(super) codes: Scratch<u8>,
    /// How many channels lie side by side: whole steps.
    pub(super) channels: usize,
    /// The lengths of an image with its padding.
    lens: [usize; 3],
    output: [usize; 3],
    stride: [usize; 3],
    /// How far behind its start an output reads for each tap.
    pub(super) taps: Vec<usize>,
}

impl Images {
    pub(super) fn new(on: Machine, geometry: &Geometry, input: CodeScale, x: &[f32]) -> Self {
        let Geometry { kernel, stride, dilation, output, .. } = *geometry;
        let channels = geometry.in_channels.next_multiple_of(STEP);
        // As far as the last output reads.
        let lens = [0, 1, 2].map(|axis| {
            (output[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
        });
        let [_, height, width] = lens;
        let mut taps = vec![];
        for d in 0..kernel[0] {
            for h in 0..kernel[1] {
                for w in 0..kernel[2] {
                    let line = d * dilation[0] * height + h * dilation[1];
                    taps.push((line * width + w * dilation[2]) * channels);
                }
            }
        }
        let line_len = width * channels;
        let lines = geometry.batch * lens[0] * lens[1];
        let mut codes = scratch(lines * line_len);
        let cost_ns = codes.len() / 8;
        // Lines of one place are short: some at a time.
        let at_once = (LINES / line_len).max(1);
        on.for_each(Chunks::new(&mut codes, at_once * line_len), cost_ns, |index, codes| {
            for (i, codes) in codes.chunks_exact_mut(line_len).enumerate() {
                let line = Line { geometry, input, channels, x, codes };
                let index = index * at_once + i;
                let (place, height_index) = (index / lens[1], index % lens[1]);
                let at = [place / lens[0], place % lens[0], height_index];
                on.isa.run(Encode { line, at });
            }
        });
        Self { codes, channels, lens, output, stride, taps }
    }

    /// How many outputs an image has.
    pub(super) fn places(&self) -> usize {
        self.output.iter().product()
    }

    /// Where what an output reads starts, by its number in all images.
    pub(super) fn start(&self, row: usize) -> usize {
        let [_, height, width] = self.output;
        let (image, place) = (row / self.places(), row % self.places());
        let at = [place / (height * width), place / width % height, place % width];
        let at = [0, 1, 2].map(|axis| at[axis] * self.stride[axis]);
        let line = (image * self.lens[0] + at[0]) * self.lens[1] + at[1];
        (line * self.lens[2] + at[2]) * self.channels
    }
}

/// About how many bytes of lines one task writes.
const LINES: usize = 4096;

/// A line of an image.
struct Line<'a> {
    geometry: &'a Geometry,
    input: CodeScale,
    channels: usize,
    x: &'a [f32],
    /// Where its codes go.
    codes: &'a mut [u8],
}

/// Writes a line, given the number of its image and where it lies in depth and height, with the
/// padding.
struct Encode<'a> {
    line: Line<'a>,
    at: [usize; 3],
}

impl Routine for Encode<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, isa: S) {
        let Self { line, at: [image, depth, height] } = self;
        let Geometry { input: [lens_d, lens_h, width], before, in_channels, .. } = *line.geometry;
        let inside = |place: usize, before: usize, len: usize| {
            place.checked_sub(before).filter(|&place| place < len)
        };
        let places = (inside(depth, before[0], lens_d), inside(height, before[1], lens_h));
        let (Some(depth), Some(height)) = places else {
            return line.codes.fill(line.input.zero);
        };
        let plane = lens_d * lens_h * width;
        let start = image * in_channels * plane + (depth * lens_h + height) * width;
        if plane == 1 && line.codes.len() == line.channels {
            let x = &line.x[start..][..in_channels];
            return line.side_by_side(isa, x);
        }
        line.apart(isa, start, plane);
    }
}

impl Line<'_> {
    /// A place whose channels lie side by side as they are.
    #[inline(always)]
    fn side_by_side<S: Simd>(self, isa: S, x: &[f32]) {
        let lanes = S::F32::LANES;
        let code = Code::new(isa, self.input);
        for (x, codes) in x.chunks(lanes).zip(self.codes.chunks_mut(lanes)) {
            let mut ints = [0; MAX_LANES];
            code.of(S::F32::load_chunk(isa, x)).store_ints(&mut ints);
            for (code, int) in codes.iter_mut().zip(ints) {
                *code = int as u8;
            }
        }
    }

    /// Places whose channels lie a plane apart.
    #[inline(always)]
    fn apart<S: Simd>(self, isa: S, start: usize, plane: usize) {
        let lanes = S::F32::LANES;
        let code = Code::new(isa, self.input);
        let (width, before) = (self.geometry.input[2], self.geometry.before[2]);
        let places = self.codes.len() / self.channels;
        let inside = before.min(places)..places.min(before + width);
        self.codes[..inside.start * self.channels].fill(self.input.zero);
        self.codes[inside.end * self.channels..].fill(self.input.zero);
        let (count, words) = (inside.len(), self.channels / STEP);
        let zero = S::F32::splat(isa, 0.0);
        for first in (0..count).step_by(lanes) {
            let len = lanes.min(count - first);
            for word in (0..words).step_by(lanes) {
                let some = lanes.min(words - word);
                // Number i of vector j is the four codes at place i of the word j.
                let mut square = [zero; MAX_LANES];
                for (j, vector) in square.iter_mut().take(some).enumerate() {
                    let mut codes = zero.int(0);
                    for byte in 0..STEP {
                        let channel = (word + j) * STEP + byte;
                        if channel < self.geometry.in_channels {
                            let x = &self.x[start + channel * plane + first..][..len];
                            let int = code.of(S::F32::load_chunk(isa, x)).to_int();
                            codes = codes.or(int.shl(8 * byte as i32));
                        }
                    }
                    *vector = S::F32::from_bits(codes);
                }
                let square = transpose(square);
                for (i, vector) in square.iter().take(len).enumerate() {
                    let mut numbers = [0.0f32; MAX_LANES];
                    vector.store(&mut numbers);
                    let place = (inside.start + first + i) * self.channels + word * STEP;
                    let bytes: &[u8] = bytemuck::cast_slice(&numbers[..some]);
                    self.codes[place..][..bytes.len()].copy_from_slice(bytes);
                }
            }
        }
    }
}

/// What makes codes of numbers.
#[derive(Clone, Copy)]
struct Code<V> {
    factor: V,
    zero: V,
}

impl<V: Bits> Code<V> {
    #[inline(always)]
    fn new(isa: V::Isa, input: CodeScale) -> Self {
        let factor = V::splat(isa, 1.0 / input.scale);
        Self { factor, zero: V::splat(isa, f32::from(input.zero)) }
    }

    /// The codes, as whole numbers. It is rounded in steps that are the same on every instruction set.
    #[inline(always)]
    fn of(self, x: V) -> V {
        let code = (x * self.factor).round() + self.zero;
        code.clamp(self.zero.zero(), self.zero.of(255.0))
    }
}
