//! Walking the tape backwards.

use super::node::{Node, Recorded};
use super::{Mode, mode, with_mode};
use crate::error::fail;
use crate::op::{Context, Grads, Origin};
use crate::{Error, OpError, Result, Tensor};
use gradus_kernels::memory::Pooled;
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

/// The gradients of one number by many tensors.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    /// By the nodes' numbers, in falling order: that in which a walk finds most of them.
    by_id: SmallVec<[(u64, Tensor); 8]>,
}

impl Gradients {
    /// The gradient by a tensor: a leaf ([`Tensor::requires_grad`]) or one that was marked with
    /// [`Tensor::retain_grad`]. None if no gradient reached it.
    pub fn get(&self, tensor: &Tensor) -> Option<&Tensor> {
        let place = self.place(tensor.node()?.id).ok()?;
        Some(&self.by_id[place].1)
    }

    /// The gradient by a tensor, to be taken out.
    pub fn remove(&mut self, tensor: &Tensor) -> Option<Tensor> {
        let place = self.place(tensor.node()?.id).ok()?;
        Some(self.by_id.remove(place).1)
    }

    /// Replaces the gradient by a tensor, if the tensor can have one.
    pub fn insert(&mut self, tensor: &Tensor, grad: Tensor) {
        if let Some(node) = tensor.node() {
            match self.place(node.id) {
                Ok(place) => self.by_id[place].1 = grad,
                Err(place) => self.by_id.insert(place, (node.id, grad)),
            }
        }
    }

    /// Where the gradient by a node is, or would be.
    fn place(&self, id: u64) -> Result<usize, usize> {
        self.by_id.binary_search_by(|(own, _)| id.cmp(own))
    }

    /// How many gradients there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// How a backward pass treats what it walks over.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackwardOptions {
    /// Keep what the ops saved, so that another backward pass can follow. Without it that memory is
    /// given back as the pass goes.
    pub retain_graph: bool,
    /// Record the gradients' own computation, so that they can be derived again. Implies
    /// `retain_graph`.
    pub create_graph: bool,
}

impl Tensor {
    /// The gradients of this number by all leaves it depends on, and by the tensors marked with
    /// [`Tensor::retain_grad`].
    ///
    /// What the ops saved for this pass is given back as it goes; another pass over the same ops
    /// needs [`Tensor::backward_with`].
    ///
    /// # Panics
    /// If this is not a single number, or does not depend on any leaf.
    #[track_caller]
    pub fn backward(&self) -> Gradients {
        self.backward_with(BackwardOptions::default())
    }

    /// As [`Tensor::backward`], with options.
    ///
    /// # Panics
    /// As [`Tensor::backward`].
    #[track_caller]
    pub fn backward_with(&self, options: BackwardOptions) -> Gradients {
        if self.shape().count() != 1 {
            fail(OpError::of(
                "backward",
                format_args!(
                    "starts at a single number, not at shape {}: sum it first",
                    self.shape()
                ),
            ));
        }
        match run(&[(self, self.ones_like())], None, options) {
            Ok(gradients) => gradients,
            Err(error) => fail(error),
        }
    }

    /// The gradients by all leaves of the sum of this tensor's elements, each times a factor: what
    /// [`Tensor::backward`] gives for `(self * gradient).sum(..)`.
    ///
    /// # Panics
    /// If the factors have another shape, or this does not depend on any leaf.
    ///
    /// # Source
    /// PyTorch: `Tensor.backward(gradient)`.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    ///
    /// let x = Tensor::from_vec(vec![1f32, 2.0], 2).requires_grad();
    /// let gradients = x.square().backward_from(&Tensor::from_vec(vec![1f32, 10.0], 2));
    /// assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>(), [2.0, 40.0]);
    /// ```
    #[track_caller]
    pub fn backward_from(&self, gradient: &Tensor) -> Gradients {
        if gradient.shape() != self.shape() {
            let (own, given) = (self.shape(), gradient.shape());
            let message = format_args!("shape {own} wants a gradient of its own, not of {given}");
            fail(OpError::of("backward", message));
        }
        let gradient = gradient.detach().to_dtype(self.dtype());
        match run(&[(self, gradient)], None, BackwardOptions::default()) {
            Ok(gradients) => gradients,
            Err(error) => fail(error),
        }
    }
}

/// Walks backwards from the roots, each with its gradient, to the leaves or, if there are targets,
/// to those only.
pub(super) fn run(
    roots: &[(&Tensor, Tensor)],
    targets: Option<&[&Tensor]>,
    options: BackwardOptions,
) -> Result<Gradients> {
    let mut pass = Pass {
        options,
        targets: targets.map(Targets::new).transpose()?,
        pending: SmallVec::new(),
        found: Gradients::default(),
        hooked: vec![],
    };
    if let Some(targets) = &mut pass.targets {
        targets.mark(roots);
    }
    let record = |mode: &mut Mode| mode.grad = options.create_graph;
    with_mode(record, || {
        for (root, grad) in roots {
            let Some(node) = root.node() else {
                let message =
                    "nothing to derive: the tensor depends on no leaf (see requires_grad)";
                return Err(Error::Op(OpError::of("backward", message)));
            };
            pass.receive(node, grad.clone())?;
        }
        // Numbers grow from inputs to outputs: when a node has the largest of those that wait, all
        // that use it have been there, and its gradient is complete.
        while let Some((_, node, grad)) = pass.pending.pop() {
            pass.visit(&node, grad)?;
        }
        pass.finish();
        Ok(pass.found)
    })
}

/// A walk in progress.
struct Pass {
    options: BackwardOptions,
    targets: Option<Targets>,
    /// Nodes of ops that have received a part of their gradient, by their numbers, in rising order:
    /// few at a time, and what comes next is at the end.
    pending: SmallVec<[(u64, Pooled<Node>, Tensor); 8]>,
    /// Leaves have nobody behind them: what they receive is added up here at once.
    found: Gradients,
    /// Leaves with hooks, for which it is not the gradient yet.
    hooked: Vec<Pooled<Node>>,
}

impl Pass {
    /// Adds to the gradient of a node.
    fn receive(&mut self, node: &Pooled<Node>, grad: Tensor) -> Result<()> {
        let id = node.id;
        if node.recorded.is_none() {
            return self.receive_leaf(node, grad);
        }
        match self.pending.binary_search_by_key(&id, |(own, ..)| *own) {
            Ok(place) => {
                let (.., sum) = &mut self.pending[place];
                *sum = sum.try_add(&grad)?;
            }
            Err(place) => self.pending.insert(place, (id, node.clone(), grad)),
        }
        Ok(())
    }

    fn receive_leaf(&mut self, node: &Pooled<Node>, grad: Tensor) -> Result<()> {
        // A root may be a leaf, and no target.
        if self.targets.as_ref().is_some_and(|targets| !targets.ids.contains(&node.id)) {
            return Ok(());
        }
        match self.found.place(node.id) {
            Ok(place) => {
                let (_, sum) = &mut self.found.by_id[place];
                *sum = sum.try_add(&grad)?;
            }
            Err(place) => {
                self.found.by_id.insert(place, (node.id, grad));
                self.hooked.extend(node.has_hooks().then(|| node.clone()));
            }
        }
        Ok(())
    }

    /// Runs the hooks of leaves, whose gradients are complete now.
    fn finish(&mut self) {
        for node in std::mem::take(&mut self.hooked) {
            if let Ok(place) = self.found.place(node.id) {
                let (_, grad) = &mut self.found.by_id[place];
                *grad = node.run_hooks(grad.clone());
            }
        }
    }

    fn visit(&mut self, node: &Pooled<Node>, grad: Tensor) -> Result<()> {
        let grad = node.run_hooks(grad);
        let wanted = match &self.targets {
            Some(targets) => targets.ids.contains(&node.id),
            None => node.retained.load(Ordering::Relaxed),
        };
        let recorded = node.recorded.as_ref().expect("leaves do not wait");
        if wanted && let Err(place) = self.found.place(node.id) {
            self.found.by_id.insert(place, (node.id, grad.clone()));
        }
        let needed: SmallVec<[bool; 4]> = recorded
            .inputs
            .iter()
            .map(|input| input.as_ref().is_some_and(|input| self.leads_to_target(input)))
            .collect();
        if !needed.contains(&true) {
            return Ok(());
        }
        let searched = mode().anomaly;
        let change = |mode: &mut Mode| {
            (mode.anomaly, mode.precision) = (false, recorded.precision);
        };
        let grads = with_mode(change, || self.derive(node, recorded, &needed, &grad))?;
        if searched {
            super::anomaly::check_backward(recorded.op.name(), &grads);
        }
        for ((input, grad), needed) in recorded.inputs.iter().zip(grads).zip(needed) {
            if let (Some(input), Some(grad), true) = (input, grad, needed) {
                self.receive(input, grad)?;
            }
        }
        Ok(())
    }

    fn leads_to_target(&self, node: &Node) -> bool {
        self.targets.as_ref().is_none_or(|targets| targets.leading.contains(&node.id))
    }

    /// The gradients by a node's inputs.
    fn derive(
        &self,
        node: &Pooled<Node>,
        recorded: &Recorded,
        needed: &[bool],
        grad: &Tensor,
    ) -> Result<Grads> {
        let keep = self.options.retain_graph || self.options.create_graph;
        let mut saved = recorded.take_saved(keep).ok_or_else(|| recorded.given_up())?;
        recorded.repeat(&mut saved)?;
        if self.options.create_graph {
            for (tensor, origin) in saved.iter_mut().zip(&recorded.origins) {
                *tensor = tensor.detach().with_node(match *origin {
                    Origin::Input(input) | Origin::Repeated(input) => {
                        recorded.inputs[input as usize].clone()
                    }
                    Origin::Output => Some(node.clone()),
                    Origin::Value => None,
                });
            }
            if let Some(grads) = through_composite(recorded, &saved, needed, grad) {
                return grads;
            }
        }
        let context = Context { saved: &saved, inputs: &recorded.specs, needed };
        recorded.op.backward(&context, grad)
    }
}

/// The gradients by the inputs of an op that has a composite, such that they can be derived again.
fn through_composite(
    recorded: &Recorded,
    saved: &[Tensor],
    needed: &[bool],
    grad: &Tensor,
) -> Option<Result<Grads>> {
    let inputs: Option<Vec<&Tensor>> = (0..recorded.specs.len())
        .map(|input| {
            let is_it =
                |own: &Origin| matches!(own, Origin::Input(own) if usize::from(*own) == input);
            let place = recorded.origins.iter().position(is_it)?;
            Some(&saved[place])
        })
        .collect();
    super::functional::through_composite(&*recorded.op, &inputs?, needed, grad)
}

/// Where a walk ends, and which nodes lead there.
struct Targets {
    ids: HashSet<u64>,
    leading: HashSet<u64>,
}

impl Targets {
    fn new(targets: &[&Tensor]) -> Result<Self> {
        let ids = targets.iter().map(|target| match target.node() {
            Some(node) => Ok(node.id),
            None => {
                let message =
                    "cannot derive by a tensor that needs no gradient (see requires_grad)";
                Err(Error::Op(OpError::of("grad", message)))
            }
        });
        Ok(Self { ids: ids.collect::<Result<_>>()?, leading: HashSet::new() })
    }

    /// Finds the nodes behind the roots from which a target can be reached.
    fn mark(&mut self, roots: &[(&Tensor, Tensor)]) {
        // A node with a smaller number than every target cannot lead to one.
        let lowest = self.ids.iter().copied().min().unwrap_or(u64::MAX);
        let mut seen: HashMap<u64, &Node> = HashMap::new();
        let mut waiting: Vec<&Node> =
            roots.iter().filter_map(|(root, _)| root.node().map(|node| &**node)).collect();
        while let Some(node) = waiting.pop() {
            if node.id < lowest || seen.insert(node.id, node).is_some() {
                continue;
            }
            let inputs = node.recorded.iter().flat_map(|recorded| &recorded.inputs);
            waiting.extend(inputs.flatten().map(|input| &**input));
        }
        let mut nodes: Vec<&Node> = seen.into_values().collect();
        nodes.sort_unstable_by_key(|node| node.id);
        for node in nodes {
            let mut inputs = node.recorded.iter().flat_map(|recorded| &recorded.inputs).flatten();
            if self.ids.contains(&node.id) || inputs.any(|input| self.leading.contains(&input.id)) {
                self.leading.insert(node.id);
            }
        }
    }
}
