//! Loading saved values that do not quite fit, and files of PyTorch's.

use gradus_nn::{BatchNorm1d, Linear, LoadOptions, Module, Renames, Sequential};
use gradus_tensor::io::{load_weights, torch};
use gradus_tensor::{Error, Rng, Tensor};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tensor/tests/fixtures").join(name)
}

/// The network whose weights the fixtures have.
fn network() -> Sequential {
    let mut rng = Rng::new(1);
    Sequential::new().then(Linear::new(3, 2, &mut rng)).then(BatchNorm1d::new(2))
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(gradus_tensor::DType::F64).to_vec()
}

#[test]
fn a_state_dict_of_pytorch_loads_as_it_is() {
    let net = network();
    let state = load_weights(fixture("checkpoint.pt")).unwrap().tensors;
    net.load_state_dict(&state).unwrap();
    for ((name, x), (other, y)) in net.state_dict().iter().zip(&state) {
        assert_eq!((name, numbers(x)), (other, numbers(y)));
    }
    // Chosen by hand from all that the file holds.
    let file = torch::read(fixture("checkpoint.pt")).unwrap();
    let state = file.get("state_dict").unwrap();
    assert!(state.others().is_empty());
    network().load_state_dict(&state.tensors().unwrap()).unwrap();
}

#[test]
fn values_load_under_other_names() {
    let (from, to) = (network(), network());
    let mut rng = Rng::new(2);
    for (_, param) in from.named_params() {
        param.set(&Tensor::randn(*param.tensor().shape(), &mut rng)).unwrap();
    }
    let state: Vec<(String, Tensor)> = from
        .state_dict()
        .into_iter()
        .map(|(name, x)| (format!("module.{}", name.replace("0.", "fc.")), x))
        .collect();
    assert!(to.load_state_dict(&state).is_err());
    let renames = Renames::parse(&["module.* -> *", "fc -> 0"]).unwrap();
    let report = to
        .load_state_dict_with(&state, &LoadOptions { renames, ..LoadOptions::default() })
        .unwrap();
    assert!(report.fits());
    for ((_, x), (_, y)) in from.state_dict().iter().zip(to.state_dict()) {
        assert_eq!(numbers(x), numbers(&y));
    }
}

#[test]
fn what_is_missing_or_left_over_may_be_allowed_but_never_a_wrong_shape() {
    let net = network();
    let lenient = LoadOptions { strict: false, ..LoadOptions::default() };
    let named = |name: &str, x: Tensor| (name.to_string(), x);
    let state =
        [named("0.bias", Tensor::from([5.0f32, 6.0])), named("head.bias", Tensor::zeros([9]))];
    let report = net.load_state_dict_with(&state, &lenient).unwrap();
    assert_eq!(report.unexpected, ["head.bias"]);
    assert_eq!(
        report.missing,
        [
            "0.weight",
            "1.weight",
            "1.bias",
            "1.running_mean",
            "1.running_var",
            "1.num_batches_tracked"
        ]
    );
    let state =
        [named("0.bias", Tensor::from([7.0f32, 8.0])), named("0.weight", Tensor::zeros([3, 2]))];
    let Err(Error::Mismatch(message)) = net.load_state_dict_with(&state, &lenient) else {
        panic!("a wrong shape was taken");
    };
    assert!(message.contains("0.weight (is [3, 2], should be [2, 3])"), "{message}");
    // Nothing of it was taken.
    assert_eq!(numbers(&net.state_dict()[1].1), [5.0, 6.0]);
}

#[test]
fn two_values_of_one_name_are_refused() {
    let renames = Renames::parse(&["a -> 0"]).unwrap();
    let options = LoadOptions { strict: false, renames };
    let state = ["a.bias", "0.bias"].map(|name| (name.to_string(), Tensor::zeros([2])));
    let message = network().load_state_dict_with(&state, &options).unwrap_err().to_string();
    assert!(message.contains("two values come to the name 0.bias"), "{message}");
}
