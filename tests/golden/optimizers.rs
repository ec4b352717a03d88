//! Steps of the optimizers.

use crate::family::{Family, Part};
use gradus::nn::*;
use gradus::tensor::{DType, Tensor};

/// Element `index` of the first axis.
fn at(x: &Tensor, index: usize) -> Tensor {
    x.narrow(0, index, 1).squeeze(0)
}

/// The parameters of a case, as they are before the first step.
fn first(family: &Family, case: &str, dtype: DType) -> Vec<Param> {
    ["first0", "first1"].map(|what| Param::new(family.get(case, what).to_dtype(dtype))).into()
}

/// Compares the parameters with what they should be after a step.
fn compare(family: &mut Family, case: &str, step: usize, params: &[Param]) {
    for (index, param) in params.iter().enumerate() {
        let wanted = at(family.get(case, &format!("values{index}")), step);
        let what = format!("parameter {index} after step {step} of {case}");
        family.compare(&what, &param.tensor(), &wanted, Part::Forward);
    }
}

/// Follows two parameters through the steps of a case, with given gradients.
fn follow<O: Optimizer>(family: &mut Family, case: &str, make: impl Fn(Vec<Param>) -> O) {
    follow_to(family, case, make, |_, _| ());
}

/// As [`follow`], with a look at what the optimizer remembers in the end.
fn follow_to<O: Optimizer>(
    family: &mut Family,
    case: &str,
    make: impl Fn(Vec<Param>) -> O,
    end: impl Fn(&mut Family, &O),
) {
    family.begin(case);
    for dtype in [DType::F32, DType::F64] {
        let params = first(family, case, dtype);
        let gradients =
            ["gradients0", "gradients1"].map(|what| family.get(case, what).to_dtype(dtype));
        let mut optimizer = make(params.clone());
        for step in 0..gradients[0].len_of(0) {
            // The gradient of a sum of products is the other factor.
            let terms = params.iter().zip(&gradients);
            let loss = terms.map(|(param, g)| (param.tensor() * at(g, step)).sum(..));
            optimizer.step(&loss.reduce(|a, b| a + b).unwrap().backward());
            compare(family, case, step, &params);
        }
        end(family, &optimizer);
    }
}

/// As [`follow`], for each parameter in a group of its own.
fn groups<O: Optimizer, S>(
    family: &mut Family,
    case: &str,
    (new, group): (impl Fn(Vec<Param>, S) -> O, impl Fn(O, Vec<Param>, S) -> O),
    options: impl Fn() -> [S; 2],
) {
    follow(family, case, |mut params| {
        let second = params.split_off(1);
        let [a, b] = options();
        group(new(params, a), second, b)
    });
}

pub fn check(family: &mut Family) {
    descent(family);
    adam(family);
    more_adams(family);
    adaptive(family);
    large_batches(family);
    matrices(family);
    around_others(family);
    with_losses(family);
}

fn descent(family: &mut Family) {
    let sgd = SgdOptions { learning_rate: 0.1, ..Default::default() };
    let momentum = SgdOptions { momentum: 0.9, ..sgd };
    family.row("Sgd", "torch.optim.SGD");
    follow(family, "sgd", |p| Sgd::new(p, sgd));
    follow(family, "sgd_decay", |p| Sgd::new(p, SgdOptions { weight_decay: 0.05, ..sgd }));
    follow(family, "sgd_momentum", |p| Sgd::new(p, momentum));
    let dampened = SgdOptions { momentum: 0.8, dampening: 0.3, maximize: true, ..sgd };
    follow(family, "sgd_dampening", |p| Sgd::new(p, dampened));
    let nesterov = SgdOptions { nesterov: true, weight_decay: 0.01, ..momentum };
    follow(family, "sgd_nesterov", |p| Sgd::new(p, nesterov));
    let both = || {
        [
            SgdOptions { weight_decay: 0.1, ..momentum },
            SgdOptions { learning_rate: 0.02, ..momentum },
        ]
    };
    groups(family, "sgd_groups", (Sgd::new, Sgd::group), both);

    family.row("Asgd", "torch.optim.ASGD");
    family.differs("keeps η and μ in f64; PyTorch in its default type");
    let asgd = AsgdOptions { learning_rate: 0.1, ..Default::default() };
    follow(family, "asgd", |p| Asgd::new(p, asgd));
    let average = AsgdOptions {
        lambda: 0.1,
        alpha: 0.5,
        start: 3.0,
        weight_decay: 0.1,
        maximize: true,
        ..asgd
    };
    follow_to(
        family,
        "asgd_average",
        |p| Asgd::new(p, average),
        |family, optimizer| {
            let state = optimizer.state_dict();
            for index in 0..2 {
                let name = format!("{index}.ax");
                let found = state.iter().find(|(own, _)| *own == name).unwrap();
                let wanted = family.get("asgd_average", &format!("average{index}")).clone();
                family.compare(&name, &found.1, &wanted, Part::Forward);
            }
        },
    );

    family.row("Rprop", "torch.optim.Rprop");
    let rprop = RpropOptions { learning_rate: 0.1, ..Default::default() };
    follow(family, "rprop", |p| Rprop::new(p, rprop));
    let bounds = RpropOptions {
        shrink: 0.3,
        grow: 1.5,
        smallest: 0.05,
        largest: 0.2,
        maximize: true,
        ..rprop
    };
    follow(family, "rprop_bounds", |p| Rprop::new(p, bounds));
}

fn adam(family: &mut Family) {
    let adam = AdamOptions { learning_rate: 0.05, ..Default::default() };
    let ams = AdamOptions { beta1: 0.8, beta2: 0.6, amsgrad: true, ..adam };
    family.row("Adam", "torch.optim.Adam");
    follow(family, "adam", |p| Adam::new(p, adam));
    let decay = AdamOptions { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weight_decay: 0.1, ..adam };
    follow(family, "adam_decay", |p| Adam::new(p, decay));
    let decoupled = AdamOptions { weight_decay: 0.1, decoupled: true, maximize: true, ..adam };
    follow(family, "adam_decoupled", |p| Adam::new(p, decoupled));
    follow(family, "adam_amsgrad", |p| Adam::new(p, ams));

    family.row("AdamW", "torch.optim.AdamW");
    follow(family, "adamw", |p| AdamW::new(p, AdamOptions { weight_decay: 0.1, ..adam }));
    let ams = AdamOptions { weight_decay: 0.01, maximize: true, ..ams };
    follow(family, "adamw_amsgrad", |p| AdamW::new(p, ams));
    let both = || {
        [
            AdamOptions { weight_decay: 0.1, ..adam },
            AdamOptions { learning_rate: 0.2, beta1: 0.5, beta2: 0.9, ..adam },
        ]
    };
    groups(family, "adamw_groups", (AdamW::new, AdamW::group), both);
}

fn more_adams(family: &mut Family) {
    family.row("NAdam", "torch.optim.NAdam");
    family.differs("keeps the product of momenta in f64; PyTorch in its default type");
    let nadam = NAdamOptions { learning_rate: 0.05, ..Default::default() };
    follow(family, "nadam", |p| NAdam::new(p, nadam));
    let decay = NAdamOptions {
        beta1: 0.8,
        beta2: 0.95,
        epsilon: 1e-6,
        weight_decay: 0.1,
        momentum_decay: 0.1,
        ..nadam
    };
    follow(family, "nadam_decay", |p| NAdam::new(p, decay));
    let decoupled = NAdamOptions { weight_decay: 0.1, decoupled: true, maximize: true, ..nadam };
    follow(family, "nadam_decoupled", |p| NAdam::new(p, decoupled));

    family.row("RAdam", "torch.optim.RAdam");
    let radam = RAdamOptions { learning_rate: 0.05, ..Default::default() };
    follow(family, "radam", |p| RAdam::new(p, radam));
    let early = RAdamOptions { beta1: 0.8, beta2: 0.9, epsilon: 1e-6, weight_decay: 0.1, ..radam };
    follow(family, "radam_early", |p| RAdam::new(p, early));
    let decoupled = RAdamOptions { weight_decay: 0.1, decoupled: true, maximize: true, ..radam };
    follow(family, "radam_decoupled", |p| RAdam::new(p, decoupled));

    family.row("Adamax", "torch.optim.Adamax");
    let adamax = AdamaxOptions { learning_rate: 0.05, ..Default::default() };
    follow(family, "adamax", |p| Adamax::new(p, adamax));
    let decay = AdamaxOptions {
        beta1: 0.8,
        beta2: 0.5,
        epsilon: 1e-3,
        weight_decay: 0.1,
        maximize: true,
        ..adamax
    };
    follow(family, "adamax_decay", |p| Adamax::new(p, decay));

    family.row("AdaBelief", "paper: Zhuang 2020, algorithm 2");
    let belief = AdaBeliefOptions { learning_rate: 0.05, ..Default::default() };
    follow(family, "adabelief", |p| AdaBelief::new(p, belief));
    let decay =
        AdaBeliefOptions { beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weight_decay: 0.1, ..belief };
    follow(family, "adabelief_decay", |p| AdaBelief::new(p, decay));
    let decoupled =
        AdaBeliefOptions { weight_decay: 0.1, decoupled: true, maximize: true, ..belief };
    follow(family, "adabelief_decoupled", |p| AdaBelief::new(p, decoupled));

    family.row("Lion", "paper: Chen 2023, algorithm 2");
    let lion = LionOptions { learning_rate: 0.05, ..Default::default() };
    follow(family, "lion", |p| Lion::new(p, lion));
    let decay = LionOptions { beta1: 0.8, beta2: 0.9, weight_decay: 0.1, maximize: true, ..lion };
    follow(family, "lion_decay", |p| Lion::new(p, decay));
}

fn adaptive(family: &mut Family) {
    family.row("Adagrad", "torch.optim.Adagrad");
    let adagrad = AdagradOptions { learning_rate: 0.1, ..Default::default() };
    follow(family, "adagrad", |p| Adagrad::new(p, adagrad));
    let decay = AdagradOptions {
        learning_rate_decay: 0.2,
        weight_decay: 0.1,
        initial_accumulator: 0.5,
        epsilon: 1e-3,
        maximize: true,
        ..adagrad
    };
    follow(family, "adagrad_decay", |p| Adagrad::new(p, decay));

    family.row("Adadelta", "torch.optim.Adadelta");
    let adadelta = AdadeltaOptions { epsilon: 1e-3, ..Default::default() };
    follow(family, "adadelta", |p| Adadelta::new(p, adadelta));
    let decay = AdadeltaOptions {
        learning_rate: 0.5,
        rho: 0.7,
        epsilon: 1e-2,
        weight_decay: 0.1,
        maximize: true,
    };
    follow(family, "adadelta_decay", |p| Adadelta::new(p, decay));

    family.row("RmsProp", "torch.optim.RMSprop");
    let rms = RmsPropOptions { learning_rate: 0.05, ..Default::default() };
    follow(family, "rmsprop", |p| RmsProp::new(p, rms));
    let momentum = RmsPropOptions { alpha: 0.9, momentum: 0.8, weight_decay: 0.1, ..rms };
    follow(family, "rmsprop_momentum", |p| RmsProp::new(p, momentum));
    let centred =
        RmsPropOptions { alpha: 0.9, epsilon: 1e-2, centred: true, maximize: true, ..rms };
    follow(family, "rmsprop_centred", |p| RmsProp::new(p, centred));
    let all = RmsPropOptions {
        learning_rate: 0.02,
        alpha: 0.8,
        epsilon: 1e-2,
        centred: true,
        momentum: 0.5,
        weight_decay: 0.1,
        maximize: false,
    };
    follow(family, "rmsprop_all", |p| RmsProp::new(p, all));
}

fn large_batches(family: &mut Family) {
    family.row("Lars", "paper: You 2017, algorithm 1");
    let lars = LarsOptions { learning_rate: 5.0, ..Default::default() };
    follow(family, "lars", |p| Lars::new(p, lars));
    let decay = LarsOptions {
        learning_rate: 1.0,
        momentum: 0.5,
        weight_decay: 0.1,
        trust: 0.02,
        maximize: true,
    };
    follow(family, "lars_decay", |p| Lars::new(p, decay));

    family.row("Lamb", "paper: You 2020, algorithm 2");
    let lamb = LambOptions { learning_rate: 0.05, ..Default::default() };
    follow(family, "lamb", |p| Lamb::new(p, lamb));
    let decay = LambOptions {
        beta1: 0.8,
        beta2: 0.95,
        epsilon: 1e-3,
        weight_decay: 0.1,
        maximize: true,
        ..lamb
    };
    follow(family, "lamb_decay", |p| Lamb::new(p, decay));
}

fn matrices(family: &mut Family) {
    family.row("Adafactor", "torch.optim.Adafactor");
    let adafactor =
        AdafactorOptions { learning_rate: 0.1, epsilon: Some(1e-3), ..Default::default() };
    follow(family, "adafactor", |p| Adafactor::new(p, adafactor));
    let all = AdafactorOptions {
        learning_rate: 0.6,
        beta2_decay: -0.5,
        epsilon: Some(1e-2),
        least_size: 0.5,
        threshold: 1.5,
        weight_decay: 0.1,
        maximize: true,
    };
    follow(family, "adafactor_all", |p| Adafactor::new(p, all));

    family.row("Muon", "torch.optim.Muon");
    family.differs("orthogonalises in the parameter's type; PyTorch rounds to bf16 there");
    let muon = MuonOptions { learning_rate: 0.1, ..Default::default() };
    follow(family, "muon", |p| Muon::new(p, muon));
    let plain = MuonOptions {
        momentum: 0.8,
        nesterov: false,
        weight_decay: 0.0,
        scale: MuonScale::MatchAdamW,
        ..muon
    };
    follow(family, "muon_plain", |p| Muon::new(p, plain));
    let coefficients = [3.0, -3.2, 1.2];
    let tall = MuonOptions { iterations: 3, coefficients, scale: MuonScale::Spectral, ..muon };
    follow(family, "muon_tall", |p| Muon::new(p, tall));
}

fn around_others(family: &mut Family) {
    family.row("Lookahead", "paper: Zhang 2019, algorithm 1");
    let momentum = SgdOptions { learning_rate: 0.1, momentum: 0.9, ..Default::default() };
    let options = LookaheadOptions { follow: 0.4, every: 3 };
    follow(family, "lookahead", |p| Lookahead::new(Sgd::new(p, momentum), options));

    family.row("AveragedWeights", "torch.optim.swa_utils.AveragedModel");
    for (case, averaging) in
        [("swa", Averaging::Mean), ("ema", Averaging::Exponential { decay: 0.8 })]
    {
        family.begin(case);
        for dtype in [DType::F32, DType::F64] {
            let get = |what| family.get(case, what).to_dtype(dtype);
            let (weights, averages) = (get("weights"), family.get(case, "averages").clone());
            let param = Param::new(Tensor::ones(([2, 3], dtype)));
            let mut average = AveragedWeights::new(vec![param.clone()], averaging);
            for step in 0..weights.len_of(0) {
                param.set(&at(&weights, step)).unwrap();
                average.update();
                let what = format!("average {step} of {case}");
                family.compare(&what, &average.averages()[0], &at(&averages, step), Part::Forward);
            }
        }
    }
}

/// Follows two parameters that make mean((tanh(W x + b) - y)²) small.
fn solve<O>(
    family: &mut Family,
    case: &str,
    make: impl Fn(Vec<Param>) -> O,
    step: impl Fn(&mut O, &mut dyn FnMut() -> Tensor) -> f64,
) {
    family.begin(case);
    for dtype in [DType::F32, DType::F64] {
        let params = first(family, case, dtype);
        let [x, y] = ["x", "y"].map(|what| family.get(case, what).to_dtype(dtype));
        let losses = family.get(case, "losses").clone();
        let mut optimizer = make(params.clone());
        for number in 0..losses.count() {
            let loss = step(&mut optimizer, &mut || {
                let output = params[0].tensor().matmul(&x) + params[1].tensor().unsqueeze(1);
                (output.tanh() - &y).square().mean(..)
            });
            let what = format!("loss {number} of {case}");
            let loss = Tensor::from(loss).to_dtype(dtype);
            family.compare(&what, &loss, &at(&losses, number), Part::Forward);
            compare(family, case, number, &params);
        }
    }
}

fn with_losses(family: &mut Family) {
    family.row("Lbfgs", "torch.optim.LBFGS");
    let plain = LbfgsOptions::default();
    let slow = LbfgsOptions { learning_rate: 0.4, iterations: 3, ..plain };
    let wolfe = LbfgsOptions { strong_wolfe: true, iterations: 2, ..plain };
    let step = |o: &mut Lbfgs, loss: &mut dyn FnMut() -> Tensor| o.step_with(loss);
    for (case, options) in [
        ("lbfgs", slow),
        ("lbfgs_history", LbfgsOptions { iterations: 4, history: 2, ..slow }),
        ("lbfgs_wolfe", wolfe),
        ("lbfgs_wolfe_far", LbfgsOptions { learning_rate: 20.0, ..wolfe }),
        ("lbfgs_wolfe_near", LbfgsOptions { learning_rate: 0.1, iterations: 1, ..wolfe }),
        ("lbfgs_uphill", LbfgsOptions { learning_rate: 0.1, maximize: true, ..slow }),
    ] {
        solve(family, case, |p| Lbfgs::new(p, options), step);
    }

    family.row("Sam", "paper: Foret 2021, algorithm 1; Kwon 2021, eq. 5");
    let momentum = SgdOptions { learning_rate: 0.5, momentum: 0.9, ..Default::default() };
    for (case, adaptive) in [("sam", false), ("sam_adaptive", true)] {
        let options = SamOptions { rho: 0.3, adaptive };
        let make = |p| Sam::new(Sgd::new(p, momentum), options);
        solve(family, case, make, |o: &mut Sam, loss| o.step_with(loss));
    }
}
