//! Losses.

use crate::family::Family;
use gradus::nn::losses::{bce_loss, bce_with_logits_loss, mae_loss, mse_loss};

pub fn check(family: &mut Family) {
    family.row("mse_loss", "F.mse_loss");
    family.check("mse", |x| mse_loss(&x[0], &x[1]));
    family.row("mae_loss", "F.l1_loss");
    family.check("mae", |x| mae_loss(&x[0], &x[1]));
    family.row("bce_loss", "F.binary_cross_entropy");
    family.check("bce", |x| bce_loss(&x[0], &x[1]));
    family.row("bce_with_logits_loss", "F.binary_cross_entropy_with_logits");
    family.check("bce_with_logits", |x| bce_with_logits_loss(&x[0], &x[1]));
}
