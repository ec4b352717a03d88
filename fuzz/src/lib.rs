//! What the fuzz targets run: the same as `tests/fuzz` runs on damaged files.

#[path = "../../tests/fuzz/bodies/mod.rs"]
pub mod bodies;
