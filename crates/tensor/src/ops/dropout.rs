//! Dropout: numbers left out at random.

use super::case::{Case, Gradient, Sample};
use crate::error::reject;
use crate::kernel::{Dropout, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{OpError, Result, Rng, Tensor};
use gradus_kernels::dropout::blocks;
use smallvec::smallvec;

/// y = 0 with a probability p, else x / (1 - p). The gradient is dropped out by the same numbers,
/// which are drawn anew: nothing is saved.
#[derive(Debug)]
pub(super) struct DropOut(pub Dropout);

impl Rng {
    /// A dropout of its own stream, split off from this one: the same numbers are left out wherever
    /// it is used. With a share of 0 there is none, and nothing is drawn.
    pub fn dropout(&mut self, share: f64) -> Option<Dropout> {
        (share != 0.0).then(|| Dropout { share, key: self.split().key(), position: 0 })
    }
}

impl DropOut {
    /// Complains about a share that is no probability.
    pub fn check(share: f64) -> Result<(), OpError> {
        if !(0.0..=1.0).contains(&share) {
            reject!("a probability lies between 0 and 1, not at {share}");
        }
        Ok(())
    }
}

impl Op for DropOut {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if !inputs[0].dtype.is_float() {
            return Err(OpError::dtype(inputs[0].dtype, "floats"));
        }
        Self::check(self.0.share)?;
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        Ok(Forward::new(launch(&Kernel::Dropout(self.0), inputs, output)?))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(Self(self.0), &[grad])?)])
    }
}

impl Tensor {
    /// y = 0 with the probability p, else x / (1 - p), so that the mean stays the same.
    ///
    /// What is left out depends on the stream and on an element's place alone. With p = 0 nothing
    /// is drawn.
    ///
    /// # Source
    /// Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, "Dropout: A Simple Way to
    /// Prevent Neural Networks from Overfitting", section 10. PyTorch:
    /// `torch.nn.functional.dropout`.
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Self {
        if p == 0.0 {
            return self.clone();
        }
        let position = rng.take(blocks(self.count()));
        Self::apply(DropOut(Dropout { share: p, key: rng.key(), position }), &[self])
    }
}

pub(super) const CASES: &[Case] = &[Case {
    name: "dropout",
    formula: "0 with the probability p, else x / (1 - p)",
    torch: "torch.nn.functional.dropout",
    gradient: Gradient::Twice,
    samples: || {
        let sample = |shape: &[usize], p: f64| {
            Sample::floats(&[shape], -1.0..1.0, move |x| x[0].dropout(p, &mut Rng::new(7)))
        };
        vec![
            sample(&[5, 7, 4], 0.3),
            sample(&[3, 4], 1.0).label("everything"),
            sample(&[2, 0], 0.5).label("empty"),
        ]
    },
}];
