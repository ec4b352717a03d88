"""Makes the golden fixtures: what PyTorch computes, forward and backward.

    python3 -m venv /tmp/venv
    /tmp/venv/bin/pip install torch==2.15.0 numpy safetensors
    /tmp/venv/bin/python tests/golden/make.py

Each case has inputs that are exact in f32. PyTorch computes in f64, so that the fixtures hold the
right answer and not PyTorch's rounding. The tensors of a case are named `case/what`:
`in0`, `in1` ... the inputs, `out` the output, `upstream` the gradient that is sent back, and
`grad0`, `grad1` ... the gradients by those inputs that have one.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent
GENERATOR = torch.Generator().manual_seed(20261121)


def floats(*shape, low=None, high=None):
    """Normal numbers, or uniform ones from a range, exact in f32."""
    if low is None:
        x = torch.randn(shape, generator=GENERATOR)
    else:
        x = torch.rand(shape, generator=GENERATOR) * (high - low) + low
    return x.to(torch.float32)


def integers(below, *shape):
    return torch.randint(below, shape, generator=GENERATOR)


class Family:
    """One file of fixtures."""

    def __init__(self, name):
        self.name = name
        self.tensors = {}

    def case(self, name, function, *inputs):
        """Calls a function of tensors and keeps what it gives."""
        leaves = [
            x.to(torch.float64).requires_grad_() if x.is_floating_point() else x for x in inputs
        ]
        out = function(*leaves)
        upstream = floats(*out.shape)
        (out * upstream.to(torch.float64)).sum().backward()
        keep = {"out": out.detach(), "upstream": upstream}
        for index, (x, leaf) in enumerate(zip(inputs, leaves)):
            keep[f"in{index}"] = x
            if leaf.is_floating_point() and leaf.grad is not None:
                keep[f"grad{index}"] = leaf.grad
        self.keep(name, keep)

    def keep(self, name, tensors):
        for what, x in tensors.items():
            x = x.to(torch.float32) if x.is_floating_point() else x
            self.tensors[f"{name}/{what}"] = x.contiguous()

    def save(self):
        path = FOLDER / f"{self.name}.safetensors"
        save_file(self.tensors, path)
        print(f"{path}: {len(self.tensors)} tensors, {path.stat().st_size} bytes")


def matmul():
    family = Family("matmul")
    family.case("matrices", torch.matmul, floats(17, 33), floats(33, 9))
    family.case("batched", torch.matmul, floats(3, 5, 7), floats(3, 7, 4))
    family.case("broadcast", torch.matmul, floats(3, 1, 5, 7), floats(2, 7, 4))
    family.case("vector_right", torch.matmul, floats(6, 11), floats(11))
    family.case("vector_left", torch.matmul, floats(11), floats(11, 6))
    family.case("dot", torch.matmul, floats(19), floats(19))
    family.case("long", torch.matmul, floats(3, 1500), floats(1500, 5))
    family.case("linear", F.linear, floats(4, 3, 20), floats(13, 20), floats(13))
    family.save()


def conv():
    family = Family("conv")
    cases = [
        # name, function, x, weight, bias, options
        ("conv1d", F.conv1d, (2, 3, 17), (4, 3, 5), 4, {}),
        ("conv1d_stride", F.conv1d, (2, 4, 20), (6, 2, 3), 6, dict(stride=2, padding=2, dilation=2, groups=2)),
        ("conv1d_same", F.conv1d, (2, 3, 9), (4, 3, 4), None, dict(padding="same", dilation=2)),
        ("conv2d", F.conv2d, (2, 3, 9, 8), (5, 3, 3, 3), 5, {}),
        ("conv2d_padding", F.conv2d, (2, 3, 9, 8), (5, 3, 3, 3), 5, dict(padding=1)),
        ("conv2d_stride", F.conv2d, (2, 3, 11, 10), (4, 3, 3, 5), 4, dict(stride=(2, 3), padding=(1, 2))),
        ("conv2d_dilation", F.conv2d, (2, 2, 12, 11), (3, 2, 3, 3), None, dict(dilation=(2, 3), padding=2)),
        ("conv2d_groups", F.conv2d, (2, 6, 7, 7), (9, 2, 3, 3), 9, dict(groups=3, padding=1)),
        ("conv2d_depthwise", F.conv2d, (2, 8, 9, 9), (8, 1, 3, 3), 8, dict(groups=8, padding=1)),
        ("conv2d_multiplier", F.conv2d, (1, 4, 9, 9), (8, 1, 3, 3), None, dict(groups=4, stride=2)),
        ("conv2d_pointwise", F.conv2d, (2, 7, 6, 5), (9, 7, 1, 1), 9, {}),
        ("conv2d_pointwise_stride", F.conv2d, (2, 7, 7, 5), (4, 7, 1, 1), None, dict(stride=2)),
        ("conv2d_same", F.conv2d, (1, 2, 8, 9), (3, 2, 4, 3), 3, dict(padding="same")),
        ("conv2d_first", F.conv2d, (3, 1, 28, 28), (8, 1, 3, 3), 8, dict(padding=1)),
        ("conv2d_patches", F.conv2d, (2, 3, 16, 16), (6, 3, 4, 4), 6, dict(stride=4)),
        ("conv3d", F.conv3d, (2, 2, 5, 6, 7), (3, 2, 3, 3, 3), 3, dict(padding=1)),
        ("conv3d_stride", F.conv3d, (1, 4, 6, 7, 8), (4, 2, 2, 3, 2), None, dict(stride=(1, 2, 3), padding=(0, 1, 1), dilation=(2, 1, 1), groups=2)),
        ("conv_transpose1d", F.conv_transpose1d, (2, 3, 8), (3, 4, 5), 4, dict(stride=2, padding=1, output_padding=1)),
        ("conv_transpose2d", F.conv_transpose2d, (2, 4, 5, 6), (4, 3, 3, 3), 3, {}),
        ("conv_transpose2d_stride", F.conv_transpose2d, (2, 4, 5, 4), (4, 3, 3, 4), 3, dict(stride=(2, 3), padding=(1, 2), output_padding=(1, 0))),
        ("conv_transpose2d_groups", F.conv_transpose2d, (2, 4, 5, 4), (4, 3, 2, 3), 6, dict(groups=2, dilation=2)),
        ("conv_transpose3d", F.conv_transpose3d, (1, 2, 3, 4, 3), (2, 3, 2, 3, 2), 3, dict(stride=2, padding=1, output_padding=1)),
    ]
    for name, function, x, weight, bias, options in cases:
        inputs = [floats(*x), floats(*weight)] + ([floats(bias)] if bias else [])
        family.case(name, lambda *t, f=function, o=options: f(*t, **o), *inputs)
    family.save()


def pool():
    family = Family("pool")
    cases = [
        ("max_pool1d", (2, 3, 11), lambda x: F.max_pool1d(x, 3, 2, 1)),
        ("max_pool2d", (2, 3, 8, 10), lambda x: F.max_pool2d(x, 2)),
        ("max_pool2d_overlap", (2, 3, 9, 10), lambda x: F.max_pool2d(x, (3, 2), (2, 1), 1)),
        ("max_pool2d_ceil", (2, 2, 10, 11), lambda x: F.max_pool2d(x, 3, 2, 0, ceil_mode=True)),
        ("max_pool2d_dilation", (2, 2, 10, 11), lambda x: F.max_pool2d(x, 3, 2, 1, dilation=2)),
        ("max_pool3d", (1, 2, 6, 7, 8), lambda x: F.max_pool3d(x, 2, 2, 1)),
        ("avg_pool1d", (2, 3, 11), lambda x: F.avg_pool1d(x, 3, 2, 1)),
        ("avg_pool2d", (2, 3, 8, 10), lambda x: F.avg_pool2d(x, 2)),
        ("avg_pool2d_padding", (2, 3, 9, 10), lambda x: F.avg_pool2d(x, 3, 2, 1)),
        ("avg_pool2d_without", (2, 3, 9, 10), lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
        ("avg_pool2d_ceil", (2, 3, 10, 9), lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
        ("avg_pool3d", (1, 2, 5, 6, 7), lambda x: F.avg_pool3d(x, 2, 2, 1)),
        ("adaptive_avg_pool1d", (2, 3, 10), lambda x: F.adaptive_avg_pool1d(x, 4)),
        ("adaptive_avg_pool2d", (2, 3, 10, 7), lambda x: F.adaptive_avg_pool2d(x, (3, 5))),
        ("adaptive_avg_pool2d_global", (2, 3, 6, 7), lambda x: F.adaptive_avg_pool2d(x, 1)),
        ("adaptive_avg_pool3d", (1, 2, 5, 6, 7), lambda x: F.adaptive_avg_pool3d(x, (2, 4, 3))),
        ("adaptive_max_pool1d", (2, 3, 10), lambda x: F.adaptive_max_pool1d(x, 4)),
        ("adaptive_max_pool2d", (2, 3, 10, 7), lambda x: F.adaptive_max_pool2d(x, (3, 5))),
        ("unfold2d", (2, 3, 7, 8), lambda x: F.unfold(x, (3, 2), dilation=(1, 2), padding=1, stride=2)),
        ("fold2d", (2, 12, 20), lambda x: F.fold(x, (6, 5), (2, 2))),
        ("upsample_nearest1d", (2, 3, 5), lambda x: F.interpolate(x, size=8)),
        ("upsample_nearest2d", (2, 3, 5, 4), lambda x: F.interpolate(x, scale_factor=2)),
        ("upsample_nearest2d_size", (2, 3, 5, 4), lambda x: F.interpolate(x, size=(7, 3))),
        ("upsample_linear1d", (2, 3, 5), lambda x: F.interpolate(x, size=9, mode="linear")),
        ("upsample_bilinear2d", (2, 3, 5, 4), lambda x: F.interpolate(x, size=(9, 6), mode="bilinear")),
        ("upsample_bilinear2d_corners", (2, 3, 5, 4), lambda x: F.interpolate(x, size=(9, 6), mode="bilinear", align_corners=True)),
        ("upsample_bilinear2d_smaller", (2, 3, 8, 9), lambda x: F.interpolate(x, size=(3, 5), mode="bilinear")),
    ]
    for name, shape, function in cases:
        family.case(name, function, floats(*shape))
    family.save()


def norm():
    family = Family("norm")
    family.case("layer_norm", lambda x, w, b: F.layer_norm(x, (10,), w, b), floats(4, 3, 10), floats(10), floats(10))
    family.case("layer_norm_axes", lambda x, w, b: F.layer_norm(x, (3, 10), w, b), floats(4, 3, 10), floats(3, 10), floats(3, 10))
    family.case("layer_norm_plain", lambda x: F.layer_norm(x, (33,)), floats(5, 33))
    family.case("layer_norm_offset", lambda x: F.layer_norm(x, (64,)), floats(5, 64) + 100)
    family.case("rms_norm", lambda x, w: F.rms_norm(x, (12,), w, 1e-6), floats(4, 3, 12), floats(12))
    family.case("group_norm", lambda x, w, b: F.group_norm(x, 3, w, b), floats(2, 6, 4, 5), floats(6), floats(6))
    family.case("instance_norm", lambda x, w, b: F.instance_norm(x, weight=w, bias=b), floats(2, 3, 4, 5), floats(3), floats(3))
    family.case("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), floats(4, 3, 5, 6), floats(3), floats(3))
    family.case("batch_norm1d", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), floats(9, 4), floats(4), floats(4))
    mean, variance = floats(3), floats(3, low=0.5, high=2.0)
    family.case(
        "batch_norm_eval",
        lambda x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b),
        floats(4, 3, 5, 6), floats(3), floats(3), mean, variance,
    )
    family.save()


def softmax():
    family = Family("softmax")
    family.case("softmax", lambda x: F.softmax(x, -1), floats(4, 5, 17) * 3)
    family.case("softmax_axis", lambda x: F.softmax(x, 1), floats(4, 5, 7) * 3)
    family.case("log_softmax", lambda x: F.log_softmax(x, -1), floats(4, 5, 17) * 3)
    family.case("log_softmax_axis", lambda x: F.log_softmax(x, 0), floats(4, 5, 7) * 3)
    cross_entropy = F.cross_entropy
    family.case("cross_entropy", cross_entropy, floats(8, 10), integers(10, 8))
    family.case("cross_entropy_sum", lambda x, t: cross_entropy(x, t, reduction="sum"), floats(8, 10), integers(10, 8))
    family.case("cross_entropy_none", lambda x, t: cross_entropy(x, t, reduction="none"), floats(8, 10), integers(10, 8))
    family.case("cross_entropy_smoothing", lambda x, t: cross_entropy(x, t, label_smoothing=0.1), floats(8, 10), integers(10, 8))
    family.case("cross_entropy_ignore", lambda x, t: cross_entropy(x, t, ignore_index=2), floats(12, 4), integers(4, 12))
    family.case(
        "cross_entropy_weight",
        lambda x, t, w: cross_entropy(x, t, weight=w.detach(), label_smoothing=0.2, ignore_index=1),
        floats(12, 5), integers(5, 12), floats(5, low=0.2, high=2.0),
    )
    family.case("cross_entropy_spatial", cross_entropy, floats(2, 5, 3, 4), integers(5, 2, 3, 4))
    probabilities = F.softmax(floats(6, 7), -1)
    family.case("cross_entropy_probabilities", lambda x, p: cross_entropy(x, p.detach()), floats(6, 7), probabilities)
    family.save()


def attention():
    family = Family("attention")
    attend = F.scaled_dot_product_attention
    sizes = (2, 3, 9, 8), (2, 3, 13, 8), (2, 3, 13, 6)
    family.case("plain", attend, *(floats(*s) for s in sizes))
    family.case("scale", lambda q, k, v: attend(q, k, v, scale=0.7), *(floats(*s) for s in sizes))
    family.case("causal", lambda q, k, v: attend(q, k, v, is_causal=True), *(floats(2, 70, 16) for _ in range(3)))
    family.case("float_mask", attend, *(floats(*s) for s in sizes), floats(9, 13))
    mask = torch.rand(2, 1, 9, 13, generator=GENERATOR) < 0.7
    mask[..., 0] = True
    family.case("bool_mask", attend, *(floats(*s) for s in sizes), mask)
    family.save()


def elementwise():
    family = Family("elementwise")
    unary = {
        "relu": F.relu, "relu6": F.relu6, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "celu": F.celu,
        "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "mish": F.mish,
        "softplus": F.softplus, "softsign": F.softsign, "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish,
        "sigmoid": torch.sigmoid, "log_sigmoid": F.logsigmoid, "tanh": torch.tanh, "erf": torch.erf, "exp": torch.exp,
        "expm1": torch.expm1, "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "atan": torch.atan,
        "sinh": torch.sinh, "cosh": torch.cosh, "asinh": torch.asinh,
    }
    for name, function in unary.items():
        family.case(name, function, floats(40) * 2)
    positive = {"log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "acosh": lambda x: torch.acosh(x + 1)}
    for name, function in positive.items():
        family.case(name, function, floats(40, low=0.1, high=5.0))
    unit = {"asin": torch.asin, "acos": torch.acos, "atanh": torch.atanh}
    for name, function in unit.items():
        family.case(name, function, floats(40, low=-0.9, high=0.9))
    family.case("pow", torch.pow, floats(40, low=0.1, high=3.0), floats(40))
    family.case("atan2", torch.atan2, floats(40), floats(40))
    family.save()


def losses():
    family = Family("losses")
    family.case("mse", F.mse_loss, floats(5, 4), floats(5, 4))
    family.case("mae", F.l1_loss, floats(5, 4), floats(5, 4))
    family.case("bce", F.binary_cross_entropy, floats(5, 4, low=0.05, high=0.95), floats(5, 4, low=0.0, high=1.0))
    family.case("bce_with_logits", F.binary_cross_entropy_with_logits, floats(5, 4) * 4, floats(5, 4, low=0.0, high=1.0))
    family.save()


def optimizers():
    """The parameter after each of eight steps with given gradients."""
    family = Family("optimizers")
    optim = torch.optim
    cases = {
        "sgd": lambda p: optim.SGD(p, lr=0.1),
        "sgd_decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.05),
        "sgd_momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        "sgd_nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "adam": lambda p: optim.Adam(p, lr=0.05),
        "adam_decay": lambda p: optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
        "adamw": lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.1),
    }
    for name, make in cases.items():
        first, gradients = floats(3, 5), floats(8, 3, 5)
        p = first.to(torch.float64).clone().requires_grad_()
        optimizer = make([p])
        values = []
        for gradient in gradients:
            p.grad = gradient.to(torch.float64)
            optimizer.step()
            values.append(p.detach().clone())
        family.keep(name, {"first": first, "gradients": gradients, "values": torch.stack(values)})
    family.save()


if __name__ == "__main__":
    for make in (matmul, conv, pool, norm, softmax, attention, elementwise, losses, optimizers):
        make()
