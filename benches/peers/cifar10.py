"""The training of recipes/cifar10.toml in PyTorch: the same network, data, changes, steps and epochs.

    python cifar10.py FOLDER --epochs 10 --width 32 --seed 0 [--channels-last] [--compile]

FOLDER holds data_batch_1.bin to data_batch_5.bin and test_batch.bin.
"""

import argparse
import math
import pathlib
import time

import numpy
import torch
import torch.nn.functional as F
from torch import nn

BATCH = 256
MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.2470, 0.2435, 0.2616]).view(1, 3, 1, 1)


def block(inputs, outputs, pooled=False):
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)]
    layers += [nn.MaxPool2d(2)] if pooled else []
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Sequential(block(channels, channels), block(channels, channels))

    def forward(self, x):
        return x + self.layer(x)


class ResNet9(nn.Module):
    def __init__(self, width, classes=10):
        super().__init__()
        two, four, eight = 2 * width, 4 * width, 8 * width
        self.body = nn.Sequential(
            block(3, width),
            block(width, two, pooled=True),
            Residual(two),
            block(two, four, pooled=True),
            block(four, eight, pooled=True),
            Residual(eight),
        )
        self.linear = nn.Linear(eight, classes, bias=False)

    def forward(self, x):
        return self.linear(self.body(x).amax((2, 3))) * 0.125


def read(folder, names):
    rows = [numpy.fromfile(folder / f"{name}.bin", numpy.uint8).reshape(-1, 3073) for name in names]
    rows = torch.from_numpy(numpy.concatenate(rows))
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].long()


def normalised(images):
    return (images.float() / 255 - MEAN) / DEVIATION


def changed(images):
    """Moved by up to four pixels either way, and half of them flipped."""
    count = len(images)
    padded = F.pad(images.float(), (4, 4, 4, 4))
    dy, dx = torch.randint(0, 9, (2, count, 1, 1))
    rows = (torch.arange(32).view(1, 32, 1) + dy).expand(count, 32, 32)
    columns = (torch.arange(32).view(1, 1, 32) + dx).expand(count, 32, 32)
    flipped = torch.rand(count, 1, 1) < 0.5
    columns = torch.where(flipped, columns.flip(2), columns)
    samples = torch.arange(count).view(count, 1, 1)
    return padded.permute(0, 2, 3, 1)[samples, rows, columns].permute(0, 3, 1, 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.4)
    parser.add_argument("--decay", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    x, y = read(options.folder, [f"data_batch_{i}" for i in range(1, 6)])
    test_x, test_y = read(options.folder, ["test_batch"])
    # One in twenty is kept for validation, as in the recipe.
    order = torch.randperm(len(x))
    x, y = x[order[2500:]], y[order[2500:]]
    net = ResNet9(options.width)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    net = net.to(memory_format=layout)
    run = torch.compile(net) if options.compile else net
    optimizer = torch.optim.SGD(
        net.parameters(), options.rate, 0.9, weight_decay=options.decay, nesterov=True, fused=True
    )
    batches = math.ceil(len(x) / BATCH)
    steps = options.epochs * batches
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.rate, steps, pct_start=0.2, anneal_strategy="linear"
    )
    start = time.time()
    for epoch in range(options.epochs):
        net.train()
        total = 0.0
        for rows in torch.randperm(len(x)).split(BATCH):
            input = normalised(changed(x[rows])).contiguous(memory_format=layout)
            loss = F.cross_entropy(run(input), y[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        seconds = time.time() - start
        print(f"epoch {epoch + 1}  loss {total / batches:.4f}  {seconds:.0f} s", flush=True)
    net.eval()
    with torch.no_grad():
        parts = zip(test_x.split(500), test_y.split(500))
        right = sum((net(normalised(x)).argmax(1) == y).sum().item() for x, y in parts)
    print(f"test accuracy {right / len(test_x):.4f} after {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
