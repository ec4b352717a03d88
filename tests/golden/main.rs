//! What Gradus computes against what PyTorch computed: outputs, gradients, optimizer steps.
//!
//! `make.py` beside this file made the fixtures and says what is in them.

mod layers;
mod optimizers;

use gradus::tensor::io::safetensors::{self, Contents};
use gradus::tensor::{DType, Tensor};
use std::path::Path;

/// How far a number may be from the right one, relative to its own size or, where it is smaller, to
/// the usual size of the numbers beside it.
const TOLERANCE: f64 = 1e-5;

/// A file of fixtures, and which of its cases were checked.
struct Family {
    name: &'static str,
    contents: Contents,
    checked: Vec<String>,
}

impl Family {
    fn read(name: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let contents = safetensors::read(folder.join(format!("{name}.safetensors"))).unwrap();
        Self { name, contents, checked: vec![] }
    }

    fn get(&self, case: &str, what: &str) -> Option<&Tensor> {
        let name = format!("{case}/{what}");
        self.contents.tensors.iter().find(|(own, _)| *own == name).map(|(_, x)| x)
    }

    /// Compares the output of a call with the case's, then the gradients by its inputs.
    fn check(&mut self, case: &str, call: impl Fn(&[Tensor]) -> Tensor) {
        self.checked.push(case.to_string());
        let inputs: Vec<Tensor> = (0..)
            .map_while(|index| self.get(case, &format!("in{index}")))
            .enumerate()
            .map(|(index, x)| match self.get(case, &format!("grad{index}")) {
                Some(_) => x.requires_grad(),
                None => x.clone(),
            })
            .collect();
        assert!(!inputs.is_empty(), "{} has no case {case}", self.name);
        let output = call(&inputs);
        let place = format!("{} of {}", case, self.name);
        assert_close(&format!("the output of {place}"), &output, self.get(case, "out").unwrap());
        let upstream = self.get(case, "upstream").unwrap();
        let gradients = (&output * upstream).sum(..).backward();
        for (index, input) in inputs.iter().enumerate() {
            if let Some(wanted) = self.get(case, &format!("grad{index}")) {
                let gradient = gradients.get(input).expect("a gradient reaches each input");
                assert_close(&format!("gradient {index} of {place}"), gradient, wanted);
            }
        }
    }
}

/// A fixture that no test looks at would be a test that cannot fail.
impl Drop for Family {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for (name, _) in &self.contents.tensors {
            let case = name.split('/').next().unwrap();
            assert!(self.checked.iter().any(|own| own == case), "{case} was not checked");
        }
    }
}

/// Fails unless every number is within [`TOLERANCE`] of the wanted one.
fn assert_close(what: &str, found: &Tensor, wanted: &Tensor) {
    assert_eq!(found.shape(), wanted.shape(), "{what}");
    let numbers = |x: &Tensor| x.to_dtype(DType::F64).to_vec::<f64>();
    let (found, wanted) = (numbers(found), numbers(wanted));
    let mean_square = wanted.iter().map(|x| x * x).sum::<f64>() / wanted.len() as f64;
    let usual = mean_square.sqrt();
    for (index, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        let error = (found - wanted).abs() / wanted.abs().max(usual);
        assert!(
            error <= TOLERANCE || found == wanted,
            "{what}: element {index} is {found}, should be {wanted}: off by {error:.1e}"
        );
    }
}
