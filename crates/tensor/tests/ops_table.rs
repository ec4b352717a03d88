//! `docs/OPS.md` says what the list of ops says.

use gradus_tensor::ops::{cases, table};
use std::env;
use std::fs;
use std::path::Path;

const HEADING: &str = "# The ops\n\n\
    Every differentiable primitive of Gradus: what it computes, what PyTorch calls it, and which\n\
    derivatives it has. This page is written from the list in `crates/tensor/src/ops/mod.rs`; renew\n\
    it by `GRADUS_RENEW=1 cargo test -p gradus-tensor --test ops_table`.\n\n";

#[test]
fn the_page_of_ops_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPS.md");
    let page = format!("{HEADING}{}\n", table());
    if env::var_os("GRADUS_RENEW").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/OPS.md is out of date: run GRADUS_RENEW=1 cargo test -p gradus-tensor --test ops_table"
    );
}

#[test]
fn the_table_has_a_row_for_each_op_and_aligned_columns() {
    let table = table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), cases().count() + 2);
    for (case, line) in cases().zip(&lines[2..]) {
        assert!(line.starts_with(&format!("| {} ", case.name)), "{line}");
        assert!(line.contains(&case.formula.replace('|', "\\|")), "{line}");
        assert!(line.contains(case.torch), "{line}");
        assert_eq!(line.chars().count(), lines[0].chars().count(), "{line}");
        let bars = line.matches('|').count() - line.matches("\\|").count();
        assert_eq!(bars, 5, "{line}");
    }
}
