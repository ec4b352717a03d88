//! Printing tensors, large ones in part.

use crate::{DType, Tensor};
use std::fmt;

/// Tensors of more elements are printed in part.
const WHOLE: usize = 1000;

/// How many elements are printed at either end of an axis that is printed in part.
const EDGE: usize = 3;

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The numbers in rows and columns, then shape and type. Floats have four digits behind the point,
/// or as many as the format asks for (`{:.2}`); all are in the exponential form if some are very
/// large or very small.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.device().is_shape_only() {
            let part = self.count() > WHOLE;
            let shown = self.detach().shown(part);
            let Ok(numbers) = shown.texts(f.precision().unwrap_or(4)) else {
                return write!(f, "tensor of shape {} that cannot be read", self.shape());
            };
            let width = numbers.iter().map(|text| text.chars().count()).max().unwrap_or(0);
            let mut numbers = numbers.into_iter();
            self.write_axis(f, 0, width, part, &mut numbers)?;
            writeln!(f)?;
        }
        write!(f, "{} {}", self.dtype(), self.shape())?;
        if self.device() != crate::Device::cpu() {
            write!(f, " on {}", self.device())?;
        }
        Ok(())
    }
}

impl Tensor {
    /// The elements that are printed.
    fn shown(&self, part: bool) -> Self {
        let mut shown = self.clone();
        for axis in 0..self.rank() {
            let len = self.shape()[axis];
            if part && len > 2 * EDGE {
                let axis = axis as isize;
                let ends = [shown.narrow(axis, 0, EDGE), shown.narrow(axis, len - EDGE, EDGE)];
                shown = Self::cat(&ends, axis);
            }
        }
        shown
    }

    /// The elements as texts of the same form.
    fn texts(&self, digits: usize) -> crate::Result<Vec<String>> {
        let to_f64 = || self.to_dtype(DType::F64).try_to_vec::<f64>();
        match self.dtype() {
            DType::Bool => Ok(self.try_to_vec::<bool>()?.iter().map(bool::to_string).collect()),
            DType::I64 => Ok(self.try_to_vec::<i64>()?.iter().map(i64::to_string).collect()),
            dtype if dtype.is_integer() => Ok(to_f64()?.iter().map(|x| format!("{x}")).collect()),
            _ => {
                let numbers = to_f64()?;
                let extreme =
                    |x: &f64| x.is_finite() && *x != 0.0 && !(1e-4..1e6).contains(&x.abs());
                let exponential = numbers.iter().any(extreme);
                let text = |x: &f64| match exponential {
                    true => format!("{x:.digits$e}"),
                    false => format!("{x:.digits$}"),
                };
                Ok(numbers.iter().map(text).collect())
            }
        }
    }

    /// Writes the elements of one index of the axes before `axis`.
    fn write_axis(
        &self,
        f: &mut fmt::Formatter<'_>,
        axis: usize,
        width: usize,
        part: bool,
        numbers: &mut impl Iterator<Item = String>,
    ) -> fmt::Result {
        if axis == self.rank() {
            return write!(f, "{:>width$}", numbers.next().unwrap_or_default());
        }
        let len = self.shape()[axis];
        let cut = part && len > 2 * EDGE;
        let last = axis + 1 == self.rank();
        let gap = match last {
            true => ", ".to_string(),
            false => format!(",{}{}", "\n".repeat(self.rank() - axis - 1), " ".repeat(axis + 1)),
        };
        write!(f, "[")?;
        for i in 0..if cut { 2 * EDGE } else { len } {
            if i > 0 {
                f.write_str(&gap)?;
            }
            if cut && i == EDGE {
                write!(f, "…{gap}")?;
            }
            self.write_axis(f, axis + 1, width, part, numbers)?;
        }
        write!(f, "]")
    }
}
