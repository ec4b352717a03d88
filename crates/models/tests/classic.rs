//! The classic models do what their papers say of them.

use gradus_models::classic::*;
use gradus_nn::losses::binary_cross_entropy_with_logits;
use gradus_nn::{Adam, AdamOptions, Layer, Module, Optimizer};
use gradus_tensor::{DType, Rng, Tensor};

fn corners() -> Tensor {
    Tensor::from([[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).to_vec()
}

#[track_caller]
fn assert_near(x: &Tensor, y: &[f64], tolerance: f64) {
    let x = numbers(x);
    assert_eq!(x.len(), y.len());
    for (x, y) in x.iter().zip(y) {
        assert!((x - y).abs() <= tolerance, "{x} is not {y}");
    }
}

#[test]
fn gates_of_mcp_neurons_have_their_tables() {
    for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_eq!(McpNeuron::and(2).fires(&[a, b]), a && b);
        assert_eq!(McpNeuron::or(2).fires(&[a, b]), a || b);
        assert_eq!(McpNeuron::nor(2).fires(&[a, b]), !(a || b));
        assert_eq!(McpNeuron::but_not().fires(&[a, b]), a && !b);
        assert_eq!(McpNeuron::not().fires(&[a]), !a);
        assert_eq!(xor(a, b), a != b);
    }
    // One inhibitory input is stronger than any number of others.
    let synapses = [vec![Synapse::Excitatory; 9], vec![Synapse::Inhibitory]].concat();
    let neuron = McpNeuron { synapses, threshold: 1 };
    assert!(neuron.fires(&[[true; 9].as_slice(), &[false]].concat()));
    assert!(!neuron.fires(&[true; 10]));
}

/// Points that vary most along a direction, with mean 0, and that direction.
fn cloud(rng: &mut Rng) -> (Tensor, [f64; 3]) {
    let wide = Tensor::randn([2000, 3], rng) * Tensor::from([2.0f32, 1.0, 0.5]);
    // An orthogonal matrix: its first row is the direction.
    let rotation = Tensor::from([[2.0f32, 2.0, 1.0], [-2.0, 1.0, 2.0], [1.0, -2.0, 2.0]]) / 3.0;
    (wide.matmul(&rotation), [2.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0])
}

#[test]
fn oja_finds_the_first_principal_component_and_hebb_grows_along_it() {
    let mut rng = Rng::new(1);
    let (x, direction) = cloud(&mut rng);
    let oja = Hebbian::new(3, HebbianRule::Oja, &mut rng);
    for rate in [0.01, 0.001] {
        oja.learn(&x, rate);
    }
    let w = numbers(&oja.weight.tensor());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    assert!((dot(&w, &w).sqrt() - 1.0).abs() < 0.02, "{w:?}");
    assert!(dot(&w, &direction).abs() > 0.995, "{w:?}");

    let hebb = Hebbian::new(3, HebbianRule::Hebb, &mut rng);
    hebb.learn(&x, 0.002);
    let w = numbers(&hebb.weight.tensor());
    let length = dot(&w, &w).sqrt();
    assert!(length > 1000.0, "{length}");
    assert!(dot(&w, &direction).abs() / length > 0.99, "{w:?}");
}

#[test]
fn a_perceptron_converges_within_the_bound_where_a_plane_separates() {
    let mut rng = Rng::new(2);
    let x = Tensor::randn([200, 3], &mut rng);
    let normal = Tensor::from([0.6f32, -0.48, 0.64]);
    let side = numbers(&x.matmul(&normal));
    // Only those that are not too near the plane.
    let kept: Vec<i64> = (0..200).filter(|&i| side[i as usize].abs() > 0.2).collect();
    let x = x.index_select(0, &Tensor::from(kept.clone()));
    let answers: Vec<bool> = kept.iter().map(|&i| side[i as usize] > 0.0).collect();

    let perceptron = Perceptron::new(3);
    let rounds = perceptron.learn(&x, &answers, 1000);
    assert_eq!(rounds.last(), Some(&0));
    assert_eq!(perceptron.predict(&x), answers);
    let longest = numbers(&x.square().sum(1)).into_iter().fold(0.0, f64::max) + 1.0;
    let bound = longest / (0.2 * 0.2);
    let mistakes: usize = rounds.iter().sum();
    assert!(mistakes > 0 && (mistakes as f64) <= bound, "{mistakes} of {bound}");
}

#[test]
fn a_perceptron_learns_and_or_but_never_xor() {
    for (answers, learnt) in [
        ([false, false, false, true], true),
        ([false, true, true, true], true),
        ([false, true, true, false], false),
    ] {
        let rounds = Perceptron::new(2).learn(&corners(), &answers, 200);
        assert_eq!(rounds.last() == Some(&0), learnt, "{answers:?}: {rounds:?}");
    }
}

#[test]
fn adaline_comes_to_the_plane_of_least_squares() {
    // That of OR, by hand: s = x + y - 1/2.
    let neuron = Adaline::new(2);
    let answers = Tensor::from([-1.0f32, 1.0, 1.0, 1.0]);
    let options = AdalineOptions { epochs: 1500, learning_rate: 0.01 };
    let errors = neuron.learn(&corners(), &answers, options, &mut Rng::new(3));
    assert_near(&neuron.weight.tensor(), &[1.0, 1.0], 0.02);
    assert_near(&neuron.bias.tensor(), &[-0.5], 0.02);
    assert!((errors[1499] - 0.25).abs() < 0.001 && errors[0] > 0.5, "{}", errors[1499]);
    // For XOR the best plane says nothing: it is 0 everywhere.
    let neuron = Adaline::new(2);
    let answers = Tensor::from([-1.0f32, 1.0, 1.0, -1.0]);
    neuron.learn(&corners(), &answers, options, &mut Rng::new(3));
    assert_near(&neuron.forward(&corners()), &[0.0; 4], 0.05);
}

#[test]
fn a_multi_layer_perceptron_learns_xor() {
    let answers = Tensor::from([0.0f32, 1.0, 1.0, 0.0]).unsqueeze(1);
    for activation in [Activation::Relu, Activation::Sigmoid, Activation::Tanh] {
        let net = Mlp::new(&[2, 8, 1], activation, &mut Rng::new(4));
        let options = AdamOptions { learning_rate: 0.05, ..Default::default() };
        let mut optimizer = Adam::new(net.params(), options);
        for _ in 0..500 {
            let loss = binary_cross_entropy_with_logits(&net.forward(&corners()), &answers);
            optimizer.step(&loss.backward());
        }
        let right = net.forward(&corners()).gt_scalar(0.0).to_vec::<bool>();
        assert_eq!(right, [false, true, true, false], "{activation:?}");
    }
}

/// Patterns of ±1, and the same with a share of the signs turned.
fn patterns(count: usize, neurons: usize, damage: f64, rng: &mut Rng) -> (Tensor, Tensor) {
    let signs = |share: f64, rng: &mut Rng| {
        let turned = Tensor::rand([count, neurons], rng).lt_scalar(share);
        1.0 - turned.to_dtype(DType::F32) * 2.0
    };
    let clean = signs(0.5, rng);
    let damaged = &clean * signs(damage, rng);
    (clean, damaged)
}

#[test]
fn a_hopfield_network_recalls_and_its_energy_never_rises() {
    let mut rng = Rng::new(5);
    let (clean, damaged) = patterns(6, 120, 0.15, &mut rng);
    let memory = Hopfield::new(120);
    memory.store(&clean);
    for row in 0..6 {
        let pattern = clean.select(0, row);
        let recall = memory.recall(&damaged.select(0, row), &mut rng);
        assert_eq!(numbers(recall.state()), numbers(&pattern), "pattern {row}");
        assert!(recall.states.len() == recall.energies.len() && recall.states.len() > 5);
        assert!(recall.energies.windows(2).all(|pair| pair[1] < pair[0]));
        for (state, energy) in recall.states.iter().zip(&recall.energies) {
            assert!((energy - memory.energy(state)).abs() < 1e-9, "{energy}");
        }
        // A pattern is at rest.
        assert_eq!(memory.recall(&pattern, &mut rng).states.len(), 1);
    }
    // Far too many patterns: few are at rest.
    let (clean, _) = patterns(60, 120, 0.0, &mut rng);
    let memory = Hopfield::new(120);
    memory.store(&clean);
    let resting =
        (0..60).filter(|&row| memory.recall(&clean.select(0, row), &mut rng).states.len() == 1);
    assert!(resting.count() < 30);
}

#[test]
#[should_panic(expected = "states must be of 1 and -1")]
fn a_hopfield_network_takes_signs_only() {
    Hopfield::new(2).store(&Tensor::from([[0.0f32, 1.0]]));
}

/// All texts of so many bits, as rows.
fn all_states(bits: usize) -> Tensor {
    let states: Vec<f64> =
        (0..1usize << bits).flat_map(|n| (0..bits).map(move |bit| (n >> bit & 1) as f64)).collect();
    Tensor::from_vec(states, [1 << bits, bits])
}

/// A machine of 4 visible and 3 hidden units in f64, with large weights.
fn tiny(rng: &mut Rng) -> Rbm {
    let rbm = Rbm::new(4, 3, rng);
    rbm.to_dtype(DType::F64);
    for param in rbm.params() {
        let shape = *param.tensor().shape();
        param.set(&Tensor::randn(shape, rng)).unwrap();
    }
    rbm
}

/// E(v, h), written out.
fn energy(rbm: &Rbm, v: &[f64], h: &[f64]) -> f64 {
    let [w, b, c] =
        [&rbm.weight, &rbm.visible_bias, &rbm.hidden_bias].map(|x| numbers(&x.tensor()));
    let mut energy = 0.0;
    for (i, v) in v.iter().enumerate() {
        energy -= b[i] * v;
    }
    for (j, h) in h.iter().enumerate() {
        energy -= c[j] * h;
        for (i, v) in v.iter().enumerate() {
            energy -= h * w[j * 4 + i] * v;
        }
    }
    energy
}

#[test]
fn the_free_energy_and_the_conditionals_of_an_rbm_are_those_of_its_energy() {
    let rbm = tiny(&mut Rng::new(6));
    let (visible, hidden) = (all_states(4), all_states(3));
    let rows = |x: &Tensor, width: usize| -> Vec<Vec<f64>> {
        numbers(x).chunks(width).map(<[f64]>::to_vec).collect()
    };
    let (vs, hs) = (rows(&visible, 4), rows(&hidden, 3));
    let free = numbers(&rbm.free_energy(&visible));
    let on = rows(&rbm.hidden(&visible), 3);
    for ((v, free), on) in vs.iter().zip(&free).zip(&on) {
        let weights: Vec<f64> = hs.iter().map(|h| (-energy(&rbm, v, h)).exp()).collect();
        let total: f64 = weights.iter().sum();
        assert!((free + total.ln()).abs() < 1e-12);
        for (j, on) in on.iter().enumerate() {
            let share: f64 = hs.iter().zip(&weights).map(|(h, weight)| h[j] * weight).sum();
            assert!((on - share / total).abs() < 1e-12);
        }
    }
    let on = rows(&rbm.visible(&hidden), 4);
    for (h, on) in hs.iter().zip(&on) {
        let weights: Vec<f64> = vs.iter().map(|v| (-energy(&rbm, v, h)).exp()).collect();
        let total: f64 = weights.iter().sum();
        for (i, on) in on.iter().enumerate() {
            let share: f64 = vs.iter().zip(&weights).map(|(v, weight)| v[i] * weight).sum();
            assert!((on - share / total).abs() < 1e-12);
        }
    }
}

/// The mean of -ln p(v), with Z by enumeration.
fn exact_loss(rbm: &Rbm, x: &Tensor) -> Tensor {
    let log_z = (-rbm.free_energy(&all_states(4))).logsumexp(..);
    rbm.free_energy(x).mean(..) + log_z
}

/// A few visible states of which some come again.
fn tiny_data() -> Tensor {
    all_states(4).index_select(0, &Tensor::from(vec![3i64, 3, 3, 12, 12, 5, 15, 0]))
}

#[test]
fn contrastive_divergence_goes_to_the_exact_gradient() {
    let mut rng = Rng::new(7);
    let (rbm, x) = (tiny(&mut rng), tiny_data());
    let exact = exact_loss(&rbm, &x).backward();

    // With every state as often as the model has it, the contrast has the exact gradient.
    let shares = numbers(&(-rbm.free_energy(&all_states(4))).softmax(0));
    let weighted = rbm.free_energy(&all_states(4)) * Tensor::from(shares);
    let contrast = rbm.free_energy(&x).mean(..) - weighted.sum(..);
    let enumerated = contrast.backward();
    for param in rbm.params() {
        let exact = numbers(param.grad(&exact).unwrap());
        assert_near(param.grad(&enumerated).unwrap(), &exact, 1e-12);
    }

    // Sampled from long chains, nearly so; by one step from the data, not.
    let distance = |negative: &mut Negative, x: &Tensor, rng: &mut Rng| {
        let sampled = rbm.contrast(x, negative, rng).backward();
        rbm.params().iter().fold(0f64, |most, param| {
            let difference = param.grad(&sampled).unwrap() - param.grad(&exact).unwrap();
            most.max(difference.abs().max(..).item::<f64>())
        })
    };
    let many = x.repeat(&[4000, 1]);
    let far = distance(&mut Negative::Data { steps: 60 }, &many, &mut rng);
    let mut chains = Negative::Chains { steps: 30, chains: many.clone() };
    distance(&mut chains, &many, &mut rng);
    let persistent = distance(&mut chains, &many, &mut rng);
    let near = distance(&mut Negative::Data { steps: 1 }, &many, &mut rng);
    assert!(far < 0.02 && persistent < 0.02, "{far} {persistent}");
    assert!(near > 0.03, "{near}");
}

#[test]
fn both_ways_of_learning_make_the_data_likelier() {
    let x = tiny_data().repeat(&[20, 1]);
    for persistent in [false, true] {
        let mut rng = Rng::new(8);
        let rbm = Rbm::new(4, 3, &mut rng);
        rbm.to_dtype(DType::F64);
        let before = exact_loss(&rbm, &x).item::<f64>();
        let options = RbmOptions { epochs: 200, batch: 20, persistent, ..Default::default() };
        let errors = rbm.learn(&x, options, &mut rng);
        let after = exact_loss(&rbm, &x).item::<f64>();
        // Nothing is below the entropy of the data, 1.494; units that know nothing of each other come
        // to 2.709.
        assert!((before - 16f64.ln()).abs() < 0.01 && after < 2.3, "{before} {after}");
        assert_eq!(errors.len(), 200);
        assert!(errors[199] < errors[0]);
    }
}

/// Pictures of 16 numbers: one of four bars, with some noise.
fn bars(count: usize, rng: &mut Rng) -> Tensor {
    let rows = Tensor::randint(0, 4, count, rng).one_hot(4).to_dtype(DType::F32);
    let bars = rows.unsqueeze(2).broadcast_to([count, 4, 4]).reshape([count, 16]);
    bars * 0.9 + Tensor::rand([count, 16], rng) * 0.1
}

#[test]
fn a_deep_belief_network_learns_layer_by_layer_and_becomes_a_network() {
    let mut rng = Rng::new(9);
    let x = bars(200, &mut rng);
    let belief = DeepBelief::new(&[16, 12, 6], &mut rng);
    let options = RbmOptions { epochs: 30, batch: 20, ..Default::default() };
    let errors = belief.pretrain(&x, options, &mut rng);
    assert_eq!(errors.len(), 2);
    for errors in &errors {
        assert!(errors[29] < 0.8 * errors[0], "{errors:?}");
    }
    let net = belief.classifier(4, &mut rng);
    let names: Vec<String> = net.named_params().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[..3], ["layers.0.weight", "layers.0.bias", "layers.1.weight"]);
    let by_hand = net.layers[2].forward(&belief.up(&x));
    assert_near(&net.forward(&x), &numbers(&by_hand), 1e-6);
    // The network is a copy: training it leaves the machines as they are.
    let before = numbers(&belief.layers[0].weight.tensor());
    net.layers[0].weight.convert(|w| w * 2.0);
    assert_eq!(numbers(&belief.layers[0].weight.tensor()), before);
}

#[test]
fn autoencoders_learn_layer_by_layer_to_undo_noise() {
    let mut rng = Rng::new(10);
    let x = bars(200, &mut rng);
    let stack = StackedAutoencoder::new(&[16, 12, 6], &mut rng);
    let options = AutoencoderOptions { epochs: 40, batch: 20, ..Default::default() };
    let errors = stack.pretrain(&x, options, &mut rng);
    for errors in &errors {
        assert!(errors[39] < errors[0], "{errors:?}");
    }
    // A bar of which a quarter is missing comes back.
    let whole = Tensor::from([[0.0f32, 1.0, 0.0, 0.0]]).t().broadcast_to([4, 4]).reshape([1, 16]);
    let hole = Tensor::from((0..16).map(|i| (i != 5) as u8 as f32).collect::<Vec<_>>());
    let layer = &stack.layers[0];
    let restored = numbers(&layer.decode(&layer.encode(&(whole * hole))).sigmoid());
    assert!(restored[5] > 0.5 && restored[9] < 0.3, "{restored:?}");
    let net = stack.classifier(4, &mut rng);
    let by_hand = net.layers[2].forward(&stack.encode(&x));
    assert_near(&net.forward(&x), &numbers(&by_hand), 1e-6);
}

#[test]
fn the_same_seed_trains_the_same_machine() {
    let train = || {
        let mut rng = Rng::new(11);
        let x = bars(60, &mut rng);
        let rbm = Rbm::new(16, 5, &mut rng);
        rbm.learn(&x, RbmOptions { epochs: 2, persistent: true, ..Default::default() }, &mut rng);
        rbm.weight.tensor().to_vec::<f32>()
    };
    assert_eq!(train(), train());
}
