//! A frame of one number around a view.

use crate::strided::{MAX_RANK, Strided};
use crate::tiles::TASK;
use crate::{Chunks, Element, Machine};

/// Copies `x` into the middle of `out`, whose axes have the lengths `shape` and in which `x` starts
/// at `before`; all around is `value`.
///
/// # Panics
/// If the lengths do not fit.
pub fn pad<T: Element>(
    on: Machine,
    x: Strided<'_, T>,
    before: &[usize],
    value: T,
    shape: &[usize],
    out: &mut [T],
) {
    let rank = shape.len();
    assert!(x.shape.len() == rank && before.len() == rank && rank > 0);
    assert_eq!(shape.iter().product::<usize>(), out.len());
    assert!((0..rank).all(|axis| before[axis] + x.shape[axis] <= shape[axis]));
    if x.shape.contains(&0) {
        // A view of nothing has no memory that its rows could start in.
        return out.fill(value);
    }
    let last = rank - 1;
    let rows = (TASK / shape[last]).max(1);
    let cost_ns = out.len() / 2;
    on.for_each(Chunks::new(out, rows * shape[last]), cost_ns, |task, out| {
        let mut index = [0; MAX_RANK];
        let mut rest = task * rows;
        for axis in (0..last).rev() {
            index[axis] = rest % shape[axis];
            rest /= shape[axis];
        }
        for out in out.chunks_exact_mut(shape[last]) {
            match row_start(&x, before, &index[..last]) {
                Some(first) => {
                    let (left, right) = out.split_at_mut(before[last]);
                    let (middle, right) = right.split_at_mut(x.shape[last]);
                    left.fill(value);
                    right.fill(value);
                    copy_row(&x, first, middle);
                }
                None => out.fill(value),
            }
            for axis in (0..last).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
    });
}

/// Where the row of `x` starts that lies in a row of the result; none if the row is of the frame.
fn row_start<T>(x: &Strided<'_, T>, before: &[usize], index: &[usize]) -> Option<usize> {
    let mut first = x.offset;
    for (axis, (&index, &before)) in index.iter().zip(before).enumerate() {
        let inside = index.checked_sub(before).filter(|&inside| inside < x.shape[axis])?;
        first = first.wrapping_add_signed(inside as isize * x.strides[axis]);
    }
    Some(first)
}

fn copy_row<T: Element>(x: &Strided<'_, T>, first: usize, out: &mut [T]) {
    let stride = x.strides[x.shape.len() - 1];
    if stride == 1 {
        return out.copy_from_slice(&x.data[first..][..out.len()]);
    }
    for (i, out) in out.iter_mut().enumerate() {
        *out = x.data[first.wrapping_add_signed(i as isize * stride)];
    }
}
