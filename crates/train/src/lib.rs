//! The training loop and what it leaves behind.
//!
//! A [`Report`] turns what a run has learnt into one page that opens in any browser.

#![forbid(unsafe_code)]

mod report;

pub use report::{Best, Chart, Confusion, Mistake, Report, Series, Unit};
