//! Learning rates of fifty steps.

use crate::family::{Family, Part};
use gradus::nn::schedule::*;
use gradus::nn::{Optimizer, Param, Sgd, SgdOptions};
use gradus::tensor::{DType, Tensor};

const STEPS: u64 = 50;

/// Compares the learning rates and the momenta of a case.
fn follow(family: &mut Family, case: &str, schedule: impl Schedule) {
    let rates: Vec<f64> = (0..STEPS).map(|step| schedule.learning_rate(step)).collect();
    compare(family, case, "rates", rates);
    let momenta: Option<Vec<f64>> = (0..STEPS).map(|step| schedule.momentum(step)).collect();
    if let Some(momenta) = momenta {
        compare_more(family, case, "momenta", momenta);
    }
}

fn compare(family: &mut Family, case: &str, what: &str, found: Vec<f64>) {
    family.begin(case);
    compare_more(family, case, what, found);
}

fn compare_more(family: &mut Family, case: &str, what: &str, found: Vec<f64>) {
    let wanted = family.get(case, what).to_dtype(DType::F64);
    let found = Tensor::from_vec(found, *wanted.shape());
    family.compare(&format!("{what} of {case}"), &found, &wanted, Part::Forward);
}

pub fn check(family: &mut Family) {
    falling(family);
    cycles(family);
    combined(family);
    plateaus(family);
}

fn falling(family: &mut Family) {
    let start = 0.1;
    family.row("Constant", "torch.optim.lr_scheduler.ConstantLR");
    let first: Box<dyn Schedule> = Box::new(Constant(0.03));
    let then = Box::new(Constant(start));
    follow(family, "constant", Sequence { parts: vec![(first, 7)], last: then });
    family.row("Linear", "torch.optim.lr_scheduler.LinearLR");
    follow(family, "linear", Linear { start: 0.02, end: 0.09, steps: 30 });
    family.row("Step", "torch.optim.lr_scheduler.StepLR");
    follow(family, "step", Step { start, size: 7, gamma: 0.6 });
    groups(family);
    family.row("MultiStep", "torch.optim.lr_scheduler.MultiStepLR");
    follow(family, "multi_step", MultiStep { start, milestones: vec![5, 6, 30], gamma: 0.3 });
    family.row("Exponential", "torch.optim.lr_scheduler.ExponentialLR");
    follow(family, "exponential", Exponential { start, gamma: 0.93 });
    family.row("Polynomial", "torch.optim.lr_scheduler.PolynomialLR");
    follow(family, "polynomial", Polynomial { start, steps: 40, power: 2.5 });
    family.row("Noam", "paper: Vaswani 2017, eq. 3");
    follow(family, "noam", Noam { factor: 2.0, features: 512, warm_up: 12 });
    family.row("InverseSquareRoot", "paper: Raffel 2020, section 3.1.2");
    follow(family, "inverse_square_root", InverseSquareRoot { start, stay: 12 });
}

/// An optimizer's groups follow one schedule.
fn groups(family: &mut Family) {
    let param = || vec![Param::new(Tensor::zeros([1]))];
    let options = SgdOptions { learning_rate: 0.1, ..Default::default() };
    let second = SgdOptions { learning_rate: 0.03, ..options };
    let mut optimizer = Sgd::new(param(), options).group(param(), second);
    let schedule = Step { start: 0.1, size: 7, gamma: 0.6 };
    let rates = (0..STEPS).flat_map(|step| {
        optimizer.set_learning_rate(schedule.learning_rate(step));
        optimizer.learning_rates()
    });
    compare(family, "groups", "rates", rates.collect());
}

fn cycles(family: &mut Family) {
    let start = 0.1;
    family.row("Cosine", "torch.optim.lr_scheduler.CosineAnnealingLR");
    family.differs("stays at its end; PyTorch goes back up");
    follow(family, "cosine", Cosine { start, end: 0.03, steps: 49 });
    family.row("CosineRestarts", "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts");
    follow(family, "restarts", CosineRestarts { start, end: 0.03, steps: 11, growth: 1 });
    follow(family, "restarts_longer", CosineRestarts { start, end: 0.03, steps: 5, growth: 2 });

    family.row("OneCycle", "torch.optim.lr_scheduler.OneCycleLR");
    let one = OneCycle { peak: 0.4, steps: STEPS, ..Default::default() };
    follow(family, "one_cycle", one);
    let line = OneCycle {
        rise: 0.25,
        anneal: Anneal::Line,
        momentum: Some((0.7, 0.9)),
        division: 10.0,
        final_division: 100.0,
        ..one
    };
    follow(family, "one_cycle_line", line);
    follow(family, "one_cycle_three", OneCycle { three_phases: true, ..one });

    family.row("Cyclic", "torch.optim.lr_scheduler.CyclicLR");
    let cyclic = Cyclic { low: 0.01, high: 0.2, up: 7, down: 7, ..Default::default() };
    follow(family, "cyclic", Cyclic { up: 6, down: 9, ..cyclic });
    follow(family, "cyclic_halving", Cyclic { mode: CyclicMode::Halving, ..cyclic });
    let momentum = Some((0.6, 0.95));
    let mode = CyclicMode::Exponential(0.95);
    follow(family, "cyclic_exponential", Cyclic { mode, momentum, ..cyclic });
}

fn combined(family: &mut Family) {
    let start = 0.1;
    family.row("Lambda", "torch.optim.lr_scheduler.LambdaLR, MultiplicativeLR");
    follow(family, "lambda", Lambda(|step| start / (1.0 + 0.2 * step as f64)));
    follow(family, "multiplicative", Lambda(|step| start * 0.95f64.powf(step as f64)));
    family.row("Chained", "torch.optim.lr_scheduler.ChainedScheduler");
    let line = Linear { start: 0.2, end: 1.0, steps: 8 };
    let fall = Exponential { start, gamma: 0.9 };
    follow(family, "chained", Chained(vec![Box::new(line), Box::new(fall)]));
    family.row("Sequence", "torch.optim.lr_scheduler.SequentialLR");
    let steps = Box::new(Step { start, size: 4, gamma: 0.5 });
    let parts: Vec<(Box<dyn Schedule>, u64)> = vec![(Box::new(fall), 10), (steps, 15)];
    follow(family, "sequence", Sequence { parts, last: Box::new(Constant(0.01)) });
    family.row("WarmUp", "torch.optim.lr_scheduler.SequentialLR of LinearLR");
    let then = Box::new(Cosine { start, end: 0.0, steps: 39 });
    follow(family, "warm_up", WarmUp { factor: 0.1, steps: 10, then });
}

fn plateaus(family: &mut Family) {
    family.row("ReduceOnPlateau", "torch.optim.lr_scheduler.ReduceLROnPlateau");
    let plain = ReduceOnPlateauOptions::default();
    for (case, options) in [
        ("plateau", ReduceOnPlateauOptions { patience: 2, factor: 0.5, ..plain }),
        (
            "plateau_absolute",
            ReduceOnPlateauOptions {
                patience: 1,
                threshold: Threshold::Absolute(0.05),
                cooldown: 2,
                factor: 0.7,
                lowest: 0.05,
                ..plain
            },
        ),
        (
            "plateau_highest",
            ReduceOnPlateauOptions {
                goal: Goal::Highest,
                patience: 3,
                threshold: Threshold::Relative(0.02),
                factor: 0.3,
                epsilon: 1e-3,
                ..plain
            },
        ),
        (
            "plateau_highest_absolute",
            ReduceOnPlateauOptions {
                goal: Goal::Highest,
                patience: 0,
                threshold: Threshold::Absolute(0.1),
                cooldown: 1,
                factor: 0.8,
                ..plain
            },
        ),
    ] {
        let figures = family.get(case, "figures").to_vec::<f32>();
        let mut plateau = ReduceOnPlateau::new(options);
        let mut rate = 0.1;
        let rates = figures.into_iter().map(|figure| {
            rate = plateau.step(figure as f64, rate);
            rate
        });
        compare(family, case, "rates", rates.collect());
    }
}
