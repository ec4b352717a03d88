//! Less memory for more time: layers that are computed again when gradients pass.

use crate::{Buffer, Layer, Module, Path, Visitor, module};
use gradus_tensor::autograd::{GradOptions, enable_grad, grad, is_grad_enabled};
use gradus_tensor::op::{Context, Forward, Grads, Op, Spec};
use gradus_tensor::{OpError, Result, Tensor, no_grad};
use std::fmt;
use std::sync::{Arc, Mutex};

/// A layer of which nothing is kept for the gradient but its input: it is computed again when the
/// gradient passes. Its name does not show in the names of its parameters.
///
/// The second time, random streams begin where they began the first time, so that dropout leaves
/// out the same numbers, and running means are not moved again. Parameters must not change in
/// between.
///
/// ```
/// use gradus_nn::{Layer, Linear, Module, Recompute, Relu, Sequential};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let block = Sequential::new().then(Linear::new(8, 32, &mut rng)).then(Relu);
/// let model = Sequential::new().then(Recompute::new(block)).then(Linear::new(32, 2, &mut rng));
/// let gradients = model.forward(&Tensor::ones([4, 8])).sum(..).backward();
/// assert!(model.unreached(&gradients).is_empty());
/// assert_eq!(model.named_params()[0].0, "0.0.weight");
/// ```
///
/// # Source
/// Chen, Xu, Zhang, Guestrin 2016, "Training Deep Nets with Sublinear Memory Cost"; PyTorch:
/// `torch.utils.checkpoint.checkpoint`, which does move running means twice.
#[derive(Clone, Debug)]
pub struct Recompute(Arc<dyn Layer>);

impl Recompute {
    /// Computes a layer again when the gradient passes.
    pub fn new(layer: impl Layer + 'static) -> Self {
        Self(Arc::new(layer))
    }
}

impl Module for Recompute {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self.0.visit(path, visitor);
    }
}

impl Layer for Recompute {
    fn forward(&self, x: &Tensor) -> Tensor {
        let params = self.0.params();
        let trained = x.needs_grad() || !params.is_empty();
        if !is_grad_enabled() || !trained {
            return self.0.forward(x);
        }
        let start = Start::of(&*self.0);
        let output = no_grad(|| self.0.forward(x));
        let spec = output.spec();
        let segment =
            Segment { layer: self.0.clone(), start, spec, output: Mutex::new(Some(output)) };
        let mut inputs = vec![x.clone()];
        inputs.extend(params.iter().map(|param| param.tensor()));
        Tensor::apply(segment, &inputs.iter().collect::<Vec<_>>())
    }
}

/// Where a layer's streams and modes stood.
struct Start {
    streams: Vec<(String, (u64, u64))>,
    modes: Vec<bool>,
}

impl Start {
    fn of(layer: &dyn Layer) -> Self {
        Self { streams: layer.named_streams(), modes: module::modes(layer) }
    }

    fn restore(&self, layer: &dyn Layer) -> Result<()> {
        module::set_modes(layer, &self.modes);
        layer.load_streams(&self.streams)
    }
}

/// The layer as one op of its input and its parameters.
struct Segment {
    layer: Arc<dyn Layer>,
    start: Start,
    spec: Spec,
    /// What was computed, until it is given out.
    output: Mutex<Option<Tensor>>,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Segment").field(&self.layer).finish()
    }
}

impl Segment {
    /// Computes the layer as the first time, and leaves its streams, modes and buffers as they are.
    fn again(&self, x: &Tensor) -> Result<Tensor> {
        let now = Start::of(&*self.layer);
        let buffers = buffers(&*self.layer);
        self.start.restore(&*self.layer)?;
        let output = enable_grad(|| self.layer.forward(x));
        for (buffer, value) in buffers {
            buffer.set(&value)?;
        }
        now.restore(&*self.layer)?;
        Ok(output)
    }
}

impl Op for Segment {
    fn name(&self) -> &'static str {
        "recompute"
    }

    fn infer(&self, _: &[Spec]) -> Result<Spec, OpError> {
        Ok(self.spec)
    }

    fn forward(&self, _: &[&Tensor], _: Spec) -> Result<Forward> {
        let mut output = self.output.lock().unwrap_or_else(|poison| poison.into_inner());
        let output = output.take().expect("a segment is applied once");
        Ok(Forward::new(output).saving_input(0))
    }

    fn backward(&self, context: &Context<'_>, gradient: &Tensor) -> Result<Grads> {
        let create_graph = is_grad_enabled();
        let x = match (context.needed[0], create_graph) {
            (false, _) => context.saved[0].detach(),
            (true, false) => context.saved[0].requires_grad(),
            // What comes before must stay within reach of the gradient's own gradient; a view of it
            // is where this walk ends.
            (true, true) => context.saved[0].unsqueeze(0).squeeze(0),
        };
        let output = self.again(&x)?;
        let mut inputs = vec![x];
        inputs.extend(self.layer.params().iter().map(|param| param.tensor()));
        let needed = inputs.iter().zip(context.needed);
        let targets: Vec<&Tensor> = needed.filter_map(|(x, &needed)| needed.then_some(x)).collect();
        let grad_output = Some(gradient.clone());
        let options = GradOptions { create_graph, grad_output, ..Default::default() };
        let mut grads = grad(&output, &targets, options)?.into_iter();
        Ok(context.needed.iter().map(|&needed| if needed { grads.next() } else { None }).collect())
    }

    /// The ops inside have been counted when they ran.
    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

/// The buffers of a layer with their values.
fn buffers(layer: &dyn Layer) -> Vec<(Buffer, Tensor)> {
    struct Found(Vec<(Buffer, Tensor)>);
    impl Visitor for Found {
        fn buffer(&mut self, _: &Path, buffer: &Buffer) {
            self.0.push((buffer.clone(), buffer.tensor()));
        }
    }
    let mut found = Found(vec![]);
    layer.visit(&mut Path::default(), &mut found);
    found.0
}
