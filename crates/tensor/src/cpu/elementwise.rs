//! Element-wise kernels, by the type of their elements.

use super::deferred::defer;
use super::{output, slice, strided, unsupported};
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use crate::{DType, Layout, Result};
use gradus_kernels::chain::{Source, Step};
use gradus_kernels::{self as kernels, Binary, Comparison, Element, Machine, Unary};
use half::{bf16, f16};

pub(super) fn copy(on: Machine, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) -> Result<()> {
    with_dtype!(inputs[0].dtype, all T => {
        kernels::copy::<T>(on, strided(&inputs[0]), output(&mut outputs[0]));
    });
    Ok(())
}

pub(super) fn cast(on: Machine, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    let contiguous = x.layout.is_contiguous();
    match (x.dtype, out.dtype) {
        (DType::BF16, DType::F32) if contiguous => {
            kernels::widen::<bf16>(on, slice(x), output(out))
        }
        (DType::F16, DType::F32) if contiguous => kernels::widen::<f16>(on, slice(x), output(out)),
        (DType::F32, DType::BF16) if contiguous => {
            kernels::narrow::<bf16>(on, slice(x), output(out));
        }
        (DType::F32, DType::F16) if contiguous => kernels::narrow::<f16>(on, slice(x), output(out)),
        (from, to) => with_dtype!(from, all A => {
            with_dtype!(to, all B => kernels::cast::<A, B>(on, strided(x), output(out)))
        }),
    }
    Ok(())
}

pub(super) fn fill(value: f64, outputs: &mut [Output<'_>]) -> Result<()> {
    with_dtype!(outputs[0].dtype, all T => output::<T>(&mut outputs[0]).fill(T::from_f64(value)));
    Ok(())
}

pub(super) fn map(
    on: Machine,
    op: Unary,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    if defer(on, Step::Map(op, Source::Input(0)), inputs, out) {
        return Ok(());
    }
    with_dtype!(x.dtype, float T => kernels::map::<T>(on, op, strided(x), output(out)), else {
        if !op.takes_integers() {
            return unsupported(&format!("{op:?}"), x.dtype);
        }
        with_dtype!(x.dtype, integer T => {
            kernels::map_exact::<T>(on, op, strided(x), output(out));
        }, else return unsupported(&format!("{op:?}"), x.dtype));
    });
    Ok(())
}

pub(super) fn zip(
    on: Machine,
    op: Binary,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, y, out) = (&inputs[0], &inputs[1], &mut outputs[0]);
    if defer(on, Step::Zip(op, Source::Input(0), Source::Input(1)), inputs, out) {
        return Ok(());
    }
    with_dtype!(x.dtype, float T => {
        kernels::zip::<T>(on, op, strided(x), strided(y), output(out));
    }, else {
        if !op.takes_integers() {
            return unsupported(&format!("{op:?}"), x.dtype);
        }
        with_dtype!(x.dtype, integer T => {
            kernels::zip_exact::<T>(on, op, strided(x), strided(y), output(out));
        }, else return unsupported(&format!("{op:?}"), x.dtype));
    });
    Ok(())
}

pub(super) fn compare(
    on: Machine,
    comparison: Comparison,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, y, out) = (&inputs[0], &inputs[1], &mut outputs[0]);
    with_dtype!(x.dtype, all T => {
        kernels::compare::<T>(on, comparison, strided(x), strided(y), output(out));
    });
    Ok(())
}

pub(super) fn select(on: Machine, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) -> Result<()> {
    let (condition, yes, no, out) = (&inputs[0], &inputs[1], &inputs[2], &mut outputs[0]);
    with_dtype!(yes.dtype, all T => {
        kernels::select::<T>(on, strided(condition), strided(yes), strided(no), output(out));
    });
    Ok(())
}

pub(super) fn unview(
    layout: &Layout,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    let (offset, strides) = (layout.offset(), layout.strides());
    with_dtype!(x.dtype, computed T => {
        kernels::unview::<T>(strided(x), offset, strides, output(out));
    }, else return unsupported("unview", x.dtype));
    Ok(())
}
