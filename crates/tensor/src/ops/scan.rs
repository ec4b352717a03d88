//! Running sums and products, and linear recurrences, along an axis.

use super::case::{Case, Gradient, Sample};
use super::view::axis_of;
use crate::error::reject;
use crate::kernel::{Kernel, Scan, Way};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{DType, OpError, Result, Tensor};
use smallvec::smallvec;

/// yᵢ = x₀ + … + xᵢ along an axis; from the other end, xᵢ + … + xₙ₋₁.
#[derive(Debug)]
struct CumSum {
    way: Way,
}

impl Op for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::Scan { scan: Scan::Sum, way: self.way };
        Ok(Forward::new(launch(&kernel, inputs, output)?))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(Self { way: turned(self.way) }, &[grad])?)])
    }
}

/// yᵢ = x₀ · … · xᵢ along an axis.
#[derive(Debug)]
struct CumProd {
    axis: usize,
}

impl Op for CumProd {
    fn name(&self) -> &'static str {
        "cumprod"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let way = Way { axis: self.axis, reverse: false };
        let kernel = Kernel::Scan { scan: Scan::Product, way };
        Ok(Forward::new(launch(&kernel, inputs, output)?).saving_input(0).saving_output())
    }

    /// dxᵢ = yᵢ₋₁ rᵢ, with rᵢ = dyᵢ + xᵢ₊₁ rᵢ₊₁: without a division, so that zeros do no harm.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (x, y) = (&context.saved[0], &context.saved[1]);
        let back = Way { axis: self.axis, reverse: true };
        let factor = neighbour(x, back, 0.0);
        let rest = Tensor::try_apply(LinearScan { way: back }, &[&factor, grad])?;
        Ok(smallvec![Some(neighbour(y, turned(back), 1.0) * rest)])
    }
}

/// yᵢ = factorᵢ · yᵢ₋₁ + xᵢ along an axis, from 0.
#[derive(Debug)]
struct LinearScan {
    way: Way,
}

impl Op for LinearScan {
    fn name(&self) -> &'static str {
        "linear_scan"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (factor, x) = (inputs[0], inputs[1]);
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        if factor.dtype != x.dtype {
            reject!("types differ: {} and {}", factor.dtype, x.dtype);
        }
        if factor.shape != x.shape {
            reject!("shapes differ: {} and {}", factor.shape, x.shape);
        }
        Ok(Spec { device: common_device(inputs)?, ..x })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let output = launch(&Kernel::LinearScan { way: self.way }, inputs, output)?;
        Ok(Forward::new(output).saving_input(0).saving_output())
    }

    /// dxᵢ = dyᵢ + factorᵢ₊₁ dxᵢ₊₁, dfactorᵢ = dxᵢ yᵢ₋₁.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (factor, y) = (&context.saved[0], &context.saved[1]);
        let back = turned(self.way);
        let next = neighbour(factor, back, 0.0);
        let by_x = Tensor::try_apply(Self { way: back }, &[&next, grad])?;
        let by_factor = context.if_needed(0, || Ok(&by_x * neighbour(y, self.way, 0.0)))?;
        Ok(smallvec![by_factor, Some(by_x)])
    }

    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        2 * output.shape.count() as u64
    }
}

/// The same axis from the other end.
fn turned(way: Way) -> Way {
    Way { reverse: !way.reverse, ..way }
}

/// For each element the one before it, as a scan goes; for the first one a number.
#[track_caller]
fn neighbour(x: &Tensor, way: Way, first: f64) -> Tensor {
    let axis = way.axis as isize;
    let (start, before, after) = if way.reverse { (1, 0, 1) } else { (0, 1, 0) };
    match x.len_of(axis) {
        0 => x.clone(),
        len => x.narrow(axis, start, len - 1).pad_axis(axis, (before, after), first),
    }
}

impl Tensor {
    /// The sums of the elements so far along an axis: yᵢ = x₀ + … + xᵢ; of integers as `i64`.
    /// PyTorch: `torch.cumsum`.
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Self {
        let way = Way { axis: axis_of(self, axis, "cumsum"), reverse: false };
        Self::apply(CumSum { way }, &[&self.for_totals()])
    }

    /// The products of the elements so far along an axis: yᵢ = x₀ · … · xᵢ; of integers as `i64`.
    /// PyTorch: `torch.cumprod`.
    #[track_caller]
    pub fn cumprod(&self, axis: isize) -> Self {
        let axis = axis_of(self, axis, "cumprod");
        Self::apply(CumProd { axis }, &[&self.for_totals()])
    }

    /// A linear recurrence along an axis, from 0: yᵢ = factorᵢ · yᵢ₋₁ + xᵢ. With a constant factor
    /// below 1, a sum that forgets: exponential averages, discounted rewards, state-space models.
    ///
    /// # Shapes
    /// x and `factor` alike.
    ///
    /// # Panics
    /// If the shapes or types differ, or are not floats.
    #[track_caller]
    pub fn linear_scan(&self, factor: &Self, axis: isize) -> Self {
        let way = Way { axis: axis_of(self, axis, "linear_scan"), reverse: false };
        Self::apply(LinearScan { way }, &[factor, self])
    }

    /// Floats as they are; integers, whose totals would overflow a smaller type, as `i64`.
    #[track_caller]
    fn for_totals(&self) -> Self {
        if self.dtype().is_float() { self.clone() } else { self.to_dtype(DType::I64) }
    }
}

/// Samples along each of three axes.
fn samples(inputs: usize, call: fn(&[Tensor], isize) -> Tensor) -> Vec<Sample> {
    let sample = |axis: isize, rows: usize| {
        let shape: &[usize] = &[rows, 4, 2];
        Sample::floats(&vec![shape; inputs], -1.5..1.5, move |x| call(x, axis))
    };
    vec![sample(0, 3), sample(1, 3), sample(-1, 3), sample(0, 0).label("empty")]
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "cumsum",
        formula: "x₀ + … + xᵢ along an axis",
        torch: "torch.cumsum",
        gradient: Gradient::Twice,
        samples: || samples(1, |x, axis| x[0].cumsum(axis)),
    },
    Case {
        name: "cumprod",
        formula: "x₀ · … · xᵢ along an axis",
        torch: "torch.cumprod",
        gradient: Gradient::Twice,
        samples: || samples(1, |x, axis| x[0].cumprod(axis)),
    },
    Case {
        name: "linear_scan",
        formula: "yᵢ = factorᵢ · yᵢ₋₁ + xᵢ along an axis",
        torch: "",
        gradient: Gradient::Twice,
        samples: || samples(2, |x, axis| x[0].linear_scan(&x[1], axis)),
    },
];
