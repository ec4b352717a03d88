//! Tables: reading them, what their columns hold, and rows as numbers.

pub mod columns;
pub mod csv;
pub mod date;
pub mod encoder;
pub mod frame;
pub mod json_lines;
#[cfg(feature = "parquet")]
pub mod parquet;
pub(super) mod target;
