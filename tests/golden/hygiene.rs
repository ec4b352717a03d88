//! Gradients before a step, and first values that are not random.

use crate::family::{Family, Part};
use gradus::nn::init::{Init, gain};
use gradus::nn::{ClipNorm, Param, clip_grad_norm, clip_grad_value, grad_norm};
use gradus::tensor::{DType, Gradients, Rng, Tensor};

/// Three parameters, the first two with gradients of a case.
fn gradients(family: &Family, case: &str, dtype: DType) -> (Vec<Param>, Gradients) {
    let wanted = ["gradient0", "gradient1"].map(|what| family.get(case, what).to_dtype(dtype));
    let mut params: Vec<Param> = wanted.iter().map(|g| Param::new(g.zeros_like())).collect();
    let terms = params.iter().zip(&wanted).map(|(param, g)| (param.tensor() * g).sum(..));
    let gradients = terms.reduce(|a, b| a + b).unwrap().backward();
    params.push(Param::new(Tensor::zeros(([2, 3], dtype))));
    (params, gradients)
}

fn compare(family: &mut Family, case: &str, params: &[Param], gradients: &Gradients) {
    for (index, param) in params[..2].iter().enumerate() {
        let wanted = family.get(case, &format!("clipped{index}")).clone();
        let found = param.grad(gradients).unwrap();
        family.compare(&format!("gradient {index} of {case}"), found, &wanted, Part::Gradient);
    }
    assert!(params[2].grad(gradients).is_none());
}

/// Compares a number.
fn number(family: &mut Family, (case, what): (&str, &str), found: f64, dtype: DType) {
    let wanted = family.get(case, what).clone();
    let found = Tensor::from(found).to_dtype(dtype);
    family.compare(&format!("{what} of {case}"), &found, &wanted, Part::Forward);
}

pub fn check(family: &mut Family) {
    family.row("clip_grad_norm", "torch.nn.utils.clip_grad_norm_, get_total_norm");
    for (case, max, p) in [
        ("norm2", 1.5, 2.0),
        ("norm1", 3.0, 1.0),
        ("norm3", 0.5, 3.0),
        ("norm_inf", 0.7, f64::INFINITY),
        ("norm_below", 1000.0, 2.0),
    ] {
        family.begin(case);
        for dtype in [DType::F32, DType::F64] {
            let (params, mut gradients) = gradients(family, case, dtype);
            let norm = clip_grad_norm(&params, &mut gradients, ClipNorm { max, p });
            number(family, (case, "norm"), norm, dtype);
            number(family, (case, "after"), grad_norm(&params, &gradients, p), dtype);
            compare(family, case, &params, &gradients);
        }
    }
    family.row("clip_grad_value", "torch.nn.utils.clip_grad_value_");
    family.begin("value");
    for dtype in [DType::F32, DType::F64] {
        let (params, mut gradients) = gradients(family, "value", dtype);
        clip_grad_value(&params, &mut gradients, 0.6);
        compare(family, "value", &params, &gradients);
    }
    first_values(family);
}

fn first_values(family: &mut Family) {
    let weight = |family: &mut Family, case: &str, init: Init| {
        family.begin(case);
        let wanted = family.get(case, "weight").clone();
        let found = init.draw(*wanted.shape(), &mut Rng::new(1));
        family.compare(case, &found, &wanted, Part::Forward);
    };
    family.row("Init::Dirac", "torch.nn.init.dirac_");
    weight(family, "dirac1", Init::Dirac { groups: 1 });
    weight(family, "dirac2", Init::Dirac { groups: 3 });
    weight(family, "dirac3", Init::Dirac { groups: 2 });
    family.row("Init::Identity", "torch.nn.init.eye_");
    weight(family, "identity_wide", Init::Identity);
    weight(family, "identity_tall", Init::Identity);
    family.row("Init::Constant", "torch.nn.init.constant_, zeros_, ones_");
    weight(family, "constant", Init::Constant(0.3));
    weight(family, "zeros", Init::Constant(0.0));
    weight(family, "ones", Init::Constant(1.0));
    family.row("gain", "torch.nn.init.calculate_gain");
    family.begin("gains");
    let wanted = family.get("gains", "gains").clone();
    let gains =
        [gain::LINEAR, gain::LINEAR, gain::TANH, gain::RELU, gain::SELU, gain::leaky_relu(0.2)];
    let found = Tensor::from_vec(gains.to_vec(), [6]);
    family.compare("gains", &found, &wanted, Part::Forward);
}
