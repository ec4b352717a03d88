//! Numbers for each spatial axis of an image, a sound or a volume.

use crate::error::{OpError, fail, reject};
use std::fmt;
use std::ops::Deref;

/// One number for all spatial axes, or one for each of up to three: the size of a window, its
/// stride, its padding.
///
/// ```
/// use gradus_tensor::ops::Sizes;
///
/// assert_eq!(*Sizes::from(3).resolve("kernel", 2).unwrap(), [3, 3]);
/// assert_eq!(*Sizes::from([3, 5]).resolve("kernel", 2).unwrap(), [3, 5]);
/// assert!(Sizes::from([3, 5]).resolve("kernel", 3).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sizes {
    count: u8,
    numbers: [usize; Self::MOST],
}

impl Sizes {
    /// The most spatial axes there are.
    pub const MOST: usize = 3;

    /// The numbers given.
    ///
    /// # Errors
    /// If there are none or more than three.
    pub fn try_new(given: &[usize]) -> Result<Self, OpError> {
        if given.is_empty() || given.len() > Self::MOST {
            reject!("{given:?} holds {} numbers: give one, two or three", given.len());
        }
        let mut numbers = [0; Self::MOST];
        numbers[..given.len()].copy_from_slice(given);
        Ok(Self { count: given.len() as u8, numbers })
    }

    /// One number for each of `axes` spatial axes, a single number being repeated. Errors call the
    /// numbers by what they are: `what`.
    ///
    /// # Errors
    /// If there are several numbers, but not as many as axes.
    pub fn resolve(&self, what: &str, axes: usize) -> Result<Self, OpError> {
        match self.len() {
            1 => Self::try_new(&vec![self[0]; axes]),
            count if count == axes => Ok(*self),
            count => Err(OpError::new(format_args!(
                "{what} {self} has {count} numbers for {axes} spatial axes: give one for all or \
                 one for each"
            ))),
        }
    }
}

impl Deref for Sizes {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.numbers[..self.count as usize]
    }
}

/// One number for all axes.
impl From<usize> for Sizes {
    fn from(number: usize) -> Self {
        Self { count: 1, numbers: [number, 0, 0] }
    }
}

/// One number for each axis; panics if there are none or more than three.
impl<const N: usize> From<[usize; N]> for Sizes {
    #[track_caller]
    fn from(numbers: [usize; N]) -> Self {
        Self::try_new(&numbers).unwrap_or_else(|error| fail(error))
    }
}

/// As [`Sizes::from`] of an array.
impl From<&[usize]> for Sizes {
    #[track_caller]
    fn from(numbers: &[usize]) -> Self {
        Self::try_new(numbers).unwrap_or_else(|error| fail(error))
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self[..] {
            [one] => write!(f, "{one}"),
            several => write!(f, "{several:?}"),
        }
    }
}

impl fmt::Debug for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
