//! The order of numbers along the last axis.
//!
//! A number becomes an unsigned integer whose order is that of the numbers, NaN last, and is packed
//! with its index behind it. What is sorted are such pairs: all different, so the order of equal
//! numbers is that of their indices, and the result is the same however it is found.

use crate::memory::scratch;
use crate::strided::{Strided, Tiles};
use crate::tiles::TASK;
use crate::{Bool, Chunks, Element, Machine};
use half::{bf16, f16};

/// The most elements a sorted axis can have.
pub const MAX_SORTED: usize = u32::MAX as usize;

/// Which elements come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The smallest; NaN last.
    Ascending,
    /// The largest; NaN first.
    Descending,
}

/// A number that can be sorted.
pub trait Sortable: Element {
    /// A number packed with its index.
    type Pair: Copy + Ord + Send + Sync;
    /// Packs a number with its index.
    fn pair(self, index: usize, order: Order) -> Self::Pair;
    /// The index of a pair.
    fn index(pair: Self::Pair) -> i64;
    /// How many digits, of 8 bits each, the number of a pair has.
    const DIGITS: usize;
    /// A digit of the number of a pair, the lowest one being 0.
    fn digit(pair: Self::Pair, digit: usize) -> usize;
}

/// Unsigned integers in the order of floats: the bits of negative ones turned round, NaN above all.
/// Both zeros are the same.
macro_rules! float_key {
    ($name:ident, $float:ident, $bits:ident) => {
        #[inline(always)]
        fn $name(x: $float) -> $bits {
            if x.is_nan() {
                return $bits::MAX;
            }
            let bits = (x + 0.0).to_bits();
            let sign = 1 << ($bits::BITS - 1);
            if bits & sign == 0 { bits | sign } else { !bits }
        }
    };
}
float_key!(key_of_f32, f32, u32);
float_key!(key_of_f64, f64, u64);

/// Implements [`Sortable`]: for each type its key, the key's type, and the pair's.
macro_rules! sortable {
    ($($name:ty, $key_type:ident, $pair:ident, |$x:ident| $key:expr;)*) => {$(
        impl Sortable for $name {
            type Pair = $pair;
            #[inline(always)]
            fn pair(self, index: usize, order: Order) -> $pair {
                let $x = self;
                let key: $key_type = $key;
                let key = if order == Order::Descending { !key } else { key };
                (key as $pair) << 32 | index as u32 as $pair
            }
            #[inline(always)]
            fn index(pair: $pair) -> i64 {
                pair as u32 as i64
            }
            const DIGITS: usize = size_of::<$key_type>();
            #[inline(always)]
            fn digit(pair: $pair, digit: usize) -> usize {
                (pair >> (32 + 8 * digit)) as usize & 0xff
            }
        }
    )*};
}
sortable! {
    f32, u32, u64, |x| key_of_f32(x);
    bf16, u32, u64, |x| key_of_f32(x.to_f32());
    f16, u32, u64, |x| key_of_f32(x.to_f32());
    i32, u32, u64, |x| x as u32 ^ 1 << 31;
    u8, u32, u64, |x| x as u32;
    Bool, u32, u64, |x| x.get() as u32;
    f64, u64, u128, |x| key_of_f64(x);
    i64, u64, u128, |x| x as u64 ^ 1 << 63;
}

/// Finds the indices that sort the last axis of `x`; equal elements keep their order. Each row of
/// `out` has the first of them, as many as its length `count` takes.
///
/// # Panics
/// If the lengths do not fit, or the axis is longer than [`MAX_SORTED`].
pub fn argsort<T: Sortable>(
    on: Machine,
    order: Order,
    x: Strided<'_, T>,
    count: usize,
    out: &mut [i64],
) {
    let len = x.shape[x.shape.len() - 1];
    assert!(count <= len && len <= MAX_SORTED);
    if out.is_empty() {
        return;
    }
    assert_eq!(out.len() / count * len, x.len());
    let rows = (TASK / len).max(1);
    let depth = len.ilog2() as usize + 1;
    let cost_ns = x.len() * if count == len { 2 * depth } else { 4 };
    let tiles = Tiles::new(x);
    on.for_each(Chunks::new(out, rows * count), cost_ns, |task, out| {
        let mut buffer = scratch(len);
        let (mut pairs, mut spare) = (Vec::with_capacity(len), Vec::new());
        for (row, out) in out.chunks_exact_mut(count).enumerate() {
            let row = tiles.read((task * rows + row) * len, &mut buffer);
            pairs.clear();
            pairs.extend(row.iter().enumerate().map(|(index, &x)| x.pair(index, order)));
            if count < len {
                pairs.select_nth_unstable(count - 1);
            }
            if count == len && len >= RADIX_FROM {
                sort_by_digits::<T>(&mut pairs, &mut spare);
            } else {
                pairs[..count].sort_unstable();
            }
            for (out, &pair) in out.iter_mut().zip(&pairs) {
                *out = T::index(pair);
            }
        }
    });
}

/// From how many pairs on it is faster to sort by digits than by comparing: it takes a pass for each
/// digit, and as much again to count.
const RADIX_FROM: usize = 512;

/// Sorts pairs that are in the order of their indices: by their lowest digit, then by the next one,
/// each time keeping the order of equal digits.
fn sort_by_digits<T: Sortable>(pairs: &mut Vec<T::Pair>, spare: &mut Vec<T::Pair>) {
    let mut counts = [[0u32; 256]; 8];
    for &pair in pairs.iter() {
        for (digit, counts) in counts[..T::DIGITS].iter_mut().enumerate() {
            counts[T::digit(pair, digit)] += 1;
        }
    }
    spare.clone_from(pairs);
    for (digit, counts) in counts[..T::DIGITS].iter_mut().enumerate() {
        // Where all have the same digit, there is nothing to sort by it.
        if counts.iter().any(|&count| count as usize == pairs.len()) {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for &pair in pairs.iter() {
            let next = &mut counts[T::digit(pair, digit)];
            spare[*next as usize] = pair;
            *next += 1;
        }
        std::mem::swap(pairs, spare);
    }
}
