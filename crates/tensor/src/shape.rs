//! Shapes, axes and broadcasting.

use crate::error::{OpError, fail};
use gradus_kernels::MAX_RANK;
use smallvec::SmallVec;
use std::fmt;
use std::ops::{Deref, RangeFull};

/// The lengths of a tensor's axes, at most eight.
#[derive(Clone, Copy, Default)]
pub struct Shape {
    rank: u8,
    lens: [usize; MAX_RANK],
}

impl Shape {
    /// The shape with these lengths.
    ///
    /// # Errors
    /// If there are more than eight.
    pub fn try_new(lens: &[usize]) -> Result<Self, OpError> {
        if lens.len() > MAX_RANK {
            let rank = lens.len();
            return Err(OpError::new(format_args!("{rank} axes: a tensor has at most {MAX_RANK}")));
        }
        let mut shape = Self { rank: lens.len() as u8, ..Self::default() };
        shape.lens[..lens.len()].copy_from_slice(lens);
        Ok(shape)
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The number of elements.
    pub fn count(&self) -> usize {
        self.iter().product()
    }

    /// The number of elements, unless it is too large for the machine.
    pub fn checked_count(&self) -> Option<usize> {
        // As if no axis were empty: distances between neighbours are counted too.
        let (mut most, mut count) = (1usize, 1);
        for &len in self.iter() {
            most = most.checked_mul(len.max(1))?;
            count *= len;
        }
        (most <= isize::MAX as usize).then_some(count)
    }

    /// The number of elements.
    ///
    /// # Errors
    /// If it is too large for the machine.
    pub(crate) fn try_count(&self) -> Result<usize, OpError> {
        let message = || format!("shape {self} has more elements than can be counted: use less");
        self.checked_count().ok_or_else(|| OpError::new(message()))
    }

    /// The axis that a number from `-rank` to `rank - 1` means; negative ones count from the end.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn axis(&self, axis: isize) -> Result<usize, OpError> {
        let rank = self.rank() as isize;
        let index = if axis < 0 { axis + rank } else { axis };
        if (0..rank).contains(&index) {
            return Ok(index as usize);
        }
        Err(OpError::new(format_args!("there is no axis {axis} in shape {self}")))
    }

    /// The same shape with another length of one axis.
    pub fn with(mut self, axis: usize, len: usize) -> Self {
        self[axis] = len;
        self
    }

    /// The shape without one axis.
    pub fn without(&self, axis: usize) -> Self {
        self.without_axes(&[axis])
    }

    /// The shape without some axes, none of which is named twice.
    pub(crate) fn without_axes(&self, axes: &[usize]) -> Self {
        let mut shape = Self { rank: self.rank - axes.len() as u8, ..Self::default() };
        let kept = self.iter().enumerate().filter(|(i, _)| !axes.contains(i));
        for (to, (_, &len)) in shape.lens.iter_mut().zip(kept) {
            *to = len;
        }
        shape
    }

    /// The shape that two shapes broadcast to, by NumPy's rule: aligned at their last axes, two
    /// lengths must be equal or one of them 1.
    ///
    /// # Errors
    /// If they do not.
    pub fn broadcast(&self, other: &Self) -> Result<Self, OpError> {
        if self == other {
            return Ok(*self);
        }
        let rank = self.rank().max(other.rank());
        let mut shape = Self { rank: rank as u8, ..Self::default() };
        for i in 1..=rank {
            let a = if i <= self.rank() { self[self.rank() - i] } else { 1 };
            let b = if i <= other.rank() { other[other.rank() - i] } else { 1 };
            shape[rank - i] = match (a, b) {
                _ if a == b => a,
                (1, len) | (len, 1) => len,
                _ => {
                    return Err(OpError::new(format_args!(
                        "shapes {self} and {other} do not broadcast: {a} meets {b}"
                    )));
                }
            };
        }
        Ok(shape)
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.lens[..self.rank as usize]
    }
}

impl std::ops::DerefMut for Shape {
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.lens[..self.rank as usize]
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        // A loop, for axes are few.
        self.rank == other.rank && self.iter().zip(other.iter()).all(|(own, other)| own == other)
    }
}

impl Eq for Shape {}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        **self == *other
    }
}

impl<const N: usize> PartialEq<[usize; N]> for &Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        ***self == *other
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lens: Vec<String> = self.iter().map(usize::to_string).collect();
        f.pad(&format!("[{}]", lens.join(", ")))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&[usize]> for Shape {
    #[track_caller]
    fn from(lens: &[usize]) -> Self {
        Self::try_new(lens).unwrap_or_else(|error| fail(error))
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    #[track_caller]
    fn from(lens: [usize; N]) -> Self {
        Self::from(&lens[..])
    }
}

impl From<Vec<usize>> for Shape {
    #[track_caller]
    fn from(lens: Vec<usize>) -> Self {
        Self::from(&lens[..])
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        *shape
    }
}

impl From<usize> for Shape {
    fn from(len: usize) -> Self {
        Self::from([len])
    }
}

/// Without an axis: the shape of a single number.
impl From<()> for Shape {
    fn from(_: ()) -> Self {
        Self::default()
    }
}

/// The numbers of axes, or their lengths.
pub(crate) type AxisList = SmallVec<[usize; 4]>;

/// Which axes an operation is about: `..` for all, `1` or `-1` for one, `[0, 2]` for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axes {
    /// All axes.
    All,
    /// These axes; negative numbers count from the end.
    These(Vec<isize>),
}

impl Axes {
    /// The axes' numbers, in ascending order.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub(crate) fn resolve(&self, shape: &Shape) -> Result<AxisList, OpError> {
        let Self::These(axes) = self else {
            return Ok((0..shape.rank()).collect());
        };
        let mut resolved = AxisList::with_capacity(axes.len());
        for &axis in axes {
            let index = shape.axis(axis)?;
            if resolved.contains(&index) {
                return Err(OpError::new(format_args!("axis {axis} is named twice")));
            }
            resolved.push(index);
        }
        resolved.sort_unstable();
        Ok(resolved)
    }
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Self {
        Self::All
    }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Self {
        Self::These(vec![axis])
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Self {
        Self::These(axes.to_vec())
    }
}

impl From<&[isize]> for Axes {
    fn from(axes: &[isize]) -> Self {
        Self::These(axes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        let broadcast = |a: &[usize], b: &[usize]| Shape::from(a).broadcast(&Shape::from(b));
        assert_eq!(broadcast(&[2, 3], &[3]).unwrap(), [2, 3]);
        assert_eq!(broadcast(&[2, 1], &[1, 4]).unwrap(), [2, 4]);
        assert_eq!(broadcast(&[], &[5]).unwrap(), [5]);
        assert_eq!(broadcast(&[1], &[0]).unwrap(), [0]);
        let error = broadcast(&[2, 3], &[2, 4]).unwrap_err().to_string();
        assert_eq!(error, "shapes [2, 3] and [2, 4] do not broadcast: 3 meets 4");
    }

    #[test]
    fn axes_count_from_either_end() {
        let shape = Shape::from([2, 3, 4]);
        assert_eq!(shape.axis(-1), Ok(2));
        assert_eq!(shape.axis(3).unwrap_err().to_string(), "there is no axis 3 in shape [2, 3, 4]");
        assert_eq!(Axes::from([-1, 0]).resolve(&shape).unwrap()[..], [0, 2]);
        assert!(Axes::from([2, -1]).resolve(&shape).is_err());
        assert_eq!(shape.without(1), [2, 4]);
    }
}
