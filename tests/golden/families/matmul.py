"""Matrix products."""

import torch
import torch.nn.functional as F


def make(family):
    family.case("matrices", torch.matmul, family.floats(17, 33), family.floats(33, 9))
    family.case("batched", torch.matmul, family.floats(3, 5, 7), family.floats(3, 7, 4))
    family.case("broadcast", torch.matmul, family.floats(3, 1, 5, 7), family.floats(2, 7, 4))
    family.case("vector_right", torch.matmul, family.floats(6, 11), family.floats(11))
    family.case("vector_left", torch.matmul, family.floats(11), family.floats(11, 6))
    family.case("dot", torch.matmul, family.floats(19), family.floats(19))
    family.case("long", torch.matmul, family.floats(3, 1500), family.floats(1500, 5))
    family.case("linear", F.linear, family.floats(4, 3, 20), family.floats(13, 20), family.floats(13))
