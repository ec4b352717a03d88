"""Normalisation."""

import torch.nn.functional as F


def make(family):
    family.case("layer_norm", lambda x, w, b: F.layer_norm(x, (10,), w, b), family.floats(4, 3, 10), family.floats(10), family.floats(10))
    family.case("layer_norm_axes", lambda x, w, b: F.layer_norm(x, (3, 10), w, b), family.floats(4, 3, 10), family.floats(3, 10), family.floats(3, 10))
    family.case("layer_norm_plain", lambda x: F.layer_norm(x, (33,)), family.floats(5, 33))
    family.case("layer_norm_offset", lambda x: F.layer_norm(x, (64,)), family.floats(5, 64) + 100)
    family.case("rms_norm", lambda x, w: F.rms_norm(x, (12,), w, 1e-6), family.floats(4, 3, 12), family.floats(12))
    family.case("group_norm", lambda x, w, b: F.group_norm(x, 3, w, b), family.floats(2, 6, 4, 5), family.floats(6), family.floats(6))
    family.case("instance_norm", lambda x, w, b: F.instance_norm(x, weight=w, bias=b), family.floats(2, 3, 4, 5), family.floats(3), family.floats(3))
    family.case("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), family.floats(4, 3, 5, 6), family.floats(3), family.floats(3))
    family.case("batch_norm1d", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), family.floats(9, 4), family.floats(4), family.floats(4))
    mean, variance = family.floats(3), family.floats(3, low=0.5, high=2.0)
    family.case(
        "batch_norm_eval",
        lambda x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b),
        family.floats(4, 3, 5, 6), family.floats(3), family.floats(3), mean, variance,
    )
