"""Softmax and cross-entropy."""

import torch.nn.functional as F


def make(family):
    family.case("softmax", lambda x: F.softmax(x, -1), family.floats(4, 5, 17) * 3)
    family.case("softmax_axis", lambda x: F.softmax(x, 1), family.floats(4, 5, 7) * 3)
    family.case("log_softmax", lambda x: F.log_softmax(x, -1), family.floats(4, 5, 17) * 3)
    family.case("log_softmax_axis", lambda x: F.log_softmax(x, 0), family.floats(4, 5, 7) * 3)
    cross_entropy = F.cross_entropy
    family.case("cross_entropy", cross_entropy, family.floats(8, 10), family.integers(10, 8))
    family.case("cross_entropy_sum", lambda x, t: cross_entropy(x, t, reduction="sum"), family.floats(8, 10), family.integers(10, 8))
    family.case("cross_entropy_none", lambda x, t: cross_entropy(x, t, reduction="none"), family.floats(8, 10), family.integers(10, 8))
    family.case("cross_entropy_smoothing", lambda x, t: cross_entropy(x, t, label_smoothing=0.1), family.floats(8, 10), family.integers(10, 8))
    family.case("cross_entropy_ignore", lambda x, t: cross_entropy(x, t, ignore_index=2), family.floats(12, 4), family.integers(4, 12))
    family.case(
        "cross_entropy_weight",
        lambda x, t, w: cross_entropy(x, t, weight=w.detach(), label_smoothing=0.2, ignore_index=1),
        family.floats(12, 5), family.integers(5, 12), family.floats(5, low=0.2, high=2.0),
    )
    family.case("cross_entropy_spatial", cross_entropy, family.floats(2, 5, 3, 4), family.integers(5, 2, 3, 4))
    probabilities = F.softmax(family.floats(6, 7), -1)
    family.case("cross_entropy_probabilities", lambda x, p: cross_entropy(x, p.detach()), family.floats(6, 7), probabilities)
