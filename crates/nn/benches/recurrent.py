"""The layers of recurrent.rs in PyTorch: milliseconds of use and of a step of training.

    OMP_NUM_THREADS=2 python crates/nn/benches/recurrent.py
"""

import os
import time

import torch

BATCH, TIME, INPUTS, HIDDEN, LAYERS = 32, 64, 128, 256, 2


def times(body, clock):
    """The median and the least time of at least ten runs and half a second."""
    body()
    times = []
    while len(times) < 10 or sum(times) < 0.5:
        start = clock()
        body()
        times.append(clock() - start)
    return sorted(times)[len(times) // 2], min(times)


def main():
    threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    torch.set_num_threads(threads)
    # With one thread, the time of the processor: what others run does not count.
    clock = time.process_time if threads == 1 else time.perf_counter
    print(f"PyTorch {torch.__version__}, {threads} threads")
    x = torch.randn(BATCH, TIME, INPUTS, requires_grad=True)
    for name, gates, kind in [("LSTM", 4, torch.nn.LSTM), ("GRU", 3, torch.nn.GRU), ("RNN", 1, torch.nn.RNN)]:
        layer = kind(INPUTS, HIDDEN, num_layers=LAYERS, batch_first=True)
        work = 2 * BATCH * TIME * gates * HIDDEN * (INPUTS + (2 * LAYERS - 1) * HIDDEN)

        def use():
            with torch.no_grad():
                layer(x)

        def train():
            layer.zero_grad()
            layer(x)[0].sum().backward()

        for what, body, flops in [("use", use, work), ("training", train, 3 * work)]:
            median, least = times(body, clock)
            print(f"{name:4} {what:8} {median * 1e3:8.3f} ms, at best {least * 1e3:8.3f} ms {flops / least / 1e9:6.0f}", flush=True)


main()
