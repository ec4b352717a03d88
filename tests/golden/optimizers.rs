//! Steps of the optimizers.

use crate::{Family, assert_close};
use gradus::nn::{Adam, AdamOptions, AdamW, Optimizer, Param, Sgd, SgdOptions};
use gradus::tensor::Tensor;

/// Follows a parameter through the steps of a case.
fn check<O: Optimizer>(family: &mut Family, case: &str, make: impl Fn(Vec<Param>) -> O) {
    family.checked.push(case.to_string());
    let get = |what| family.get(case, what).unwrap();
    let (gradients, values) = (get("gradients"), get("values"));
    let param = Param::new(get("first").clone());
    let mut optimizer = make(vec![param.clone()]);
    for step in 0..gradients.len_of(0) {
        let slice = |x: &Tensor| x.narrow(0, step, 1).squeeze(0);
        // The gradient of a sum of products is the other factor.
        let loss = (param.tensor() * slice(gradients)).sum(..);
        optimizer.step(&loss.backward());
        assert_close(&format!("step {step} of {case}"), &param.tensor(), &slice(values));
    }
}

#[test]
fn optimizers_make_pytorchs_steps() {
    let family = &mut Family::read("optimizers");
    let sgd = SgdOptions { learning_rate: 0.1, ..Default::default() };
    check(family, "sgd", |p| Sgd::new(p, sgd));
    check(family, "sgd_decay", |p| Sgd::new(p, SgdOptions { weight_decay: 0.05, ..sgd }));
    check(family, "sgd_momentum", |p| Sgd::new(p, SgdOptions { momentum: 0.9, ..sgd }));
    let nesterov = SgdOptions { momentum: 0.9, nesterov: true, weight_decay: 0.01, ..sgd };
    check(family, "sgd_nesterov", |p| Sgd::new(p, nesterov));
    let adam = AdamOptions { learning_rate: 0.05, ..Default::default() };
    check(family, "adam", |p| Adam::new(p, adam));
    let decay = AdamOptions { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weight_decay: 0.1, ..adam };
    check(family, "adam_decay", |p| Adam::new(p, decay));
    check(family, "adamw", |p| AdamW::new(p, AdamOptions { weight_decay: 0.1, ..adam }));
}
