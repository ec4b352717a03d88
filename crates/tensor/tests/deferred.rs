//! Element-wise ops of large tensors wait until somebody reads them. Nobody must be able to tell.

use gradus_tensor::{DType, Rng, Tensor};

const ROWS: usize = 512;
const COLUMNS: usize = 700;
/// Of so few rows nothing waits.
const FEW: usize = 32;

fn randn(seed: u64) -> Tensor {
    Tensor::randn([ROWS, COLUMNS], &mut Rng::new(seed))
}

fn row(seed: u64) -> Tensor {
    Tensor::randn([COLUMNS], &mut Rng::new(seed))
}

/// The same function of some rows at a time.
fn in_pieces(x: &[&Tensor], function: impl Fn(&[Tensor]) -> Tensor) -> Vec<f32> {
    let rows = |start| x.iter().map(|x| x.narrow(0, start, FEW)).collect::<Vec<_>>();
    (0..ROWS)
        .step_by(FEW)
        .flat_map(|start| function(&rows(start)).to_dtype(DType::F32).to_vec::<f32>())
        .collect()
}

fn bits(numbers: impl AsRef<[f32]>) -> Vec<u32> {
    numbers.as_ref().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn chains_are_those_of_small_tensors() {
    let (x, y, w, b) = (randn(1), randn(2), row(3), row(4));
    type Function = fn(&[Tensor], &Tensor, &Tensor) -> Tensor;
    let functions: [(&str, Function); 6] = [
        ("a chain", |x, w, b| (&x[0] * w + b).gelu()),
        ("two ways to one", |x, w, b| {
            let inner = &x[0] * w;
            (&inner + b).tanh() * &inner - &x[1]
        }),
        ("one, twice", |x, _, _| {
            let twice = &x[0] + &x[1];
            &twice * &twice
        }),
        ("columns of it", |x, w, _| (&x[0] * w).narrow(1, 3, 650).exp() * 2.0),
        ("transposed and back", |x, w, _| ((&x[0] * w).transpose(0, 1) + 1.0).transpose(0, 1)),
        ("other types between", |x, w, _| {
            ((&x[0] + w).to_dtype(DType::F64).sigmoid() * 3.0).to_dtype(DType::F32).sqrt()
        }),
    ];
    for (name, function) in functions {
        let whole = function(&[x.clone(), y.clone()], &w, &b);
        let pieces = in_pieces(&[&x, &y], |x| function(x, &w, &b));
        assert_eq!(bits(whole.to_vec::<f32>()), bits(pieces), "{name}");
    }
    for dtype in [DType::BF16, DType::F16] {
        let function = |x: &Tensor| (x * 3.0 + 1.0).sigmoid() * x;
        let x = x.to_dtype(dtype);
        let whole = function(&x).to_dtype(DType::F32).to_vec::<f32>();
        assert_eq!(bits(whole), bits(in_pieces(&[&x], |x| function(&x[0]))), "{dtype}");
    }
}

#[test]
fn what_is_held_is_there_in_any_order() {
    let (x, w) = (randn(5), row(6));
    let read = |order: [usize; 3]| {
        let first = &x * &w;
        let second = (&first + 1.0).abs();
        let third = &second * &first;
        let all = [&first, &second, &third];
        let mut numbers = [const { Vec::new() }; 3];
        for i in order {
            numbers[i] = bits(all[i].to_vec::<f32>());
        }
        numbers
    };
    let expected = read([0, 1, 2]);
    for order in [[2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        assert_eq!(read(order), expected);
    }
}

#[test]
fn sums_are_those_of_numbers_in_memory() {
    let (x, w) = (randn(7), row(8));
    let waiting = || (&x * &w - 0.5) * &x;
    let written = || {
        let numbers = waiting();
        numbers.to_vec::<f32>();
        numbers
    };
    type Reduce = fn(&Tensor) -> Tensor;
    let reductions: [Reduce; 6] = [
        |x| x.sum(..),
        |x| x.sum(0),
        |x| x.sum(1),
        |x| x.transpose(0, 1).max(1),
        |x| x.mean(0),
        |x| x.narrow(0, 1, 200).sum(0),
    ];
    for reduce in reductions {
        let numbers = waiting();
        let expected = bits(reduce(&written()).to_vec::<f32>());
        // A second time the numbers are in memory.
        for _ in 0..3 {
            assert_eq!(bits(reduce(&numbers).to_vec::<f32>()), expected);
        }
        assert_eq!(bits(numbers.to_vec::<f32>()), bits(written().to_vec::<f32>()));
    }
    // What is not cheap is computed once, and then summed.
    let exp = waiting().exp();
    let sum = exp.sum(0).to_vec::<f32>();
    let again = written().exp();
    again.to_vec::<f32>();
    assert_eq!(bits(sum), bits(again.sum(0).to_vec::<f32>()));
}

#[test]
fn gradients_are_those_of_single_ops() {
    let (x, w, b) = (randn(9).requires_grad(), row(10).requires_grad(), row(11).requires_grad());
    let upstream = randn(12);
    let gradients = |read: fn(&Tensor)| {
        let product = &x * &w;
        read(&product);
        let sum = &product + &b;
        read(&sum);
        let y = sum.gelu();
        read(&y);
        let gradients = y.backward_from(&upstream);
        [&x, &w, &b].map(|leaf| bits(gradients.get(leaf).expect("one each").to_vec::<f32>()))
    };
    assert_eq!(gradients(|_| ()), gradients(|x| drop(x.to_vec::<f32>())));
}

/// The bits of the gradients by x, w and b of a function of them, read in some order. `written` has
/// each result in memory before the next.
fn gradients_in(order: &[usize], written: bool) -> Vec<Vec<u32>> {
    let (x, w, b) = (randn(16).requires_grad(), row(17).requires_grad(), row(18).requires_grad());
    let read = |tensor: Tensor| {
        if written {
            tensor.to_vec::<f32>();
        }
        tensor
    };
    let inner = read(&read(&x * &w) + &b);
    let y = read(read(inner.tanh()) * &b);
    let gradients = y.backward_from(&randn(19));
    let leaves = [&x, &w, &b];
    let mut numbers = vec![vec![]; 3];
    for &i in order {
        numbers[i] = bits(gradients.get(leaves[i]).expect("one each").to_vec::<f32>());
    }
    numbers
}

#[test]
fn sums_that_wait_are_the_same_in_any_order() {
    let expected = gradients_in(&[0, 1, 2], true);
    for order in [[0, 1, 2], [1, 2, 0], [2, 1, 0], [2, 0, 1]] {
        assert_eq!(gradients_in(&order, false), expected, "{order:?}");
    }
    for (alone, expected) in expected.iter().enumerate() {
        assert_eq!(gradients_in(&[alone], false)[alone], *expected);
    }
}

#[test]
fn sums_of_other_widths_and_far_away_wait_for_themselves() {
    let (x, w) = (randn(20), row(21));
    let sums = |read: fn(&Tensor)| {
        let inner = (&x * &w).exp();
        read(&inner);
        // As rows of 1400 numbers; of what two steps lead to; of what is held; of what is read first.
        let wide = inner.reshape([ROWS / 2, 2 * COLUMNS]).sum(0);
        let far = ((&inner + 1.0) * &x).sum(0);
        let held = &inner * 2.0;
        let of_held = held.sum(0);
        let all = [inner.sum(0), wide, far, of_held, inner];
        let mut numbers: Vec<Vec<u32>> =
            all.iter().rev().map(|x| bits(x.flatten(0, -1).to_vec::<f32>())).collect();
        numbers.push(bits(held.flatten(0, -1).to_vec::<f32>()));
        numbers
    };
    assert_eq!(sums(|_| ()), sums(|x| drop(x.to_vec::<f32>())));
    // A sum that is dropped, and one whose numbers are.
    let numbers = (&x * &w).exp();
    drop(numbers.sum(0));
    let sum = numbers.sum(0);
    drop(numbers);
    let expected = (&x * &w).exp();
    expected.to_vec::<f32>();
    assert_eq!(bits(sum.to_vec::<f32>()), bits(expected.sum(0).to_vec::<f32>()));
}

#[test]
fn a_sum_that_waits_can_be_updated_and_used() {
    let (x, w) = (randn(22), row(23));
    let expected = {
        let numbers = (&x * &w).exp();
        numbers.to_vec::<f32>();
        numbers.sum(0)
    };
    let sum = (&x * &w).exp().sum(0);
    // Broadcast along rows, which wait themselves.
    let centred = (&x - &sum).abs();
    assert_eq!(bits((&x - &expected).abs().to_vec::<f32>()), bits(centred.to_vec::<f32>()));
    assert_eq!(bits((sum * 2.0).to_vec::<f32>()), bits((expected * 2.0).to_vec::<f32>()));
}

#[test]
fn long_chains_end() {
    let x = randn(13);
    let mut y = x.clone();
    for _ in 0..1000 {
        y = y + 1.0;
    }
    let expected: Vec<f32> =
        x.to_vec::<f32>().into_iter().map(|x| (0..1000).fold(x, |x, _| x + 1.0)).collect();
    assert_eq!(y.to_vec::<f32>(), expected);
    // Each doubles the ways to the first.
    let mut y = &x * 0.5;
    for _ in 0..40 {
        y = (&y + &y) * 0.5;
    }
    assert_eq!(y.to_vec::<f32>(), (x * 0.5).to_vec::<f32>());
}

#[test]
fn threads_may_read_the_same_numbers() {
    let (x, w) = (randn(14), row(15));
    let expected = bits(((&x * &w).exp() + 1.0).to_vec::<f32>());
    for _ in 0..20 {
        let inner = (&x * &w).exp();
        let outer = [&inner + 1.0, &inner + 1.0, &inner + 1.0];
        let found = std::thread::scope(|scope| {
            let readers = outer.each_ref().map(|y| scope.spawn(|| bits(y.to_vec::<f32>())));
            readers.map(|reader| reader.join().expect("no reader panics"))
        });
        assert!(found.iter().all(|found| *found == expected));
    }
    let inner = (&x * &w).exp();
    inner.to_vec::<f32>();
    let expected = [bits(inner.sum(0).to_vec::<f32>()), bits((&inner + &w).sum(0).to_vec::<f32>())];
    for _ in 0..20 {
        let inner = (&x * &w).exp();
        let sums = [inner.sum(0), (&inner + &w).sum(0)];
        let found = std::thread::scope(|scope| {
            scope.spawn(|| inner.to_vec::<f32>());
            let readers = sums.each_ref().map(|y| scope.spawn(|| bits(y.to_vec::<f32>())));
            readers.map(|reader| reader.join().expect("no reader panics"))
        });
        assert_eq!(found, expected);
    }
}
