//! Norms of gradients, and what is clipped by them.

use gradus_nn::{ClipNorm, Param, clip_grad_norm, grad_norm};
use gradus_tensor::{DType, Gradients, Rng, Tensor};

/// Parameters of several shapes and types with their gradients, and all numbers of these.
fn some() -> (Vec<Param>, Gradients, Vec<f64>) {
    let rng = &mut Rng::new(7);
    let mut gradients = Gradients::default();
    let mut numbers = vec![];
    let of_f32 = [vec![300, 70], vec![], vec![0, 4], vec![5]].map(|shape| (shape, DType::F32));
    let others = [(vec![41], DType::F64), (vec![3, 3], DType::BF16), (vec![2, 8], DType::F32)];
    let params = of_f32.into_iter().chain(others).map(|(shape, dtype)| {
        let param = Param::new(Tensor::zeros((&shape[..], dtype)));
        let gradient = Tensor::randn((&shape[..], dtype), rng);
        // One that does not lie side by side.
        let gradient = if shape == [3, 3] { gradient.t() } else { gradient };
        numbers.extend(gradient.to_dtype(DType::F64).to_vec::<f64>());
        gradients.insert(&param.tensor(), gradient);
        param
    });
    (params.collect(), gradients, numbers)
}

#[test]
fn norms_are_those_of_one_vector() {
    let (params, gradients, numbers) = some();
    let power = |p: f64| numbers.iter().map(|x| x.abs().powf(p)).sum::<f64>().powf(1.0 / p);
    for (p, wanted, bound) in [
        (2.0, power(2.0), 1e-6),
        // Each tensor's sum is rounded to its own type.
        (1.0, power(1.0), 1e-3),
        (3.0, power(3.0), 1e-3),
        (f64::INFINITY, numbers.iter().fold(0.0, |most: f64, x| most.max(x.abs())), 0.0),
    ] {
        let norm = grad_norm(&params, &gradients, p);
        assert!((norm - wanted).abs() <= bound * wanted, "p = {p}: {norm}, not {wanted}");
    }
}

#[test]
fn what_is_frozen_or_not_there_counts_for_nothing() {
    let (params, gradients, _) = some();
    params.iter().for_each(Param::freeze);
    assert_eq!(grad_norm(&params, &gradients, 2.0).to_bits(), 0.0f64.to_bits());
    params.iter().for_each(Param::unfreeze);
    assert_eq!(grad_norm(&params, &Gradients::default(), 2.0).to_bits(), 0.0f64.to_bits());
}

#[test]
fn a_clipped_norm_is_the_largest_that_is_left() {
    let (params, mut gradients, _) = some();
    let before = grad_norm(&params, &gradients, 2.0);
    let clip = |max| ClipNorm { max, p: 2.0 };
    assert_eq!(clip_grad_norm(&params, &mut gradients, clip(2.0 * before)), before);
    assert_eq!(grad_norm(&params, &gradients, 2.0), before, "nothing was to be clipped");
    assert_eq!(clip_grad_norm(&params, &mut gradients, clip(3.0)), before);
    assert!((grad_norm(&params, &gradients, 2.0) - 3.0).abs() < 1e-3);
}

#[test]
fn a_number_that_is_none_shows_in_the_norm_and_in_all_gradients() {
    let (params, mut gradients, _) = some();
    gradients.insert(&params[3].tensor(), Tensor::full(5, f64::NAN));
    assert!(clip_grad_norm(&params, &mut gradients, ClipNorm::default()).is_nan());
    assert!(params[0].grad(&gradients).unwrap().max(..).item::<f32>().is_nan());
}
