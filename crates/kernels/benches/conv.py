"""The layers of conv.rs in PyTorch: milliseconds of the forward pass and both gradients.

    OMP_NUM_THREADS=2 python crates/kernels/benches/conv.py
"""

import os
import time

import torch
from torch.nn.grad import conv2d_input, conv2d_weight

LAYERS = [
    ("digits 1", 64, 1, 32, 28, 3, 1, 1),
    ("digits 2", 64, 32, 64, 14, 3, 1, 1),
    ("stem", 8, 3, 64, 224, 7, 2, 1),
    ("block 1", 8, 64, 64, 56, 3, 1, 1),
    ("block 2", 8, 128, 128, 28, 3, 1, 1),
    ("halving", 8, 128, 256, 28, 3, 2, 1),
    ("block 4", 8, 512, 512, 7, 3, 1, 1),
    ("1x1", 8, 256, 64, 56, 1, 1, 1),
    ("depthwise", 8, 96, 96, 56, 3, 1, 96),
    ("one image", 1, 64, 64, 56, 3, 1, 1),
    ("cifar 1", 32, 64, 64, 32, 3, 1, 1),
    ("cifar 2", 32, 128, 128, 16, 3, 1, 1),
    ("cifar 3", 32, 256, 256, 8, 3, 1, 1),
    ("cifar 4", 32, 512, 512, 4, 3, 1, 1),
    ("cifar half", 32, 64, 128, 32, 3, 2, 1),
    ("u-net", 4, 32, 32, 128, 3, 1, 1),
]


def median(body, clock):
    """The median time of at least five runs and a quarter of a second."""
    body()
    times = []
    while len(times) < 5 or sum(times) < 0.25:
        start = clock()
        body()
        times.append(clock() - start)
    return sorted(times)[len(times) // 2]


def main():
    threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    torch.set_num_threads(threads)
    # With one thread, the time of the processor: what others run does not count.
    clock = time.process_time if threads == 1 else time.perf_counter
    print(f"PyTorch {torch.__version__}, {threads} threads")
    for name, batch, inputs, outputs, side, kernel, stride, groups in LAYERS:
        x = torch.rand(batch, inputs, side, side) - 0.5
        w = torch.rand(outputs, inputs // groups, kernel, kernel) - 0.5
        b = torch.rand(outputs)
        settings = dict(stride=stride, padding=kernel // 2, groups=groups)
        y = torch.nn.functional.conv2d(x, w, b, **settings)
        times = [
            median(lambda: torch.nn.functional.conv2d(x, w, b, **settings), clock),
            median(lambda: conv2d_input(x.shape, w, y, **settings), clock),
            median(lambda: conv2d_weight(x, w.shape, y, **settings), clock),
        ]
        products = w.numel() * batch * y.shape[2] * y.shape[3]
        columns = [f"{t * 1e3:9.3f} ms {2 * products / t / 1e9:6.0f}" for t in times]
        print(f"{name:10} forward, by input, by weight: {' '.join(columns)}", flush=True)


main()
