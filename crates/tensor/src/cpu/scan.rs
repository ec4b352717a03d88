//! Scans, by the type of their elements.

use super::{output, strided, unsupported};
use crate::Result;
use crate::device::{Input, Output};
use crate::dtype::with_dtype;
use gradus_kernels::{self as kernels, Machine, Scan, Way};

pub(super) fn scan(
    on: Machine,
    scan: Scan,
    way: Way,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (x, out) = (&inputs[0], &mut outputs[0]);
    with_dtype!(x.dtype, computed T => {
        kernels::scan::<T>(on, scan, way, strided(x), output(out));
    }, else return unsupported("a scan", x.dtype));
    Ok(())
}

pub(super) fn linear_scan(
    on: Machine,
    way: Way,
    inputs: &[Input<'_>],
    outputs: &mut [Output<'_>],
) -> Result<()> {
    let (factor, x, out) = (&inputs[0], &inputs[1], &mut outputs[0]);
    with_dtype!(x.dtype, float T => {
        kernels::linear_scan::<T>(on, way, strided(factor), strided(x), output(out));
    }, else return unsupported("a scan", x.dtype));
    Ok(())
}
