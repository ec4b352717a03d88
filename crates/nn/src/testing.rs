//! Checks that every layer should pass.

use crate::Layer;
use gradus_tensor::{Device, Rng, Tensor, no_grad};

/// Checks a layer against an input: that its parameters and buffers have the given names and
/// shapes; that a copy which loads its saved state gives the same output; that a gradient reaches
/// every parameter and the input; that evaluation gives the same output twice and training restores
/// the mode; that its output's shape is known without computing.
///
/// `make` makes the layer anew with other first values for other seeds.
///
/// # Panics
/// If a check fails, with a sentence that says which.
#[track_caller]
pub fn check_layer<L: Layer>(
    make: impl Fn(&mut Rng) -> L,
    input: &Tensor,
    names: &[(&str, &[usize])],
) {
    let layer = make(&mut Rng::new(1));
    let state = layer.state_dict();
    let found: Vec<(&str, &[usize])> =
        state.iter().map(|(name, value)| (name.as_str(), &value.shape()[..])).collect();
    assert_eq!(found, names, "the names and shapes of parameters and buffers");

    let other = make(&mut Rng::new(2));
    layer.eval();
    other.eval();
    if let Err(error) = other.load_state_dict(&state) {
        panic!("a saved state does not load: {error}");
    }
    let output = no_grad(|| layer.forward(input));
    let bits = |x: &Tensor| x.to_vec::<f32>().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let again = no_grad(|| layer.forward(input));
    assert_eq!(bits(&again), bits(&output), "evaluation gives another output the second time");
    let loaded = no_grad(|| other.forward(input));
    assert_eq!(bits(&loaded), bits(&output), "a loaded copy gives another output");

    layer.train();
    let leaf = if input.dtype().is_float() { input.requires_grad() } else { input.clone() };
    let output = layer.forward(&leaf);
    // Different weights for different outputs: the plain sum of a normalised tensor is constant.
    let weights = Tensor::rand(*output.shape(), &mut Rng::new(3));
    let gradients = (output * weights).sum(..).backward();
    assert_eq!(layer.unreached(&gradients), [""; 0], "parameters that no gradient reaches");
    if leaf.needs_grad() {
        assert!(gradients.get(&leaf).is_some(), "no gradient reaches the input");
    }
    for (name, param) in layer.named_params() {
        let gradient = param.grad(&gradients).map(|gradient| gradient.abs().sum(..).item::<f32>());
        assert!(gradient.is_some_and(f32::is_finite), "the gradient of {name} is {gradient:?}");
    }

    layer.eval();
    let nowhere = no_grad(|| layer.forward(&input.to_device(Device::shape_only())));
    assert_eq!(nowhere.shape(), loaded.shape(), "the shape without computing");
}
