"""Layers: the keys of their state dicts, and a case for each option that matters."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations


class Separable(nn.Module):
    """Howard et al. 2017, section 3.1."""

    def __init__(self, conv):
        super().__init__()
        self.depthwise = conv(4, 4, 3, padding=1, groups=4)
        self.pointwise = conv(4, 6, 1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


class Residual(nn.Module):
    """He et al. 2016, equation 2."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.shortcut = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        return self.layer(x) + self.shortcut(x)


class Parallel(nn.Module):
    """The sum of branches, or one behind the other."""

    def __init__(self, join):
        super().__init__()
        self.branches = nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3, bias=False)])
        self.join = join

    def forward(self, x):
        return self.join([branch(x) for branch in self.branches])


def make(family):
    linear(family)
    convolutions(family)
    pools(family)
    norms(family)
    weighted(family)
    embeddings(family)
    shapes(family)
    dropouts(family)
    containers(family)


def linear(family):
    family.layer("linear", nn.Linear(5, 4), family.floats(3, 2, 5))
    family.layer("linear_plain", nn.Linear(5, 4, bias=False), family.floats(3, 5))
    family.layer("bilinear", nn.Bilinear(3, 4, 5), family.floats(2, 6, 3), family.floats(2, 6, 4))
    family.layer("bilinear_plain", nn.Bilinear(3, 4, 5, bias=False), family.floats(6, 3), family.floats(6, 4))
    family.layer("cosine_similarity", nn.CosineSimilarity(), family.floats(3, 5), family.floats(3, 5))
    # Without gradients: PyTorch derives as if lengths were not kept above ε.
    call = lambda module, x, y: module(x.detach(), y.detach())
    family.layer("cosine_similarity_axis", nn.CosineSimilarity(dim=-1, eps=0.9), family.floats(3, 4) * 0.5, family.floats(3, 4), call=call)
    family.layer("pairwise_distance", nn.PairwiseDistance(), family.floats(3, 5), family.floats(3, 5))
    family.layer("pairwise_distance_p", nn.PairwiseDistance(p=3, eps=0.1, keepdim=True), family.floats(3, 5), family.floats(3, 5))


def convolutions(family):
    family.layer("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), family.floats(2, 4, 7))
    family.layer("conv1d_plain", nn.Conv1d(4, 3, 2, dilation=2, bias=False), family.floats(2, 4, 7))
    family.layer("conv2d", nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2), family.floats(2, 4, 5, 6))
    family.layer("conv2d_same", nn.Conv2d(2, 3, 3, padding="same", bias=False), family.floats(2, 2, 5, 4))
    family.layer("conv3d", nn.Conv3d(2, 4, 2, stride=(1, 2, 1), padding=(0, 1, 1)), family.floats(2, 2, 3, 4, 3))
    family.layer("conv_transpose1d", nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), family.floats(2, 4, 5))
    family.layer("conv_transpose2d", nn.ConvTranspose2d(2, 3, (3, 2), stride=2, dilation=2), family.floats(2, 2, 3, 4))
    family.layer("conv_transpose3d", nn.ConvTranspose3d(2, 3, 2, stride=(1, 2, 1), bias=False), family.floats(2, 2, 2, 3, 2))
    family.layer("depthwise", nn.Conv2d(4, 4, 3, padding=1, groups=4), family.floats(2, 4, 5, 4))
    family.layer("separable1d", Separable(nn.Conv1d), family.floats(2, 4, 6))
    family.layer("separable2d", Separable(nn.Conv2d), family.floats(2, 4, 5, 4))


def pools(family):
    x1, x2, x3 = family.floats(2, 3, 9), family.floats(2, 3, 7, 6), family.floats(2, 2, 4, 5, 4)
    for kind in ["Max", "Avg"]:
        options = {"stride": 2, "padding": 1, "ceil_mode": True}
        family.layer(f"{kind}Pool1d", getattr(nn, f"{kind}Pool1d")(3, **options), x1)
        family.layer(f"{kind}Pool2d", getattr(nn, f"{kind}Pool2d")((3, 2), **options), x2)
        family.layer(f"{kind}Pool3d", getattr(nn, f"{kind}Pool3d")(2, **options), x3)
        family.layer(f"Adaptive{kind}Pool1d", getattr(nn, f"Adaptive{kind}Pool1d")(4), x1)
        family.layer(f"Adaptive{kind}Pool2d", getattr(nn, f"Adaptive{kind}Pool2d")((3, 4)), x2)
        family.layer(f"Adaptive{kind}Pool3d", getattr(nn, f"Adaptive{kind}Pool3d")(3), x3)
    family.layer("GlobalAvgPool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), x2)
    family.layer("GlobalMaxPool", nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()), x2)
    family.layer("LpPool1d", nn.LPPool1d(2, 3, stride=2), x1)
    family.layer("LpPool1d_sum", nn.LPPool1d(1, 3), x1)
    family.layer("LpPool2d", nn.LPPool2d(2, (3, 2), stride=(2, 1), ceil_mode=True), x2)
    family.layer("LpPool2d_p", nn.LPPool2d(1.5, 2), x2.abs())
    family.layer("LpPool3d", nn.LPPool3d(2, 2), x3)
    family.layer("LpPool2d_zero", nn.LPPool2d(2, 2), torch.tensor([[[[0.0, 0, 3, 0], [0, 0, 4, 0]]]]))
    family.layer("upsample_nearest", nn.Upsample(scale_factor=2), family.floats(2, 3, 3, 4))
    family.layer("upsample_linear", nn.Upsample(size=7, mode="linear"), family.floats(2, 3, 4))
    family.layer("upsample_bilinear", nn.Upsample(size=(5, 7), mode="bilinear", align_corners=True), family.floats(2, 3, 3, 4))
    family.layer("upsample_trilinear", nn.Upsample(scale_factor=2, mode="trilinear"), family.floats(1, 2, 2, 3, 2))


def norms(family):
    shapes = {1: (4, 3, 5), 2: (4, 3, 2, 3), 3: (4, 3, 2, 3, 2)}
    for axes, shape in shapes.items():
        norm = getattr(nn, f"BatchNorm{axes}d")
        family.layer(f"BatchNorm{axes}d", norm(3), family.floats(*shape))
        family.layer(f"BatchNorm{axes}d_evaluation", running(family, norm(3, eps=0.1)).eval(), family.floats(*shape))
        family.layer(f"BatchNorm{axes}d_options", norm(3, momentum=None, affine=False), family.floats(*shape))
        norm = getattr(nn, f"InstanceNorm{axes}d")
        all_options = {"eps": 0.1, "momentum": 0.3, "affine": True, "track_running_stats": True}
        family.layer(f"InstanceNorm{axes}d", norm(3), family.floats(*shape))
        family.layer(f"InstanceNorm{axes}d_options", running(family, norm(3, **all_options)), family.floats(*shape))
        family.layer(f"InstanceNorm{axes}d_evaluation", running(family, norm(3, **all_options)).eval(), family.floats(*shape))
    family.layer("BatchNorm1d_features", nn.BatchNorm1d(3), family.floats(6, 3))
    family.layer("layer_norm", nn.LayerNorm((3, 5)), family.floats(4, 3, 5))
    family.layer("layer_norm_no_bias", nn.LayerNorm(5, eps=0.1, bias=False), family.floats(4, 3, 5))
    family.layer("layer_norm_plain", nn.LayerNorm(5, elementwise_affine=False), family.floats(4, 5))
    family.layer("rms_norm", nn.RMSNorm(5, eps=1e-3), family.floats(4, 3, 5))
    family.layer("group_norm", nn.GroupNorm(2, 6), family.floats(3, 6, 4))
    family.layer("group_norm_plain", nn.GroupNorm(3, 6, eps=0.1, affine=False), family.floats(3, 6, 2, 2))
    family.layer("local_response_norm", nn.LocalResponseNorm(3, alpha=0.5, k=1.5), family.floats(2, 5, 3, 2))
    family.layer("local_response_norm_even", nn.LocalResponseNorm(4, alpha=0.5, beta=0.6), family.floats(2, 5, 6))


def running(family, norm):
    """Gives running statistics other values than the first ones."""
    norm.running_mean.copy_(family.floats(3))
    norm.running_var.copy_(family.floats(3, low=0.5, high=2.0))
    return norm


def weighted(family):
    family.layer("weight_norm_linear", parametrizations.weight_norm(nn.Linear(4, 3)), family.floats(2, 4))
    family.layer("weight_norm_conv", parametrizations.weight_norm(nn.Conv2d(2, 3, 2)), family.floats(2, 2, 4, 3))
    family.layer("weight_norm_axis", parametrizations.weight_norm(nn.Conv1d(2, 3, 2, bias=False), dim=1), family.floats(2, 2, 5))
    family.layer("weight_norm_transposed", parametrizations.weight_norm(nn.ConvTranspose1d(2, 3, 2)), family.floats(2, 2, 5))
    family.layer("spectral_norm_linear", parametrizations.spectral_norm(nn.Linear(4, 3)), family.floats(2, 4))
    family.layer("spectral_norm_evaluation", parametrizations.spectral_norm(nn.Linear(4, 3)).eval(), family.floats(2, 4))
    family.layer("spectral_norm_conv", parametrizations.spectral_norm(nn.Conv2d(2, 3, 2), n_power_iterations=3), family.floats(2, 2, 4, 3))
    family.layer("spectral_norm_transposed", parametrizations.spectral_norm(nn.ConvTranspose2d(2, 3, 2)), family.floats(2, 2, 4, 3))


def embeddings(family):
    family.layer("embedding", nn.Embedding(7, 4), family.integers(7, 3, 5))
    family.layer("embedding_padding", nn.Embedding(5, 3, padding_idx=2), family.integers(5, 4, 3))
    for mode in ["sum", "mean", "max"]:
        family.layer(f"embedding_bag_{mode}", nn.EmbeddingBag(7, 4, mode=mode), family.integers(7, 3, 5))
        bags = nn.EmbeddingBag(7, 4, mode=mode, padding_idx=2)
        # Bags of 3, none, 4 and 2 indices.
        offsets = torch.tensor([0, 3, 3, 7])
        call = lambda module, indices: module(indices, offsets)
        family.layer(f"embedding_bag_{mode}_offsets", bags, family.integers(7, 9), call=call)
    bags = nn.EmbeddingBag(7, 4, mode="sum")
    call = lambda module, indices, weights: module(indices, torch.tensor([0, 4]), weights)
    family.layer("embedding_bag_weights", bags, family.integers(7, 6), family.floats(6), call=call)


def shapes(family):
    family.layer("flatten", nn.Flatten(), family.floats(2, 3, 4))
    family.layer("flatten_axes", nn.Flatten(0, -2), family.floats(2, 3, 4))
    family.layer("unflatten", nn.Unflatten(1, (2, 3)), family.floats(2, 6, 2))
    family.layer("identity", nn.Identity(), family.floats(2, 3))
    family.layer("pixel_shuffle", nn.PixelShuffle(2), family.floats(2, 8, 2, 3))
    family.layer("pixel_unshuffle", nn.PixelUnshuffle(2), family.floats(2, 2, 4, 6))
    family.layer("channel_shuffle", nn.ChannelShuffle(3), family.floats(2, 6, 2, 3))
    family.layer("unfold", nn.Unfold((3, 2), dilation=(1, 2), padding=1, stride=2), family.floats(2, 2, 5, 6))
    family.layer("fold", nn.Fold((4, 5), (3, 2), stride=(1, 1)), family.floats(2, 12, 8))
    # The axes' pairs in the opposite order: PyTorch begins with the last axis.
    widths = {1: (2, 1), 2: (2, 1, 0, 2), 3: (1, 1, 2, 1, 0, 1)}
    inputs = {1: family.floats(2, 2, 4), 2: family.floats(2, 2, 4, 3), 3: family.floats(1, 2, 2, 3, 3)}
    for axes in [1, 2, 3]:
        family.layer(f"ZeroPad{axes}d", getattr(nn, f"ZeroPad{axes}d")(widths[axes]), inputs[axes])
        family.layer(f"ConstantPad{axes}d", getattr(nn, f"ConstantPad{axes}d")(widths[axes], 1.5), inputs[axes])
        for kind in ["Reflection", "Replication", "Circular"]:
            family.layer(f"{kind}Pad{axes}d", getattr(nn, f"{kind}Pad{axes}d")(widths[axes]), inputs[axes])


def dropouts(family):
    """In evaluation; what is drawn in training, the tests of nn check."""
    x = family.floats(2, 3, 2, 2, 2)
    for name in ["Dropout", "AlphaDropout", "FeatureAlphaDropout", "Dropout3d"]:
        family.layer(name, getattr(nn, name)(0.4).eval(), x)
    family.layer("Dropout1d", nn.Dropout1d(0.4).eval(), x[0, 0])
    family.layer("Dropout2d", nn.Dropout2d(0.4).eval(), x[0])
    family.layer("DropPath", nn.Identity(), x)


def containers(family):
    family.layer("sequential", nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), family.floats(5, 4))
    layers = nn.ModuleList([nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4, bias=False)])
    call = lambda layers, x: layers[2](layers[1](layers[0](x)))
    family.layer("module_list", layers, family.floats(5, 4), call=call)
    layers = nn.ModuleDict({"value": nn.Linear(4, 1), "policy": nn.Linear(4, 3)})
    call = lambda layers, x: (layers["policy"](x), layers["value"](x))
    family.layer("module_dict", layers, family.floats(5, 4), call=call)
    family.layer("residual", Residual(), family.floats(5, 4))
    family.layer("parallel_sum", Parallel(sum), family.floats(5, 4))
    family.layer("parallel_concat", Parallel(lambda outputs: torch.cat(outputs, -1)), family.floats(5, 4))
    family.layer("lambda", nn.Identity(), family.floats(5, 4), call=lambda _, x: x * x)
