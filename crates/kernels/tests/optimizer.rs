//! Steps of optimizers in f32 on every instruction set against the portable ones in f64, whose
//! formulas are compared with PyTorch's in the golden tests, and one against a plain loop.

use gradus_kernels::optimizer::*;
use gradus_kernels::{Float, Isa, Machine};

mod numbers;

/// Not a multiple of any vector's length, and more than one task.
const COUNT: usize = 16_411;

/// Every rule, with the number of tensors that it updates.
fn rules() -> Vec<(Rule, usize)> {
    let (beta1, beta2, epsilon) = (0.9, 0.99, 1e-6);
    let adam = Adam { size: 0.3, root: 0.2, beta1, beta2, epsilon };
    let (gradient_size, mean_size) = (0.02, 0.08);
    let nadam = Nadam { gradient_size, mean_size, root: 0.2, beta1, beta2, epsilon };
    let rms = RmsProp { rate: 0.1, alpha: 0.9, epsilon, momentum: 0.0, centred: false };
    let momentum = Momentum { rate: 0.1, momentum: 0.9, share: 0.8, nesterov: true };
    vec![
        (Rule::Descent(Descent { rate: 0.1 }), 1),
        (Rule::Momentum(Momentum { nesterov: false, ..momentum }), 2),
        (Rule::Momentum(momentum), 2),
        (Rule::Adam(adam), 3),
        (Rule::Adam(adam), 4),
        (Rule::Nadam(nadam), 3),
        (Rule::Rectifying(Rectifying { size: 0.3, beta1, beta2 }), 3),
        (Rule::Belief(Belief(adam)), 3),
        (Rule::Adamax(Adamax { size: 0.3, beta1, beta2, epsilon }), 3),
        (Rule::Adagrad(Adagrad { rate: 0.1, epsilon }), 2),
        (Rule::Adadelta(Adadelta { rate: 0.1, rho: 0.9, epsilon }), 3),
        (Rule::RmsProp(rms), 2),
        (Rule::RmsProp(RmsProp { momentum: 0.9, ..rms }), 3),
        (Rule::RmsProp(RmsProp { centred: true, ..rms }), 3),
        (Rule::RmsProp(RmsProp { momentum: 0.9, centred: true, ..rms }), 4),
        (Rule::Rprop(Rprop { shrink: 0.5, grow: 1.2, smallest: 1e-3, largest: 0.5 }), 3),
        (Rule::Asgd(Asgd { rate: 0.1, share: 0.25 }), 2),
        (Rule::Lion(Lion { rate: 0.1, beta1, beta2 }), 2),
    ]
}

/// What a step makes of numbers: parameters and means in [-1, 1), squares in [0, 1).
fn run<T: Float>(on: Machine, step: Step, count: usize) -> Vec<Vec<T>> {
    let draw = |seed| numbers::numbers::<f32>(COUNT, seed);
    let convert = |x: Vec<f32>| x.into_iter().map(|x| T::from_f64(x as f64)).collect::<Vec<T>>();
    let squares = |seed| convert(draw(seed).into_iter().map(f32::abs).collect());
    let mut values = vec![convert(draw(1))];
    values.extend((2..=count).map(|index| match (step.rule, index) {
        // Centring presumes a mean square that is no smaller than the square of the mean.
        (Rule::RmsProp(_), 2) => convert(draw(2).into_iter().map(|x| x.abs() + 1.0).collect()),
        (Rule::Adagrad(_) | Rule::Adadelta(_), _) => squares(2),
        (Rule::Momentum(_) | Rule::RmsProp(_) | Rule::Lion(_) | Rule::Asgd(_), _) => {
            convert(draw(3))
        }
        (_, 2) => convert(draw(4)),
        _ => squares(index as u64),
    }));
    let mut grad = convert(draw(9));
    // An element in which everything is zero.
    for value in values.iter_mut().chain([&mut grad]) {
        value[7] = T::default();
    }
    update(on, step, [&grad[..]].into_iter(), values.iter_mut().map(|value| &mut value[..]));
    values
}

#[test]
fn every_rule_on_every_machine() {
    let exactly = Machine { isa: Isa::Portable, threads: 1 };
    for (rule, count) in rules() {
        let step = Step { scale: -1.0, added: 0.01, kept: 0.999, rule };
        let exact = run::<f64>(exactly, step, count);
        for isa in Isa::available() {
            let found = run::<f32>(Machine { isa, threads: 1 }, step, count);
            for (place, (found, exact)) in found.iter().zip(&exact).enumerate() {
                for (&found, &exact) in found.iter().zip(exact) {
                    let error = (found as f64 - exact).abs() / (1.0 + exact.abs());
                    let close = error < 16.0 * f32::EPSILON as f64;
                    assert!(close, "{rule:?}: value {place} on {isa:?} is {found}, not {exact}");
                }
            }
            let again = run::<f32>(Machine { isa, threads: 3 }, step, count);
            assert_eq!(again, found, "{rule:?} at three threads");
        }
    }
}

#[test]
fn several_parameters_at_once_are_updated_as_each_alone() {
    let lens = [1, 40_000, 0, 17, 16_384, 300];
    let draw = |seed: u64| -> Vec<Vec<f32>> {
        let numbers = |(i, &len): (usize, &usize)| numbers::numbers::<f32>(len, seed + i as u64);
        lens.iter().enumerate().map(numbers).collect()
    };
    let rule = Rule::Momentum(Momentum { rate: 0.1, momentum: 0.9, share: 0.8, nesterov: true });
    let step = Step { scale: 0.5, added: 0.01, kept: 0.999, rule };
    let grads = draw(10);
    for isa in Isa::available() {
        let (mut wanted, mut wanted_directions) = (draw(20), draw(30));
        for ((grad, p), v) in grads.iter().zip(&mut wanted).zip(&mut wanted_directions) {
            let machine = Machine { isa, threads: 1 };
            update(machine, step, [&grad[..]].into_iter(), [&mut p[..], &mut v[..]].into_iter());
        }
        for threads in [1, 2, 3] {
            let (mut found, mut directions) = (draw(20), draw(30));
            let values = found.iter_mut().zip(&mut directions);
            let values: Vec<&mut [f32]> =
                values.flat_map(|(p, v)| [&mut p[..], &mut v[..]]).collect();
            let grads = grads.iter().map(|grad| &grad[..]);
            update(Machine { isa, threads }, step, grads, values.into_iter());
            assert_eq!(found, wanted, "{isa}, {threads} threads");
            assert_eq!(directions, wanted_directions, "{isa}, {threads} threads");
        }
    }
}

#[test]
fn scale_decay_and_the_rule_come_in_order() {
    let step =
        Step { scale: -2.0, added: 0.5, kept: 0.25, rule: Rule::Descent(Descent { rate: 1.0 }) };
    let mut p = [3.0f64, 1.0];
    update(
        Machine { isa: Isa::Portable, threads: 1 },
        step,
        [&[1.0, -1.0][..]].into_iter(),
        [&mut p[..]].into_iter(),
    );
    // g = -2 · 1 + 0.5 · 3 = -0.5; p = 0.25 · 3 + 0.5.
    assert_eq!(p, [1.25, 0.25 - 2.5]);
}

#[test]
#[should_panic(expected = "updates 2 tensors")]
fn a_rule_has_its_values() {
    let step = Step::new(Rule::Lion(Lion { rate: 0.1, beta1: 0.9, beta2: 0.99 }));
    update(
        Machine { isa: Isa::Portable, threads: 1 },
        step,
        [&[1.0][..]].into_iter(),
        [&mut [1.0f32][..]].into_iter(),
    );
}
