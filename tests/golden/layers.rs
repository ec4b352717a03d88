//! Layers: the keys of their state dicts, and their numbers.

use crate::family::Family;
use gradus::nn::{Layer, Linear};
use gradus::tensor::Rng;

pub fn check(family: &mut Family) {
    let rng = || Rng::new(1);
    family.row("Linear", "nn.Linear");
    family.layer("linear", || Linear::new(5, 4, &mut rng()), |m, x| vec![m.forward(&x[0])]);
}
