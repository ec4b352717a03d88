"""Losses."""

import torch.nn.functional as F


def make(family):
    family.case("mse", F.mse_loss, family.floats(5, 4), family.floats(5, 4))
    family.case("mae", F.l1_loss, family.floats(5, 4), family.floats(5, 4))
    family.case("bce", F.binary_cross_entropy, family.floats(5, 4, low=0.05, high=0.95), family.floats(5, 4, low=0.0, high=1.0))
    family.case("bce_with_logits", F.binary_cross_entropy_with_logits, family.floats(5, 4) * 4, family.floats(5, 4, low=0.0, high=1.0))
