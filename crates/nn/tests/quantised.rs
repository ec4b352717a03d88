//! Models whose matrices are kept as codes.

use gradus_nn::quantised::{load_state_dict, quantise, state_dict};
use gradus_nn::{
    AttentionMasks, Embedding, Layer, Linear, Module, TransformerEncoder, TransformerOptions,
};
use gradus_tensor::ops::{QuantiseOptions, QuantisedMatrix};
use gradus_tensor::{Rng, Tensor, no_grad};

#[derive(Debug, Module)]
struct Writer {
    words: Embedding,
    layers: TransformerEncoder,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        let options = TransformerOptions {
            features: 64,
            heads: 4,
            hidden: 128,
            dropout: 0.0,
            ..Default::default()
        };
        let model = Self {
            words: Embedding::new(50, 64, rng),
            layers: TransformerEncoder::new(2, options, rng).with_norm(),
        };
        model.eval();
        model
    }

    fn logits(&self, x: &Tensor) -> Tensor {
        let features = self.layers.encode(&self.words.forward(x), AttentionMasks::causal());
        self.words.weight.linear(&features, None)
    }
}

/// ‖x - y‖ / ‖y‖.
fn distance(x: &Tensor, y: &Tensor) -> f32 {
    ((x - y).norm(2.0, ..) / y.norm(2.0, ..)).item()
}

fn words() -> Tensor {
    Tensor::randint(0, 50, [2, 9], &mut Rng::new(3))
}

#[test]
fn a_model_of_codes_is_near_the_one_it_was_and_the_same_as_one_of_their_numbers() {
    let asymmetric = QuantiseOptions { symmetric: false, ..QuantiseOptions::four_bits() };
    for (options, most) in
        [(QuantiseOptions::default(), 0.02), (QuantiseOptions::four_bits(), 0.3), (asymmetric, 0.3)]
    {
        let (model, plain) = (Writer::new(1), Writer::new(1));
        let before = no_grad(|| model.logits(&words()));
        let report = quantise(&model, "*", options).unwrap();
        // The table, and in each layer the projections into attention, out of it, and two more.
        assert_eq!(report.len(), 1 + 2 * 4);
        assert_eq!(report[0].name, "words.weight");
        for param in &report {
            let limit = if options.bits == 8 { 0.01 } else { 0.15 };
            assert!(param.relative_error > 0.0 && param.relative_error < limit, "{param}");
            assert!(param.bytes < param.bytes_before * options.bits / 24, "{param}");
        }
        let after = no_grad(|| model.logits(&words()));
        let error = distance(&after, &before);
        assert!(error > 0.0 && error < most, "{options:?}: {error}");
        // As numbers, the codes give the same model.
        plain.load_state_dict(&model.state_dict()).unwrap();
        let error = distance(&after, &no_grad(|| plain.logits(&words())));
        assert!(error < 1e-5, "{options:?}: {error}");
    }
}

#[test]
fn codes_are_frozen_and_become_numbers_again_when_a_value_is_set() {
    let layer = Linear::new(40, 3, &mut Rng::new(1));
    let numbers = layer.weight.tensor().detach();
    let id = layer.weight.id();
    quantise(&layer, "weight", QuantiseOptions::default()).unwrap();
    assert!(layer.weight.codes().is_some() && !layer.weight.is_trainable());
    assert_eq!(layer.weight.shape(), [3, 40]);
    let x = Tensor::randn([2, 40], &mut Rng::new(2)).requires_grad();
    let gradients = layer.forward(&x).sum(..).backward();
    let wanted = layer.weight.tensor().sum(0).broadcast_to([2, 40]);
    assert!(distance(gradients.get(&x).unwrap(), &wanted) < 1e-6);
    layer.weight.set(&numbers).unwrap();
    assert!(layer.weight.codes().is_none());
    assert_eq!(layer.weight.tensor().to_vec::<f32>(), numbers.to_vec::<f32>());
    assert_eq!(layer.weight.id(), id);
}

#[test]
fn codes_are_saved_and_loaded() {
    let (model, other) = (Writer::new(1), Writer::new(2));
    let options = QuantiseOptions { symmetric: false, ..QuantiseOptions::four_bits() };
    quantise(&model, "layers.*", options).unwrap();
    let state = state_dict(&model);
    assert!(state.iter().any(|(name, _)| name == "layers.layers.0.linear1.weight.zeros"));
    assert!(state.iter().any(|(name, _)| name == "words.weight"));
    load_state_dict(&other, &state).unwrap();
    let [a, b] = [&model, &other].map(|model| no_grad(|| model.logits(&words())));
    assert_eq!(a.to_vec::<f32>(), b.to_vec::<f32>());
    // A part is missing: nothing is changed.
    let cut: Vec<_> = state.iter().filter(|(name, _)| !name.ends_with("scales")).cloned().collect();
    let third = Writer::new(3);
    let before = third.words.weight.tensor().to_vec::<f32>();
    assert!(load_state_dict(&third, &cut).is_err());
    assert_eq!(third.words.weight.tensor().to_vec::<f32>(), before);
}

#[test]
fn what_cannot_be_is_said() {
    let layer = Linear::new(4, 2, &mut Rng::new(1));
    let message = |options| quantise(&layer, "*", options).unwrap_err().to_string();
    let three = QuantiseOptions { bits: 3, ..QuantiseOptions::default() };
    assert!(message(three).contains("bits is 3"));
    let odd = QuantiseOptions { group: Some(33), ..QuantiseOptions::default() };
    assert!(message(odd).contains("group is 33"));
    let none = quantise(&layer, "nothing", QuantiseOptions::default()).unwrap_err();
    assert!(none.to_string().contains("'nothing'"));
    let infinite = Tensor::full([2, 4], f64::INFINITY);
    assert!(QuantisedMatrix::new(&infinite, QuantiseOptions::default()).is_err());
}

#[test]
fn a_group_of_zeros_stays_zeros() {
    let zeros = Tensor::zeros([2, 64]);
    for symmetric in [true, false] {
        let options = QuantiseOptions { symmetric, ..QuantiseOptions::four_bits() };
        let codes = QuantisedMatrix::new(&zeros, options).unwrap();
        assert_eq!(codes.numbers().unwrap().to_vec::<f32>(), [0.0; 128]);
    }
}
