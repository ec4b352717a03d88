"""Activations."""

import torch
import torch.nn.functional as F
from torch import nn


class StraightThroughSign(torch.autograd.Function):
    """Hubara et al. 2016, equation 4: the sign, with the gradient of the hard tanh."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return gradient * (x.abs() <= 1)


# Each activation without parameters, with its settings as they are if nothing is said, under the
# name that it has in Gradus.
ACTIVATIONS = {
    "Gelu": nn.GELU(),
    "GeluTanh": nn.GELU(approximate="tanh"),
    # What nn.Hardsigmoid computes, whose gradient has 1/6 rounded to f32 even in f64.
    "HardSigmoid": lambda x: torch.clamp(x / 6 + 0.5, 0, 1),
    "HardSwish": nn.Hardswish(),
    "LogSigmoid": nn.LogSigmoid(),
    "Mish": nn.Mish(),
    "Relu": nn.ReLU(),
    "Relu6": nn.ReLU6(),
    "Selu": nn.SELU(),
    "Sigmoid": nn.Sigmoid(),
    "SignStraightThrough": StraightThroughSign.apply,
    "Silu": nn.SiLU(),
    "Softsign": nn.Softsign(),
    "Tanh": nn.Tanh(),
    "Tanhshrink": nn.Tanhshrink(),
    "Celu": nn.CELU(),
    "Elu": nn.ELU(),
    "Hardshrink": nn.Hardshrink(),
    "Hardtanh": nn.Hardtanh(),
    "LeakyRelu": nn.LeakyReLU(),
    "Softplus": nn.Softplus(),
    "SoftplusUntil": nn.Softplus(),
    "Softshrink": nn.Softshrink(),
    "Swish": lambda x: x * torch.sigmoid(x),
    "Threshold": nn.Threshold(0.0, 0.0),
    "Glu": nn.GLU(),
    "LogSoftmax": nn.LogSoftmax(dim=-1),
    "Softmax": nn.Softmax(dim=-1),
    "Softmin": nn.Softmin(dim=-1),
}


def make(family):
    for name, activation in ACTIVATIONS.items():
        family.case(name, activation, family.floats(4, 6) * 3)

    x = family.floats(4, 6) * 3
    # What nn.CELU computes, whose gradient has 1/α rounded to f32 even in f64.
    family.case("celu_alpha", lambda x: torch.where(x > 0, x, 0.7 * torch.expm1(x / 0.7)), x)
    family.case("elu_alpha", nn.ELU(1.7), x)
    family.case("hardshrink_lambda", nn.Hardshrink(1.2), x)
    family.case("hardtanh_ends", nn.Hardtanh(-2.0, 0.5), x)
    family.case("leaky_relu_slope", nn.LeakyReLU(0.3), x)
    family.case("softplus_beta", nn.Softplus(beta=2.5), x)
    family.case("softplus_threshold", nn.Softplus(beta=2.0, threshold=3.0), x)
    family.case("softshrink_lambda", nn.Softshrink(1.2), x)
    family.case("swish_beta", lambda x: x * torch.sigmoid(1.7 * x), x)
    family.case("threshold_value", nn.Threshold(0.4, -2.0), x)
    family.case("glu_axis", nn.GLU(dim=1), family.floats(3, 4, 5))
    family.case("log_softmax_axis", nn.LogSoftmax(dim=1), family.floats(3, 4, 5))
    family.case("softmax_axis", nn.Softmax(dim=1), family.floats(3, 4, 5))
    family.case("softmin_axis", nn.Softmin(dim=0), family.floats(3, 4, 5))
    # What is exactly at an end, and beyond where exponentials overflow.
    ends = torch.tensor([-1000.0, -6.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.5, 6.0, 1000.0])
    for name in ["Relu6", "Hardshrink", "Hardtanh", "LeakyRelu", "Softshrink", "Softplus", "Mish", "Threshold"]:
        family.case(f"{name}_ends", ACTIVATIONS[name], ends)

    family.layer("prelu", nn.PReLU(), family.floats(3, 4))
    family.layer("prelu_channels", nn.PReLU(4), family.floats(3, 4, 5))
    family.case("rrelu_evaluation", lambda x: F.rrelu(x, 0.2, 0.7, training=False), family.floats(4, 5))
    family.case("maxout", lambda x: x.unflatten(1, (2, 3)).amax(2), family.floats(3, 6, 4))
    noise = family.floats(4, 5)
    soft = lambda x, noise: torch.softmax((x + noise.detach()) / 0.7, -1)
    family.case("gumbel_softmax", soft, family.floats(4, 5), noise)

    def hard(x, noise):
        y = soft(x, noise)
        return F.one_hot(y.argmax(-1), 5).double() - y.detach() + y

    family.case("gumbel_softmax_hard", hard, family.floats(4, 5), noise)

    class SwiGlu(nn.Module):
        """Shazeer 2020, equation 6."""

        def __init__(self):
            super().__init__()
            self.gate_proj = nn.Linear(5, 7, bias=False)
            self.up_proj = nn.Linear(5, 7, bias=False)
            self.down_proj = nn.Linear(7, 5, bias=False)

        def forward(self, x):
            return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))

    family.layer("swiglu", SwiGlu(), family.floats(2, 3, 5))
