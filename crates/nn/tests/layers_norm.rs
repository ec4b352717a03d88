//! Normalising layers: names, and values computed by hand.

use gradus_nn::testing::check_layer;
use gradus_nn::{
    BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormOptions, GroupNorm, InstanceNorm1d,
    InstanceNorm2d, InstanceNorm3d, InstanceNormOptions, Layer, LayerNorm, LocalResponseNorm,
    Module, Relu, RmsNorm, Sequential,
};
use gradus_tensor::{DType, Device, Rng, Tensor, no_grad};

fn randn(shape: &[usize]) -> Tensor {
    Tensor::randn(shape, &mut Rng::new(7))
}

#[track_caller]
fn assert_near(value: &Tensor, wanted: &[f64]) {
    let value = value.to_dtype(DType::F64).to_vec::<f64>();
    assert_eq!(value.len(), wanted.len());
    for (value, wanted) in value.iter().zip(wanted) {
        assert!((value - wanted).abs() <= 1e-4 * wanted.abs().max(1.0), "{value} is not {wanted}");
    }
}

/// The sentence a mistake leads to.
fn complaint(mistake: impl FnOnce() + std::panic::UnwindSafe) -> String {
    *std::panic::catch_unwind(mistake).unwrap_err().downcast::<String>().unwrap()
}

const BATCH_NORM_3: [(&str, &[usize]); 5] = [
    ("weight", &[3]),
    ("bias", &[3]),
    ("running_mean", &[3]),
    ("running_var", &[3]),
    ("num_batches_tracked", &[]),
];

#[test]
fn layers_are_as_they_should_be() {
    check_layer(|_| BatchNorm1d::new(3), &randn(&[5, 3]), &BATCH_NORM_3);
    check_layer(|_| BatchNorm1d::new(3), &randn(&[5, 3, 4]), &BATCH_NORM_3);
    check_layer(|_| BatchNorm2d::new(3), &randn(&[2, 3, 4, 5]), &BATCH_NORM_3);
    check_layer(|_| BatchNorm3d::new(3), &randn(&[2, 3, 2, 4, 5]), &BATCH_NORM_3);
    let plain = BatchNormOptions { affine: false, ..Default::default() };
    check_layer(|_| BatchNorm1d::with_options(3, plain), &randn(&[5, 3]), &BATCH_NORM_3[2..]);
    let names: [(&str, &[usize]); 2] = [("weight", &[4, 5]), ("bias", &[4, 5])];
    check_layer(|_| LayerNorm::new([4, 5]), &randn(&[2, 3, 4, 5]), &names);
    check_layer(|_| LayerNorm::new([4, 5]).without_bias(), &randn(&[4, 5]), &names[..1]);
    check_layer(|_| LayerNorm::new(5).without_affine(), &randn(&[4, 5]), &[]);
    check_layer(|_| RmsNorm::new(5), &randn(&[2, 3, 5]), &[("weight", &[5])]);
    let names: [(&str, &[usize]); 2] = [("weight", &[6]), ("bias", &[6])];
    check_layer(|_| GroupNorm::new(3, 6), &randn(&[2, 6, 4, 5]), &names);
    check_layer(|_| GroupNorm::new(3, 6).without_affine(), &randn(&[2, 6, 4]), &[]);
    check_layer(|_| InstanceNorm1d::new(6), &randn(&[2, 6, 9]), &[]);
    check_layer(|_| InstanceNorm2d::new(6), &randn(&[2, 6, 4, 5]), &[]);
    check_layer(|_| InstanceNorm3d::new(6), &randn(&[2, 6, 2, 4, 3]), &[]);
    let all = InstanceNormOptions { affine: true, track_running_stats: true, ..Default::default() };
    check_layer(|_| InstanceNorm1d::with_options(3, all), &randn(&[2, 3, 9]), &BATCH_NORM_3);
    check_layer(|_| InstanceNorm2d::with_options(3, all), &randn(&[2, 3, 4, 5]), &BATCH_NORM_3);
    check_layer(|_| InstanceNorm3d::with_options(3, all), &randn(&[2, 3, 2, 4, 5]), &BATCH_NORM_3);
    check_layer(|_| LocalResponseNorm::new(3), &randn(&[2, 5, 4, 3]), &[]);
    check_layer(|_| LocalResponseNorm::new(2), &randn(&[2, 5, 4]), &[]);
}

#[test]
fn batch_norm_trains_by_the_batch_and_evaluates_by_the_running_statistics() {
    let layer = BatchNorm1d::new(2);
    let set = |name: &str, numbers: [f32; 2]| {
        let (_, param) = layer.named_params().into_iter().find(|(n, _)| n == name).unwrap();
        param.set(&Tensor::from_slice(&numbers, 2)).unwrap();
    };
    set("weight", [2.0, 1.0]);
    set("bias", [0.5, 0.0]);
    // Channel 0: mean 2, variance 1; channel 1: mean 10, variance 4. Unbiased: 4/3 of those.
    let x = Tensor::from_slice(&[1f32, 8.0, 3.0, 12.0, 1.0, 8.0, 3.0, 12.0], [4, 2]);
    let y = layer.forward(&x);
    assert_near(&y, &[-1.5, -1.0, 2.5, 1.0, -1.5, -1.0, 2.5, 1.0]);
    assert_near(&layer.running_mean.tensor(), &[0.2, 1.0]);
    assert_near(&layer.running_var.tensor(), &[0.9 + 0.4 / 3.0, 0.9 + 1.6 / 3.0]);
    assert_eq!(layer.num_batches_tracked.tensor().item::<i64>(), 1);
    assert_eq!(layer.running_mean.tensor().dtype(), DType::F32);

    layer.eval();
    layer.running_mean.set(&Tensor::from_slice(&[1f32, 2.0], 2)).unwrap();
    layer.running_var.set(&Tensor::from_slice(&[4f32, 0.25], 2)).unwrap();
    let y = layer.forward(&Tensor::from_slice(&[3f32, 3.0], [1, 2]));
    assert_near(&y, &[2.0 * 1.0 + 0.5, 2.0]);
    assert_eq!(layer.num_batches_tracked.tensor().item::<i64>(), 1);
}

#[test]
fn batch_norm_without_momentum_keeps_the_mean_of_all_batches() {
    let options = BatchNormOptions { momentum: None, ..Default::default() };
    let layer = BatchNorm2d::with_options(1, options);
    for numbers in [[1f32, 3.0], [6.0, 8.0], [2.0, 4.0]] {
        no_grad(|| layer.forward(&Tensor::from_slice(&numbers, [1, 1, 1, 2])));
    }
    assert_near(&layer.running_mean.tensor(), &[4.0]);
    assert_near(&layer.running_var.tensor(), &[2.0]);
    assert_eq!(layer.num_batches_tracked.tensor().item::<i64>(), 3);
}

#[test]
fn a_training_pass_without_numbers_changes_nothing() {
    let layer = BatchNorm1d::new(2);
    let nowhere = Tensor::zeros([4, 2]).to_device(Device::shape_only());
    assert_eq!(layer.forward(&nowhere).shape(), [4, 2]);
    assert_eq!(layer.forward(&Tensor::zeros([0, 2])).shape(), [0, 2]);
    assert_near(&layer.running_var.tensor(), &[1.0, 1.0]);
    assert_eq!(layer.num_batches_tracked.tensor().item::<i64>(), 0);
}

#[test]
fn parts_of_an_element_are_normalised() {
    let x = Tensor::from_slice(&[1f32, 3.0, 10.0, 14.0], [1, 4]);
    let y = LayerNorm::new(2).forward(&x.reshape([2, 2]));
    assert_near(&y, &[-1.0, 1.0, -1.0, 1.0]);
    let y = GroupNorm::new(2, 4).forward(&x);
    assert_near(&y, &[-1.0, 1.0, -1.0, 1.0]);
    let y = InstanceNorm2d::new(2).forward(&x.reshape([1, 2, 2, 1]));
    assert_near(&y, &[-1.0, 1.0, -1.0, 1.0]);
    // The mean square of 1 and 7 is 25.
    let y = RmsNorm::new(2).forward(&Tensor::from_slice(&[1f32, 7.0], [1, 2]));
    assert_near(&y, &[0.2, 1.4]);
}

#[test]
fn instance_norm_evaluates_by_the_running_statistics() {
    let options = InstanceNormOptions { track_running_stats: true, ..Default::default() };
    let layer = InstanceNorm1d::with_options(1, options);
    // Means 2 and 6, unbiased variances 2 and 8.
    let x = Tensor::from_slice(&[1f32, 3.0, 4.0, 8.0], [2, 1, 2]);
    assert_near(&layer.forward(&x), &[-1.0, 1.0, -1.0, 1.0]);
    let buffer = |name: &str| {
        layer.state_dict().into_iter().find(|(own, _)| own == name).map(|(_, value)| value).unwrap()
    };
    assert_near(&buffer("running_mean"), &[0.4]);
    assert_near(&buffer("running_var"), &[0.9 + 0.5]);
    layer.eval();
    assert_near(&layer.forward(&x).narrow(0, 0, 1), &[0.6 / 1.4f64.sqrt(), 2.6 / 1.4f64.sqrt()]);
    assert_near(&buffer("running_mean"), &[0.4]);
}

#[test]
fn neighbouring_channels_share_the_response() {
    let layer = LocalResponseNorm { size: 3, alpha: 3.0, beta: 1.0, k: 2.0 };
    let y = layer.forward(&Tensor::from_slice(&[1f32, 2.0, 3.0], [1, 3, 1]));
    // The sums of squares are 5, 14 and 13.
    assert_near(&y, &[1.0 / 7.0, 2.0 / 16.0, 3.0 / 15.0]);
}

#[test]
fn layers_say_what_they_take() {
    let message = complaint(|| drop(InstanceNorm2d::new(3).forward(&Tensor::zeros([5, 3]))));
    assert_eq!(message, "InstanceNorm2d: takes [B, C, H, W], not [5, 3]");
    let message = complaint(|| drop(LocalResponseNorm::new(3).forward(&Tensor::zeros([5, 3]))));
    assert_eq!(message, "LocalResponseNorm: takes [B, C, …] and a size above 0, not [5, 3] and 3");
    let message = complaint(|| drop(BatchNorm2d::new(3).forward(&Tensor::zeros([5, 3]))));
    assert_eq!(message, "BatchNorm2d: takes [B, C, H, W], not [5, 3]");
    let message = complaint(|| drop(BatchNorm1d::new(3).forward(&Tensor::zeros([1, 3]))));
    assert_eq!(
        message,
        "batch_norm_training: an input [1, 3] has one number a channel, which has no variance: \
         train with larger batches, or evaluate"
    );
    let message = complaint(|| drop(BatchNorm1d::new(3).forward(&Tensor::zeros([5, 4]))));
    assert_eq!(message, "batch_norm_training: an input [5, 4] wants a weight [4], not [3]");
    let message = complaint(|| drop(LayerNorm::new(3).forward(&Tensor::zeros([5, 4]))));
    assert_eq!(message, "layer_norm: an input of shape [5, 4] does not end with the axes [3]");
    let message = complaint(|| drop(GroupNorm::new(4, 6)));
    assert_eq!(message, "GroupNorm: 6 channels do not make 4 groups");
}

#[test]
fn what_a_batch_norm_does_in_one_pass_is_what_comes_after_it() {
    let [x, z] = [1, 2].map(|seed| Tensor::randn([4, 3, 5, 6], &mut Rng::new(seed)));
    let weight = Tensor::from_vec(vec![0.5f32, -1.0, 2.0], 3);
    let norm = || {
        let norm = BatchNorm2d::new(3);
        norm.weight.as_ref().unwrap().set(&weight).unwrap();
        norm
    };
    type Run<'a> = Box<dyn Fn(&BatchNorm2d, &Tensor) -> Tensor + 'a>;
    let pairs: [(Run<'_>, Run<'_>); 2] = [
        (Box::new(|norm, x| norm.forward_relu(x)), Box::new(|norm, x| norm.forward(x).relu())),
        (
            Box::new(|norm, x| norm.forward_add_relu(x, &z)),
            Box::new(|norm, x| (norm.forward(x) + &z).relu()),
        ),
    ];
    for (together, apart) in pairs {
        for training in [true, false] {
            let [found, wanted] = [together.as_ref(), apart.as_ref()].map(|run| {
                let (norm, x) = (norm(), x.requires_grad());
                if !training {
                    norm.eval();
                }
                let y = run(&norm, &x);
                let gradients = y.square().sum(..).backward();
                let by_x = gradients.get(&x).unwrap().to_vec::<f32>();
                (y.to_vec::<f32>(), by_x, norm.running_mean.tensor().to_vec::<f32>())
            });
            assert_eq!(found, wanted, "training: {training}");
        }
    }
    // In a sequence a batch norm does the ReLU behind it.
    let sequence = Sequential::new().then(norm()).then(Relu).then(Relu);
    assert_eq!(sequence.forward(&x).to_vec::<f32>(), norm().forward(&x).relu().to_vec::<f32>());
}
