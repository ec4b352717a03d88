//! Convolutions by a processor's tiles: products of numbers of `bf16`, rounded or split into parts, as
//! those of matrices are ([`crate::gemm`]).
//!
//! Copies of images are laid out as for registers, so that an output has a place in them and what a tap
//! meets lies some places later. A number is split once, when it is copied, not for each tap.
//! For outputs, and gradients by the input (`lines`), a pair is two channels of a place; for gradients
//! by the weight (`weight`) it is two places of a channel, as these then are summed over the places.

mod lines;
mod weight;

use super::correlate::{Correlation, Weights};
use super::plan::Plan;
use super::{Geometry, Strided};
use crate::gemm::{self, Size, TileWork};
use crate::threads::Shared;
use crate::{Float, Isa, Machine, Precision};
use bytemuck::{cast_slice, cast_slice_mut};

/// Who does the work of tiles.
trait Runner {
    /// Runs work compiled for an instruction set that has tiles.
    fn run<W: TileWork>(isa: Isa, work: W) -> W::Output;
}

/// The tiles of the processor.
struct Processor;

impl Runner for Processor {
    fn run<W: TileWork>(isa: Isa, work: W) -> W::Output {
        isa.run_tiles(work)
    }
}

/// Computes the correlation by tiles, or returns false where registers are faster or more exact.
pub(super) fn correlate<T: Float>(
    on: Machine,
    correlation: &Correlation<'_, T>,
    plans: &[&Plan],
    out: &mut [T],
) -> bool {
    let Correlation { batch, groups, channels, rows, target, precision, .. } = *correlation;
    let Some(taps) = plans.iter().map(|plan| plan.taps()).max() else { return false };
    let columns = batch * target.iter().product::<usize>();
    let size = Size { batch: groups, rows, columns, depth: channels * taps };
    let weight = correlation.weights.data;
    let Some(parts) = parts(on, precision, size, [all(&correlation.source), weight]) else {
        return false;
    };
    let correlation = &of_f32(correlation);
    let out = &Shared::new(cast_slice_mut(out));
    for plan in plans {
        let job = (correlation, *plan, plans.len());
        match parts {
            1 => lines::run::<Processor, 1>(on, job, out),
            2 => lines::run::<Processor, 2>(on, job, out),
            _ => lines::run::<Processor, 3>(on, job, out),
        }
    }
    true
}

/// Computes the gradient by the weight by tiles, or returns false where registers are faster or more
/// exact.
pub(super) fn weight_gradient<T: Float>(
    on: Machine,
    precision: Precision,
    geometry: &Geometry,
    [x, grad]: [Strided<'_, T>; 2],
    out: &mut [T],
) -> bool {
    let Geometry { batch, groups, in_channels, out_channels, .. } = *geometry;
    let taps = geometry.kernel.iter().product::<usize>();
    let size = Size {
        batch: groups,
        rows: out_channels / groups,
        columns: in_channels / groups * taps,
        depth: batch * geometry.output.iter().product::<usize>(),
    };
    let Some(parts) = parts(on, precision, size, [all(&x), all(&grad)]) else { return false };
    let images = [x, grad].map(numbers_of_f32);
    let out = cast_slice_mut(out);
    match parts {
        1 => weight::run::<Processor, 1>(on, geometry, images, out),
        2 => weight::run::<Processor, 2>(on, geometry, images, out),
        _ => weight::run::<Processor, 3>(on, geometry, images, out),
    }
    true
}

/// Of how many parts numbers are where tiles are to multiply; none where registers should. Only `f32` is
/// ever split.
fn parts<T: Float>(
    on: Machine,
    precision: Precision,
    size: Size,
    operands: [&[T]; 2],
) -> Option<usize> {
    gemm::parts::<T>(on, precision, size)
        .filter(|&parts| parts == 1 || gemm::may_split_numbers(on, operands))
}

/// All numbers of a view, and where they do not lie side by side others too.
fn all<'a, T>(view: &Strided<'a, T>) -> &'a [T] {
    view.contiguous().unwrap_or(view.data)
}

/// The same correlation, whose numbers are `f32`.
fn of_f32<'a, T: Float>(correlation: &Correlation<'a, T>) -> Correlation<'a, f32> {
    let Correlation {
        batch, groups, channels, rows, kept_with, target, precision, cost_ns, ..
    } = *correlation;
    let Weights { data, offset, group_stride, row_stride, channel_stride, tap_strides, kernel } =
        correlation.weights;
    let data = cast_slice(data);
    Correlation {
        batch,
        groups,
        channels,
        rows,
        source: numbers_of_f32(correlation.source),
        weights: Weights {
            data,
            offset,
            group_stride,
            row_stride,
            channel_stride,
            tap_strides,
            kernel,
        },
        kept_with,
        bias: correlation.bias.map(cast_slice),
        target,
        precision,
        cost_ns,
    }
}

/// The same view, whose numbers are `f32`.
fn numbers_of_f32<T: Float>(view: Strided<'_, T>) -> Strided<'_, f32> {
    let Strided { data, offset, shape, strides } = view;
    Strided { data: cast_slice(data), offset, shape, strides }
}

#[cfg(test)]
mod tests {
    use super::super::{forward, input_gradient, weight_gradient};
    use super::*;
    use crate::gemm::Modelled;
    use crate::simd::{Routine, Simd};

    /// Tiles computed by plain loops.
    struct Model;

    struct WithModel<W>(W);

    impl<W: TileWork> Routine for WithModel<W> {
        type Output = W::Output;

        fn run<S: Simd>(self, isa: S) -> W::Output {
            self.0.run(Modelled(isa))
        }
    }

    impl Runner for Model {
        fn run<W: TileWork>(isa: Isa, work: W) -> W::Output {
            isa.run(WithModel(work))
        }
    }

    /// A convolution, its images, weight and gradient by the output, and its bias.
    struct Case {
        geometry: Geometry,
        shapes: [[usize; 5]; 3],
        strides: [[isize; 5]; 3],
        numbers: [Vec<f32>; 3],
        biases: [Vec<f32>; 2],
    }

    impl Case {
        fn new(geometry: Geometry, reversed: bool) -> Self {
            let shapes = [geometry.input_shape(), geometry.weight_shape(), geometry.output_shape()];
            let strides = shapes.map(|shape| {
                let axes: [usize; 5] = if reversed { [0, 1, 2, 3, 4] } else { [4, 3, 2, 1, 0] };
                let (mut strides, mut stride) = ([0; 5], 1);
                for axis in axes {
                    strides[axis] = stride;
                    stride *= shape[axis] as isize;
                }
                strides
            });
            let mut state = 1_u32;
            let mut numbers = |count: usize| {
                let next = || {
                    state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                    f32::from_bits(0x4000_0000 | (state ^ state >> 15) & 0x7f_ffff) - 3.0
                };
                std::iter::repeat_with(next).take(count).collect()
            };
            let biases = [geometry.out_channels, geometry.in_channels].map(&mut numbers);
            let numbers = shapes.map(|shape| numbers(shape.iter().product()));
            Self { geometry, shapes, strides, numbers, biases }
        }

        fn view<'a, T>(&'a self, numbers: &'a [Vec<T>; 3], i: usize) -> Strided<'a, T> {
            let (shape, strides) = (&self.shapes[i], &self.strides[i]);
            Strided { data: &numbers[i], offset: 0, shape, strides }
        }

        /// Space for outputs, and gradients by the input and by the weight.
        fn out<T: Copy>(&self, value: T) -> [Vec<T>; 3] {
            [2, 0, 1].map(|i| vec![value; self.shapes[i].iter().product()])
        }

        /// Outputs, gradients by the input and by the weight, of numbers that are changed first.
        fn directly(&self, change: impl Fn(f32) -> f64) -> [Vec<f64>; 3] {
            let on = Machine { isa: Isa::Portable, threads: 2 };
            let (g, precision) = (&self.geometry, Precision::Highest);
            let numbers = self.numbers.each_ref().map(|x| x.iter().copied().map(&change).collect());
            let numbers: [Vec<f64>; 3] = numbers;
            let biases = self.biases.each_ref().map(|x| x.iter().copied().map(&change).collect());
            let biases: [Vec<f64>; 2] = biases;
            let view = |i| self.view(&numbers, i);
            let mut out = self.out(f64::NAN);
            forward(on, precision, g, view(0), view(1), Some(&biases[0]), &mut out[0]);
            input_gradient(on, precision, g, view(2), view(1), Some(&biases[1]), &mut out[1]);
            weight_gradient(on, precision, g, view(0), view(2), &mut out[2]);
            out
        }

        /// The same by tiles.
        fn by_tiles<const PARTS: usize>(&self, on: Machine) -> [Vec<f32>; 3] {
            let g = &self.geometry;
            let view = |i| self.view(&self.numbers, i);
            let mut out = self.out(f32::NAN);
            let exact = Precision::Highest;
            let both = [
                Correlation::forward(g, exact, view(0), view(1).into(), Some(&self.biases[0])),
                Correlation::input_gradient(g, exact, view(2), view(1), Some(&self.biases[1])),
            ];
            let plans = [vec![Plan::forward(g)], Plan::input_gradient(g)];
            for ((correlation, plans), out) in both.iter().zip(&plans).zip(&mut out) {
                let out = &Shared::new(out);
                for plan in plans {
                    lines::run::<Model, PARTS>(on, (correlation, plan, plans.len()), out);
                }
            }
            weight::run::<Model, PARTS>(on, g, [view(0), view(2)], &mut out[2]);
            out
        }

        fn check<const PARTS: usize>(&self, bound: f64) {
            let wanted = self.directly(f64::from);
            let magnitudes = self.directly(|x| f64::from(x).abs());
            let machines = Isa::available().zip([1, 3].into_iter().cycle());
            let machines = machines.map(|(isa, threads)| Machine { isa, threads });
            let found: Vec<_> = machines.map(|on| self.by_tiles::<PARTS>(on)).collect();
            assert!(found.iter().all(|other| *other == found[0]));
            for i in 0..3 {
                let all = found[0][i].iter().zip(&wanted[i]).zip(&magnitudes[i]);
                for ((&found, wanted), magnitude) in all {
                    let error = (f64::from(found) - wanted).abs();
                    let what = (PARTS, i, self.geometry);
                    assert!(error <= bound * magnitude, "{what:?}: {error} of {magnitude}");
                }
            }
        }
    }

    #[test]
    fn convolutions_by_tiles_are_as_exact_as_they_say() {
        let plane = Geometry {
            batch: 2,
            groups: 1,
            in_channels: 33,
            out_channels: 40,
            input: [1, 7, 9],
            kernel: [1, 3, 3],
            output: [1, 7, 9],
            stride: [1; 3],
            dilation: [1; 3],
            before: [0, 1, 1],
        };
        let cases = [
            plane,
            Geometry { batch: 7, input: [1, 4, 4], output: [1, 4, 4], out_channels: 70, ..plane },
            Geometry { kernel: [1; 3], before: [0; 3], in_channels: 96, ..plane },
            Geometry { stride: [1, 2, 2], output: [1, 4, 5], ..plane },
            Geometry { groups: 2, in_channels: 10, out_channels: 66, ..plane },
            Geometry {
                in_channels: 3,
                input: [1, 20, 23],
                kernel: [1, 7, 7],
                stride: [1, 2, 2],
                output: [1, 10, 12],
                before: [0, 3, 3],
                ..plane
            },
            Geometry {
                in_channels: 18,
                out_channels: 5,
                input: [5, 6, 7],
                kernel: [3, 2, 3],
                stride: [2, 1, 2],
                dilation: [1, 2, 1],
                output: [3, 4, 4],
                before: [1, 0, 2],
                ..plane
            },
        ];
        for (index, geometry) in cases.into_iter().enumerate() {
            let case = Case::new(geometry, index % 3 == 1);
            case.check::<1>(7.9e-3);
            case.check::<2>(2e-5);
            case.check::<3>(1e-6);
        }
    }
}
