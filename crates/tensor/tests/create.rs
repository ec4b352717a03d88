//! Making tensors: values, and shapes that no machine can hold.

use gradus_tensor::ops::PadMode;
use gradus_tensor::{DType, Device, Layout, Rng, Shape, Tensor};
use std::panic::{UnwindSafe, catch_unwind};

/// The sentence with which a call panics.
fn rejection(call: impl FnOnce() -> Tensor + UnwindSafe) -> String {
    let panic = catch_unwind(call).expect_err("the call was not rejected");
    *panic.downcast::<String>().expect("the panic holds a sentence")
}

#[test]
fn numbers_in_steps() {
    assert_eq!(Tensor::arange(2, 9, 3).to_vec::<i64>(), [2, 5, 8]);
    assert_eq!(Tensor::arange(9, 2, -3).to_vec::<i64>(), [9, 6, 3]);
    assert_eq!(Tensor::arange(2, 9, -3).shape(), [0]);
    assert_eq!(Tensor::arange(5, 5, 1).shape(), [0]);
    assert_eq!(Tensor::arange(0.0, 1.0, 0.25).to_vec::<f32>(), [0.0, 0.25, 0.5, 0.75]);
    let last = i64::MAX;
    assert_eq!(Tensor::arange(last - 2, last, 1).to_vec::<i64>(), [last - 2, last - 1]);
    assert_eq!(Tensor::arange(i64::MIN, last, last).to_vec::<i64>(), [i64::MIN, -1, last - 1]);
    assert_eq!(Tensor::linspace(-1.0, 1.0, 5).to_vec::<f32>(), [-1.0, -0.5, 0.0, 0.5, 1.0]);
    let identity = Tensor::eye(3);
    assert_eq!(identity.to_vec::<f32>(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(Tensor::eye(0).shape(), [0, 0]);
    let error = rejection(|| Tensor::arange(0, 3, 0));
    assert_eq!(error, "arange: no steps of 0 lead from 0 to 3");
}

#[test]
fn every_function_refuses_more_elements_than_can_be_counted() {
    const LARGE: usize = 1 << 40;
    let refuses = |function: &str, shape: &[usize], call: fn(Shape) -> Tensor| {
        let shape = Shape::from(shape);
        let sentence =
            format!("{function}: shape {shape} has more elements than can be counted: use less");
        assert_eq!(rejection(move || call(shape)), sentence);
    };
    for shape in [&[LARGE, LARGE][..], &[0, LARGE, LARGE], &[LARGE, LARGE, 0]] {
        refuses("full", shape, |shape| Tensor::full(shape, 2));
        refuses("full", shape, |shape| Tensor::zeros((shape, DType::Bool)));
        refuses("full", shape, |shape| Tensor::ones((shape, DType::F32, Device::shape_only())));
        refuses("rand", shape, |shape| Tensor::rand(shape, &mut Rng::new(1)));
        refuses("randn", shape, |shape| Tensor::randn(shape, &mut Rng::new(1)));
        refuses("randint", shape, |shape| Tensor::randint(0, 9, shape, &mut Rng::new(1)));
        refuses("broadcast_to", shape, |shape| Tensor::ones(()).broadcast_to(shape));
        let shape = Shape::from(shape);
        let error = rejection(move || Tensor::from_vec(Vec::<f32>::new(), shape));
        assert_eq!(error, format!("from_slice: 0 numbers do not fill shape {shape}"));
        assert_eq!(Layout::contiguous(shape).shape(), &shape);
    }
    const MOST: usize = usize::MAX;
    refuses("eye", &[LARGE, LARGE], |_| Tensor::eye(LARGE));
    refuses("linspace", &[MOST], |_| Tensor::linspace(0.0, 1.0, MOST));
    refuses("arange", &[MOST], |_| Tensor::arange(0.0, 1e300, 1.0));
    refuses("arange", &[MOST], |_| Tensor::arange(i64::MIN, i64::MAX, 1));
    // 2⁶¹ numbers can be counted, but not kept.
    let error = rejection(|| Tensor::arange(0.0, (1u64 << 61) as f64, 1.0));
    assert_eq!(error, format!("out of memory: the system did not give {} bytes", 1u64 << 63));
}

#[test]
fn ops_refuse_to_make_more_elements_than_can_be_counted() {
    const MOST: usize = usize::MAX;
    let refuses = |op: &str, call: fn(Tensor) -> Tensor| {
        for device in [Device::cpu(), Device::shape_only()] {
            let x = Tensor::ones([2, 3]).to_device(device);
            let error = rejection(move || call(x));
            let ending = "has more elements than can be counted: use less";
            assert!(
                error.starts_with(&format!("{op}: shape [")) && error.ends_with(ending),
                "{error}"
            );
        }
    };
    refuses("pad", |x| x.pad(&[(1 << 40, 0), (0, 1 << 40)], PadMode::Constant(0.0)));
    refuses("unview", |x| x.diag_embed(isize::MIN));
    refuses("unview", |x| x.diag_embed(1 << 40));
    refuses("broadcast_to", |x| x.repeat(&[1, MOST]));
    refuses("cat", |x| {
        let long = x.narrow(1, 0, 0).unsqueeze(1).broadcast_to([2, 1 << 61, 0]);
        Tensor::cat(&[long.clone(), long], 1)
    });
    assert_eq!(Tensor::ones([2, 3]).diagonal(isize::MIN, 0, 1).shape(), [0]);
    assert_eq!(Tensor::ones([2, 3]).slice(1, 0..3, isize::MAX).shape(), [2, 1]);
    assert_eq!(Tensor::ones([2, 3]).unfold(1, 2, MOST).shape(), [2, 1, 2]);
    let error = rejection(|| Tensor::ones([2, 3]).split(0, &[MOST, 3])[0].clone());
    assert!(error.ends_with("do not make an axis of 2"), "{error}");
}
