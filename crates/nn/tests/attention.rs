//! Attention, positions and transformers: what every layer should pass, caches, masks, dropout.

use gradus_nn::testing::check_layer;
use gradus_nn::*;
use gradus_tensor::{DType, Rng, Tensor, no_grad};

fn rng() -> Rng {
    Rng::new(5)
}

/// The largest difference of two tensors.
fn distance(x: &Tensor, y: &Tensor) -> f64 {
    assert_eq!(x.shape(), y.shape());
    (x - y).abs().max(..).to_dtype(DType::F64).item::<f64>()
}

fn small() -> TransformerOptions {
    TransformerOptions { features: 8, heads: 2, hidden: 12, ..Default::default() }
}

#[test]
fn what_every_layer_should_pass() {
    let x = Tensor::randn([2, 5, 8], &mut rng());
    let attention: &[(&str, &[usize])] = &[
        ("in_proj_weight", &[24, 8]),
        ("in_proj_bias", &[24]),
        ("out_proj.weight", &[8, 8]),
        ("out_proj.bias", &[8]),
    ];
    let make = |rng: &mut Rng| {
        let options = MultiheadOptions { dropout: 0.2, ..Default::default() };
        MultiheadAttention::with_options(8, 4, options, rng)
    };
    check_layer(make, &x, attention);
    let make = |rng: &mut Rng| {
        let rotary = Some(Rotary::default());
        let options = GroupedQueryOptions { heads: 4, rotary, dropout: 0.2, ..Default::default() };
        GroupedQueryAttention::new(8, options, rng)
    };
    let names: &[(&str, &[usize])] = &[
        ("q_proj.weight", &[8, 8]),
        ("k_proj.weight", &[4, 8]),
        ("v_proj.weight", &[4, 8]),
        ("o_proj.weight", &[8, 8]),
    ];
    check_layer(make, &x, names);
    check_layer(|rng| AttentionPooling::new(8, rng), &x, &[("score.weight", &[1, 8])]);
    check_layer(|_| SinusoidalPositions, &x, &[]);
    check_layer(|rng| LearnedPositions::new(5, 8, rng), &x, &[("weight", &[5, 8])]);
    check_layer(|_| Rotary::default(), &x, &[]);
    let rest: &[(&str, &[usize])] = &[
        ("linear1.weight", &[12, 8]),
        ("linear1.bias", &[12]),
        ("linear2.weight", &[8, 12]),
        ("linear2.bias", &[8]),
        ("norm1.weight", &[8]),
        ("norm1.bias", &[8]),
        ("norm2.weight", &[8]),
        ("norm2.bias", &[8]),
    ];
    let own = |(name, shape): &(&str, &'static [usize])| (format!("self_attn.{name}"), *shape);
    let names: Vec<_> = attention.iter().map(own).collect();
    let names = names.iter().map(|(name, shape)| (name.as_str(), *shape));
    let names: Vec<_> = names.chain(rest.iter().copied()).collect();
    check_layer(|rng| TransformerEncoderLayer::new(small(), rng), &x, &names);
    let in_layer = |i: usize| names.iter().map(move |(n, s)| (format!("layers.{i}.{n}"), *s));
    let names: Vec<_> = in_layer(0).chain(in_layer(1)).collect();
    let names: Vec<_> = names.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
    check_layer(|rng| TransformerEncoder::new(2, small(), rng), &x, &names);
}

#[test]
fn first_values_are_those_of_pytorch() {
    let attention = MultiheadAttention::new(64, 4, &mut rng());
    let largest = |x: &Param| x.tensor().abs().max(..).item::<f32>() as f64;
    let weight = attention.in_proj_weight.as_ref().unwrap();
    // Xavier's bound for [192, 64]; of so many numbers, the largest is near it.
    let bound = (6.0f64 / (192.0 + 64.0)).sqrt();
    assert!(largest(weight) <= bound && largest(weight) > 0.99 * bound);
    assert_eq!(largest(attention.in_proj_bias.as_ref().unwrap()), 0.0);
    assert_eq!(largest(attention.out_proj.bias.as_ref().unwrap()), 0.0);
    assert!(largest(&attention.out_proj.weight) <= 0.125);
    let options = TransformerOptions { features: 64, ..small() };
    let model = Transformer::new(1, 1, options, &mut rng());
    let largest = largest(&model.encoder.layers[0].linear1.weight);
    let bound = (6.0f64 / (64.0 + 12.0)).sqrt();
    assert!(largest <= bound && largest > 0.99 * bound, "{largest} for {bound}");
}

/// The output of steps over parts of these lengths, side by side.
fn in_parts(x: &Tensor, lens: &[usize], mut step: impl FnMut(&Tensor) -> Tensor) -> Tensor {
    let parts: Vec<Tensor> = x.split(1, lens).iter().map(&mut step).collect();
    Tensor::cat(&parts, 1)
}

#[test]
fn a_cache_changes_nothing() {
    let x = Tensor::randn([2, 7, 8], &mut rng());
    let causal = AttentionMasks::causal();
    for learned_key in [false, true] {
        let options = MultiheadOptions { learned_key, zero_key: learned_key, ..Default::default() };
        let attention = MultiheadAttention::with_options(8, 2, options, &mut rng());
        let whole = attention.attend(&x, &x, &x, causal);
        for lens in [&[1; 7][..], &[3, 1, 2, 1], &[7]] {
            let mut cache = KeyValueCache::new();
            let parts = in_parts(&x, lens, |x| attention.attend_next(x, causal, &mut cache));
            assert!(distance(&parts, &whole) < 1e-6);
            assert_eq!(cache.len(), 7);
        }
    }
    for style in [RotaryStyle::HalfSplit, RotaryStyle::Interleaved] {
        let rotary = Some(Rotary { style, ..Default::default() });
        let options = GroupedQueryOptions { heads: 4, rotary, ..Default::default() };
        let attention = GroupedQueryAttention::new(8, options, &mut rng());
        let whole = attention.attend(&x, causal);
        for lens in [&[1; 7][..], &[2, 4, 1]] {
            let mut cache = KeyValueCache::new();
            let parts = in_parts(&x, lens, |x| attention.attend_next(x, causal, &mut cache));
            assert!(distance(&parts, &whole) < 1e-6);
        }
    }
}

#[test]
fn a_cache_that_grows_in_place_gives_the_same_bits() {
    let x = Tensor::randn([2, 23, 8], &mut rng());
    let causal = AttentionMasks::causal();
    let attention = MultiheadAttention::new(8, 2, &mut rng());
    let options = GroupedQueryOptions { heads: 4, groups: 2, ..Default::default() };
    let grouped = GroupedQueryAttention::new(8, options, &mut rng());
    for lens in [&[1; 23][..], &[3, 1, 1, 9, 1, 2, 6]] {
        let parts = || {
            let (mut cache, mut of_groups) = (KeyValueCache::new(), KeyValueCache::new());
            in_parts(&x, lens, |x| {
                let y = attention.attend_next(x, causal, &mut cache);
                Tensor::cat(&[y, grouped.attend_next(x, causal, &mut of_groups)], -1)
            })
        };
        // Where gradients are recorded, each step makes new tensors.
        let (copied, in_place) = (parts(), no_grad(parts));
        assert!(copied.needs_grad() && !in_place.needs_grad());
        assert_eq!(copied.to_vec::<f32>(), in_place.to_vec::<f32>());
    }
}

#[test]
fn what_a_cache_gave_stays_as_it_is() {
    let numbers = |from: usize, len: usize| {
        let numbers = (from..from + 2 * len).map(|i| i as f32).collect();
        Tensor::from_vec(numbers, [1, 2, len, 1])
    };
    let (first, second, other) = (numbers(0, 3), numbers(10, 1), numbers(20, 1));
    let cat = |parts: &[&Tensor]| {
        let parts: Vec<Tensor> = parts.iter().map(|&part| part.clone()).collect();
        Tensor::cat(&parts, -2).to_vec::<f32>()
    };
    let mut cache = KeyValueCache::new();
    cache.append(&first, &first);
    let [held, _] = cache.append(&second, &second);
    let mut branch = cache.clone();
    let [keys, values] = cache.append(&other, &other);
    assert_eq!(keys.to_vec::<f32>(), cat(&[&first, &second, &other]));
    assert_eq!(values.to_vec::<f32>(), keys.to_vec::<f32>());
    let [keys, _] = branch.append(&first, &second.broadcast_to([1, 2, 3, 1]));
    assert_eq!(keys.to_vec::<f32>(), cat(&[&first, &second, &first]));
    assert_eq!(held.to_vec::<f32>(), cat(&[&first, &second]));
    assert_eq!(first.to_vec::<f32>(), numbers(0, 3).to_vec::<f32>());

    cache.truncate(4);
    assert_eq!(cache.len(), 4);
    let [keys, _] = cache.append(&second, &second);
    assert_eq!(keys.to_vec::<f32>(), cat(&[&first, &second, &second]));
    assert_eq!((cache.len(), branch.len()), (5, 7));
}

#[test]
fn a_cache_changes_nothing_in_transformers() {
    let x = Tensor::randn([2, 7, 8], &mut rng());
    let memory = Tensor::randn([2, 4, 8], &mut rng());
    let causal = AttentionMasks::causal();
    for (norm_first, batch_first) in [(false, true), (true, true), (true, false)] {
        let options = TransformerOptions { norm_first, batch_first, dropout: 0.0, ..small() };
        let turn = |x: &Tensor| if batch_first { x.clone() } else { x.transpose(0, 1) };
        let encoder = TransformerEncoder::new(2, options, &mut rng()).with_norm();
        let whole = turn(&encoder.encode(&turn(&x), causal));
        let mut cache = encoder.cache();
        let parts =
            in_parts(&x, &[2, 1, 4], |x| turn(&encoder.encode_next(&turn(x), causal, &mut cache)));
        assert!(distance(&parts, &whole) < 2e-6);

        let decoder = TransformerDecoder::new(2, options, &mut rng());
        let shown =
            Tensor::from_vec(vec![true, true, true, true, true, true, false, false], [2, 4]);
        let of_memory = AttentionMasks { keys: Some(&shown), ..Default::default() };
        let masks = DecoderMasks { target: causal, memory: of_memory };
        let whole = turn(&decoder.decode(&turn(&x), &turn(&memory), masks));
        let mut cache = decoder.cache();
        let parts = in_parts(&x, &[1; 7], |x| {
            turn(&decoder.decode_next(&turn(x), &turn(&memory), masks, &mut cache))
        });
        assert!(distance(&parts, &whole) < 2e-6);
    }
}

#[test]
fn a_cache_can_be_cut_and_reordered() {
    let x = Tensor::randn([3, 4, 8], &mut rng());
    let attention = MultiheadAttention::new(8, 2, &mut rng());
    let causal = AttentionMasks::causal();
    let whole = attention.attend(&x, &x, &x, causal);
    let mut cache = KeyValueCache::new();
    attention.attend_next(&x, causal, &mut cache);
    cache.truncate(3);
    let rows = Tensor::from(vec![2i64, 0]);
    cache.reorder(&rows);
    let next = x.narrow(1, 3, 1).index_select(0, &rows);
    let y = attention.attend_next(&next, causal, &mut cache);
    let wanted = whole.narrow(1, 3, 1).index_select(0, &rows);
    assert!(distance(&y, &wanted) < 1e-6);
    cache.clear();
    assert!(cache.is_empty());
}

#[test]
fn asking_for_weights_does_not_change_the_output() {
    let x = Tensor::randn([2, 5, 8], &mut rng());
    let mask = Tensor::rand([2, 1, 5, 5], &mut rng()).gt_scalar(0.3);
    let masks = AttentionMasks { mask: Some(&mask), ..AttentionMasks::causal() };
    let attention = MultiheadAttention::new(8, 2, &mut rng());
    let (y, weights) = attention.attend_with_weights(&x, &x, &x, masks);
    assert!(distance(&y, &attention.attend(&x, &x, &x, masks)) < 1e-6);
    let options = GroupedQueryOptions { heads: 4, ..Default::default() };
    let attention = GroupedQueryAttention::new(8, options, &mut rng());
    let (y, of_groups) = attention.attend_with_weights(&x, masks);
    assert!(distance(&y, &attention.attend(&x, masks)) < 1e-6);
    assert_eq!(of_groups.shape(), [2, 4, 5, 5]);
    // A query has weights of 1 in all, or of 0 where it meets no key.
    let meets = mask.logical_and(&causal_mask(5, 5, 0)).to_dtype(DType::F32).max(-1);
    for weights in [weights, of_groups] {
        assert!(distance(&weights.sum(-1), &meets.broadcast_to([2, weights.len_of(1), 5])) < 1e-6);
    }
}

#[test]
fn a_query_that_meets_no_key_gives_zeros_and_no_nan() {
    let x = Tensor::randn([2, 3, 8], &mut rng()).requires_grad();
    let keys = Tensor::from_vec(vec![true, true, false, false, false, false], [2, 3]);
    let masks = AttentionMasks { keys: Some(&keys), ..Default::default() };
    let attention = MultiheadAttention::new(8, 2, &mut rng());
    let (with_weights, _) = attention.attend_with_weights(&x, &x, &x, masks);
    for y in [attention.attend(&x, &x, &x, masks), with_weights] {
        let second = y.select(0, 1);
        assert!(second.to_vec::<f32>().iter().all(|&y| y == 0.0));
        let gradients = y.sum(..).backward();
        let gradient = gradients.get(&x).unwrap().to_vec::<f32>();
        assert!(gradient.iter().all(|x| x.is_finite()) && gradient[0] != 0.0);
        assert!(gradient[24..].iter().all(|&x| x == 0.0));
    }
}

#[test]
fn dropout_leaves_out_weights_in_training_only() {
    let options = MultiheadOptions { dropout: 0.25, ..Default::default() };
    let attention = MultiheadAttention::with_options(8, 2, options, &mut rng());
    let x = Tensor::randn([4, 50, 8], &mut rng());
    let weights = || attention.attend_with_weights(&x, &x, &x, AttentionMasks::default()).1;
    let trained = weights();
    let y = attention.forward(&x);
    attention.eval();
    let plain = weights();
    let left = trained.ne_scalar(0.0).to_dtype(DType::F32);
    let share = left.mean(..).item::<f32>();
    // Five standard deviations of 20,000 draws.
    assert!((share - 0.75).abs() < 0.016, "{share} of the weights are left");
    assert!(distance(&trained, &(plain * left / 0.75)) < 1e-6);
    assert!(distance(&y, &attention.forward(&x)) > 1e-3);
}

#[test]
fn rotary_positions_are_relative() {
    let (query, key) =
        (Tensor::randn([1, 1, 8], &mut rng()), Tensor::randn([1, 1, 8], &mut Rng::new(6)));
    for style in [RotaryStyle::HalfSplit, RotaryStyle::Interleaved] {
        let rotary = Rotary { style, ..Default::default() };
        let product = |query_at: usize, key_at: usize| {
            let [query] = rotary.rotate_from(query_at, [&query]);
            let [key] = rotary.rotate_from(key_at, [&key]);
            (query * key).sum(..).item::<f32>()
        };
        assert!((product(7, 3) - product(104, 100)).abs() < 1e-4);
        assert!((product(7, 3) - product(3, 3)).abs() > 1e-3);
    }
}

#[test]
fn slopes_of_alibi() {
    assert_eq!(Alibi { heads: 8 }.slopes()[..3], [0.5, 0.25, 0.125]);
    // Every second one of those of 8 heads follows those of 4.
    let slopes = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125];
    assert_eq!(Alibi { heads: 6 }.slopes(), slopes);
    // The last query of a cached step.
    let bias = Alibi { heads: 1 }.bias(1, 4, 3).to_vec::<f64>();
    assert_eq!(bias, [3.0, 2.0, 1.0, 0.0].map(|distance| -distance / 256.0));
}

#[test]
fn scores_with_a_causal_mask_and_padding() {
    let x = Tensor::randn([2, 3, 4], &mut rng());
    let keys = Tensor::from_vec(vec![true, true, true, false, true, true], [2, 3]);
    let masks = AttentionMasks { keys: Some(&keys), ..AttentionMasks::causal() };
    let (y, weights) = DotAttention::default().attend_with_weights(&x, &x, &x, masks);
    let weights = weights.to_vec::<f32>();
    assert_eq!(weights[..3], [1.0, 0.0, 0.0]);
    assert_eq!(weights[9..12], [0.0; 3]);
    assert_eq!(y.to_vec::<f32>()[12..16], [0.0; 4]);
    assert_eq!(weights[12..15], [0.0, 1.0, 0.0]);
}

#[test]
#[should_panic(expected = "MultiheadAttention: 10 features cannot be shared out among 4 heads")]
fn features_that_cannot_be_shared_out_are_refused() {
    MultiheadAttention::new(10, 4, &mut rng());
}

#[test]
#[should_panic(expected = "MultiheadAttention: masks, [3, 4] together, do not broadcast to scores")]
fn a_mask_that_does_not_fit_is_refused() {
    let x = Tensor::zeros([2, 3, 8]);
    let mask = Tensor::zeros([3, 4]);
    let masks = AttentionMasks { mask: Some(&mask), ..Default::default() };
    MultiheadAttention::new(8, 2, &mut rng()).attend(&x, &x, &x, masks);
}

#[test]
#[should_panic(
    expected = "LearnedPositions: 3 elements from position 4 on need 7 positions, not 5"
)]
fn too_few_positions_are_refused() {
    LearnedPositions::new(5, 8, &mut rng()).add_from(4, &Tensor::zeros([1, 3, 8]));
}

#[test]
#[should_panic(expected = "Rotary: 5 features do not make pairs")]
fn an_odd_number_of_features_is_not_turned() {
    Rotary::default().forward(&Tensor::zeros([2, 5]));
}
