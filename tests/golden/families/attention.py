"""Attention."""

import torch.nn.functional as F


def make(family):
    attend = F.scaled_dot_product_attention
    sizes = (2, 3, 9, 8), (2, 3, 13, 8), (2, 3, 13, 6)
    family.case("plain", attend, *(family.floats(*s) for s in sizes))
    family.case("scale", lambda q, k, v: attend(q, k, v, scale=0.7), *(family.floats(*s) for s in sizes))
    family.case("causal", lambda q, k, v: attend(q, k, v, is_causal=True), *(family.floats(2, 70, 16) for _ in range(3)))
    family.case("float_mask", attend, *(family.floats(*s) for s in sizes), family.floats(9, 13))
    mask = family.booleans(0.7, 2, 1, 9, 13)
    mask[..., 0] = True
    family.case("bool_mask", attend, *(family.floats(*s) for s in sizes), mask)
