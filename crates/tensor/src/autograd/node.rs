//! The tape: a node for each recorded op.

use super::mode;
use crate::op::{Forward, Op, Origin, Origins, Spec};
use crate::storage::Buffer;
use crate::storage::lock;
use crate::{Error, OpError, Result, Tensor};
use gradus_kernels::Precision;
use gradus_kernels::memory::{Pooled, PooledBox};
use smallvec::SmallVec;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What made a tensor, as far as gradients are concerned.
pub(crate) struct Node {
    /// Numbers grow from inputs to outputs.
    pub(crate) id: u64,
    /// The op; none for a leaf.
    pub(crate) recorded: Option<Recorded>,
    /// Whether the gradient is kept though this is no leaf.
    pub(crate) retained: AtomicBool,
    /// Apart, for few nodes have any.
    hooks: OnceLock<Box<Hooks>>,
}

type Hooks = Mutex<Vec<(u64, HookFn)>>;

/// An op that was applied.
pub(crate) struct Recorded {
    pub(crate) op: PooledBox<dyn Op>,
    /// The nodes of the inputs; none where no gradient flows.
    pub(crate) inputs: SmallVec<[Option<Pooled<Node>>; 3]>,
    pub(crate) specs: PooledBox<[Spec]>,
    /// That of its products, and so of those of its gradients.
    pub(crate) precision: Precision,
    /// What forward kept, until a backward pass has used it: without nodes, for an output would hold
    /// itself.
    saved: Mutex<Option<Saved>>,
    /// What each of it is.
    pub(crate) origins: Origins,
}

/// Tensors that forward kept.
pub(crate) type Saved = SmallVec<[Tensor; 3]>;

/// A function of a gradient that may replace it.
pub(crate) type HookFn = Arc<dyn Fn(&Tensor) -> Option<Tensor> + Send + Sync>;

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Node {
    /// A node for a tensor that gradients are wanted by.
    pub(crate) fn leaf() -> Self {
        Self::new(None)
    }

    /// A node for the output of an op.
    pub(crate) fn record(
        op: PooledBox<dyn Op>,
        inputs: &[&Tensor],
        specs: &[Spec],
        forward: &Forward,
    ) -> Pooled<Self> {
        let mut node = Pooled::made(|| {
            Self::new(Some(Recorded {
                op,
                inputs: SmallVec::new(),
                specs: PooledBox::copied(specs),
                precision: mode().precision,
                saved: Mutex::new(Some(Saved::new())),
                origins: Origins::new(),
            }))
        });
        // Lists are filled where they stay: to move what was just written in pieces takes long.
        let recorded = Pooled::get_mut(&mut node).and_then(|node| node.recorded.as_mut());
        let recorded = recorded.expect("a new node has one holder, and an op");
        for input in inputs {
            recorded.inputs.push(input.node().cloned());
        }
        let saved = recorded.saved.get_mut().unwrap_or_else(PoisonError::into_inner);
        let saved = saved.get_or_insert_default();
        let mut values = forward.values.iter();
        for &origin in &forward.saved {
            recorded.origins.push(origin);
            saved.push(match origin {
                Origin::Repeated(index) if maker(inputs[index as usize].node()).is_some() => {
                    Tensor::from_buffer(Buffer::Nothing, specs[index as usize])
                }
                Origin::Input(index) | Origin::Repeated(index) => inputs[index as usize].detach(),
                Origin::Output => forward.output.detach(),
                Origin::Value => values.next().expect("it was saved with its origin").clone(),
            });
        }
        node
    }

    #[inline]
    fn new(recorded: Option<Recorded>) -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, recorded, retained: AtomicBool::new(false), hooks: OnceLock::new() }
    }

    /// True if there are hooks.
    pub(crate) fn has_hooks(&self) -> bool {
        self.hooks.get().is_some()
    }

    /// The gradient as the hooks leave it.
    pub(crate) fn run_hooks(&self, mut grad: Tensor) -> Tensor {
        if let Some(hooks) = self.hooks.get() {
            let hooks: Vec<HookFn> = lock(hooks).iter().map(|(_, hook)| hook.clone()).collect();
            for hook in hooks {
                grad = hook(&grad).unwrap_or(grad);
            }
        }
        grad
    }

    /// Adds a hook.
    pub(crate) fn add_hook(this: &Pooled<Self>, hook: HookFn) -> Hook {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        lock(this.hooks.get_or_init(Default::default)).push((id, hook));
        Hook { node: this.clone(), id }
    }
}

impl Recorded {
    /// What forward kept. It is given up unless `keep`; none if it was given up before.
    pub(crate) fn take_saved(&self, keep: bool) -> Option<Saved> {
        let mut saved = lock(&self.saved);
        match keep || saved.as_ref()?.is_empty() {
            true => saved.clone(),
            false => saved.take(),
        }
    }

    /// Computes those inputs again that were not kept. Fails where what that takes was given up.
    pub(crate) fn repeat(&self, saved: &mut Saved) -> Result<()> {
        for (tensor, origin) in saved.iter_mut().zip(&self.origins) {
            if let Origin::Repeated(index) = *origin
                && let Some(maker) = maker(self.inputs[index as usize].as_ref())
            {
                let inputs = maker.take_saved(true).ok_or_else(|| maker.given_up())?;
                let inputs: SmallVec<[&Tensor; 5]> = inputs.iter().collect();
                *tensor = maker.op.forward(&inputs, self.specs[index as usize])?.output;
            }
        }
        Ok(())
    }

    /// A second walk over what was kept for one.
    pub(crate) fn given_up(&self) -> Error {
        let message = format_args!(
            "{} was walked over before and has given up what it saved: call the first pass with \
             retain_graph",
            self.op.name()
        );
        Error::Op(OpError::of("backward", message))
    }
}

/// What made a tensor, if it is quick to do so again.
fn maker(node: Option<&Pooled<Node>>) -> Option<&Recorded> {
    node?.recorded.as_ref().filter(|recorded| recorded.op.is_repeatable())
}

/// A hook on a gradient, to be removed when it is no longer wanted; see [`Tensor::register_hook`].
#[must_use = "a hook stays until it is removed"]
pub struct Hook {
    node: Pooled<Node>,
    id: u64,
}

impl Hook {
    /// Removes the hook.
    pub fn remove(self) {
        if let Some(hooks) = self.node.hooks.get() {
            lock(hooks).retain(|(id, _)| *id != self.id);
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hook({})", self.id)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.recorded.as_ref().map_or("leaf", |recorded| recorded.op.name());
        write!(f, "{name} #{}", self.id)
    }
}

/// Takes a long chain apart node by node, where the compiler's own way would go one call deeper for
/// each and overflow the stack.
impl Drop for Node {
    fn drop(&mut self) {
        let mut nodes = SmallVec::<[Pooled<Self>; 8]>::new();
        self.dismantle(&mut nodes);
        while let Some(mut node) = nodes.pop() {
            if let Some(node) = Pooled::get_mut(&mut node) {
                node.dismantle(&mut nodes);
            }
        }
    }
}

impl Node {
    /// Hands over the inputs that nobody else holds.
    fn dismantle(&mut self, nodes: &mut SmallVec<[Pooled<Self>; 8]>) {
        for input in self.recorded.iter_mut().flat_map(|recorded| &mut recorded.inputs) {
            if input.as_mut().is_some_and(|input| Pooled::get_mut(input).is_some()) {
                nodes.extend(input.take());
            }
        }
    }
}
