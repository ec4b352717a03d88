//! Every op in the list: gradients against finite differences, layouts, types, devices and shapes.

use gradus_tensor::autograd::{GradCheck, gradcheck, gradgradcheck};
use gradus_tensor::ops::{Arg, Case, Gradient, Numbers, Sample, cases};
use gradus_tensor::{DType, Device, Isa, Machine, Rng, Tensor, no_grad, trace};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How an input lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Memory {
    Contiguous,
    /// Axes in reverse order.
    Transposed,
    /// Every second element, the last axis backwards.
    Stepped,
    /// One axis repeated.
    Broadcast,
}

const MEMORIES: [Memory; 4] =
    [Memory::Contiguous, Memory::Transposed, Memory::Stepped, Memory::Broadcast];

/// An input with the same numbers in another layout (but for a broadcast one, whose numbers repeat).
fn laid_out(x: &Tensor, arg: &Arg, memory: Memory) -> Tensor {
    if x.rank() == 0 {
        return x.clone();
    }
    let backwards: Vec<isize> = (0..x.rank() as isize).rev().collect();
    match memory {
        Memory::Contiguous => x.clone(),
        Memory::Transposed => x.permute(&backwards).contiguous().permute(&backwards),
        Memory::Stepped => {
            let len = x.len_of(-1);
            let wide = Tensor::stack(&[x.flip(&[-1]), x.flip(&[-1])], -1).flatten(-2, -1);
            wide.slice(-1, 0..2 * len, -2)
        }
        Memory::Broadcast if matches!(arg.numbers, Numbers::Distinct(_)) || x.count() == 0 => {
            x.clone()
        }
        Memory::Broadcast => x.narrow(0, 0, 1).contiguous().broadcast_to(x.shape()),
    }
}

/// Runs `body` for each sample of each op in each layout.
fn for_each_sample(mut body: impl FnMut(&Case, &Sample, Memory, &[Tensor])) {
    for case in cases() {
        for sample in (case.samples)() {
            for memory in MEMORIES {
                let mut rng = Rng::new(11);
                let draw = |arg: &Arg| laid_out(&arg.draw(&mut rng), arg, memory);
                let inputs: Vec<Tensor> = sample.inputs.iter().map(draw).collect();
                body(case, &sample, memory, &inputs);
            }
        }
    }
}

/// The sample as a function of its float inputs only.
fn of_floats<'a>(
    sample: &'a Sample,
    inputs: &'a [Tensor],
) -> (impl Fn(&[Tensor]) -> Tensor + 'a, Vec<Tensor>) {
    let places: Vec<usize> = (0..inputs.len()).filter(|&i| sample.inputs[i].is_float()).collect();
    let floats = places.iter().map(|&i| inputs[i].clone()).collect();
    let call = move |floats: &[Tensor]| {
        let mut all = inputs.to_vec();
        for (&place, float) in places.iter().zip(floats) {
            all[place] = float.clone();
        }
        (sample.call)(&all)
    };
    (call, floats)
}

#[test]
fn gradients_equal_finite_differences_in_every_layout() {
    for_each_sample(|case, sample, memory, inputs| {
        if case.gradient == Gradient::None {
            return;
        }
        let (call, floats) = of_floats(sample, inputs);
        if let Err(error) = gradcheck(call, &floats, GradCheck::default()) {
            panic!("{} ({}, {memory:?}): {error}", case.name, sample.label);
        }
    });
}

#[test]
fn gradients_of_gradients_equal_finite_differences() {
    for_each_sample(|case, sample, memory, inputs| {
        if case.gradient != Gradient::Twice || memory == Memory::Broadcast {
            return;
        }
        let (call, floats) = of_floats(sample, inputs);
        if let Err(error) = gradgradcheck(call, &floats, GradCheck::default()) {
            panic!("{} ({}, {memory:?}): {error}", case.name, sample.label);
        }
    });
}

#[test]
fn a_gradient_reaches_every_float_input() {
    for_each_sample(|case, sample, _, inputs| {
        if case.gradient == Gradient::None {
            return;
        }
        let (call, floats) = of_floats(sample, inputs);
        let leaves: Vec<Tensor> = floats.iter().map(Tensor::requires_grad).collect();
        let gradients = call(&leaves).sum(..).backward();
        for (i, leaf) in leaves.iter().enumerate() {
            let gradient = gradients.get(leaf);
            let gradient = gradient.unwrap_or_else(|| panic!("{}: input {i} has none", case.name));
            assert_eq!(gradient.spec(), leaf.spec(), "{} ({}), input {i}", case.name, sample.label);
        }
    });
}

/// The largest difference of two tensors, relative to the largest magnitude.
fn relative_error(value: &Tensor, wanted: &Tensor) -> f64 {
    assert_eq!(value.shape(), wanted.shape());
    if value.count() == 0 {
        return 0.0;
    }
    let wide = |x: &Tensor| x.to_dtype(DType::F64).to_device(Device::cpu());
    let (value, wanted) = (wide(value), wide(wanted));
    let scale = wanted.abs().max(..).item::<f64>().max(1e-3);
    (value - wanted).abs().max(..).item::<f64>() / scale
}

fn converted(inputs: &[Tensor], dtype: DType) -> Vec<Tensor> {
    let convert = |x: &Tensor| if x.dtype().is_float() { x.to_dtype(dtype) } else { x.clone() };
    inputs.iter().map(convert).collect()
}

#[test]
fn narrower_floats_give_the_same_up_to_their_rounding() {
    for_each_sample(|case, sample, memory, inputs| {
        for (dtype, bound) in [(DType::F32, 1e-5), (DType::F16, 2e-2), (DType::BF16, 1e-1)] {
            // The same rounded inputs in both types, so that only the arithmetic differs.
            let narrow = converted(inputs, dtype);
            let wide = converted(&narrow, DType::F64);
            let (value, wanted) = no_grad(|| ((sample.call)(&narrow), (sample.call)(&wide)));
            if wanted.dtype().is_float() && value.dtype() != DType::F64 {
                assert_eq!(value.dtype(), dtype, "{}", case.name);
            }
            let error = relative_error(&value, &wanted);
            let label = sample.label;
            assert!(error <= bound, "{} ({label}, {memory:?}) in {dtype}: {error}", case.name);
        }
    });
}

#[test]
fn every_instruction_set_gives_the_same_and_thread_counts_the_same_bits() {
    for isa in Isa::available() {
        let devices = [1, 3].map(|threads| Device::cpu_with(Machine { isa, threads }));
        for_each_sample(|case, sample, memory, inputs| {
            let narrow = converted(inputs, DType::F32);
            let wanted = no_grad(|| (sample.call)(&converted(&narrow, DType::F64)));
            let [one, three] = devices.map(|device| {
                let moved: Vec<Tensor> = narrow.iter().map(|x| x.to_device(device)).collect();
                no_grad(|| (sample.call)(&moved))
            });
            let error = relative_error(&one, &wanted);
            let label = sample.label;
            assert!(error <= 1e-5, "{} ({label}, {memory:?}) on {isa}: {error}", case.name);
            assert_eq!(bits(&one), bits(&three), "{} ({label}) by threads", case.name);
        });
    }
}

/// The elements as bits, so that NaN equals NaN.
fn bits(x: &Tensor) -> Vec<u64> {
    let wide = x.to_dtype(DType::F64).to_device(Device::cpu());
    wide.to_vec::<f64>().into_iter().map(f64::to_bits).collect()
}

#[test]
fn shapes_are_known_without_computing() {
    for_each_sample(|case, sample, _, inputs| {
        let wanted = no_grad(|| (sample.call)(inputs)).spec();
        let nowhere: Vec<Tensor> =
            inputs.iter().map(|x| x.to_device(Device::shape_only())).collect();
        let spec = no_grad(|| (sample.call)(&nowhere)).spec();
        assert_eq!((spec.shape, spec.dtype), (wanted.shape, wanted.dtype), "{}", case.name);
    });
}

#[test]
fn every_op_is_tried_on_nothing() {
    for case in cases() {
        let empty = (case.samples)().iter().any(|sample| {
            sample.label == "empty" && sample.inputs.iter().any(|arg| arg.shape.count() == 0)
        });
        assert!(empty, "{} has no sample labelled \"empty\" with an empty input", case.name);
    }
}

#[test]
fn every_op_in_the_sources_is_in_the_list() {
    let listed: BTreeSet<&str> = cases().map(|case| case.name).collect();
    assert_eq!(listed.len(), cases().count(), "two ops have the same name");

    // Whatever runs while the ops are tried has a name in the list.
    for_each_sample(|case, sample, memory, inputs| {
        if memory != Memory::Contiguous {
            return;
        }
        let (_, events) = trace(|| no_grad(|| (sample.call)(inputs)));
        for event in events {
            assert!(listed.contains(event.name), "{} ran {}", case.name, event.name);
        }
    });

    // Whatever name the sources give an op is in the list.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops");
    let entries =
        |folder: &Path| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut paths: Vec<PathBuf> = entries(Path::new(folder)).collect();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(entries(&path));
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for op in source.split("fn name(&self) -> &'static str {").skip(1) {
            let body = &op[..op.find("\n    }").unwrap()];
            for name in body.split('"').skip(1).step_by(2) {
                assert!(listed.contains(name), "{name} of {} is not listed", path.display());
            }
        }
    }
}
