"""Pooling, patches and resampling."""

import torch.nn.functional as F


def make(family):
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
        family.case(name, function, family.floats(*shape))
