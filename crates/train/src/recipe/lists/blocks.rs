//! Layers made of layers.

use super::layers::{LayerSite, Layers, layer};
use crate::recipe::entry::{Entry, entry};
use crate::recipe::field::choices;
use gradus_nn::{
    AttentionMasks, Join, Layer, Module, MultiheadAttention, Parallel, Residual, Sequential,
    TransformerEncoder,
};
use gradus_tensor::op::Spec;
use gradus_tensor::{Device, Error, Result, Tensor, no_grad};

/// How the outputs of branches become one.
#[derive(Clone, Copy, Debug)]
enum Joining {
    Concat,
    Sum,
}

choices! {
    Joining { Concat = "concat", Sum = "sum" }
}

pub(super) fn entries() -> Vec<Entry<Box<dyn Layer>>> {
    vec![
        entry! {
            sequential(site): "Layers one after another.";
            layers: Layers => "The layers.";
            => layer(chain(&layers, site)?)
        },
        entry! {
            residual(site): "x + f(x): what layers make of their input is added to it.";
            layers: Layers => "f, the layers.";
            shortcut: Layers => "What is done to x before the sum, if its shape must change.";
            => {
                let input = site.input;
                let inner = chain(&layers, site)?;
                let output = std::mem::replace(&mut site.input, input);
                if shortcut.is_empty() && output.shape != input.shape {
                    let message = format!(
                        "the layers make {} of {}, which cannot be added: give a `shortcut` that \
                         does the same, such as a convolution with a kernel of 1",
                        output.shape, input.shape
                    );
                    return Err(Error::Setting(message));
                }
                match shortcut.is_empty() {
                    true => layer(Residual::new(inner)),
                    false => layer(Residual::new(inner).with_shortcut(chain(&shortcut, site)?)),
                }
            }
        },
        entry! {
            branches(site): "Layers beside each other, whose outputs are joined.";
            branches: Vec<Layers> => "Lists of layers, one for each branch.";
            join: Joining = Joining::Concat => "How outputs become one.";
            axis: isize = 1 => "The axis along which they are put one after another.";
            => {
                let input = site.input;
                let join = match join {
                    Joining::Concat => Join::Concat { axis },
                    Joining::Sum => Join::Sum,
                };
                let mut parallel = Parallel::new(join);
                for branch in &branches {
                    site.input = input;
                    parallel = parallel.with(chain(branch, site)?);
                }
                layer(parallel)
            }
        },
        entry! {
            repeat(site): "The same layers several times, each time with weights of their own.";
            times: usize, 1..=1000 => "How often.";
            layers: Layers => "The layers.";
            => {
                let mut all = Sequential::new();
                for _ in 0..times {
                    all = all.then(chain(&layers, site)?);
                }
                layer(all)
            }
        },
    ]
}

/// Layers one after another, each made for what comes out of the one before.
///
/// # Errors
/// If one does not take that.
pub fn chain(layers: &Layers, site: &mut LayerSite) -> Result<Sequential> {
    let mut chain = Sequential::new();
    for (index, part) in layers.iter().enumerate() {
        let input = site.input;
        let made = part.make(site)?;
        site.input = part.attempt(|| Ok(output_of(&*made, input)))?;
        let name = part.settings().get::<Option<String>>("name");
        let name = name.unwrap_or_else(|| index.to_string());
        chain = part.attempt(|| Ok(chain.then_named(&name, made)))?;
    }
    Ok(chain)
}

/// What comes out of a layer for such an input. Nothing is computed.
///
/// # Panics
/// If it does not take such an input.
pub fn output_of(layer: &dyn Layer, input: Spec) -> Spec {
    let input = Tensor::zeros(Spec { device: Device::shape_only(), ..input });
    layer.eval();
    let output = no_grad(|| layer.forward(&input));
    layer.train();
    Spec { shape: *output.shape(), dtype: output.dtype(), device: Device::cpu() }
}

/// What a recurrent layer gives at the last time.
#[derive(Debug)]
pub(super) struct Last(pub(super) Box<dyn Layer>);

/// The layer's parameters, under its own names.
impl Module for Last {
    fn visit(&self, path: &mut gradus_nn::Path, visitor: &mut dyn gradus_nn::Visitor) {
        self.0.visit(path, visitor);
    }
}

impl Layer for Last {
    fn forward(&self, x: &Tensor) -> Tensor {
        let all = self.0.forward(x);
        all.select(1, all.len_of(1) - 1)
    }
}

/// Attention among the elements of a sequence, perhaps to the past only.
#[derive(Debug)]
pub(super) struct Masked<A> {
    pub(super) inner: A,
    pub(super) causal: bool,
}

impl<A: Module> Module for Masked<A> {
    fn visit(&self, path: &mut gradus_nn::Path, visitor: &mut dyn gradus_nn::Visitor) {
        self.inner.visit(path, visitor);
    }
}

fn masks(causal: bool) -> AttentionMasks<'static> {
    if causal { AttentionMasks::causal() } else { AttentionMasks::default() }
}

impl Layer for Masked<MultiheadAttention> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.inner.attend(x, x, x, masks(self.causal))
    }
}

impl Layer for Masked<TransformerEncoder> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.inner.encode(x, masks(self.causal))
    }
}
