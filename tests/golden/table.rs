//! The table `docs/PARITY.md`.

use crate::family::{Errors, Row};
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "\
# Parity with PyTorch

Everything here is compared, forward and backward, with what PyTorch 2.15 computes in `f64` on random
inputs; where PyTorch has no such thing, with the equations of the paper that is named. The figures
are the largest relative errors of any number in any case: relative to the number, or to the root
mean square of the tensor where that is larger. The tests fail above 1e-5 in `f32` and 1e-10 in
`f64`. Only where random inputs nearly cancel, so that PyTorch's own `f32` is off by more than a third
of that, may ours be off by three times as much.

The tests make this page (`GRADUS_RENEW=1 cargo test --test golden`), from fixtures that
[make.py](../tests/golden/make.py) draws; it takes a seed, so that you can draw your own. A dash
stands where there is nothing to compare.
";

/// Renews the page if asked to, else fails unless it has these rows. Figures differ a little from
/// processor to processor, so they are renewed but not compared.
pub fn check(sections: &[(&str, Vec<Row>)]) {
    let page = render(sections);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PARITY.md");
    if std::env::var_os("GRADUS_RENEW").is_some() {
        std::fs::write(&path, page).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        without_figures(&kept) == without_figures(&page),
        "docs/PARITY.md has other rows: renew it with GRADUS_RENEW=1 cargo test --test golden"
    );
}

fn render(sections: &[(&str, Vec<Row>)]) -> String {
    let mut page = HEAD.to_string();
    for (title, rows) in sections {
        let _ = write!(
            page,
            "\n## {title}\n\n\
             | Gradus | PyTorch | cases | f32 forward | f32 gradient | f64 forward | f64 gradient |\n\
             |---|---|---|---|---|---|---|\n"
        );
        for row in rows {
            let _ = write!(page, "| {} | {} | {} |", row.name, row.torch, row.cases);
            for Errors { forward, gradient } in row.errors {
                for error in [forward, gradient] {
                    let _ = match error {
                        Some(0.0) => write!(page, " 0 |"),
                        Some(error) => write!(page, " {error:.1e} |"),
                        None => write!(page, " – |"),
                    };
                }
            }
            page.push('\n');
        }
        let mut different = rows.iter().filter(|row| !row.differences.is_empty()).peekable();
        if different.peek().is_some() {
            page.push_str("\nDifferent on purpose:\n\n");
        }
        for row in different {
            let _ = writeln!(page, "- {}: {}", row.name, row.differences.join(" "));
        }
    }
    page
}

fn without_figures(page: &str) -> Vec<String> {
    page.lines().map(|line| line.splitn(5, '|').take(4).collect::<Vec<_>>().join("|")).collect()
}
