//! Squares of numbers, transposed in registers: how channels that lie apart come to lie side by
//! side, and back.

use crate::Float;
use crate::element::Number;
use crate::simd::{MAX_LANES, Simd, Vector, mirrored};

/// A square of as many vectors as a vector has lanes, the first ones of the array.
pub(crate) type Square<V> = [V; MAX_LANES];

/// Number i of vector j becomes number j of vector i.
#[inline(always)]
pub(crate) fn transpose<V: Vector>(square: Square<V>) -> Square<V> {
    mirrored(square, V::LANES)
}

/// Reads the square whose vector i starts at `start + i * stride`, of which `count` vectors of `len`
/// numbers matter; zeros stand in place of the other vectors.
#[inline(always)]
pub(super) fn read<V: Vector>(
    isa: V::Isa,
    data: &[V::Scalar],
    start: usize,
    stride: isize,
    [count, len]: [usize; 2],
) -> Square<V> {
    let mut square = [V::splat(isa, Number::ZERO); MAX_LANES];
    for (i, vector) in square.iter_mut().take(V::LANES).enumerate() {
        if i < count {
            let from = &data[start.wrapping_add_signed(i as isize * stride)..];
            *vector = if from.len() >= V::LANES {
                V::load(isa, from)
            } else {
                V::load_partial(isa, &from[..len.min(from.len())], Number::ZERO)
            };
        }
    }
    square
}

/// Asks for what [`read`] reads of `count` vectors from `start` on, which may lie outside.
#[inline(always)]
pub(super) fn prefetch<S: Simd, T>(isa: S, data: &[T], start: isize, stride: isize, count: usize) {
    for i in 0..count {
        isa.prefetch(data.as_ptr().wrapping_offset(start + i as isize * stride));
    }
}

/// Transposes a matrix of `size[0]` rows, which lie `pitch` apart, into one whose rows lie
/// `to_pitch` apart. As many numbers as a vector has may be overwritten behind each row, and rows
/// behind the last one, up to a multiple of a vector's length.
#[inline(always)]
pub(super) fn matrix<V: Vector>(
    isa: V::Isa,
    from: &[V::Scalar],
    pitch: usize,
    [rows, columns]: [usize; 2],
    to: &mut [V::Scalar],
    to_pitch: usize,
) where
    V::Scalar: Float,
{
    for row in (0..rows).step_by(V::LANES) {
        let count = V::LANES.min(rows - row);
        for column in (0..columns).step_by(V::LANES) {
            let len = V::LANES.min(columns - column);
            let start = row * pitch + column;
            let square = transpose(read::<V>(isa, from, start, pitch as isize, [count, len]));
            for (i, vector) in square.iter().take(len).enumerate() {
                vector.store(&mut to[(column + i) * to_pitch + row..]);
            }
        }
    }
}
