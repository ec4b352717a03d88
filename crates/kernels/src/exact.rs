//! Element-wise kernels that need no elementary function: on integers and truth values,
//! comparisons, selection, and casts between types.

use crate::elementwise::{Binary, Unary};
use crate::memory::scratch;
use crate::strided::{Axes, Strided, TILE, Tiles};
use crate::tiles::{Each, TASK, run1, run2};
use crate::transpose::Transposed;
use crate::{Bool, Chunks, Element, Machine, Number};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::any::TypeId;
use std::ops::Range;

impl Unary {
    /// True if [`map_exact`] can apply the operation to integers.
    pub fn takes_integers(self) -> bool {
        use Unary::*;
        matches!(self, Neg | Abs | Sign | Square | Relu | Round | Floor | Ceil | Trunc)
    }
}

impl Binary {
    /// True if [`zip_exact`] can apply the operation to integers.
    pub fn takes_integers(self) -> bool {
        use Binary::*;
        matches!(self, Add | Sub | Mul | Maximum | Minimum | Remainder)
    }
}

/// Applies an operation to each integer: outᵢ = op(xᵢ), wrapping around.
///
/// # Panics
/// If the lengths differ, or unless [`Unary::takes_integers`].
pub fn map_exact<T: Number>(on: Machine, op: Unary, x: Strided<'_, T>, out: &mut [T]) {
    let negative = |x: T| x < T::ZERO;
    let negated = |x: T| T::ZERO.minus(x);
    match op {
        Unary::Neg => run1(on, Each(negated), x, out),
        Unary::Abs => run1(on, Each(|x| if negative(x) { negated(x) } else { x }), x, out),
        Unary::Sign => {
            let sign = |x| {
                if x == T::ZERO {
                    x
                } else if negative(x) {
                    negated(T::ONE)
                } else {
                    T::ONE
                }
            };
            run1(on, Each(sign), x, out);
        }
        Unary::Square => run1(on, Each(|x: T| x.times(x)), x, out),
        Unary::Relu => run1(on, Each(|x| if negative(x) { T::ZERO } else { x }), x, out),
        Unary::Round | Unary::Floor | Unary::Ceil | Unary::Trunc => copy(on, x, out),
        _ => panic!("{op:?} takes no integers"),
    }
}

/// Applies an operation to each pair of integers: outᵢ = op(xᵢ, yᵢ), wrapping around. The remainder
/// of a division by 0 is 0.
///
/// # Panics
/// If the lengths differ, or unless [`Binary::takes_integers`].
pub fn zip_exact<T: Number>(
    on: Machine,
    op: Binary,
    x: Strided<'_, T>,
    y: Strided<'_, T>,
    out: &mut [T],
) {
    match op {
        Binary::Add => run2(on, Each(T::plus), x, y, out),
        Binary::Sub => run2(on, Each(T::minus), x, y, out),
        Binary::Mul => run2(on, Each(T::times), x, y, out),
        Binary::Maximum => run2(on, Each(|x, y| if x < y { y } else { x }), x, y, out),
        Binary::Minimum => run2(on, Each(|x, y| if y < x { y } else { x }), x, y, out),
        Binary::Remainder => {
            let remainder = |x: T, y: T| {
                let (x, y) = (x.to_i64(), y.to_i64());
                let rest = x.checked_rem(y).unwrap_or(0);
                T::from_i64(if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest })
            };
            run2(on, Each(remainder), x, y, out);
        }
        _ => panic!("{op:?} takes no integers"),
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// x = y
    Equal,
    /// x ≠ y
    NotEqual,
    /// x < y
    Less,
    /// x ≤ y
    LessEqual,
    /// x > y
    Greater,
    /// x ≥ y
    GreaterEqual,
}

/// Compares each pair of elements. A comparison with NaN is false, but for "not equal".
///
/// # Panics
/// If the lengths differ.
pub fn compare<T: Element>(
    on: Machine,
    comparison: Comparison,
    x: Strided<'_, T>,
    y: Strided<'_, T>,
    out: &mut [Bool],
) {
    match comparison {
        Comparison::Equal => run2(on, Each(|x: T, y: T| Bool::from(x == y)), x, y, out),
        Comparison::NotEqual => run2(on, Each(|x: T, y: T| Bool::from(x != y)), x, y, out),
        Comparison::Less => run2(on, Each(|x: T, y: T| Bool::from(x < y)), x, y, out),
        Comparison::LessEqual => run2(on, Each(|x: T, y: T| Bool::from(x <= y)), x, y, out),
        Comparison::Greater => run2(on, Each(|x: T, y: T| Bool::from(x > y)), x, y, out),
        Comparison::GreaterEqual => run2(on, Each(|x: T, y: T| Bool::from(x >= y)), x, y, out),
    }
}

/// Takes each element from `yes` where the condition holds, else from `no`.
///
/// # Panics
/// If the lengths differ.
pub fn select<T: Element>(
    on: Machine,
    condition: Strided<'_, Bool>,
    yes: Strided<'_, T>,
    no: Strided<'_, T>,
    out: &mut [T],
) {
    assert!(condition.len() == out.len() && yes.len() == out.len() && no.len() == out.len());
    let cost_ns = out.len() / 2;
    let (condition, yes, no) = (Tiles::new(condition), Tiles::new(yes), Tiles::new(no));
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| {
        let mut condition_buffer = scratch(TILE.min(out.len()));
        let mut yes_buffer = scratch(TILE.min(out.len()));
        for (tile, out) in out.chunks_mut(TILE).enumerate() {
            let start = index * TASK + tile * TILE;
            let condition = condition.read(start, &mut condition_buffer[..out.len()]);
            let yes = yes.read(start, &mut yes_buffer[..out.len()]);
            no.gather(start, out);
            for ((out, &yes), condition) in out.iter_mut().zip(yes).zip(condition) {
                *out = if condition.get() { yes } else { *out };
            }
        }
    });
}

/// Copies a view into a slice, in row-major order.
///
/// # Panics
/// If the lengths differ.
pub fn copy<T: Element>(on: Machine, x: Strided<'_, T>, out: &mut [T]) {
    assert_eq!(x.len(), out.len());
    if let Some(x) = Transposed::of(&x) {
        return x.copy(on, out);
    }
    let cost_ns = out.len() / 2;
    let x = Tiles::new(x);
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| x.gather(index * TASK, out));
}

/// Puts views together along an axis: each row of `out` is a stretch of every view in turn, whose
/// length comes with it.
///
/// # Panics
/// If the lengths do not fit.
pub fn concat<T: Element>(on: Machine, parts: &[(Strided<'_, T>, usize)], out: &mut [T]) {
    let row_len: usize = parts.iter().map(|(_, len)| len).sum();
    if out.is_empty() || row_len == 0 {
        return;
    }
    let parts: Vec<_> = parts.iter().map(|(view, len)| (Tiles::new(*view), *len)).collect();
    let rows = (TASK / row_len).max(1);
    let cost_ns = out.len() / 2;
    on.for_each(Chunks::new(out, rows * row_len), cost_ns, |index, out| {
        for (row, mut out) in out.chunks_exact_mut(row_len).enumerate() {
            for (part, len) in &parts {
                let (stretch, rest) = out.split_at_mut(*len);
                part.gather((index * rows + row) * len, stretch);
                out = rest;
            }
        }
    });
}

/// Writes a view over a part of each row of `out`.
///
/// # Panics
/// If there are more or fewer rows than the view fills.
pub fn overwrite<T: Element>(
    on: Machine,
    x: Strided<'_, T>,
    (row_len, part): (usize, Range<usize>),
    out: &mut [T],
) {
    assert_eq!(x.len() * row_len, out.len() * part.len());
    if x.is_empty() {
        return;
    }
    let (cost_ns, x) = (x.len() / 2, Tiles::new(x));
    on.for_each(Chunks::new(out, row_len), cost_ns, |index, row| {
        x.gather(index * part.len(), &mut row[part.clone()]);
    });
}

/// Zeros, to which each element of x is added where a view of `out` with this offset and these
/// strides has it.
///
/// # Panics
/// If the view reaches beyond `out`.
pub fn unview<T: Number>(x: Strided<'_, T>, offset: usize, strides: &[isize], out: &mut [T]) {
    out.fill(T::ZERO);
    let axes = Axes::joined(x.shape, strides);
    let tiles = Tiles::new(x);
    let mut buffer = scratch(TILE.min(x.len()));
    for start in (0..x.len()).step_by(TILE) {
        let len = TILE.min(x.len() - start);
        let values = tiles.read(start, &mut buffer[..len]);
        let mut done = 0;
        axes.runs(start, len, |position, stride, count| {
            let first = offset.wrapping_add_signed(position);
            let values = &values[done..done + count];
            if stride == 1 {
                for (sum, &value) in out[first..first + count].iter_mut().zip(values) {
                    *sum = sum.plus(value);
                }
            } else {
                for (i, &value) in values.iter().enumerate() {
                    let sum = &mut out[first.wrapping_add_signed(i as isize * stride)];
                    *sum = sum.plus(value);
                }
            }
            done += count;
        });
    }
}

/// Converts each element to another type: floats round to the nearest; from float to integer cuts
/// towards zero and keeps the ends, with NaN as 0; from integer to integer wraps around; whatever
/// is not zero is true.
///
/// # Panics
/// If the lengths differ.
pub fn cast<A: Element, B: Element>(on: Machine, x: Strided<'_, A>, out: &mut [B]) {
    let is = |float: TypeId| TypeId::of::<A>() == float;
    let from_float = is(TypeId::of::<f32>())
        || is(TypeId::of::<f64>())
        || is(TypeId::of::<bf16>())
        || is(TypeId::of::<f16>());
    if from_float {
        run1(on, Each(|x: A| B::from_f64(x.to_f64())), x, out);
    } else {
        run1(on, Each(|x: A| B::from_i64(x.to_i64())), x, out);
    }
}

/// Widens half-precision floats that lie side by side.
///
/// # Panics
/// If the lengths differ.
pub fn widen<H: HalfFloat>(on: Machine, x: &[H], out: &mut [f32]) {
    assert_eq!(x.len(), out.len());
    let cost_ns = out.len() / 4;
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| {
        H::widen(&x[index * TASK..][..out.len()], out);
    });
}

/// Rounds floats that lie side by side to half precision.
///
/// # Panics
/// If the lengths differ.
pub fn narrow<H: HalfFloat>(on: Machine, x: &[f32], out: &mut [H]) {
    assert_eq!(x.len(), out.len());
    let cost_ns = out.len() / 4;
    on.for_each(Chunks::new(out, TASK), cost_ns, |index, out| {
        H::narrow(&x[index * TASK..][..out.len()], out);
    });
}

/// A float of half the width: `bf16` or `f16`. Kernels compute with it as `f32`.
pub trait HalfFloat: Element {
    /// Converts each number to `f32`, exactly.
    fn widen(x: &[Self], out: &mut [f32]);
    /// Rounds each number to the nearest of this type.
    fn narrow(x: &[f32], out: &mut [Self]);
}

/// Implements [`HalfFloat`] by the conversions of the crate `half`.
macro_rules! half_float {
    ($($name:ident)*) => {$(
        impl HalfFloat for $name {
            fn widen(x: &[Self], out: &mut [f32]) {
                x.convert_to_f32_slice(out);
            }
            fn narrow(x: &[f32], out: &mut [Self]) {
                out.convert_from_f32_slice(x);
            }
        }
    )*};
}
half_float!(bf16 f16);
