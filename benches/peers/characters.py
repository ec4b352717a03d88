"""The networks of examples/characters.rs in PyTorch, trained in the same way.

    python characters.py lstm train.txt.gz --valid valid.txt.gz --seed 0
"""

import argparse
import gzip
import math
import time

import torch
import torch.nn.functional as F
from torch import nn

FEATURES = 128
LEARNING_RATE = 3e-3


def layer():
    return nn.TransformerEncoderLayer(
        FEATURES, 4, 4 * FEATURES, 0.0, "gelu", batch_first=True, norm_first=True
    )


class Writer(nn.Module):
    def __init__(self, network, count, window):
        super().__init__()
        self.embedding = nn.Embedding(count, FEATURES)
        self.position = None
        if network == "transformer":
            self.position = nn.Embedding(window, FEATURES)
            # nn.TransformerEncoder copies one layer; here each has first values of its own.
            self.body = nn.TransformerEncoder(
                layer(), 2, nn.LayerNorm(FEATURES), enable_nested_tensor=False
            )
            self.body.layers = nn.ModuleList(layer() for _ in range(2))
        else:
            kind = {"lstm": nn.LSTM, "gru": nn.GRU}[network]
            self.body = kind(FEATURES, FEATURES, 2, batch_first=True)
        self.output = nn.Linear(FEATURES, count)

    def forward(self, x):
        features = self.embedding(x)
        if self.position is None:
            return self.output(self.body(features)[0])
        features = features + self.position(torch.arange(x.shape[1]))
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.output(self.body(features, mask, is_causal=True))


def read(path):
    start = open(path, "rb").read(2)
    opener = gzip.open if start == b"\x1f\x8b" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        return file.read()


def windows(numbers, length):
    count = (len(numbers) - 1) // length
    inputs = numbers[: count * length].view(count, length)
    return inputs, numbers[1 : count * length + 1].view(count, length)


def loss_of(writer, x, y):
    return F.cross_entropy(writer(x).flatten(0, 1), y.flatten())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=["lstm", "gru", "transformer"])
    parser.add_argument("text")
    parser.add_argument("--valid", required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    train, valid = read(options.text), read(options.valid)
    characters = sorted(set(train + valid))
    number = {character: index for index, character in enumerate(characters)}
    encode = lambda text: torch.tensor([number[character] for character in text])
    writer = Writer(options.network, len(characters), options.window)
    print(f"{len(characters)} characters, {sum(p.numel() for p in writer.parameters())} parameters")

    x, y = windows(encode(train), options.window)
    order = torch.randperm(len(x))
    optimizer = torch.optim.Adam(writer.parameters(), lr=LEARNING_RATE)
    start = time.perf_counter()
    for step in range(options.steps):
        share = step / options.steps
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * share)) / 2
        first = step * options.batch % (len(x) - options.batch)
        rows = order[first : first + options.batch]
        optimizer.zero_grad()
        loss_of(writer, x[rows], y[rows]).backward()
        optimizer.step()
    step_ms = (time.perf_counter() - start) * 1e3 / options.steps

    writer.eval()
    x, y = windows(encode(valid), options.window)
    with torch.no_grad():
        parts = zip(x.split(options.batch), y.split(options.batch))
        total = sum(loss_of(writer, a, b).item() * len(a) for a, b in parts)
    print(f"validation perplexity {math.exp(total / len(x)):.4f}, {step_ms:.1f} ms a step")


if __name__ == "__main__":
    main()
