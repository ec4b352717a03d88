//! Moving numbers by their places in planes: to where the largest of windows were, and back.

use super::TASK;
use crate::memory::scratch;
use crate::simd::PastCaches;
use crate::tiles::{CopyPast, is_large};
use crate::{Chunks, Float, Machine};

/// How many planes one task takes.
fn planes_of_task(x_len: usize, out_len: usize) -> usize {
    (TASK / (x_len + out_len).max(1)).max(1)
}

/// out = 0, then each number of a plane of `x` is added where its index says in the plane of `out`.
/// `planes` tells how many planes there are.
///
/// # Panics
/// If the slices cannot be cut into that many planes, or an index is beyond its plane.
pub fn scatter_planes<T: Float>(
    on: Machine,
    planes: usize,
    x: &[T],
    indices: &[i32],
    out: &mut [T],
) {
    let (x_len, out_len) = plane_lens(planes, x, indices, out);
    if out_len == 0 {
        return;
    }
    let group = planes_of_task(x_len, out_len);
    let cost_ns = (x.len() + out.len()) / 2;
    let large = is_large(out);
    on.for_each(Chunks::new(out, group * out_len), cost_ns, |index, out| {
        let past = large.then(PastCaches::new);
        for (i, out) in out.chunks_exact_mut(out_len).enumerate() {
            let start = (index * group + i) * x_len;
            let (x, indices) = (&x[start..][..x_len], &indices[start..][..x_len]);
            if let Some(past) = &past {
                let mut sums = scratch(out_len);
                scatter(x, indices, &mut sums);
                on.isa.run(CopyPast { past, from: &sums, to: out });
            } else {
                scatter(x, indices, out);
            }
        }
    });
}

/// Scatters a plane.
fn scatter<T: Float>(x: &[T], indices: &[i32], out: &mut [T]) {
    out.fill(T::ZERO);
    for (&value, &index) in x.iter().zip(indices) {
        let sum = &mut out[index as usize];
        *sum = sum.plus(value);
    }
}

/// out = the numbers of a plane of `x` that the indices of a plane name. `planes` tells how many
/// planes there are.
///
/// # Panics
/// If the slices cannot be cut into that many planes, or an index is beyond its plane.
pub fn gather_planes<T: Float>(
    on: Machine,
    planes: usize,
    x: &[T],
    indices: &[i32],
    out: &mut [T],
) {
    let (out_len, x_len) = plane_lens(planes, out, indices, x);
    if out_len == 0 {
        return;
    }
    let group = planes_of_task(x_len, out_len);
    let cost_ns = out.len();
    on.for_each(Chunks::new(out, group * out_len), cost_ns, |index, out| {
        for (i, out) in out.chunks_exact_mut(out_len).enumerate() {
            let plane = index * group + i;
            let x = &x[plane * x_len..][..x_len];
            for (out, &index) in out.iter_mut().zip(&indices[plane * out_len..][..out_len]) {
                *out = x[index as usize];
            }
        }
    });
}

/// The lengths of the planes that have indices, and of those that the indices point into.
fn plane_lens<T>(planes: usize, few: &[T], indices: &[i32], many: &[T]) -> (usize, usize) {
    let lens = (few.len() / planes.max(1), many.len() / planes.max(1));
    assert_eq!(few.len(), indices.len());
    assert_eq!((few.len(), many.len()), (planes * lens.0, planes * lens.1));
    lens
}
