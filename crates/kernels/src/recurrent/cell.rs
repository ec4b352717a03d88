//! The arithmetic of cells, one row at a time.

use super::Cell;
use crate::Float;
use crate::math::Real;
use crate::simd::{Mask, Simd, Vector};

/// A row on its way forward.
pub(super) struct Forward<'a, T> {
    /// What the input brings to the gates.
    pub(super) x: &'a [T],
    /// What the hidden state brings to the gates, maybe with more behind it.
    pub(super) product: &'a [T],
    /// The bias b of a GRU.
    pub(super) bias: Option<&'a [T]>,
    /// The hidden state, before and after.
    pub(super) hidden: &'a mut [T],
    /// The cell state, before and after.
    pub(super) cell: &'a mut [T],
    /// What the way back will need, see [`Cell::saved`], or nothing.
    pub(super) saved: &'a mut [T],
}

/// A row on its way back.
pub(super) struct Backward<'a, T> {
    /// What was saved.
    pub(super) saved: &'a [T],
    /// The hidden state before.
    pub(super) hidden_before: &'a [T],
    /// The hidden state after.
    pub(super) hidden_after: &'a [T],
    /// The cell state before.
    pub(super) cell_before: &'a [T],
    /// The gradient by the output.
    pub(super) by_output: &'a [T],
    /// The gradient by the hidden state after, of what came later; becomes that by the one before,
    /// but for what flows through the product.
    pub(super) by_hidden: &'a mut [T],
    /// The gradient by the cell state after; becomes that by the one before.
    pub(super) by_cell: &'a mut [T],
    /// The gradient by what the input brings to the gates.
    pub(super) by_x: &'a mut [T],
    /// The gradient by what the hidden state brings to the gates, if it is another one.
    pub(super) by_product: &'a mut [T],
}

/// A place of up to one vector in rows of `size` numbers for each gate.
#[derive(Clone, Copy)]
struct Place<S> {
    isa: S,
    size: usize,
    start: usize,
    len: usize,
}

impl<S: Simd> Place<S> {
    #[inline(always)]
    fn load<T: Float>(self, row: &[T], gate: usize) -> T::Vector<S> {
        let start = gate * self.size + self.start;
        if self.len == T::Vector::<S>::LANES {
            T::Vector::<S>::load(self.isa, &row[start..])
        } else {
            T::Vector::<S>::load_partial(self.isa, &row[start..start + self.len], T::ZERO)
        }
    }

    /// What input and hidden state together bring to a gate.
    #[inline(always)]
    fn load_sum<T: Float>(self, x: &[T], product: &[T], gate: usize) -> T::Vector<S> {
        self.load(x, gate) + self.load(product, gate)
    }

    #[inline(always)]
    fn store<T: Float>(self, vector: T::Vector<S>, row: &mut [T], gate: usize) {
        let start = gate * self.size + self.start;
        vector.store_chunk(&mut row[start..start + self.len]);
    }
}

/// The places of a row.
#[inline(always)]
fn places<S: Simd, T: Float>(isa: S, size: usize) -> impl Iterator<Item = Place<S>> {
    let lanes = T::Vector::<S>::LANES;
    (0..size.div_ceil(lanes)).map(move |index| {
        let start = index * lanes;
        Place { isa, size, start, len: lanes.min(size - start) }
    })
}

impl<T: Float> Forward<'_, T> {
    #[inline(always)]
    pub(super) fn run<S: Simd>(self, isa: S, cell: Cell) {
        match cell {
            Cell::Tanh => self.plain::<S, false>(isa),
            Cell::Relu => self.plain::<S, true>(isa),
            Cell::Lstm => self.lstm(isa),
            Cell::Gru => self.gru(isa),
        }
    }

    #[inline(always)]
    fn plain<S: Simd, const RELU: bool>(self, isa: S) {
        for place in places::<S, T>(isa, self.hidden.len()) {
            let sum = place.load_sum(self.x, self.product, 0);
            let hidden = if RELU { sum.maximum(sum.zero()) } else { sum.tanh() };
            place.store(hidden, self.hidden, 0);
        }
    }

    #[inline(always)]
    fn lstm<S: Simd>(self, isa: S) {
        for place in places::<S, T>(isa, self.hidden.len()) {
            let i = place.load_sum(self.x, self.product, 0).sigmoid();
            let f = place.load_sum(self.x, self.product, 1).sigmoid();
            let g = place.load_sum(self.x, self.product, 2).tanh();
            let o = place.load_sum(self.x, self.product, 3).sigmoid();
            let cell = f.mul_add(place.load(self.cell, 0), i * g);
            if !self.saved.is_empty() {
                place.store(i, self.saved, 0);
                place.store(f, self.saved, 1);
                place.store(g, self.saved, 2);
                place.store(o, self.saved, 3);
                place.store(cell, self.saved, 4);
            }
            place.store(cell, self.cell, 0);
            place.store(o * cell.tanh(), self.hidden, 0);
        }
    }

    #[inline(always)]
    fn gru<S: Simd>(self, isa: S) {
        for place in places::<S, T>(isa, self.hidden.len()) {
            let r = place.load_sum(self.x, self.product, 0).sigmoid();
            let z = place.load_sum(self.x, self.product, 1).sigmoid();
            let mut candidate = place.load(self.product, 2);
            if let Some(bias) = self.bias {
                candidate = candidate + place.load(bias, 0);
            }
            let n = r.mul_add(candidate, place.load(self.x, 2)).tanh();
            if !self.saved.is_empty() {
                place.store(r, self.saved, 0);
                place.store(z, self.saved, 1);
                place.store(n, self.saved, 2);
                place.store(candidate, self.saved, 3);
            }
            let hidden = z.mul_add(place.load(self.hidden, 0) - n, n);
            place.store(hidden, self.hidden, 0);
        }
    }
}

impl<T: Float> Backward<'_, T> {
    #[inline(always)]
    pub(super) fn run<S: Simd>(self, isa: S, cell: Cell) {
        match cell {
            Cell::Tanh => self.plain::<S, false>(isa),
            Cell::Relu => self.plain::<S, true>(isa),
            Cell::Lstm => self.lstm(isa),
            Cell::Gru => self.gru(isa),
        }
    }

    #[inline(always)]
    fn plain<S: Simd, const RELU: bool>(self, isa: S) {
        for place in places::<S, T>(isa, self.by_hidden.len()) {
            let grad = place.load(self.by_output, 0) + place.load(self.by_hidden, 0);
            let hidden = place.load(self.hidden_after, 0);
            let by_x = if RELU {
                let open = hidden.greater(hidden.zero()).or(hidden.is_nan());
                T::Vector::<S>::select(open, grad, grad.zero())
            } else {
                grad * slope_of_tanh(hidden)
            };
            place.store(by_x, self.by_x, 0);
            place.store(grad.zero(), self.by_hidden, 0);
        }
    }

    #[inline(always)]
    fn lstm<S: Simd>(self, isa: S) {
        for place in places::<S, T>(isa, self.by_hidden.len()) {
            let (i, f) = (place.load(self.saved, 0), place.load(self.saved, 1));
            let (g, o) = (place.load(self.saved, 2), place.load(self.saved, 3));
            let shown = place.load(self.saved, 4).tanh();
            let grad = place.load(self.by_output, 0) + place.load(self.by_hidden, 0);
            let by_cell = (grad * o).mul_add(slope_of_tanh(shown), place.load(self.by_cell, 0));
            let by_f = by_cell * place.load(self.cell_before, 0) * slope_of_sigmoid(f);
            place.store(by_cell * g * slope_of_sigmoid(i), self.by_x, 0);
            place.store(by_f, self.by_x, 1);
            place.store(by_cell * i * slope_of_tanh(g), self.by_x, 2);
            place.store(grad * shown * slope_of_sigmoid(o), self.by_x, 3);
            place.store(by_cell * f, self.by_cell, 0);
            place.store(grad.zero(), self.by_hidden, 0);
        }
    }

    #[inline(always)]
    fn gru<S: Simd>(self, isa: S) {
        for place in places::<S, T>(isa, self.by_hidden.len()) {
            let (r, z) = (place.load(self.saved, 0), place.load(self.saved, 1));
            let (n, candidate) = (place.load(self.saved, 2), place.load(self.saved, 3));
            let one = z.of(1.0);
            let grad = place.load(self.by_output, 0) + place.load(self.by_hidden, 0);
            let by_n = grad * (one - z) * slope_of_tanh(n);
            let by_z = grad * (place.load(self.hidden_before, 0) - n) * slope_of_sigmoid(z);
            let by_r = by_n * candidate * slope_of_sigmoid(r);
            place.store(by_r, self.by_x, 0);
            place.store(by_z, self.by_x, 1);
            place.store(by_n, self.by_x, 2);
            place.store(by_r, self.by_product, 0);
            place.store(by_z, self.by_product, 1);
            place.store(by_n * r, self.by_product, 2);
            place.store(grad * z, self.by_hidden, 0);
        }
    }
}

/// The derivative of tanh from its value y: 1 - y².
#[inline(always)]
fn slope_of_tanh<V: Vector>(y: V) -> V {
    (y.of(1.0) - y) * (y.of(1.0) + y)
}

/// The derivative of the logistic function from its value y: y (1 - y).
#[inline(always)]
fn slope_of_sigmoid<V: Vector>(y: V) -> V {
    y * (y.of(1.0) - y)
}
