//! Layers that are computed again when gradients pass.

use gradus_nn::testing::check_layer;
use gradus_nn::*;
use gradus_tensor::autograd::BackwardOptions;
use gradus_tensor::{Rng, Tensor, memory};

/// Four blocks with dropout and normalisation; `wrap` may have them computed again.
fn model(wrap: bool) -> Sequential {
    let mut rng = Rng::new(3);
    let mut model = Sequential::new();
    for _ in 0..4 {
        let block = Sequential::new()
            .then(Linear::new(64, 64, &mut rng))
            .then(BatchNorm1d::new(64))
            .then(Gelu)
            .then(Dropout::new(0.3, &mut rng));
        model = match wrap {
            true => model.then(Recompute::new(block)),
            false => model.then(block),
        };
    }
    model
}

fn bits(x: &Tensor) -> Vec<u32> {
    x.to_vec::<f32>().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn gradients_streams_and_running_means_are_the_same_bits() {
    let x = Tensor::randn([8, 64], &mut Rng::new(1)).requires_grad();
    let run = |wrap| {
        let model = model(wrap);
        let mut seen = vec![];
        for _ in 0..2 {
            let gradients = model.forward(&x).square().sum(..).backward();
            assert!(model.unreached(&gradients).is_empty());
            seen.push(bits(gradients.get(&x).unwrap()));
            for (_, param) in model.named_params() {
                seen.push(bits(param.grad(&gradients).unwrap()));
            }
        }
        let state = model.state_dict().into_iter().filter(|(_, x)| x.dtype().is_float());
        seen.extend(state.map(|(_, x)| bits(&x)));
        (seen, model.named_streams())
    };
    assert!(run(true) == run(false));
}

#[test]
fn less_is_kept_for_the_gradient() {
    let x = Tensor::randn([4096, 64], &mut Rng::new(1));
    let kept = |wrap| {
        let model = model(wrap);
        let before = memory::usage().live_bytes;
        let output = model.forward(&x);
        let kept = memory::usage().live_bytes - before;
        drop(output);
        kept
    };
    // One activation is 1 MiB. Other tests of this file use far less than that.
    let (whole, segments) = (kept(false), kept(true));
    assert!(segments * 2 < whole, "{segments} of {whole} bytes are kept");
    assert!(segments <= 6 << 20, "{segments} bytes are kept");
}

#[test]
fn gradients_can_be_derived_again() {
    let mut rng = Rng::new(2);
    let layer = || Sequential::new().then(Linear::new(3, 3, &mut Rng::new(5))).then(Tanh);
    let x = Tensor::randn([2, 3], &mut rng).requires_grad();
    let penalty = |layer: &dyn Layer| {
        let options = BackwardOptions { create_graph: true, ..Default::default() };
        let first = layer.forward(&x.square()).sum(..).backward_with(options);
        let gradients = first.get(&x).unwrap().square().sum(..).backward();
        let mut all = vec![bits(gradients.get(&x).unwrap())];
        all.extend(layer.params().iter().map(|p| bits(p.grad(&gradients).unwrap())));
        all
    };
    assert_eq!(penalty(&Recompute::new(layer())), penalty(&layer()));
}

#[test]
fn a_recomputed_layer_is_a_layer() {
    let x = Tensor::randn([4, 3], &mut Rng::new(1));
    let make = |rng: &mut Rng| Recompute::new(Linear::new(3, 2, rng));
    check_layer(make, &x, &[("weight", &[2, 3]), ("bias", &[2])]);
}
