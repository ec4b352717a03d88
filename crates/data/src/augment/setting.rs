//! What options of transforms must be.

use gradus_tensor::{Error, Result};
use std::fmt;

/// An error about the setting `name` of a transform.
pub(super) fn wrong(transform: &str, message: impl fmt::Display) -> Error {
    Error::Setting(format!("{transform}: {message}"))
}

/// Refuses what is no probability.
pub(super) fn probability(transform: &str, name: &str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(wrong(transform, format_args!("{name} is {value}: give a number from 0 to 1")))
}

/// Refuses what is not finite or lies outside.
pub(super) fn between(
    transform: &str,
    name: &str,
    value: f64,
    [low, high]: [f64; 2],
) -> Result<()> {
    if value.is_finite() && (low..=high).contains(&value) {
        return Ok(());
    }
    let cure = match high.is_finite() {
        true => format!("from {low} to {high}"),
        false => format!("from {low} on"),
    };
    Err(wrong(transform, format_args!("{name} is {value}: give a number {cure}")))
}

/// Refuses a range whose ends are out of order or outside.
pub(super) fn range(
    transform: &str,
    name: &str,
    [low, high]: [f64; 2],
    within: [f64; 2],
) -> Result<()> {
    between(transform, name, low, within)?;
    between(transform, name, high, within)?;
    if low <= high {
        return Ok(());
    }
    let message = format_args!("{name} is from {low} to {high}: give the smaller number first");
    Err(wrong(transform, message))
}

/// Refuses a picture without pixels.
pub(super) fn size(transform: &str, [height, width]: [usize; 2]) -> Result<()> {
    const MOST: usize = 1 << 26;
    if height.checked_mul(width).is_some_and(|area| (1..=MOST).contains(&area)) {
        return Ok(());
    }
    let message =
        format_args!("a picture of {height} rows and {width} columns: give 1 to {MOST} pixels");
    Err(wrong(transform, message))
}
