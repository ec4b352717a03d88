//! Cells that go through sequences, and their gradients, against plain loops in f64, on every
//! instruction set and number of threads.

mod numbers;

use gradus_kernels::recurrent::{Cell, Gradients, Inputs, Results, Steps, forward, gradient};
use gradus_kernels::{Float, Isa, Machine, Precision, Reducible};
use half::bf16;
use numbers::numbers;

/// x, the weight, the hidden states, the cell states and the bias, some of them empty.
type All<T> = [Vec<T>; 5];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// What [`forward`] should give, by the definition.
fn by_definition(cell: Cell, steps: &Steps, size: usize, inputs: &All<f64>) -> Vec<f64> {
    defined(cell, steps, size, inputs, |x| x)
}

/// A number as products that may be rounded take it.
fn rounded(x: f64) -> f64 {
    bf16::from_f32(x as f32).to_f64()
}

/// The definition, of numbers that are changed for products.
fn defined(
    cell: Cell,
    steps: &Steps,
    size: usize,
    inputs: &All<f64>,
    change: fn(f64) -> f64,
) -> Vec<f64> {
    let [x, weight, hidden, cells, bias] = inputs;
    let (mut hidden, mut cells) = (hidden.clone(), cells.clone());
    let mut out = vec![0.0; steps.rows() * size];
    for time in steps.order() {
        for sequence in 0..steps.size(time) {
            let row = steps.row(time, sequence);
            let old = hidden[sequence * size..][..size].to_vec();
            let product = |gate: usize, unit: usize| -> f64 {
                let weight = &weight[(gate * size + unit) * size..][..size];
                weight.iter().zip(&old).map(|(&a, &b)| change(a) * change(b)).sum()
            };
            let x = |gate, unit| x[(row * cell.gates() + gate) * size + unit];
            let sum = |gate, unit| x(gate, unit) + product(gate, unit);
            for (unit, old) in old.iter().enumerate() {
                let place = sequence * size + unit;
                hidden[place] = match cell {
                    Cell::Tanh => sum(0, unit).tanh(),
                    Cell::Relu => sum(0, unit).max(0.0),
                    Cell::Lstm => {
                        let kept = sigmoid(sum(1, unit)) * cells[place];
                        cells[place] = kept + sigmoid(sum(0, unit)) * sum(2, unit).tanh();
                        sigmoid(sum(3, unit)) * cells[place].tanh()
                    }
                    Cell::Gru => {
                        let (r, z) = (sigmoid(sum(0, unit)), sigmoid(sum(1, unit)));
                        let bias = bias.get(unit).copied().unwrap_or(0.0);
                        let n = (x(2, unit) + r * (product(2, unit) + bias)).tanh();
                        (1.0 - z) * n + z * old
                    }
                };
            }
            out[row * size..][..size].copy_from_slice(&hidden[sequence * size..][..size]);
        }
    }
    [out, hidden, cells].concat()
}

/// What the kernels give: the result and the gradients by all inputs.
fn run<T: Float + Reducible>(
    on: Machine,
    precision: Precision,
    cell: Cell,
    steps: &Steps,
    all: &All<T>,
    grad: &[T],
) -> (Vec<T>, All<T>) {
    let [x, weight, hidden, cells, bias] = all;
    let biased = !bias.is_empty();
    let inputs = Inputs { x, weight, bias: biased.then_some(&bias[..]), hidden, cell: cells };
    let mut out = vec![T::NAN; grad.len()];
    let mut saved = vec![T::NAN; x.len() / cell.gates() * cell.saved()];
    forward(on, precision, cell, steps, inputs, (&mut out, &mut saved));
    let mut by = all.each_ref().map(|x| vec![T::NAN; x.len()]);
    let [by_x, by_weight, by_hidden, by_cell, by_bias] = &mut by;
    let results = Results { out: &out, saved: &saved, grad };
    let gradients = Gradients {
        x: by_x,
        weight: by_weight,
        bias: biased.then_some(&mut by_bias[..]),
        hidden: by_hidden,
        cell: by_cell,
    };
    gradient(on, precision, cell, steps, inputs, results, gradients);
    (out, by)
}

#[track_caller]
fn assert_close(what: &str, found: &[f64], wanted: &[f64], epsilon: f64) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let scale = wanted.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= epsilon * scale, "{what}: {found} is not {wanted}");
    }
}

fn wide<T: Float>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// Inputs for a cell, and a gradient by what it gives.
fn drawn(cell: Cell, steps: &Steps, size: usize) -> (All<f32>, Vec<f32>) {
    let (batch, gates) = (steps.batch(), cell.gates() * size);
    let states = if cell.has_cell_state() { batch * size } else { 0 };
    let biases = if cell == Cell::Gru { size } else { 0 };
    let lens = [steps.rows() * gates, gates * size, batch * size, states, biases];
    let mut seed = 0;
    let mut draw = |len| {
        seed += 1;
        numbers::<f32>(len, seed)
    };
    let mut all = lens.map(&mut draw);
    // Small weights: what flows back through many times shall not grow.
    all[1].iter_mut().for_each(|weight| *weight *= 0.25);
    (all, draw((steps.rows() + batch) * size + states))
}

fn check(cell: Cell, steps: &Steps, size: usize) {
    let (narrow, grad) = drawn(cell, steps, size);
    let all = narrow.each_ref().map(|x| wide(x));
    let wide_grad = wide(&grad);
    let wanted = by_definition(cell, steps, size, &all);
    let what = format!("{cell:?} of {size}, {steps:?}");
    let mut gradients: Option<All<f64>> = None;
    for isa in Isa::available() {
        let one = Machine { isa, threads: 1 };
        let (out, by) = run(one, Precision::Highest, cell, steps, &all, &wide_grad);
        assert_close(&format!("{what} on {isa}"), &out, &wanted, 1e-13);
        let gradients = gradients.get_or_insert_with(|| by.clone());
        for (found, wanted) in by.iter().zip(&*gradients) {
            assert_close(&format!("gradients of {what} on {isa}"), found, wanted, 1e-13);
        }
        let (narrow_out, narrow_by) = run(one, Precision::Highest, cell, steps, &narrow, &grad);
        assert_close(&format!("{what} in f32 on {isa}"), &wide(&narrow_out), &wanted, 1e-5);
        for (found, wanted) in narrow_by.iter().zip(&*gradients) {
            let what = format!("gradients of {what} in f32 on {isa}");
            assert_close(&what, &wide(found), wanted, 1e-5);
        }
        for threads in [2, 3, 16] {
            let on = Machine { isa, threads };
            let other = run(on, Precision::Highest, cell, steps, &narrow, &grad);
            assert_eq!((&narrow_out, &narrow_by), (&other.0, &other.1), "{what} by threads");
        }
    }
    let Some(gradients) = gradients else { panic!("there is no instruction set") };
    // Along a random direction of each input, the slope of Σ grad · out by central differences.
    for (place, gradient) in gradients.iter().enumerate() {
        let direction: Vec<f64> = numbers(gradient.len(), 77);
        let value = |step: f64| -> f64 {
            let mut moved = all.clone();
            moved[place].iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
            let out = by_definition(cell, steps, size, &moved);
            out.iter().zip(&wide_grad).map(|(a, b)| a * b).sum()
        };
        let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
        let found: f64 = gradient.iter().zip(&direction).map(|(a, b)| a * b).sum();
        assert_close(&format!("{what}: the slope by {place}"), &[found], &[slope], 1e-6);
    }
}

#[test]
fn cells_and_their_gradients_equal_the_definition() {
    let steps = [
        Steps::batch_first(19, 4),
        Steps::time_first(5, 3).reversed(),
        Steps::packed(vec![11, 9, 9, 2, 1]),
        Steps::packed(vec![11, 9, 9, 2, 1]).reversed(),
        Steps::batch_first(40, 2),
        Steps::time_first(1, 2),
        Steps::time_first(0, 2),
        Steps::batch_first(0, 3),
    ];
    for cell in [Cell::Tanh, Cell::Lstm, Cell::Gru] {
        for steps in &steps {
            for size in [1, 7, 37] {
                check(cell, steps, size);
            }
        }
    }
    check(Cell::Lstm, &Steps::batch_first(9, 3), 300);
    check(Cell::Relu, &Steps::packed(vec![3, 2, 1]), 7);
    check(Cell::Gru, &Steps::batch_first(2, 2), 0);
}

/// The product is that of rounded numbers, summed in full; what else a cell computes loses nothing.
#[test]
fn states_are_rounded_for_their_product_alone() {
    for cell in [Cell::Tanh, Cell::Relu, Cell::Lstm, Cell::Gru] {
        for (batch, size) in [(19, 37), (1, 7), (5, 64), (3, 1), (40, 301)] {
            let steps = &Steps::time_first(1, batch);
            let (all, grad) = drawn(cell, steps, size);
            let wide_all = all.each_ref().map(|x| wide(x));
            for isa in Isa::available() {
                let on = Machine { isa, threads: 1 };
                let change: fn(f64) -> f64 = if isa.multiplies_pairs() { rounded } else { |x| x };
                let wanted = defined(cell, steps, size, &wide_all, change);
                let (out, _) = run(on, Precision::Medium, cell, steps, &all, &grad);
                assert_close(&format!("{cell:?} of {size} on {isa}"), &wide(&out), &wanted, 1e-5);
            }
        }
    }
}

#[test]
fn rounded_products_through_many_times_stay_near_whole_ones() {
    let packed = Steps::packed(vec![11, 9, 9, 2, 1]);
    for cell in [Cell::Tanh, Cell::Lstm, Cell::Gru] {
        for steps in [&Steps::batch_first(19, 6), &packed, &packed.clone().reversed()] {
            let (all, grad) = drawn(cell, steps, 37);
            for isa in Isa::available() {
                let one = Machine { isa, threads: 1 };
                let whole = run(one, Precision::Highest, cell, steps, &all, &grad);
                let found = run(one, Precision::Medium, cell, steps, &all, &grad);
                let what = format!("{cell:?} on {isa}, {steps:?}");
                // Rounding is seen where there is any, and only there.
                assert_eq!(whole.0 != found.0, isa.multiplies_pairs(), "{what}");
                assert_close(&what, &wide(&found.0), &wide(&whole.0), 0.02);
                for (found, whole) in found.1.iter().zip(&whole.1) {
                    assert_close(&format!("gradients of {what}"), &wide(found), &wide(whole), 0.02);
                }
                for threads in [2, 3, 16] {
                    let on = Machine { isa, threads };
                    let other = run(on, Precision::Medium, cell, steps, &all, &grad);
                    assert_eq!((&found.0, &found.1), (&other.0, &other.1), "{what} by threads");
                }
            }
        }
    }
}

#[test]
fn rows_are_where_steps_say() {
    let steps = Steps::packed(vec![3, 3, 1]);
    assert_eq!((steps.rows(), steps.batch(), steps.time()), (7, 3, 3));
    assert_eq!((steps.row(1, 2), steps.row(2, 0), steps.rows_at(1)), (5, 6, Some(3..6)));
    assert_eq!((steps.row_before(2, 0), steps.row_before(0, 1)), (Some(3), None));
    let back = steps.clone().reversed();
    assert_eq!(back.order().collect::<Vec<_>>(), [2, 1, 0]);
    assert_eq!((back.row_before(1, 0), back.row_before(1, 1)), (Some(6), None));
    assert_eq!(back.reversed(), steps);
    let steps = Steps::batch_first(2, 4);
    assert_eq!((steps.row(3, 1), steps.row_before(3, 1), steps.rows_at(0)), (7, Some(6), None));
}
