//! Sums of integers by the tiles of a processor.

use super::tile::finished;
use super::{ROWS, Task, WIDTH};
use crate::gemm::{SIDE, STEP_BYTES, TileUnit, TileWork};
use crate::memory::{Scratch, scratch};
use crate::simd::{Bits, IntVector, Simd, Vector};
use bytemuck::cast_slice;

/// How many bytes of a row one step takes.
const ROW: usize = STEP_BYTES / SIDE;

// A panel of channels is as wide as a tile, and its steps lie as those of tiles.
const _: () = assert!(WIDTH == SIDE && ROWS.is_multiple_of(SIDE));

impl TileWork for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<U: TileUnit>(self, unit: U) {
        let depth = self.images.taps.len() * self.images.channels;
        let halves = self.rows.len().div_ceil(SIDE);
        let left_len = depth.div_ceil(ROW) * STEP_BYTES;
        let left = self.packed(depth, halves);
        let mut sums = [0; SIDE * SIDE];
        let mut block = scratch(ROWS * WIDTH);
        // What the last step of a panel of channels lacks is zeros, as it is on the left.
        let (whole, panel_len) = (depth / ROW * STEP_BYTES, depth * WIDTH);
        let mut last = [0; STEP_BYTES];
        for panel in self.panels.clone() {
            let right = &self.weight.packed[panel * panel_len..][..panel_len];
            last[..panel_len - whole].copy_from_slice(&right[whole..]);
            for (half, left) in left.chunks_exact(left_len).enumerate() {
                let block = &mut block[half * SIDE * WIDTH..][..SIDE * WIDTH];
                unit.multiply_bytes(&left[..whole], &right[..whole], &mut sums);
                let mut more = [0; SIDE * SIDE];
                if whole < panel_len {
                    unit.multiply_bytes(&left[whole..], &last, &mut more);
                }
                self.finish(unit.isa(), panel * WIDTH, [&sums, &more], block);
            }
            self.write(unit.isa(), panel * WIDTH, &block);
        }
    }
}

impl Task<'_> {
    /// Copies what the outputs read side by side, so many at a time as a tile has rows, in its steps.
    fn packed(&self, depth: usize, halves: usize) -> Scratch<u8> {
        let steps = depth.div_ceil(ROW);
        let mut packed: Scratch<u8> = scratch(halves * steps * STEP_BYTES);
        let starts = self.starts();
        for (half, packed) in packed.chunks_exact_mut(steps * STEP_BYTES).enumerate() {
            for (i, &start) in starts[half * SIDE..][..SIDE].iter().enumerate() {
                let place = |at: usize| at / ROW * STEP_BYTES + i * ROW + at % ROW;
                let mut at = 0;
                for &tap in &self.images.taps {
                    let mut codes = &self.images.codes[start + tap..][..self.images.channels];
                    while !codes.is_empty() {
                        let (now, rest) = codes.split_at(codes.len().min(ROW - at % ROW));
                        packed[place(at)..][..now.len()].copy_from_slice(now);
                        (at, codes) = (at + now.len(), rest);
                    }
                }
                if !at.is_multiple_of(ROW) {
                    packed[place(at)..][..ROW - at % ROW].fill(0);
                }
            }
        }
        packed
    }

    /// Makes outputs of a panel's sums.
    #[inline(always)]
    fn finish<S: Simd>(&self, isa: S, channel: usize, sums: [&[i32]; 2], block: &mut [f32]) {
        let lanes = S::F32::LANES;
        let least = S::F32::splat(isa, self.ends.least);
        for j in (0..WIDTH).step_by(lanes) {
            let load = |numbers: &[f32]| S::F32::load(isa, numbers);
            let load_integers = |sums: &[i32]| load(cast_slice(sums)).to_bits();
            let end = channel + j;
            let ends = [load(&self.ends.factors[end..]), load(&self.ends.terms[end..])];
            let start = load_integers(&self.ends.starts[end..]);
            for (i, row) in block.chunks_exact_mut(WIDTH).enumerate() {
                let sum = start.add(load_integers(&sums[0][i * SIDE + j..]));
                let sum = sum.add(load_integers(&sums[1][i * SIDE + j..]));
                finished(sum, ends, least).store(&mut row[j..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode::Images;
    use super::super::{CodeScale, Ends, Finish, IntegerWeight, dots, pack, packed_len};
    use super::*;
    use crate::conv::Geometry;
    use crate::gemm::Modelled;
    use crate::simd::Routine;
    use crate::threads::Shared;
    use crate::{Isa, Machine};

    struct WithModel<'a>(Task<'a>);

    impl Routine for WithModel<'_> {
        type Output = ();

        fn run<S: Simd>(self, isa: S) {
            TileWork::run(self.0, Modelled(isa));
        }
    }

    /// Some number from 0 to 255.
    fn code(index: usize) -> u8 {
        let mixed = (index as u32).wrapping_mul(2_654_435_761);
        ((mixed ^ mixed >> 15).wrapping_mul(2_246_822_519) >> 24) as u8
    }

    #[test]
    fn tiles_sum_as_registers_do() {
        let sizes = [
            // Channels, outputs, kernel, stride, output.
            (64, 32, 1, 1, [1, 1, 1]),
            (3, 5, 7, 2, [1, 9, 10]),
            (128, 70, 3, 1, [1, 7, 7]),
            (20, 200, 3, 2, [2, 3, 5]),
        ];
        for (in_channels, out_channels, side, stride, output) in sizes {
            let kernel = [side.min(output[0]), side, side];
            let input = [0, 1, 2].map(|axis| (output[axis] - 1) * stride + kernel[axis] - 1);
            let geometry = Geometry {
                batch: 2,
                groups: 1,
                in_channels,
                out_channels,
                input: input.map(|len| len.max(1)),
                kernel,
                output,
                stride: [stride; 3],
                dilation: [1; 3],
                before: [0, side / 3, 0],
            };
            let codes: Vec<i8> = (0..geometry.weight_shape().iter().product())
                .map(|index| (code(index) as i8).max(-127))
                .collect();
            let mut packed = vec![0; packed_len(&geometry)];
            pack(&geometry, &codes, &mut packed);
            let sums: Vec<i32> = codes
                .chunks_exact(codes.len() / out_channels)
                .map(|codes| codes.iter().map(|&code| i32::from(code)).sum())
                .collect();
            let scales: Vec<f32> = (0..out_channels).map(|i| 0.01 + i as f32 * 1e-4).collect();
            let weight = IntegerWeight { packed: &packed, sums: &sums, scales: &scales };
            let input = CodeScale::covering(-1.0, 2.0);
            let len = geometry.input_shape().iter().product();
            let x: Vec<f32> = (0..len).map(|i| f32::from(code(i + 7)) / 85.0 - 1.0).collect();
            for isa in Isa::available() {
                let on = Machine { isa, threads: 2 };
                let images = &Images::new(on, &geometry, input, &x);
                let ends = &Ends::new(input, weight, Finish { bias: None, relu: side == 3 });
                let rows = 0..geometry.batch * images.places();
                let found = [false, true].map(|modelled| {
                    let mut out = vec![f32::NAN; geometry.output_shape().iter().product()];
                    let panels = 0..out_channels.div_ceil(WIDTH);
                    let task = Task {
                        images,
                        ends,
                        weight,
                        rows: rows.clone(),
                        panels,
                        out: &Shared::new(&mut out),
                    };
                    task.in_parts(on, 100, |task| match modelled {
                        true => isa.run(WithModel(task)),
                        false => dots::run(isa, task),
                    });
                    out
                });
                assert!(found[0].iter().any(|&y| y > 0.0));
                assert_eq!(found[0], found[1], "{geometry:?} {isa}");
            }
        }
    }
}
