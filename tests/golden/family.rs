//! Fixtures, and what is compared with them.

use gradus::nn::Module;
use gradus::tensor::io::safetensors::{self, Contents};
use gradus::tensor::{DType, Tensor};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How far a number may be from the right one, relative to its own size or, where it is smaller, to
/// the usual size of the numbers beside it. Where inputs are such that PyTorch's own `f32` is off by
/// much, so may ours be, by three times that.
fn tolerance(dtype: DType, rounding: f64) -> f64 {
    if dtype == DType::F64 { 1e-10 } else { (3.0 * rounding).max(1e-5) }
}

/// A row of `docs/PARITY.md`: one thing that is the same in PyTorch.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// PyTorch's name, or the paper whose equations were used where PyTorch has no such thing.
    pub torch: &'static str,
    /// What differs on purpose.
    pub differences: Vec<&'static str>,
    pub cases: usize,
    /// The largest errors, in `f32` and in `f64`.
    pub errors: [Errors; 2],
}

/// The largest errors of a row, relative; none if there was nothing to compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors {
    pub forward: Option<f64>,
    pub gradient: Option<f64>,
}

/// A file of fixtures, and which of its cases were checked.
pub struct Family {
    name: &'static str,
    contents: Contents,
    checked: BTreeSet<String>,
    rows: Vec<Row>,
    /// How far PyTorch's `f32` is off in the case at hand, where that is much.
    rounding: f64,
}

/// Which of a row's figures a comparison counts for.
#[derive(Clone, Copy)]
pub enum Part {
    Forward,
    Gradient,
}

impl Family {
    /// Reads the fixtures: those of this folder, or those in the folder that `GRADUS_GOLDEN` names.
    pub fn read(name: &'static str) -> Self {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures");
        let folder = std::env::var_os("GRADUS_GOLDEN").map_or_else(own, PathBuf::from);
        let contents = safetensors::read(folder.join(format!("{name}.safetensors"))).unwrap();
        Self { name, contents, checked: BTreeSet::new(), rows: vec![], rounding: 0.0 }
    }

    /// Starts a row: the cases that follow count for it.
    pub fn row(&mut self, name: &'static str, torch: &'static str) {
        let errors = [Errors::default(); 2];
        self.rows.push(Row { name, torch, differences: vec![], cases: 0, errors });
    }

    /// Says in a sentence what the row does in another way than PyTorch, on purpose.
    pub fn differs(&mut self, sentence: &'static str) {
        self.rows.last_mut().expect("a row").differences.push(sentence);
    }

    /// A tensor of a case.
    pub fn get(&self, case: &str, what: &str) -> &Tensor {
        let found = find(&self.contents, case, what);
        found.unwrap_or_else(|| panic!("{} has no {case}/{what}", self.name))
    }

    /// Compares the output of a call with the case's, then the gradients by its inputs.
    pub fn check(&mut self, case: &str, call: impl Fn(&[Tensor]) -> Tensor) {
        self.check_all(case, |inputs| vec![call(inputs)]);
    }

    /// As [`Family::check`], for several outputs.
    pub fn check_all(&mut self, case: &str, call: impl Fn(&[Tensor]) -> Vec<Tensor>) {
        self.begin(case);
        for dtype in [DType::F32, DType::F64] {
            self.run(case, dtype, &(), |inputs| call(inputs));
        }
    }

    /// Compares a module with the case's: the keys and shapes of its state dict, its outputs, the
    /// gradients by inputs and parameters, and its buffers after the call. What it saves is
    /// left for `make.py --back`.
    pub fn layer<M: Module>(
        &mut self,
        case: &str,
        make: impl Fn() -> M,
        call: impl Fn(&M, &[Tensor]) -> Vec<Tensor>,
    ) {
        self.begin(case);
        let state = self.group(case, "state");
        for dtype in [DType::F32, DType::F64] {
            let module = make();
            module.to_dtype(dtype);
            self.check_keys(case, &module, &state);
            module.load_state_dict(&state).unwrap_or_else(|error| panic!("{case}: {error}"));
            if dtype == DType::F32 {
                self.save(case, &module);
            }
            self.run(case, dtype, &module, |inputs| call(&module, inputs));
            let now = module.state_dict();
            for (key, wanted) in self.group(case, "after") {
                let (_, found) = now.iter().find(|(own, _)| *own == key).expect("the key is there");
                self.compare(&format!("{case}: {key} afterwards"), found, &wanted, Part::Forward);
            }
        }
    }

    /// Counts a case for the row.
    pub fn begin(&mut self, case: &str) {
        self.checked.insert(case.to_string());
        let rounding = find(&self.contents, case, "rounding");
        self.rounding = rounding.map_or(0.0, |x| f64::from(x.item::<f32>()));
        self.rows.last_mut().expect("a row before its cases").cases += 1;
    }

    /// The tensors of a case whose names begin with a word.
    fn group(&self, case: &str, word: &str) -> Vec<(String, Tensor)> {
        let prefix = format!("{case}/{word}/");
        let tensors = self.contents.tensors.iter();
        tensors
            .filter_map(|(name, x)| Some((name.strip_prefix(&prefix)?.to_string(), x.clone())))
            .collect()
    }

    fn check_keys<M: Module>(&self, case: &str, module: &M, state: &[(String, Tensor)]) {
        let keys = |state: &[(String, Tensor)]| -> BTreeSet<String> {
            state.iter().map(|(key, x)| format!("{key} {}", x.shape())).collect()
        };
        assert_eq!(keys(&module.state_dict()), keys(state), "{case}: keys and shapes");
    }

    fn save<M: Module>(&self, case: &str, module: &M) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden").join(self.name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{case}.safetensors"));
        let contents = Contents { tensors: module.state_dict(), ..Default::default() };
        safetensors::write(path, &contents).unwrap();
    }

    /// Runs a case in one type and compares everything there is.
    fn run(
        &mut self,
        case: &str,
        dtype: DType,
        module: &dyn Module,
        call: impl Fn(&[Tensor]) -> Vec<Tensor>,
    ) {
        let place = format!("{case} of {} in {dtype}", self.name);
        let tensor = |what: String| find(&self.contents, case, &what).cloned();
        let numbered = |what: &str| -> Vec<Tensor> {
            (0..).map_while(|index| tensor(format!("{what}{index}"))).collect()
        };
        let convert = |x: &Tensor| if x.dtype().is_float() { x.to_dtype(dtype) } else { x.clone() };
        let inputs: Vec<Tensor> = numbered("in").iter().map(convert).collect();
        let wanted_gradient = |index: usize| tensor(format!("grad{index}"));
        let with_gradient = |(index, x): (usize, Tensor)| match wanted_gradient(index) {
            Some(_) => x.requires_grad(),
            None => x,
        };
        let inputs: Vec<Tensor> = inputs.into_iter().enumerate().map(with_gradient).collect();
        let wanted = numbered("out");
        let upstream: Vec<_> =
            (0..wanted.len()).map(|index| tensor(format!("upstream{index}"))).collect();
        let wanted_gradients: Vec<_> = (0..inputs.len()).map(wanted_gradient).collect();

        let outputs = call(&inputs);
        assert!(!wanted.is_empty(), "there is no case {place}");
        assert_eq!(outputs.len(), wanted.len(), "outputs of {place}");
        for (index, (found, wanted)) in outputs.iter().zip(&wanted).enumerate() {
            self.compare(&format!("output {index} of {place}"), found, wanted, Part::Forward);
        }
        let sent: Vec<Tensor> = outputs
            .iter()
            .zip(&upstream)
            .filter_map(|(output, upstream)| Some((output * convert(upstream.as_ref()?)).sum(..)))
            .collect();
        let Some(total) = sent.into_iter().reduce(|a, b| a + b) else { return };
        let gradients = total.backward();
        for (index, (input, wanted)) in inputs.iter().zip(wanted_gradients).enumerate() {
            if let Some(wanted) = wanted {
                let what = format!("gradient {index} of {place}");
                self.compare_gradient(&what, gradients.get(input), &wanted);
            }
        }
        let wanted = self.group(case, "grad");
        for (key, param) in module.named_params() {
            let what = format!("gradient by {key} of {place}");
            match wanted.iter().find(|(own, _)| *own == key) {
                Some((_, wanted)) => self.compare_gradient(&what, param.grad(&gradients), wanted),
                None => assert!(param.grad(&gradients).is_none(), "{what}: PyTorch has none"),
            }
        }
    }

    /// A gradient that did not arrive is right if it should be zero.
    fn compare_gradient(&mut self, what: &str, found: Option<&Tensor>, wanted: &Tensor) {
        match found {
            Some(found) => self.compare(what, found, wanted, Part::Gradient),
            None => assert!(
                wanted.to_dtype(DType::F64).to_vec::<f64>().iter().all(|&x| x == 0.0),
                "{what} is missing"
            ),
        }
    }

    /// Fails unless every number is within the tolerance of its type; the largest error counts for
    /// the row.
    pub fn compare(&mut self, what: &str, found: &Tensor, wanted: &Tensor, part: Part) {
        assert_eq!(found.shape(), wanted.shape(), "{what}");
        let numbers = |x: &Tensor| x.to_dtype(DType::F64).to_vec::<f64>();
        let (dtype, found, wanted) = (found.dtype(), numbers(found), numbers(wanted));
        let finite = wanted.iter().filter(|x| x.is_finite());
        let usual = (finite.map(|x| x * x).sum::<f64>() / wanted.len() as f64).sqrt();
        let mut largest = 0f64;
        for (index, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            if found == wanted {
                continue;
            }
            let error = (found - wanted).abs() / wanted.abs().max(usual);
            assert!(
                error <= tolerance(dtype, self.rounding),
                "{what}: element {index} is {found}, should be {wanted}: off by {error:.1e}"
            );
            largest = largest.max(error);
        }
        let row = self.rows.last_mut().expect("a row before its cases");
        let errors = &mut row.errors[usize::from(dtype == DType::F64)];
        let figure = match part {
            Part::Forward => &mut errors.forward,
            Part::Gradient => &mut errors.gradient,
        };
        *figure = Some(figure.unwrap_or(0.0).max(largest));
    }

    /// The rows, after all cases were checked: a fixture that no test looks at would be a test that
    /// cannot fail.
    pub fn finish(self) -> Vec<Row> {
        for (name, _) in &self.contents.tensors {
            let case = name.split('/').next().unwrap();
            assert!(self.checked.contains(case), "{case} of {} was not checked", self.name);
        }
        for row in &self.rows {
            assert!(row.cases > 0, "the row {} has no case", row.name);
        }
        self.rows
    }
}

fn find<'a>(contents: &'a Contents, case: &str, what: &str) -> Option<&'a Tensor> {
    let name = format!("{case}/{what}");
    contents.tensors.iter().find(|(own, _)| *own == name).map(|(_, x)| x)
}
