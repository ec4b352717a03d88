//! Optimizers: the settings that they take and refuse. That their steps are PyTorch's is tested
//! against its own in the golden tests.

use gradus_nn::*;
use gradus_tensor::Tensor;
use std::panic::{UnwindSafe, catch_unwind};

/// The sentence with which a mistake is refused.
fn complaint(mistake: impl FnOnce() + UnwindSafe) -> String {
    *catch_unwind(mistake).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn adamw_has_a_way_to_pytorchs_weight_decay() {
    let options = AdamOptions::adamw();
    assert_eq!(options, AdamOptions { weight_decay: 0.01, ..AdamOptions::default() });
    assert_eq!(AdamOptions::default().weight_decay, 0.0);

    let param = Param::new(Tensor::full([2], 8.0));
    let gradients = (param.tensor() * 0.0).sum(..).backward();
    AdamW::new(vec![param.clone()], options).step(&gradients);
    // p ← p - η λ p, with η = 0.001: the gradient is zero.
    let wanted = (8.0 - 0.001 * 0.01 * 8.0) as f32;
    assert_eq!(param.tensor().to_vec::<f32>(), [wanted; 2]);
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
