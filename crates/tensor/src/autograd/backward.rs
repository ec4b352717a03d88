//! Walking the tape backwards.

use super::node::{Node, Recorded, Saved, Unpacked};
use super::{Mode, mode, with_mode};
use crate::error::fail;
use crate::op::{Context, Grads};
use crate::{Error, OpError, Result, Tensor};
use smallvec::SmallVec;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The gradients of one number by many tensors.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    by_id: ByNode<Tensor>,
}

/// A table by the numbers of nodes.
type ByNode<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

/// Spreads numbers that follow each other over a table: nodes' numbers are nobody's choice, so that
/// nothing costlier is needed.
#[derive(Clone, Copy, Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2⁶⁴ divided by the golden ratio: Knuth, "The Art of Computer Programming", section 6.4.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // Tables go by the lowest bits, the product is spread best in the highest.
        self.0.rotate_left(32)
    }
}

/// How many nodes a walk has room for from the start.
const ROOM: usize = 24;

impl Gradients {
    /// The gradient by a tensor: a leaf ([`Tensor::requires_grad`]) or one that was marked with
    /// [`Tensor::retain_grad`]. None if no gradient reached it.
    pub fn get(&self, tensor: &Tensor) -> Option<&Tensor> {
        self.by_id.get(&tensor.node()?.id)
    }

    /// The gradient by a tensor, to be taken out.
    pub fn remove(&mut self, tensor: &Tensor) -> Option<Tensor> {
        self.by_id.remove(&tensor.node()?.id)
    }

    /// Replaces the gradient by a tensor, if the tensor can have one.
    pub fn insert(&mut self, tensor: &Tensor, grad: Tensor) {
        if let Some(node) = tensor.node() {
            self.by_id.insert(node.id, grad);
        }
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
        pending: ByNode::with_capacity_and_hasher(ROOM, Default::default()),
        order: BinaryHeap::with_capacity(ROOM),
        found: Gradients::default(),
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
        while let Some(id) = pass.order.pop() {
            if let Some((node, grad)) = pass.pending.remove(&id) {
                pass.visit(&node, grad)?;
            }
        }
        Ok(pass.found)
    })
}

/// A walk in progress.
struct Pass {
    options: BackwardOptions,
    targets: Option<Targets>,
    /// Nodes that have received a part of their gradient.
    pending: ByNode<(Arc<Node>, Tensor)>,
    order: BinaryHeap<u64>,
    found: Gradients,
}

impl Pass {
    /// Adds to the gradient of a node.
    fn receive(&mut self, node: &Arc<Node>, grad: Tensor) -> Result<()> {
        if let Some((_, sum)) = self.pending.get_mut(&node.id) {
            *sum = sum.try_add(&grad)?;
            return Ok(());
        }
        self.order.push(node.id);
        self.pending.insert(node.id, (node.clone(), grad));
        Ok(())
    }

    fn visit(&mut self, node: &Arc<Node>, grad: Tensor) -> Result<()> {
        let grad = node.run_hooks(grad);
        let wanted = match &self.targets {
            Some(targets) => targets.ids.contains(&node.id),
            None => node.recorded.is_none() || node.retained.load(Ordering::Relaxed),
        };
        if wanted {
            self.found.by_id.insert(node.id, grad.clone());
        }
        let Some(recorded) = &node.recorded else {
            return Ok(());
        };
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
        node: &Arc<Node>,
        recorded: &Recorded,
        needed: &[bool],
        grad: &Tensor,
    ) -> Result<Grads> {
        let keep = self.options.retain_graph || self.options.create_graph;
        let unpack = |saved: &Saved| match saved {
            Saved::Input(_, tensor) | Saved::Value(tensor) => tensor.clone(),
            Saved::Output(tensor) if self.options.create_graph => {
                tensor.clone().with_node(Some(node.clone()))
            }
            Saved::Output(tensor) => tensor.clone(),
        };
        let Some(saved) = recorded.take_saved(keep, unpack) else {
            let message = format_args!(
                "{} was walked over before and has given up what it saved: call the first pass \
                 with retain_graph",
                recorded.op.name()
            );
            return Err(Error::Op(OpError::of("backward", message)));
        };
        if self.options.create_graph
            && let Some(grads) = through_composite(recorded, &saved, needed, grad)
        {
            return grads;
        }
        let context = Context { saved: &saved.tensors, inputs: &recorded.specs, needed };
        recorded.op.backward(&context, grad)
    }
}

/// The gradients by the inputs of an op that has a composite, such that they can be derived again.
fn through_composite(
    recorded: &Recorded,
    saved: &Unpacked,
    needed: &[bool],
    grad: &Tensor,
) -> Option<Result<Grads>> {
    let inputs: Option<Vec<&Tensor>> = (0..recorded.specs.len())
        .map(|input| {
            let place = saved.inputs.iter().position(|saved| *saved == Some(input))?;
            Some(&saved.tensors[place])
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
