//! What Gradus computes against what PyTorch computed: outputs, gradients, optimizer steps.
//!
//! `make.py` beside this file made the fixtures; `golden.py` says what is in them.

mod activations;
mod family;
mod hygiene;
mod layers;
mod losses;
mod metrics;
mod ops;
mod optimizers;
mod pictures;
mod recurrent;
mod schedules;
mod table;
mod transformer;

use family::{Family, Row};

/// For each family of fixtures: its name, its title in `docs/PARITY.md`, and what checks it.
macro_rules! families {
    ($($name:ident, $title:literal, $check:path;)*) => {
        $(
            #[test]
            fn $name() {
                rows(stringify!($name), $check);
            }
        )*

        #[test]
        fn the_table_has_these_rows() {
            table::check(&[$(($title, rows(stringify!($name), $check))),*]);
        }
    };
}

families! {
    elementwise, "Element-wise functions", ops::elementwise;
    matmul, "Matrix products", ops::matmul;
    conv, "Convolutions", ops::conv;
    pool, "Pooling, patches and resampling", ops::pool;
    norm, "Normalisation", ops::norm;
    softmax, "Softmax and cross-entropy", ops::softmax;
    attention, "Attention", ops::attention;
    activations, "Activations", activations::check;
    layers, "Layers", layers::check;
    recurrent, "Recurrent networks", recurrent::check;
    transformer, "Attention layers, positions and transformers", transformer::check;
    losses, "Losses", losses::check;
    optimizers, "Optimizers", optimizers::check;
    schedules, "Schedules", schedules::check;
    hygiene, "Gradients and first values", hygiene::check;
    pictures, "Pictures", pictures::check;
    metrics, "Metrics", metrics::check;
}

fn rows(name: &'static str, check: fn(&mut Family)) -> Vec<Row> {
    let mut family = Family::read(name);
    check(&mut family);
    family.finish()
}
