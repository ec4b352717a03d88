//! Steps of the optimizers.

use crate::family::{Family, Part};
use gradus::nn::{Adam, AdamOptions, AdamW, Optimizer, Param, Sgd, SgdOptions};
use gradus::tensor::{DType, Tensor};

/// Follows a parameter through the steps of a case.
fn follow<O: Optimizer>(family: &mut Family, case: &str, make: impl Fn(Vec<Param>) -> O) {
    family.begin(case);
    for dtype in [DType::F32, DType::F64] {
        let get = |what| family.get(case, what).to_dtype(dtype);
        let (first, gradients) = (get("first"), get("gradients"));
        let values = family.get(case, "values").clone();
        let param = Param::new(first);
        let mut optimizer = make(vec![param.clone()]);
        for step in 0..gradients.len_of(0) {
            let slice = |x: &Tensor| x.narrow(0, step, 1).squeeze(0);
            // The gradient of a sum of products is the other factor.
            let loss = (param.tensor() * slice(&gradients)).sum(..);
            optimizer.step(&loss.backward());
            let what = format!("step {step} of {case} in {dtype}");
            family.compare(&what, &param.tensor(), &slice(&values), Part::Forward);
        }
    }
}

pub fn check(family: &mut Family) {
    let sgd = SgdOptions { learning_rate: 0.1, ..Default::default() };
    family.row("Sgd", "torch.optim.SGD");
    follow(family, "sgd", |p| Sgd::new(p, sgd));
    follow(family, "sgd_decay", |p| Sgd::new(p, SgdOptions { weight_decay: 0.05, ..sgd }));
    follow(family, "sgd_momentum", |p| Sgd::new(p, SgdOptions { momentum: 0.9, ..sgd }));
    let nesterov = SgdOptions { momentum: 0.9, nesterov: true, weight_decay: 0.01, ..sgd };
    follow(family, "sgd_nesterov", |p| Sgd::new(p, nesterov));
    let adam = AdamOptions { learning_rate: 0.05, ..Default::default() };
    family.row("Adam", "torch.optim.Adam");
    follow(family, "adam", |p| Adam::new(p, adam));
    let decay = AdamOptions { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weight_decay: 0.1, ..adam };
    follow(family, "adam_decay", |p| Adam::new(p, decay));
    family.row("AdamW", "torch.optim.AdamW");
    follow(family, "adamw", |p| AdamW::new(p, AdamOptions { weight_decay: 0.1, ..adam }));
}
