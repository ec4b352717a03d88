"""Element-wise functions."""

import torch
import torch.nn.functional as F


def hard_sigmoid(x):
    """By its formula: PyTorch's gradient in f64 has 1/6 rounded to f32."""
    return (x / 6 + 0.5).clamp(0, 1)


def make(family):
    unary = {
        "relu": F.relu, "clamp": lambda x: x.clamp(0, 6), "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "celu": F.celu,
        "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "mish": F.mish,
        "softplus": F.softplus, "softsign": F.softsign, "hard_sigmoid": hard_sigmoid, "hard_swish": F.hardswish,
        "sigmoid": torch.sigmoid, "log_sigmoid": F.logsigmoid, "tanh": torch.tanh, "erf": torch.erf, "exp": torch.exp,
        "expm1": torch.expm1, "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "atan": torch.atan,
        "sinh": torch.sinh, "cosh": torch.cosh, "asinh": torch.asinh,
    }
    for name, function in unary.items():
        family.case(name, function, family.floats(40) * 2)
    positive = {"log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "acosh": lambda x: torch.acosh(x + 1)}
    for name, function in positive.items():
        family.case(name, function, family.floats(40, low=0.1, high=5.0))
    unit = {"asin": torch.asin, "acos": torch.acos, "atanh": torch.atanh}
    for name, function in unit.items():
        family.case(name, function, family.floats(40, low=-0.9, high=0.9))
    family.case("pow", torch.pow, family.floats(40, low=0.1, high=3.0), family.floats(40))
    family.case("atan2", torch.atan2, family.floats(40), family.floats(40))
