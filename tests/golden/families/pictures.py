"""Changes of pictures, as torchvision makes them.

    /tmp/venv/bin/pip install --no-deps torchvision
"""

import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

# With another fill than none, torchvision darkens the edges twice.
LINEAR = dict(interpolation=InterpolationMode.BILINEAR)

PLACES = {
    "hflip": F.hflip,
    "vflip": F.vflip,
    "pad": lambda x: F.pad(x, [1, 2, 3, 4], fill=0.25),
    "crop": lambda x: F.pad(x, [2, 2, 2, 2], fill=0.25)[:, 3:9, 1:9],
    "centre_crop": lambda x: F.center_crop(x, [5, 6]),
    "smaller": lambda x: F.resize(x, [4, 5], antialias=True),
    "larger": lambda x: F.resize(x, [20, 31], antialias=True),
    "mixed": lambda x: F.resize(x, [18, 5], antialias=True),
    "rotate": lambda x: F.rotate(x, -27.0, **LINEAR),
    "affine": lambda x: F.affine(x, 15.0, [2, -1], 1.3, [0.0, 0.0], **LINEAR),
    "shear": lambda x: F.affine(x, 0.0, [0, 0], 1.0, [20.0, 0.0], **LINEAR),
    "perspective": lambda x: F.perspective(
        x, [[0, 0], [13, 0], [13, 10], [0, 10]], [[1, 2], [11, 1], [12, 9], [2, 8]], **LINEAR
    ),
}

COLOURS = {
    "brighten": lambda x: F.adjust_brightness(x, 1.4),
    "contrast": lambda x: F.adjust_contrast(x, 0.6),
    "contrast_more": lambda x: F.adjust_contrast(x, 1.7),
    "saturate": lambda x: F.adjust_saturation(x, 0.3),
    "saturate_more": lambda x: F.adjust_saturation(x, 1.8),
    "hue": lambda x: F.adjust_hue(x.float(), 0.31),
    "hue_back": lambda x: F.adjust_hue(x.float(), -0.17),
    "grey": lambda x: F.rgb_to_grayscale(x, 3),
    "invert": F.invert,
    "solarize": lambda x: F.solarize(x, 0.6),
    "auto_contrast": F.autocontrast,
    "sharpen": lambda x: F.adjust_sharpness(x, 1.9),
    "soften": lambda x: F.adjust_sharpness(x, 0.1),
    "blur": lambda x: F.gaussian_blur(x, [5, 5], [1.1, 1.1]),
    "blur_little": lambda x: F.gaussian_blur(x, [3, 3], [0.3, 0.3]),
}

LEVELS = {
    "posterize": lambda x: F.posterize(x, 3),
    "equalize": F.equalize,
    "equalize_few": lambda x: F.equalize(x[:, :4, :4]),
}


def make(family):
    for name, function in {**PLACES, **COLOURS}.items():
        x = family.floats(3, 10, 13, low=0.1, high=0.9)
        family.keep(name, {"in0": x, "out0": function(x.double()).double()})
        family._reseed(name)
    for name, function in LEVELS.items():
        x = family.integers(200, 3, 40, 30).to(torch.uint8)
        inside = x[:, :4, :4] if name.endswith("few") else x
        family.keep(name, {"in0": inside, "out0": function(x)})
        family._reseed(name)
