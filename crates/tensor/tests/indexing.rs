//! Indexing, sorting, padding, scanning and Einstein's sums: values worked out by hand or by plain
//! loops, and the sentences that reject a caller's mistakes.

use gradus_tensor::ops::PadMode;
use gradus_tensor::{DType, Device, Order, Rng, Tensor};
use std::panic::catch_unwind;

/// The sentence with which a call panics.
fn rejection(call: impl FnOnce() -> Tensor + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(call).expect_err("the call was not rejected");
    *panic.downcast::<String>().expect("the panic holds a sentence")
}

fn floats(x: &Tensor) -> Vec<f32> {
    x.to_dtype(DType::F32).to_vec()
}

fn grid() -> Tensor {
    Tensor::arange(0, 12, 1).to_dtype(DType::F32).reshape([3, 4])
}

#[test]
fn indices_take_and_put() {
    let x = grid();
    let indices = Tensor::from([[2i64, 0], [1, 1], [3, 0]]);
    assert_eq!(floats(&x.gather(1, &indices)), [2.0, 0.0, 5.0, 5.0, 11.0, 8.0]);
    let rows = x.index_select(0, &Tensor::from([2u8, 2, 0]));
    assert_eq!(floats(&rows.narrow(1, 0, 2)), [8.0, 9.0, 8.0, 9.0, 0.0, 1.0]);
    assert_eq!(floats(&x.take(&Tensor::from([[11i32, 0]]))), [11.0, 0.0]);
    assert_eq!(x.take(&Tensor::from([[11i32, 0]])).shape(), [1, 2]);

    let source = Tensor::from([[10f32, 20.0], [30.0, 40.0], [50.0, 60.0]]);
    let zeros = Tensor::zeros([3, 4]);
    let replaced = [20.0, 0.0, 10.0, 0.0, 0.0, 40.0, 0.0, 0.0, 60.0, 0.0, 0.0, 50.0];
    assert_eq!(floats(&zeros.scatter(1, &indices, &source)), replaced);
    let added = [20.0, 0.0, 10.0, 0.0, 0.0, 70.0, 0.0, 0.0, 60.0, 0.0, 0.0, 50.0];
    assert_eq!(floats(&zeros.scatter_add(1, &indices, &source)), added);
    let sums = Tensor::zeros([2, 2]).index_add(0, &Tensor::from([1i64, 0, 1]), &source);
    assert_eq!(floats(&sums), [30.0, 40.0, 60.0, 80.0]);
    let counts = Tensor::zeros(3usize).to_dtype(DType::I64);
    let ones = Tensor::from([1i64, 1, 1, 1]);
    let counts = counts.scatter_add(0, &Tensor::from([2i64, 0, 2, 2]), &ones);
    assert_eq!(counts.to_vec::<i64>(), [1, 0, 3]);

    let one_hot = Tensor::from([1i64, 0]).one_hot(3);
    assert_eq!(one_hot.to_vec::<i64>(), [0, 1, 0, 1, 0, 0]);
    assert_eq!(Tensor::from(2i64).one_hot(3).shape(), [3]);
}

#[test]
fn mistakes_about_indices_are_named() {
    let x = grid();
    let beyond = rejection(|| x.index_select(1, &Tensor::from([0i64, 4])));
    assert_eq!(beyond, "index_select: index 4 is not below the length of axis 1, 4");
    let negative = rejection(|| x.gather(0, &Tensor::from([[-1i64, 0, 0, 0]])));
    assert_eq!(
        negative,
        "gather: index -1 is negative: those of axis 0, of length 3, count from 0"
    );
    let class = rejection(|| Tensor::from([3i64]).one_hot(3));
    assert_eq!(class, "scatter: index 3 is not below the length of axis 1, 3");
    let float = rejection(|| x.index_select(0, &Tensor::from([0f32])));
    assert_eq!(float, "index_select: takes indices of i64, not f32: convert with to_dtype");
    let shape = rejection(|| x.gather(0, &Tensor::from([0i64])));
    assert_eq!(shape, "gather: shapes [3, 4] and, of the indices, [1] differ beside axis 0");
    let source = rejection(|| x.index_add(0, &Tensor::from([0i64]), &Tensor::zeros([2, 4])));
    assert_eq!(source, "index_add: the indices want a source of shape [1, 4], not [2, 4]");
    let row = rejection(|| x.embedding(&Tensor::from([0i64]), Some(3)));
    assert_eq!(row, "embedding: the weight [3, 4] has no row 3 for padding");
    // What has no elements has no index either.
    let nothing = rejection(|| Tensor::zeros([0, 4]).index_select(0, &Tensor::from([0i64])));
    assert_eq!(nothing, "index_select: index 0 is not below the length of axis 0, 0");
}

#[test]
fn the_last_one_scattered_to_a_place_has_its_gradient() {
    let source = Tensor::from([1f32, 2.0, 3.0]).requires_grad();
    let x = Tensor::from([5f32, 6.0]).requires_grad();
    let y = x.scatter(0, &Tensor::from([1i64, 0, 1]), &source);
    assert_eq!(floats(&y), [2.0, 3.0]);
    let gradients = (y * Tensor::from([10f32, 20.0])).sum(..).backward();
    assert_eq!(floats(gradients.get(&source).unwrap()), [0.0, 10.0, 20.0]);
    assert_eq!(floats(gradients.get(&x).unwrap()), [0.0, 0.0]);
}

#[test]
fn sorting_is_stable_and_puts_nan_last() {
    let x = Tensor::from([2f32, f32::NAN, -1.0, 2.0, f32::INFINITY, -0.0, 0.0]);
    let (values, indices) = x.sort(0, Order::Ascending);
    assert_eq!(indices.to_vec::<i64>(), [2, 5, 6, 0, 3, 4, 1]);
    assert_eq!(floats(&values.narrow(0, 0, 6)), [-1.0, 0.0, 0.0, 2.0, 2.0, f32::INFINITY]);
    assert!(floats(&values)[6].is_nan());
    let down = x.argsort(-1, Order::Descending);
    assert_eq!(down.to_vec::<i64>(), [1, 4, 0, 3, 5, 6, 2]);
    let x = Tensor::from([[3i32, 1], [2, 9], [5, 4]]);
    let (values, indices) = x.topk(2, 0, Order::Descending);
    assert_eq!(values.to_vec::<i32>(), [5, 9, 3, 4]);
    assert_eq!(indices.to_vec::<i64>(), [2, 1, 0, 2]);
    let (value, index) = x.kthvalue(2, 0);
    assert_eq!((value.to_vec::<i32>(), index.to_vec::<i64>()), (vec![3, 4], vec![0, 2]));
    let many = rejection(|| grid().topk(5, 1, Order::Descending).0);
    assert_eq!(many, "topk: axis 1 has 4 elements, fewer than 5");
}

#[test]
fn totals_run_along_an_axis() {
    let x = Tensor::from([[1i32, 2, 3], [4, 5, 6]]);
    assert_eq!(x.cumsum(1).to_vec::<i64>(), [1, 3, 6, 4, 9, 15]);
    assert_eq!(x.cumsum(0).to_vec::<i64>(), [1, 2, 3, 5, 7, 9]);
    assert_eq!(x.cumprod(1).to_vec::<i64>(), [1, 2, 6, 4, 20, 120]);
    let decay = Tensor::full(3usize, 0.5);
    let x = Tensor::from([8f32, 4.0, 2.0]);
    assert_eq!(floats(&x.linear_scan(&decay, 0)), [8.0, 8.0, 6.0]);
    // Zeros do no harm to the gradient of a product.
    let x = Tensor::from([2f32, 0.0, 3.0, 0.0]).requires_grad();
    let gradients = x.cumprod(0).sum(..).backward();
    assert_eq!(floats(gradients.get(&x).unwrap()), [1.0, 8.0, 0.0, 0.0]);
}

#[test]
fn frames_and_repetitions() {
    let x = Tensor::from([1f32, 2.0, 3.0]);
    assert_eq!(floats(&x.pad(&[(2, 2)], PadMode::Reflect)), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
    assert_eq!(floats(&x.pad(&[(1, 2)], PadMode::Replicate)), [1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
    assert_eq!(floats(&x.pad(&[(1, 2)], PadMode::Circular)), [3.0, 1.0, 2.0, 3.0, 1.0, 2.0]);
    assert_eq!(floats(&x.pad_axis(0, (0, 1), 9)), [1.0, 2.0, 3.0, 9.0]);
    let wide = rejection(|| x.pad(&[(3, 0)], PadMode::Reflect));
    assert_eq!(wide, "pad: Reflect has at most 2 elements for axis 0 of 3, not 3");
    let huge = rejection(|| x.pad(&[(usize::MAX, 1)], PadMode::Constant(0.0)));
    assert!(huge.starts_with("pad: 3 elements with"), "{huge}");

    assert_eq!(floats(&x.roll(1, 0)), [3.0, 1.0, 2.0]);
    assert_eq!(floats(&x.roll(-4, 0)), [2.0, 3.0, 1.0]);
    let repeated = Tensor::from([[1f32, 2.0]]).repeat(&[2, 1, 2]);
    assert_eq!(repeated.shape(), [2, 1, 4]);
    assert_eq!(floats(&repeated), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    assert_eq!(floats(&x.repeat_interleave(2, 0)), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    let square = grid().narrow(1, 0, 3);
    assert_eq!(floats(&square.tril(0)), [0.0, 0.0, 0.0, 4.0, 5.0, 0.0, 8.0, 9.0, 10.0]);
    assert_eq!(floats(&square.triu(1)), [0.0, 1.0, 2.0, 0.0, 0.0, 6.0, 0.0, 0.0, 0.0]);
    let diagonals = Tensor::from([1f32, 2.0]).diag_embed(1);
    assert_eq!(floats(&diagonals), [0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
    assert_eq!(floats(&diagonals.diagonal(1, 0, 1)), [1.0, 2.0]);
}

#[test]
fn masks_select() {
    let x = grid();
    let mask = x.gt_scalar(8.5);
    assert_eq!(mask.nonzero().to_vec::<i64>(), [2, 1, 2, 2, 2, 3]);
    assert_eq!(floats(&x.masked_select(&mask)), [9.0, 10.0, 11.0]);
    let leaf = x.requires_grad();
    let gradients = leaf.masked_select(&Tensor::from([true, false, false, false])).sum(..);
    let gradient = floats(gradients.backward().get(&leaf).unwrap());
    assert_eq!(gradient, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(Tensor::zeros([2, 3]).nonzero().shape(), [0, 2]);
}

#[test]
fn draws_follow_their_weights() {
    let mut rng = Rng::new(3);
    let weights = Tensor::from([[1f32, 0.0, 3.0], [0.0, 5.0, 0.0]]);
    let drawn = weights.multinomial_with_replacement(4000, &mut rng).to_vec::<i64>();
    let share = drawn[..4000].iter().filter(|&&index| index == 2).count() as f64 / 4000.0;
    assert!((share - 0.75).abs() < 0.03, "{share}");
    assert!(drawn[..4000].iter().all(|&index| index != 1));
    assert!(drawn[4000..].iter().all(|&index| index == 1));

    let weights = Tensor::from([1f32, 2.0, 0.0, 1.0]).broadcast_to([4000, 4]);
    let drawn = weights.multinomial(3, &mut rng).to_vec::<i64>();
    for row in drawn.chunks(3) {
        let mut row = row.to_vec();
        row.sort_unstable();
        assert_eq!(row, [0, 1, 3]);
    }
    let first = drawn.iter().step_by(3).filter(|&&index| index == 1).count() as f64 / 4000.0;
    assert!((first - 0.5).abs() < 0.03, "{first}");

    let mut rng = Rng::new(3);
    let few = rejection(move || Tensor::from([1f32, 0.0]).multinomial(2, &mut rng));
    assert_eq!(few, "multinomial: only 1 weights are above zero: cannot draw 2");
    let mut rng = Rng::new(3);
    let bad = rejection(move || Tensor::from([1f32, -1.0]).multinomial(1, &mut rng));
    assert_eq!(bad, "multinomial: the weight -1 is no finite number from 0 on");
    let nowhere = Tensor::zeros([5, 4]).to_device(Device::shape_only());
    assert_eq!(nowhere.multinomial(2, &mut Rng::new(1)).shape(), [5, 2]);
}

/// Einstein's sum by a loop over all values of all letters.
fn plain_einsum(equation: &str, operands: &[Tensor]) -> Vec<f64> {
    let (left, right) = equation.split_once("->").unwrap();
    let inputs: Vec<Vec<char>> = left.split(',').map(|term| term.chars().collect()).collect();
    let mut letters: Vec<char> = right.chars().collect();
    for &letter in inputs.iter().flatten() {
        if !letters.contains(&letter) {
            letters.push(letter);
        }
    }
    let len = |letter: char| {
        let lens = inputs.iter().zip(operands).flat_map(|(input, x)| {
            input.iter().zip(x.shape().iter()).filter(move |(other, _)| **other == letter)
        });
        lens.map(|(_, &len)| len).max().unwrap()
    };
    let lens: Vec<usize> = letters.iter().map(|&letter| len(letter)).collect();
    let numbers: Vec<Vec<f64>> = operands.iter().map(|x| x.to_vec()).collect();
    let out_len: usize = lens[..right.len()].iter().product();
    let inner: usize = lens[right.len()..].iter().product();
    let term = |place: usize| -> f64 {
        let mut index = vec![0; letters.len()];
        let mut rest = place;
        for axis in (0..letters.len()).rev() {
            index[axis] = rest % lens[axis];
            rest /= lens[axis];
        }
        let element = |(number, input): (usize, &Vec<char>)| {
            let shape = operands[number].shape();
            let place = input.iter().zip(shape.iter()).fold(0, |place, (letter, &len)| {
                let at = letters.iter().position(|other| other == letter).unwrap();
                place * len + if len == 1 { 0 } else { index[at] }
            });
            numbers[number][place]
        };
        inputs.iter().enumerate().map(element).product()
    };
    (0..out_len).map(|out| (0..inner).map(|i| term(out * inner + i)).sum()).collect()
}

#[test]
fn einstein_sums_equal_plain_loops() {
    let equations: [(&str, &[&[usize]]); 16] = [
        ("ij,jk->ik", &[&[3, 4], &[4, 5]]),
        ("ij,jk->ki", &[&[3, 4], &[4, 5]]),
        ("bij,bjk->bik", &[&[2, 3, 4], &[2, 4, 5]]),
        ("bij,bkj->ikb", &[&[2, 3, 4], &[2, 5, 4]]),
        ("bhqd,bhkd->bhqk", &[&[2, 3, 4, 2], &[2, 3, 5, 2]]),
        ("i,j->ij", &[&[3], &[4]]),
        ("i,i->i", &[&[3], &[3]]),
        ("ii->i", &[&[4, 4]]),
        ("iii->i", &[&[3, 3, 3]]),
        ("iji->j", &[&[3, 2, 3]]),
        ("ijk->k", &[&[2, 3, 4]]),
        ("ij,kl->j", &[&[2, 3], &[4, 2]]),
        ("ij,ik,il->jkl", &[&[3, 2], &[3, 4], &[3, 2]]),
        ("ij,ij->j", &[&[1, 4], &[3, 4]]),
        ("ab,bc,cd,de->ea", &[&[2, 3], &[3, 2], &[2, 4], &[4, 3]]),
        ("iij,jk->ik", &[&[3, 3, 2], &[2, 4]]),
    ];
    for (equation, shapes) in equations {
        let mut rng = Rng::new(5);
        let operands: Vec<Tensor> =
            shapes.iter().map(|&shape| Tensor::randn((shape, DType::F64), &mut rng)).collect();
        let sum = Tensor::einsum(equation, &operands);
        let wanted = plain_einsum(equation, &operands);
        assert_eq!(sum.count(), wanted.len(), "{equation}");
        for (value, wanted) in sum.to_vec::<f64>().into_iter().zip(wanted) {
            assert!((value - wanted).abs() < 1e-12, "{equation}: {value} {wanted}");
        }
    }
    let x = Tensor::from([[1i64, 2], [3, 4]]);
    assert_eq!(Tensor::einsum("ij,jk", &[x.clone(), x.clone()]).to_vec::<i64>(), [7, 10, 15, 22]);
    assert_eq!(Tensor::einsum("ba", std::slice::from_ref(&x)).to_vec::<i64>(), [1, 3, 2, 4]);
    assert_eq!(Tensor::einsum("ii", &[x]).item::<i64>(), 5);
}

#[test]
fn ellipses_stand_for_axes_that_broadcast() {
    let mut rng = Rng::new(6);
    let x = Tensor::randn(([2, 1, 3, 4], DType::F64), &mut rng);
    let y = Tensor::randn(([5, 4, 2], DType::F64), &mut rng);
    let product = Tensor::einsum("...ij,...jk->...ik", &[x.clone(), y.clone()]);
    let wanted = x.matmul(&y);
    assert_eq!(product.shape(), [2, 5, 3, 2]);
    assert!((product - &wanted).abs().max(..).item::<f64>() < 1e-12);
    let moved = Tensor::einsum("i...->...i", std::slice::from_ref(&x));
    assert_eq!(moved.to_vec::<f64>(), x.permute(&[1, 2, 3, 0]).to_vec::<f64>());
    let implicit = Tensor::einsum("...ij,...jk", &[x, y]);
    assert_eq!(implicit.shape(), wanted.shape());
}

#[test]
fn equations_that_do_not_fit_are_rejected() {
    let x = grid();
    let einsum = |equation: &'static str| {
        let x = x.clone();
        rejection(move || Tensor::einsum(equation, &[x.clone(), x]))
    };
    assert_eq!(einsum("ij"), "einsum: 'ij' is about 1 tensors, but there are 2");
    assert_eq!(einsum("ij,jk->ik"), "einsum: 'j' has the length 4 and the length 3");
    assert_eq!(einsum("ijk,ij"), "einsum: operand 0 of shape [3, 4] has 2 axes, not 3");
    assert_eq!(einsum("ij,ij->ii"), "einsum: the output names 'i' twice");
    assert_eq!(einsum("ij,ij->k"), "einsum: the output names 'k', which no operand has");
    assert_eq!(einsum("ij,ij->i->j"), "einsum: 'ij,ij->i->j' has two arrows");
    assert_eq!(
        einsum("i$,ij"),
        "einsum: 'i$' holds '$': axes are letters, and an ellipsis is '...'"
    );
    assert_eq!(
        einsum("i...,ij->i"),
        "einsum: the output has no '...', but an operand has: add it, or name its axes"
    );
}
