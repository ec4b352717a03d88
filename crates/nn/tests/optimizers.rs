//! Optimizers: what they take, refuse, save and leave alone. That their steps are PyTorch's is tested
//! against its own in the golden tests.

use gradus_nn::*;
use gradus_tensor::{DType, Gradients, Rng, Tensor};
use std::panic::{UnwindSafe, catch_unwind};

/// The sentence with which a mistake is refused.
fn complaint(mistake: impl FnOnce() + UnwindSafe) -> String {
    *catch_unwind(mistake).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn adamw_has_a_way_to_pytorchs_weight_decay() {
    let options = AdamOptions::adamw();
    let wanted = AdamOptions { weight_decay: 0.01, decoupled: true, ..AdamOptions::default() };
    assert_eq!(options, wanted);
    assert_eq!(AdamOptions::default().weight_decay, 0.0);

    let param = Param::new(Tensor::full([2], 8.0));
    let gradients = (param.tensor() * 0.0).sum(..).backward();
    AdamW::new(vec![param.clone()], options).step(&gradients);
    // p ← p - η λ p, with η = 0.001: the gradient is zero.
    let wanted = (8.0 - 0.001 * 0.01 * 8.0) as f32;
    assert_eq!(param.tensor().to_vec::<f32>(), [wanted; 2]);
}

#[test]
fn what_waits_to_be_computed_is_of_the_numbers_before_the_step() {
    // So many numbers that they are computed when they are read.
    let param = Param::new(Tensor::randn([600, 600], &mut Rng::new(2)));
    let old = param.tensor().to_vec::<f32>();
    let next = param.tensor().detach() + 1.0;
    let gradients = (param.tensor().square() * 0.5).sum(..).backward();
    let options = SgdOptions { learning_rate: 0.25, ..SgdOptions::default() };
    Sgd::new(vec![param.clone()], options).step(&gradients);
    let times = |factor: f32| old.iter().map(|x| x * factor).collect::<Vec<_>>();
    assert_eq!(param.tensor().to_vec::<f32>(), times(0.75));
    assert_eq!(next.to_vec::<f32>(), old.iter().map(|x| x + 1.0).collect::<Vec<_>>());
}

#[test]
fn clipped_gradients_are_scaled_in_the_step_to_the_same_bits() {
    // One is so large that the product would wait to be read, the other not.
    let step = |read: bool, maximize: bool| {
        let rng = &mut Rng::new(3);
        let params = [600, 3].map(|rows| Param::new(Tensor::randn([rows, 600], rng)));
        let loss = |param: &Param| (param.tensor().square() * 0.3).sum(..);
        let mut gradients = (loss(&params[0]) + loss(&params[1])).backward();
        let clip = ClipNorm { max: 0.7, p: 2.0 };
        assert!(clip_grad_norm(&params, &mut gradients, clip) > 100.0);
        if read {
            params.iter().for_each(|param| drop(param.grad(&gradients).unwrap().to_vec::<f32>()));
        }
        let options = AdamOptions { weight_decay: 0.1, maximize, ..AdamOptions::default() };
        Adam::new(params.to_vec(), options).step(&gradients);
        params.map(|param| param.tensor().to_vec::<f32>())
    };
    for maximize in [false, true] {
        assert_eq!(step(true, maximize), step(false, maximize));
    }
}

#[test]
fn sgd_refuses_settings_that_cannot_be() {
    let sgd = |options| complaint(move || drop(Sgd::new(vec![], options)));
    let plain = SgdOptions::default();
    assert_eq!(
        sgd(SgdOptions { learning_rate: -0.1, ..plain }),
        "sgd: the learning rate is -0.1: give zero or a positive number"
    );
    assert!(sgd(SgdOptions { learning_rate: f64::NAN, ..plain }).contains("rate is NaN"));
    assert!(sgd(SgdOptions { momentum: -0.9, ..plain }).contains("the momentum is -0.9"));
    assert!(sgd(SgdOptions { weight_decay: -1.0, ..plain }).contains("the weight decay is -1"));
    let nesterov = SgdOptions { nesterov: true, ..plain };
    assert_eq!(
        sgd(nesterov),
        "sgd: Nesterov's look ahead wants a positive momentum and no dampening, not a momentum of 0 \
         and a dampening of 0"
    );
    let dampened = SgdOptions { momentum: 0.9, dampening: 0.1, ..nesterov };
    assert!(sgd(dampened).contains("a dampening of 0.1"));
    Sgd::new(vec![], SgdOptions { momentum: 0.9, ..nesterov });
    Sgd::new(vec![], SgdOptions { learning_rate: 0.0, dampening: 0.5, ..plain });
}

#[test]
fn adam_refuses_settings_that_cannot_be() {
    let adam = |options| complaint(move || drop(Adam::new(vec![], options)));
    let plain = AdamOptions::default();
    assert!(adam(AdamOptions { learning_rate: -0.1, ..plain }).starts_with("adam: the learning"));
    assert!(adam(AdamOptions { epsilon: -1e-8, ..plain }).contains("the epsilon is -0.00000001"));
    assert!(adam(AdamOptions { weight_decay: -0.1, ..plain }).contains("the weight decay is -0.1"));
    assert_eq!(
        adam(AdamOptions { beta2: 1.0, ..plain }),
        "adam: a beta is 1: give a number from 0 to below 1"
    );
    let error = complaint(|| drop(AdamW::new(vec![], AdamOptions { beta1: -0.5, ..plain })));
    assert_eq!(error, "adamw: a beta is -0.5: give a number from 0 to below 1");
}

type Make = fn(Vec<Param>) -> Box<dyn Optimizer>;

/// One of each optimizer, with the settings under which it remembers most.
fn all() -> Vec<(&'static str, Make)> {
    vec![
        ("adabelief", |p| Box::new(AdaBelief::new(p, Default::default()))),
        ("adadelta", |p| Box::new(Adadelta::new(p, Default::default()))),
        ("adafactor", |p| Box::new(Adafactor::new(p, Default::default()))),
        ("adagrad", |p| Box::new(Adagrad::new(p, Default::default()))),
        ("adam", |p| Box::new(Adam::new(p, Default::default()))),
        ("amsgrad", |p| {
            Box::new(AdamW::new(p, AdamOptions { amsgrad: true, ..AdamOptions::adamw() }))
        }),
        ("adamax", |p| Box::new(Adamax::new(p, Default::default()))),
        ("asgd", |p| Box::new(Asgd::new(p, AsgdOptions { start: 2.0, ..Default::default() }))),
        ("lamb", |p| Box::new(Lamb::new(p, Default::default()))),
        ("lars", |p| Box::new(Lars::new(p, Default::default()))),
        ("lion", |p| Box::new(Lion::new(p, Default::default()))),
        ("lookahead", |p| {
            let sgd = Sgd::new(p, SgdOptions { momentum: 0.9, ..Default::default() });
            Box::new(Lookahead::new(sgd, LookaheadOptions { every: 2, ..Default::default() }))
        }),
        ("muon", |p| {
            let matrices = p.into_iter().filter(|p| p.tensor().rank() == 2);
            Box::new(Muon::new(matrices.collect(), Default::default()))
        }),
        ("nadam", |p| Box::new(NAdam::new(p, Default::default()))),
        ("radam", |p| Box::new(RAdam::new(p, RAdamOptions { beta2: 0.9, ..Default::default() }))),
        ("rmsprop", |p| {
            let options = RmsPropOptions { centred: true, momentum: 0.9, ..Default::default() };
            Box::new(RmsProp::new(p, options))
        }),
        ("rprop", |p| Box::new(Rprop::new(p, Default::default()))),
        ("sgd", |p| Box::new(Sgd::new(p, SgdOptions { momentum: 0.9, ..Default::default() }))),
    ]
}

/// Gradients of a loss of a layer's output for inputs that depend on the step.
fn gradients(layer: &Linear, step: u64) -> Gradients {
    let dtype = layer.weight.tensor().dtype();
    let x = Tensor::randn(([8, 3], dtype), &mut Rng::new(step));
    layer.forward(&x).square().mean(..).backward()
}

fn bits(layer: &Linear) -> Vec<Vec<f32>> {
    layer.params().iter().map(|p| p.tensor().to_dtype(DType::F32).to_vec()).collect()
}

fn layer() -> Linear {
    Linear::new(3, 2, &mut Rng::new(5))
}

#[test]
fn each_optimizer_goes_on_where_its_state_was_saved() {
    for (name, make) in all() {
        let (whole, first, second) = (layer(), layer(), layer());
        let mut optimizer = make(whole.params());
        (0..8).for_each(|step| optimizer.step(&gradients(&whole, step)));
        let mut optimizer = make(first.params());
        (0..4).for_each(|step| optimizer.step(&gradients(&first, step)));
        second.load_state_dict(&first.state_dict()).unwrap();
        let mut resumed = make(second.params());
        resumed.load_state_dict(&optimizer.state_dict()).unwrap();
        (4..8).for_each(|step| resumed.step(&gradients(&second, step)));
        assert_eq!(bits(&second), bits(&whole), "{name}");
        assert_ne!(bits(&second), bits(&layer()), "{name} does nothing");
    }
}

#[test]
fn each_optimizer_refuses_the_state_of_others() {
    let states: Vec<_> = all()
        .into_iter()
        .map(|(name, make)| {
            let layer = layer();
            let mut optimizer = make(layer.params());
            optimizer.step(&gradients(&layer, 0));
            (name, optimizer.state_dict())
        })
        .collect();
    for (name, make) in all() {
        for (other, state) in &states {
            let names = |state: &[(String, Tensor)]| -> Vec<String> {
                state.iter().map(|(name, x)| format!("{name} {}", x.shape())).collect()
            };
            let own = &states.iter().find(|(own, _)| *own == name).unwrap().1;
            let alike = names(own) == names(state);
            let mut optimizer = make(layer().params());
            assert_eq!(optimizer.load_state_dict(state).is_ok(), alike, "{name} takes {other}");
        }
    }
}

#[test]
fn each_optimizer_trains_in_half_precision_and_leaves_frozen_parameters_alone() {
    for (name, make) in all() {
        let half = layer();
        half.to_dtype(DType::BF16);
        let mut optimizer = make(half.params());
        (0..3).for_each(|step| optimizer.step(&gradients(&half, step)));
        assert_eq!(half.weight.tensor().dtype(), DType::BF16, "{name}");
        let finite = |row: &Vec<f32>| row.iter().all(|x| x.is_finite());
        assert!(bits(&half).iter().all(finite), "{name}");

        let layer = layer();
        let mut optimizer = make(layer.params());
        layer.weight.freeze();
        let before = layer.weight.tensor().to_vec::<f32>();
        optimizer.step(&gradients(&layer, 0));
        assert_eq!(layer.weight.tensor().to_vec::<f32>(), before, "{name}");
    }
}

#[test]
fn groups_have_options_of_their_own() {
    let (a, b) = (layer(), layer());
    let options = SgdOptions { learning_rate: 0.2, momentum: 0.5, ..Default::default() };
    let slower = SgdOptions { learning_rate: 0.05, ..options };
    let mut optimizer = Sgd::new(a.params(), options).group(b.params(), slower);
    assert_eq!(optimizer.learning_rates(), [0.2, 0.05]);
    optimizer.set_learning_rate(0.1);
    assert_eq!(optimizer.learning_rates(), [0.1, 0.025]);
    assert_eq!(optimizer.params().len(), 4);
    optimizer.set_momentum(0.75);
    assert_eq!(optimizer.momentum(), Some(0.75));
    let error = complaint({
        let mut sgd = Sgd::new(vec![], SgdOptions::default());
        move || sgd.set_momentum(0.9)
    });
    assert_eq!(error, "sgd goes without momentum: it cannot be set to 0.9");

    let twice = a.params();
    let error = complaint(move || drop(Sgd::new(twice.clone(), options).group(twice, options)));
    assert!(error.contains("was given before"), "{error}");
    let still = SgdOptions { learning_rate: 0.0, ..options };
    let error = complaint(move || drop(Sgd::new(vec![], still).group(vec![], options)));
    assert!(error.contains("which is 0"), "{error}");
    let params = a.params();
    let error = complaint(move || drop(Muon::new(params, Default::default())));
    assert!(error.contains("the shape [2]: it trains matrices only"), "{error}");
}

#[test]
fn biases_and_norms_do_not_decay() {
    let model = Sequential::new().then(layer()).then(LayerNorm::new(2));
    let (decayed, others) = split_for_decay(&model);
    assert_eq!(decayed.len(), 1);
    assert_eq!(others.len(), 3);
    assert_eq!(decayed[0].tensor().shape(), [2, 3]);

    let (norm, rest) = split_by_name(&model, "1.*");
    assert_eq!((norm.len(), rest.len()), (2, 2));
    model.freeze("1.bias");
    assert_eq!(split_by_name(&model, "1.*").0.len(), 1);
    let error = complaint(|| layer().freeze("2.*"));
    assert_eq!(error, "freeze: no parameter's name fits `2.*`: the first name is weight");
}

#[test]
fn l_bfgs_finds_the_minimum_and_goes_on_from_its_state() {
    let x = Tensor::randn([32, 3], &mut Rng::new(1));
    let y = x.matmul(&Tensor::from_vec(vec![1.0f32, -2.0, 0.5, 3.0, 0.0, 1.0], [3, 2])) + 0.5;
    let options = LbfgsOptions { strong_wolfe: true, iterations: 2, ..Default::default() };
    let loss = |layer: &Linear| losses::mse_loss(&layer.forward(&x), &y);
    let (whole, first, second) = (layer(), layer(), layer());
    let mut optimizer = Lbfgs::new(whole.params(), options);
    for _ in 0..8 {
        optimizer.step_with(|| loss(&whole));
    }
    assert!(loss(&whole).item::<f32>() < 1e-8);

    let mut optimizer = Lbfgs::new(first.params(), options);
    for _ in 0..3 {
        optimizer.step_with(|| loss(&first));
    }
    second.load_state_dict(&first.state_dict()).unwrap();
    let mut resumed = Lbfgs::new(second.params(), options);
    resumed.load_state_dict(&optimizer.state_dict()).unwrap();
    for _ in 3..8 {
        resumed.step_with(|| loss(&second));
    }
    assert_eq!(bits(&second), bits(&whole));
    let other = Linear::new(4, 2, &mut Rng::new(1));
    assert!(Lbfgs::new(other.params(), options).load_state_dict(&resumed.state_dict()).is_err());
}

#[test]
fn averaged_weights_change_places_with_the_models() {
    let layer = layer();
    let mut average = AveragedWeights::new(layer.params(), Averaging::Mean);
    let mut sgd = Sgd::new(layer.params(), SgdOptions { learning_rate: 0.5, ..Default::default() });
    for step in 0..4 {
        sgd.step(&gradients(&layer, step));
        average.update();
    }
    let last = bits(&layer);
    average.swap();
    assert_ne!(bits(&layer), last);
    average.swap();
    assert_eq!(bits(&layer), last);
    let mut loaded = AveragedWeights::new(layer.params(), Averaging::Mean);
    loaded.load_state_dict(&average.state_dict()).unwrap();
    assert_eq!((loaded.count(), loaded.averages().len()), (4, 2));
    assert!(loaded.load_state_dict(&sgd.state_dict()).is_err());
}
