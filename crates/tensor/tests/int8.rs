//! Convolutions and products of integers of eight bits, against floats.

use gradus_tensor::kernel::CodeScale;
use gradus_tensor::ops::{ConvOptions, Int8Options, Int8Weight};
use gradus_tensor::{DType, Rng, Tensor, no_grad};
use std::panic::catch_unwind;

/// The numbers that the codes of x stand for, as `f64`.
fn rounded(x: &Tensor, scale: CodeScale) -> Tensor {
    let numbers = x.to_vec::<f32>().into_iter().map(|x| f64::from(scale.rounded(x))).collect();
    Tensor::from_vec(numbers, *x.shape())
}

/// ‖x - y‖ / ‖y‖.
fn distance(x: &Tensor, y: &Tensor) -> f64 {
    let (x, y) = (x.to_dtype(DType::F64), y.to_dtype(DType::F64));
    ((&x - &y).norm(2.0, ..) / y.norm(2.0, ..)).item()
}

#[test]
fn results_are_those_of_the_numbers_that_the_codes_stand_for() {
    let rng = &mut Rng::new(1);
    let input = CodeScale::covering(-2.0, 2.5);
    let bias = Tensor::randn(9, rng);
    let conv = ConvOptions {
        stride: [2, 1].into(),
        padding: 2.into(),
        dilation: [1, 2].into(),
        groups: 1,
    };
    let (x, weight) = (Tensor::randn([2, 5, 8, 9], rng), Tensor::randn([9, 5, 3, 2], rng));
    let codes = Int8Weight::new(&weight, input).unwrap();
    let numbers = codes.numbers().unwrap().to_dtype(DType::F64);
    assert!(distance(&numbers, &weight) < 0.01);
    let wide_bias = bias.to_dtype(DType::F64);
    let wanted = rounded(&x, input).conv2d(&numbers, Some(&wide_bias), conv);
    let y = x.conv_int8(&codes, Some(&bias), Int8Options { conv, relu: false });
    assert!(distance(&y, &wanted) < 1e-6);
    let relu = x.conv_int8(&codes, Some(&bias), Int8Options { conv, relu: true });
    assert_eq!(relu.to_vec::<f32>(), y.relu().to_vec::<f32>());

    let (x, weight) = (Tensor::randn([2, 3, 70], rng), Tensor::randn([9, 70], rng));
    let x = x.clamp(-2.0, 2.5);
    let codes = Int8Weight::new(&weight, input).unwrap();
    let numbers = codes.numbers().unwrap().to_dtype(DType::F64);
    let wanted = rounded(&x, input).linear(&numbers, Some(&wide_bias));
    assert!(distance(&x.linear_int8(&codes, Some(&bias), false), &wanted) < 1e-6);
    // Near what floats give, too.
    assert!(distance(&x.linear_int8(&codes, None, false), &x.linear(&weight, None)) < 0.05);
}

#[test]
fn a_weight_is_what_its_parts_say() {
    let rng = &mut Rng::new(1);
    let weight = Tensor::randn([5, 3, 3, 3], rng)
        * Tensor::from(vec![1e-30f32, 0.0, 1.0, 9.0, 2.0]).reshape([5, 1, 1, 1]);
    let codes = Int8Weight::new(&weight, CodeScale::covering(0.0, 6.0)).unwrap();
    let parts = codes.parts().unwrap();
    let other = Int8Weight::from_parts(&parts).unwrap();
    assert_eq!(other.input(), codes.input());
    let x = Tensor::rand([1, 3, 6, 6], rng);
    let [a, b] = [&codes, &other].map(|w| x.conv_int8(w, None, Int8Options::default()));
    assert_eq!(a.to_vec::<f32>(), b.to_vec::<f32>());
    for (index, bad) in [
        (0, Tensor::zeros(([5, 3, 3, 3], DType::U8))),
        (0, Tensor::ones(([5, 0], DType::U8))),
        (1, Tensor::ones([4])),
        (2, Tensor::from(vec![0.5f32, 300.0])),
        (2, Tensor::from(vec![-0.5f32, 3.0])),
        (2, Tensor::from(vec![0.5f32])),
    ] {
        let mut parts = parts.clone();
        parts[index].1 = bad;
        assert!(Int8Weight::from_parts(&parts).is_err(), "{parts:?}");
    }
    assert!(Int8Weight::from_parts(&parts[1..]).is_err());
    for bad in [Tensor::ones([3]), Tensor::ones([2, 70_000]), Tensor::full([2, 2], f64::NAN)] {
        assert!(Int8Weight::new(&bad, codes.input()).is_err(), "{}", bad.shape());
    }
}

/// The sentence with which a function panics.
fn complaint(body: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(body).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn what_cannot_be_is_said() {
    let input = CodeScale::covering(0.0, 1.0);
    let kernel = || Int8Weight::new(&Tensor::ones([4, 2, 3, 3]), input).unwrap();
    let matrix = || Int8Weight::new(&Tensor::ones([4, 2]), input).unwrap();
    let x = || Tensor::ones([1, 4, 5, 5]);
    let groups = ConvOptions { groups: 2, ..Default::default() };
    let options = Int8Options { conv: groups, relu: false };
    let message = complaint(move || _ = x().conv_int8(&kernel(), None, options));
    assert!(message.contains("2 groups"), "{message}");
    let message = complaint(move || _ = x().conv_int8(&kernel(), None, Int8Options::default()));
    assert!(message.contains("takes 2 channels"), "{message}");
    let message = complaint(move || _ = x().linear_int8(&matrix(), None, false));
    assert!(message.contains("2 features"), "{message}");
    let message = complaint(move || _ = x().linear_int8(&kernel(), None, false));
    assert!(message.contains("[O, D]"), "{message}");

    let x = || Tensor::ones([1, 2]).requires_grad();
    let message = complaint(move || _ = x().linear_int8(&matrix(), None, false).sum(..).backward());
    assert!(message.contains("linear_int8: has no gradient"), "{message}");
    no_grad(|| assert_eq!(x().linear_int8(&matrix(), None, false).shape(), [1, 4]));
}
