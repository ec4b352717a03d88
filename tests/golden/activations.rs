//! Activations: those of the list as they are if nothing is said, then their settings, then those
//! with parameters or random numbers.

use crate::family::Family;
use gradus::nn::{
    Celu, Elu, Glu, Hardshrink, Hardtanh, Layer, LeakyRelu, LogSoftmax, Maxout, Module, PRelu,
    RRelu, Softmax, Softmin, Softplus, SoftplusUntil, Softshrink, SwiGlu, Swish, Threshold,
    activations,
};
use gradus::tensor::Rng;
use gradus::tensor::ops::GumbelOptions;

pub fn check(family: &mut Family) {
    let ends = ["Relu6", "Hardshrink", "Hardtanh", "LeakyRelu"];
    let ends = [&ends[..], &["Softshrink", "Softplus", "Mish", "Threshold"]].concat();
    for activation in activations() {
        family.row(activation.name, activation.source);
        family.check(activation.name, |x| (activation.make)().forward(&x[0]));
        if ends.contains(&activation.name) {
            let case = format!("{}_ends", activation.name);
            family.check(&case, |x| (activation.make)().forward(&x[0]));
        }
        match activation.name {
            "HardSigmoid" => {
                family.differs("PyTorch's gradient has 1/6 rounded to f32, in f64 too.")
            }
            "Celu" => family.differs("PyTorch's gradient has 1/α rounded to f32, in f64 too."),
            _ => {}
        }
        settings(family, activation.name);
    }
    with_parameters(family);
    at_random(family);
}

/// The cases of an activation with other settings.
fn settings(family: &mut Family, name: &str) {
    let (case, layer): (&str, Box<dyn Layer>) = match name {
        "Celu" => ("celu_alpha", Box::new(Celu { alpha: 0.7 })),
        "Elu" => ("elu_alpha", Box::new(Elu { alpha: 1.7 })),
        "Glu" => ("glu_axis", Box::new(Glu { axis: 1 })),
        "Hardshrink" => ("hardshrink_lambda", Box::new(Hardshrink { lambda: 1.2 })),
        "Hardtanh" => ("hardtanh_ends", Box::new(Hardtanh { min: -2.0, max: 0.5 })),
        "LeakyRelu" => ("leaky_relu_slope", Box::new(LeakyRelu { slope: 0.3 })),
        "LogSoftmax" => ("log_softmax_axis", Box::new(LogSoftmax { axis: 1 })),
        "Softmax" => ("softmax_axis", Box::new(Softmax { axis: 1 })),
        "Softmin" => ("softmin_axis", Box::new(Softmin { axis: 0 })),
        "Softplus" => {
            family.differs("The formula holds everywhere; above a threshold, 20, PyTorch's is x.");
            ("softplus_beta", Box::new(Softplus { beta: 2.5 }))
        }
        "SoftplusUntil" => {
            ("softplus_threshold", Box::new(SoftplusUntil { beta: 2.0, threshold: 3.0 }))
        }
        "Softshrink" => ("softshrink_lambda", Box::new(Softshrink { lambda: 1.2 })),
        "Swish" => ("swish_beta", Box::new(Swish { beta: 1.7 })),
        "Threshold" => ("threshold_value", Box::new(Threshold { threshold: 0.4, value: -2.0 })),
        _ => return,
    };
    family.check(case, |x| layer.forward(&x[0]));
}

fn with_parameters(family: &mut Family) {
    family.row("PRelu", "nn.PReLU");
    family.layer("prelu", || PRelu::new(1), |m, x| vec![m.forward(&x[0])]);
    family.layer("prelu_channels", || PRelu::new(4), |m, x| vec![m.forward(&x[0])]);
    family.row("Maxout", "paper: Goodfellow et al. 2013, section 3");
    family.check("maxout", |x| Maxout { pieces: 3 }.forward(&x[0]));
    family.row("SwiGlu", "paper: Shazeer 2020, eq. 6");
    let make = || SwiGlu::new(5, 7, &mut Rng::new(1));
    family.layer("swiglu", make, |m, x| vec![m.forward(&x[0])]);
}

fn at_random(family: &mut Family) {
    family.row("RRelu", "nn.RReLU");
    let layer = RRelu::between(0.2, 0.7, &mut Rng::new(1));
    layer.eval();
    family.check("rrelu_evaluation", |x| layer.forward(&x[0]));
    family.row("gumbel_softmax", "F.gumbel_softmax");
    let soft = GumbelOptions { temperature: 0.7, ..Default::default() };
    family.check("gumbel_softmax", |x| x[0].gumbel_softmax_with(&x[1], soft));
    let hard = GumbelOptions { hard: true, ..soft };
    family.check("gumbel_softmax_hard", |x| x[0].gumbel_softmax_with(&x[1], hard));
}
