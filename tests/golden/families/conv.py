"""Convolutions."""

import torch.nn.functional as F


def make(family):
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
        inputs = [family.floats(*x), family.floats(*weight)] + ([family.floats(bias)] if bias else [])
        family.case(name, lambda *t, f=function, o=options: f(*t, **o), *inputs)
