"""Gradients clipped by norm and by value; first values that are not random."""

import torch
from torch.nn import init
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

SHAPES = [(3, 5), (4,), (2, 3)]

# The last parameter gets no gradient.
NORMS = {
    "norm2": (1.5, 2.0),
    "norm1": (3.0, 1.0),
    "norm3": (0.5, 3.0),
    "norm_inf": (0.7, float("inf")),
    "norm_below": (1000.0, 2.0),
}


def parameters(family, keep):
    params = []
    for index, shape in enumerate(SHAPES):
        p = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        if index < 2:
            keep[f"gradient{index}"] = family.floats(*shape)
            p.grad = keep[f"gradient{index}"].double()
        params.append(p)
    return params


def make(family):
    for name, (limit, p) in NORMS.items():
        keep = {}
        params = parameters(family, keep)
        keep["norm"] = clip_grad_norm_(params, limit, p)
        keep["after"] = get_total_norm([q.grad for q in params[:2]], p)
        family.keep(name, keep | {f"clipped{index}": q.grad for index, q in enumerate(params[:2])})
    keep = {}
    params = parameters(family, keep)
    clip_grad_value_(params, 0.6)
    family.keep("value", keep | {f"clipped{index}": q.grad for index, q in enumerate(params[:2])})

    dirac = {"dirac1": ((4, 3, 5), 1), "dirac2": ((6, 2, 3, 4), 3), "dirac3": ((2, 4, 3, 2, 1), 2)}
    for name, (shape, groups) in dirac.items():
        family.keep(name, {"weight": init.dirac_(torch.empty(shape), groups)})
    family.keep("identity_wide", {"weight": init.eye_(torch.empty(3, 5))})
    family.keep("identity_tall", {"weight": init.eye_(torch.empty(5, 2))})
    family.keep("constant", {"weight": init.constant_(torch.empty(2, 3), 0.3)})
    family.keep("zeros", {"weight": init.zeros_(torch.empty(2, 3))})
    family.keep("ones", {"weight": init.ones_(torch.empty(2, 3))})
    gains = [init.calculate_gain(name) for name in ("linear", "sigmoid", "tanh", "relu", "selu")]
    gains.append(init.calculate_gain("leaky_relu", 0.2))
    family.keep("gains", {"gains": torch.tensor(gains, dtype=torch.float64)})
