"""Layers."""

from torch import nn


def make(family):
    family.layer("linear", nn.Linear(5, 4), family.floats(3, 2, 5))
