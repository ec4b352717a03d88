//! Attention, positions and transformers. Masks of truth values come in PyTorch's sense, where true
//! hides.

use crate::family::Family;
use gradus::nn::{
    AdditiveAttention, Alibi, AttentionMasks, AttentionPooling, DecoderMasks, DotAttention,
    GeneralAttention, GroupedQueryAttention, GroupedQueryOptions, Layer, LearnedPositions,
    MultiheadAttention, MultiheadOptions, Rotary, RotaryStyle, Scoring, SinusoidalPositions,
    Transformer, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder,
    TransformerEncoderLayer, TransformerMasks, TransformerOptions,
};
use gradus::tensor::ops::AttentionOptions;
use gradus::tensor::{DType, Rng, Tensor};

const OTHER_SENSE: &str = "A mask of truth values is true where a query meets a key, as in \
    `F.scaled_dot_product_attention`; PyTorch's module has it the other way round.";
const BATCH_FIRST: &str = "`batch_first` is true unless said.";
const EACH_ITS_OWN: &str = "Each layer starts with values of its own; PyTorch's are copies.";

pub fn check(family: &mut Family) {
    multihead(family);
    grouped(family);
    scorings(family);
    positions(family);
    layers(family);
    models(family);
}

fn rng() -> Rng {
    Rng::new(1)
}

/// A mask in our sense, where true shows.
fn ours(mask: &Tensor) -> Tensor {
    if mask.dtype() == DType::Bool { mask.logical_not() } else { mask.clone() }
}

fn masked(mask: &Tensor) -> AttentionMasks<'_> {
    AttentionMasks { mask: Some(mask), ..Default::default() }
}

fn padded(keys: &Tensor) -> AttentionMasks<'_> {
    AttentionMasks { keys: Some(keys), ..Default::default() }
}

fn multihead(family: &mut Family) {
    let with = |options| move || MultiheadAttention::with_options(8, 2, options, &mut rng());
    let plain = MultiheadOptions::default();
    fn attend(m: &MultiheadAttention, x: &Tensor, masks: AttentionMasks<'_>) -> Vec<Tensor> {
        vec![m.attend(x, x, x, masks)]
    }
    family.row("MultiheadAttention", "nn.MultiheadAttention");
    family.differs(BATCH_FIRST);
    family.differs(OTHER_SENSE);
    family.differs("A mask for each head broadcasts to [B, H, T, S]; PyTorch's is [B · H, T, S].");
    family.differs("A query that meets no key gives zeros; PyTorch's gives NaN.");
    family.layer("self", with(plain), |m, x| vec![m.forward(&x[0])]);
    family.layer("time_first", with(MultiheadOptions { batch_first: false, ..plain }), |m, x| {
        vec![m.forward(&x[0])]
    });
    family.layer("no_bias", with(MultiheadOptions { bias: false, ..plain }), |m, x| {
        vec![m.forward(&x[0])]
    });
    family.layer("one_example", with(plain), |m, x| vec![m.forward(&x[0])]);
    for case in ["bool_mask", "float_mask"] {
        family.layer(case, with(plain), |m, x| attend(m, &x[0], masked(&ours(&x[1]))));
    }
    family.layer("mask_of_heads", with(plain), |m, x| {
        attend(m, &x[0], masked(&ours(&x[1]).reshape([2, 2, 5, 5])))
    });
    for case in ["padding", "padding_of_floats"] {
        family.layer(case, with(plain), |m, x| attend(m, &x[0], padded(&ours(&x[1]))));
    }
    let causal = AttentionMasks::causal();
    family.layer("causal", with(plain), |m, x| attend(m, &x[0], causal));
    family.layer("causal_and_padding", with(plain), |m, x| {
        attend(m, &x[0], AttentionMasks { keys: Some(&ours(&x[1])), ..causal })
    });
    family.layer("float_mask_and_padding", with(plain), |m, x| {
        let (mask, keys) = (&x[1], &ours(&x[2]));
        attend(m, &x[0], AttentionMasks { mask: Some(mask), keys: Some(keys), causal: false })
    });
    let none = AttentionMasks::default();
    family.layer("cross", with(plain), |m, x| vec![m.attend(&x[0], &x[1], &x[1], none)]);
    family.layer("key_and_value", with(plain), |m, x| vec![m.attend(&x[0], &x[1], &x[2], none)]);
    family.layer("weights", with(plain), |m, x| {
        let (y, weights) = m.attend_with_weights(&x[0], &x[1], &x[1], none);
        vec![y, weights.mean(1)]
    });
    family.layer("weights_of_heads", with(plain), |m, x| {
        let (y, weights) = m.attend_with_weights(&x[0], &x[1], &x[1], none);
        vec![y, weights]
    });
    let (key_features, value_features) = (Some(6), Some(7));
    let other = MultiheadOptions { key_features, value_features, ..plain };
    family.layer("other_features", with(other), |m, x| {
        let mask = ours(&x[3]);
        let (y, weights) = m.attend_with_weights(&x[0], &x[1], &x[2], masked(&mask));
        vec![y, weights.mean(1)]
    });
    let extra = MultiheadOptions { learned_key: true, zero_key: true, ..plain };
    family.layer("extra_keys", with(extra), |m, x| {
        let (mask, keys) = (&ours(&x[1]), &ours(&x[2]));
        let masks = AttentionMasks { mask: Some(mask), keys: Some(keys), causal: false };
        let (y, weights) = m.attend_with_weights(&x[0], &x[0], &x[0], masks);
        vec![y, weights.mean(1)]
    });
    let extra = MultiheadOptions { learned_key: true, ..plain };
    family.layer("extra_keys_causal", with(extra), |m, x| attend(m, &x[0], causal));
}

fn grouped(family: &mut Family) {
    let with = |heads: usize, groups: usize| {
        let options = GroupedQueryOptions { heads, groups, ..Default::default() };
        move || GroupedQueryAttention::new(12, options, &mut rng())
    };
    family.row("GroupedQueryAttention", "F.scaled_dot_product_attention(enable_gqa=True)");
    family.layer("grouped", with(6, 2), |m, x| vec![m.forward(&x[0])]);
    family.layer("grouped_one_query", with(6, 2), |m, x| vec![m.forward(&x[0])]);
    let causal = AttentionMasks::causal();
    family.layer("grouped_causal", with(6, 3), |m, x| vec![m.attend(&x[0], causal)]);
    family.layer("grouped_mask_of_heads", with(6, 2), |m, x| vec![m.attend(&x[0], masked(&x[1]))]);
    let rotary = Some(Rotary::default());
    let options = GroupedQueryOptions {
        heads: 3,
        groups: 1,
        rotary,
        bias: true,
        dropout: 0.0,
        head_features: None,
    };
    let make = || GroupedQueryAttention::new(12, options, &mut rng());
    family.layer("grouped_rotary", make, |m, x| vec![m.attend(&x[0], causal)]);
}

fn scorings(family: &mut Family) {
    fn run(m: &impl Scoring, x: &[Tensor], masks: AttentionMasks<'_>) -> Vec<Tensor> {
        let (y, weights) = m.attend_with_weights(&x[0], &x[1], &x[2], masks);
        vec![y, weights]
    }
    let none = AttentionMasks::default();
    family.row("AdditiveAttention", "paper: Bahdanau, Cho, Bengio 2015, A.1.2");
    let additive = || AdditiveAttention::new(4, 6, 8, &mut rng());
    family.layer("additive", additive, |m, x| run(m, x, none));
    family.layer("additive_masked", additive, |m, x| run(m, x, masked(&ours(&x[3]))));
    family.row("GeneralAttention", "paper: Luong, Pham, Manning 2015, eq. 8, general");
    let general = || GeneralAttention::new(4, 6, &mut rng());
    family.layer("general", general, |m, x| run(m, x, none));
    family.layer("general_padding", general, |m, x| run(m, x, padded(&ours(&x[3]))));
    family.row("DotAttention", "paper: Luong, Pham, Manning 2015, eq. 8, dot");
    let dot = DotAttention { scale: 0.6 };
    family.check_all("dot", |x| run(&dot, x, AttentionMasks::causal()));
    family.row("AttentionPooling", "paper: Yang et al. 2016, eq. 6 and 7");
    let pooling = || AttentionPooling::new(6, &mut rng());
    let pooled = |(y, weights)| vec![y, weights];
    family.layer("pooling", pooling, |m, x| pooled(m.pool(&x[0], None)));
    family.layer("pooling_masked", pooling, |m, x| pooled(m.pool(&x[0], Some(&ours(&x[1])))));
}

fn positions(family: &mut Family) {
    family.row("SinusoidalPositions", "paper: Vaswani et al. 2017, section 3.5");
    family.check("sinusoidal", |x| SinusoidalPositions.forward(&x[0]));
    family.check("sinusoidal_from", |x| SinusoidalPositions.add_from(1000, &x[0]));
    family.row("LearnedPositions", "nn.Embedding of positions");
    let learned = || LearnedPositions::new(9, 6, &mut rng());
    family.layer("learned", learned, |m, x| vec![m.forward(&x[0])]);
    family.layer("learned_from", learned, |m, x| vec![m.add_from(5, &x[0])]);
    family.row("Rotary", "paper: Su et al. 2021, eq. 34");
    for (style, case, case_from) in [
        (RotaryStyle::HalfSplit, "rotary", "rotary_from"),
        (RotaryStyle::Interleaved, "rotary_interleaved", "rotary_interleaved_from"),
    ] {
        family.check(case, |x| Rotary { style, ..Default::default() }.forward(&x[0]));
        family.check(case_from, |x| {
            let [turned] = Rotary { style, base: 500.0 }.rotate_from(5000, [&x[0]]);
            turned
        });
    }
    family.row("Alibi", "paper: Press, Smith, Lewis 2022, section 3");
    for (heads, case) in [(4, "alibi"), (6, "alibi_six")] {
        family.check(case, |x| {
            let bias = Alibi { heads }.bias(5, 5, 0);
            let causal = AttentionOptions { causal: true, ..Default::default() };
            x[0].scaled_dot_product_attention(&x[1], &x[2], Some(&bias), causal)
        });
    }
}

/// The settings of `SIZES`.
fn options() -> TransformerOptions {
    let (features, heads, hidden, dropout) = (4, 2, 6, 0.0);
    TransformerOptions { features, heads, hidden, dropout, ..Default::default() }
}

fn layers(family: &mut Family) {
    let encoder = |options| move || TransformerEncoderLayer::new(options, &mut rng());
    let decoder = |options| move || TransformerDecoderLayer::new(options, &mut rng());
    let first = TransformerOptions { norm_first: true, activation: Tensor::gelu, ..options() };
    family.row("TransformerEncoderLayer", "nn.TransformerEncoderLayer");
    family.differs(BATCH_FIRST);
    family.differs(OTHER_SENSE);
    family.layer("encoder_layer", encoder(options()), |m, x| vec![m.forward(&x[0])]);
    family.layer("encoder_layer_first", encoder(first), |m, x| {
        let (mask, keys) = (&ours(&x[1]), &ours(&x[2]));
        let masks = AttentionMasks { mask: Some(mask), keys: Some(keys), causal: false };
        vec![m.encode(&x[0], masks)]
    });
    let other = TransformerOptions {
        bias: false,
        batch_first: false,
        activation: Tensor::tanh,
        epsilon: 1e-3,
        ..options()
    };
    family.layer("encoder_layer_other", encoder(other), |m, x| vec![m.forward(&x[0])]);
    family.row("TransformerDecoderLayer", "nn.TransformerDecoderLayer");
    family.differs(BATCH_FIRST);
    family.differs(OTHER_SENSE);
    family.layer("decoder_layer", decoder(options()), |m, x| {
        vec![m.decode(&x[0], &x[1], DecoderMasks::default())]
    });
    family.layer("decoder_layer_first", decoder(first), |m, x| {
        let (mask, own, keys) = (&ours(&x[2]), &ours(&x[3]), &ours(&x[4]));
        let target = AttentionMasks { keys: Some(own), ..AttentionMasks::causal() };
        let memory = AttentionMasks { mask: Some(mask), keys: Some(keys), causal: false };
        vec![m.decode(&x[0], &x[1], DecoderMasks { target, memory })]
    });
}

fn models(family: &mut Family) {
    family.row("TransformerEncoder", "nn.TransformerEncoder");
    family.differs(EACH_ITS_OWN);
    let encoder = || TransformerEncoder::new(2, options(), &mut rng());
    family.layer("encoder", encoder, |m, x| vec![m.encode(&x[0], padded(&ours(&x[1])))]);
    family.row("TransformerDecoder", "nn.TransformerDecoder");
    family.differs(EACH_ITS_OWN);
    let causal = AttentionMasks::causal();
    let decoder = || TransformerDecoder::new(2, options(), &mut rng()).with_norm();
    family.layer("decoder", decoder, |m, x| {
        vec![m.decode(&x[0], &x[1], DecoderMasks { target: causal, ..Default::default() })]
    });
    family.row("Transformer", "nn.Transformer");
    family.differs(BATCH_FIRST);
    family.differs(OTHER_SENSE);
    family.layer(
        "transformer",
        || Transformer::new(2, 1, options(), &mut rng()),
        |m, x| {
            let keys = ours(&x[3]);
            let source = AttentionMasks { mask: Some(&x[2]), ..padded(&keys) };
            let masks = TransformerMasks { source, target: causal, memory: padded(&keys) };
            vec![m.forward(&x[0], &x[1], masks)]
        },
    );
}
