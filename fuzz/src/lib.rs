//! What the fuzz targets run: the same as `tests/fuzz` runs on damaged files.

#[path = "../../tests/fuzz/bodies.rs"]
pub mod bodies;
