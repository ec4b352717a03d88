//! Frames around tensors.

use super::case::{Case, Gradient, Sample};
use super::view::axis_of;
use crate::error::{fail, reject};
use crate::kernel::Kernel;
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{OpError, Result, Scalar, Tensor};
use smallvec::smallvec;

/// y = x, with a frame of one number around it.
#[derive(Debug)]
pub(super) struct Pad {
    /// For each axis, how many elements come before and after those of x.
    pub(super) widths: Vec<(usize, usize)>,
    pub(super) value: f64,
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let mut shape = inputs[0].shape;
        for (len, (before, after)) in shape.iter_mut().zip(&self.widths) {
            match before.checked_add(*after).and_then(|width| width.checked_add(*len)) {
                Some(padded) => *len = padded,
                None => reject!("{len} elements with {before} and {after} around are too many"),
            }
        }
        Ok(inputs[0].with_shape(shape))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let before = self.widths.iter().map(|(before, _)| *before).collect();
        let kernel = Kernel::Pad { before, value: self.value };
        Ok(Forward::new(launch(&kernel, inputs, output)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let shape = context.inputs[0].shape;
        let widths = self.widths.iter().enumerate();
        let grad = widths.fold(grad.clone(), |grad, (axis, (before, _))| {
            if grad.shape()[axis] == shape[axis] {
                return grad;
            }
            grad.narrow(axis as isize, *before, shape[axis])
        });
        Ok(smallvec![Some(grad)])
    }

    fn flops(&self, _: &[Spec], _: &Spec) -> u64 {
        0
    }
}

/// What stands in the frame that [`Tensor::pad`] puts around a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// One number.
    Constant(f64),
    /// The elements mirrored at the outermost one: c b | a b c | b a.
    Reflect,
    /// The outermost element: a a | a b c | c c.
    Replicate,
    /// The elements from the other end: b c | a b c | a b.
    Circular,
}

impl PadMode {
    /// The index within an axis of `len` from which position `position` takes its element, where
    /// the axis itself starts at `before`.
    fn source(self, position: usize, before: usize, len: usize) -> usize {
        let (place, len) = (position as isize - before as isize, len as isize);
        let index = match self {
            Self::Constant(_) | Self::Replicate => place.clamp(0, len - 1),
            Self::Reflect if place < 0 => -place,
            Self::Reflect if place >= len => 2 * (len - 1) - place,
            Self::Reflect => place,
            Self::Circular => place.rem_euclid(len),
        };
        index as usize
    }

    /// Says whether an axis is long enough for a frame.
    fn check(self, axis: usize, len: usize, widths: (usize, usize)) -> Result<(), OpError> {
        let widest = widths.0.max(widths.1);
        let most = match self {
            Self::Constant(_) => usize::MAX,
            Self::Reflect => len.saturating_sub(1),
            Self::Replicate => len.saturating_mul(usize::MAX),
            Self::Circular => len,
        };
        if widest > most {
            reject!("{self:?} has at most {most} elements for axis {axis} of {len}, not {widest}");
        }
        Ok(())
    }
}

impl Tensor {
    /// The tensor with a frame around it: for each axis, how many elements come before and after
    /// those that are there. Fewer pairs than axes belong to the last axes. PyTorch:
    /// `torch.nn.functional.pad`, whose pairs come in the opposite order.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    /// use gradus_tensor::ops::PadMode;
    ///
    /// let x = Tensor::from([[1f32, 2.0, 3.0]]);
    /// let y = x.pad(&[(0, 1), (2, 0)], PadMode::Constant(0.0));
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    /// let y = x.pad(&[(2, 1)], PadMode::Reflect);
    /// assert_eq!(y.to_vec::<f32>(), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// ```
    ///
    /// # Panics
    /// If there are more pairs than axes, or an axis is too short for the frame that the mode takes
    /// from it.
    #[track_caller]
    pub fn pad(&self, widths: &[(usize, usize)], mode: PadMode) -> Self {
        let Some(skipped) = self.rank().checked_sub(widths.len()) else {
            let (pairs, rank) = (widths.len(), self.rank());
            fail(OpError::of("pad", format_args!("{pairs} pairs of widths for {rank} axes")));
        };
        if let PadMode::Constant(value) = mode {
            if widths.iter().all(|&pair| pair == (0, 0)) {
                return self.clone();
            }
            let widths = [&vec![(0, 0); skipped][..], widths].concat();
            return Self::apply(Pad { widths, value }, &[self]);
        }
        let mut padded = self.clone();
        for (axis, &(before, after)) in widths.iter().enumerate() {
            let (axis, len) = (axis + skipped, self.shape()[axis + skipped]);
            if (before, after) == (0, 0) {
                continue;
            }
            if let Err(error) = mode.check(axis, len, (before, after)) {
                fail(error.named("pad"));
            }
            let sources =
                (0..before + len + after).map(|place| mode.source(place, before, len) as i64);
            let indices = Self::from(sources.collect::<Vec<i64>>()).to_device(self.device());
            padded = padded.index_select(axis as isize, &indices);
        }
        padded
    }

    /// The tensor with a number before and after the elements of one axis, as many times as `widths`
    /// says.
    #[track_caller]
    pub fn pad_axis(&self, axis: isize, widths: (usize, usize), value: impl Into<Scalar>) -> Self {
        let mut all = vec![(0, 0); self.rank()];
        all[axis_of(self, axis, "pad")] = widths;
        self.pad(&all, PadMode::Constant(value.into().to_f64()))
    }
}

pub(super) const CASES: &[Case] = &[Case {
    name: "pad",
    formula: "x with a frame around it",
    torch: "torch.nn.functional.pad",
    gradient: Gradient::Twice,
    samples: || {
        let sample = |rows: usize, mode: PadMode| {
            let call = move |x: &[Tensor]| x[0].pad(&[(1, 0), (2, 1)], mode);
            Sample::floats(&[&[2, rows, 4]], -1.0..1.0, call)
        };
        vec![
            sample(3, PadMode::Constant(0.5)),
            sample(3, PadMode::Reflect).label("reflect"),
            sample(3, PadMode::Replicate).label("replicate"),
            sample(3, PadMode::Circular).label("circular"),
            sample(0, PadMode::Constant(-1.0)).label("empty"),
        ]
    },
}];
