"""Checks by hand that PyTorch loads what Gradus writes.

    pip install torch safetensors
    cargo build && python tests/golden/load_back.py target/debug/gradus

A model's state dict goes from torch.save through `gradus weights --to` to safetensors, and from
there into a new model, which must give the same outputs, bit for bit.
"""

import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file


def model():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 36, 5),
    ).eval()


program = sys.argv[1]
torch.manual_seed(0)
inputs = torch.randn(3, 1, 8, 8)
for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
    for zipped in (True, False):
        first, second = model().to(dtype), model().to(dtype)
        with tempfile.TemporaryDirectory() as folder:
            source, target = (pathlib.Path(folder) / name for name in ("a.pt", "b.safetensors"))
            state = {f"module.{name}": x for name, x in first.state_dict().items()}
            torch.save(state, source, _use_new_zipfile_serialization=zipped)
            rename = ["--rename", "module.* -> *"]
            subprocess.run([program, "weights", source, "--to", target, *rename], check=True)
            second.load_state_dict(load_file(target), strict=True)
        x = inputs.to(dtype)
        assert torch.equal(first(x), second(x)), dtype
print("PyTorch loads what Gradus writes")
