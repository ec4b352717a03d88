"""PyTorch on one workload, as it is asked to: "losses 5" or "time 1.0", a line each way.

    python pytorch.py W3.train --variant eager --tensors FILE [--once]

FILE has the weights and inputs that Gradus wrote, so that both do the same work. With --once it makes
one step and ends.
"""

import argparse
import json
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

VARIANTS = ["eager", "channels_last", "fused", "compile", "compile_channels_last", "bf16"]


def xor():
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())


def mlp():
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def textbook():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4096, 128), nn.ReLU(), nn.Linear(128, 10),
    )


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class ResNet(nn.Module):
    def __init__(self, cifar):
        super().__init__()
        if cifar:
            self.conv1, self.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
        else:
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.bn1 = nn.BatchNorm2d(64)
        sizes = [64, 64, 128, 256, 512]
        for index in range(1, 5):
            stride = 1 if index == 1 else 2
            first = BasicBlock(sizes[index - 1], sizes[index], stride)
            layer = nn.Sequential(first, BasicBlock(sizes[index], sizes[index], 1))
            setattr(self, f"layer{index}", layer)
        self.fc = nn.Linear(512, 10 if cifar else 1000)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return self.fc(x.mean((2, 3)))


def twice(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, base):
        super().__init__()
        sizes = [base, 2 * base, 4 * base, 8 * base]
        self.down = nn.ModuleList(twice(a, b) for a, b in zip([3] + sizes, sizes[:3]))
        self.middle = twice(sizes[2], sizes[3])
        self.up = nn.ModuleList(nn.ConvTranspose2d(sizes[i + 1], sizes[i], 2, 2) for i in (2, 1, 0))
        self.after = nn.ModuleList(twice(2 * sizes[i], sizes[i]) for i in (2, 1, 0))
        self.output = nn.Conv2d(base, 1, 1)

    def forward(self, x):
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for up, after, skip in zip(self.up, self.after, reversed(skips)):
            x = after(torch.cat([up(x), skip], 1))
        return self.output(x)


class Reader(nn.Module):
    def __init__(self, kind, outputs, everywhere):
        super().__init__()
        self.embedding = nn.Embedding(10_000, 128)
        self.recurrent = kind(128, 256, 2, batch_first=True)
        self.output = nn.Linear(256, outputs)
        self.everywhere = everywhere

    def forward(self, x):
        features, _ = self.recurrent(self.embedding(x))
        return self.output(features.flatten(0, 1) if self.everywhere else features[:, -1])


def layers(count, features, heads, hidden, activation, norm_first):
    layer = nn.TransformerEncoderLayer(
        features, heads, hidden, 0.0, activation, batch_first=True, norm_first=norm_first
    )
    norm = nn.LayerNorm(features) if norm_first else None
    return nn.TransformerEncoder(layer, count, norm, enable_nested_tensor=False)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = layers(4, 256, 8, 1024, F.gelu, False)
        self.output = nn.Linear(256, 10)

    def forward(self, x):
        return self.output(self.layers(x).mean(1))


def gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50_257, 768)
        self.positions = nn.Embedding(1024, 768)
        self.layers = layers(12, 768, 12, 3072, gelu_tanh, True)

    def block(self, layer, x, cache, position):
        """One layer as PyTorch's, with its keys and values kept in a cache if there is one."""
        count, time, features = x.shape
        attention = layer.self_attn
        projected = F.linear(layer.norm1(x), attention.in_proj_weight, attention.in_proj_bias)
        q, k, v = projected.view(count, time, 3, 12, features // 12).permute(2, 0, 3, 1, 4)
        if cache is not None:
            cache[0][:, :, position : position + time] = k
            cache[1][:, :, position : position + time] = v
            k, v = cache[:, :, :, : position + time]
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=time > 1)
        x = x + attention.out_proj(mixed.transpose(1, 2).reshape(count, time, features))
        return x + layer.linear2(gelu_tanh(layer.linear1(layer.norm2(x))))

    def forward(self, x, caches=None, position=0):
        places = torch.arange(position, position + x.shape[1])
        h = self.words(x) + self.positions(places)
        for index, layer in enumerate(self.layers.layers):
            h = self.block(layer, h, None if caches is None else caches[index], position)
        h = self.layers.norm(h)
        return F.linear(h if caches is None else h[:, -1:], self.words.weight)


class Decoder(Gpt):
    """32 tokens after those that are given, each the likeliest."""

    def forward(self, x):
        bf16 = torch.is_autocast_enabled("cpu")
        kind = torch.bfloat16 if bf16 else torch.float32
        caches = torch.zeros(12, 2, 1, 12, 64, 64, dtype=kind)
        logits = super().forward(x, caches, 0)
        for index in range(32):
            logits = super().forward(logits.argmax(-1), caches, 32 + index)
        return logits


class Work:
    """What a variant changes about a workload."""

    def __init__(self, variant, tensors):
        self.variant = variant
        self.tensors = tensors

    def compiled(self, function):
        return torch.compile(function) if self.variant.startswith("compile") else function

    def ready(self, model):
        weights = {k[6:]: v for k, v in self.tensors.items() if k.startswith("model.")}
        model.load_state_dict(weights, strict=True)
        if self.variant.endswith("channels_last"):
            model = model.to(memory_format=torch.channels_last)
        return model

    def input(self):
        x = self.tensors["x"]
        last = self.variant.endswith("channels_last") and x.dim() == 4
        return x.contiguous(memory_format=torch.channels_last) if last else x

    def optimizer(self, kind, parameters, **options):
        if self.variant in ("fused", "compile"):
            options["fused"] = True
        return kind(parameters, **options)

    def train(self, model, loss, kind, **options):
        model, x, y = self.ready(model), self.input(), self.tensors["y"]
        optimizer = self.optimizer(kind, model.parameters(), **options)

        def forward(x, y):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.variant == "bf16"):
                output = model(x)
            return loss(output.float(), y)

        forward = self.compiled(forward)

        def step():
            optimizer.zero_grad(set_to_none=True)
            value = forward(x, y)
            value.backward()
            optimizer.step()
            return value

        return step

    def infer(self, model):
        model, x = self.ready(model).eval(), self.input()
        if self.variant.startswith("compile"):
            from torch._inductor import config

            config.freezing = True
        forward = self.compiled(model)

        def step():
            # Frozen graphs do not run in inference mode.
            mode = torch.no_grad if self.variant.startswith("compile") else torch.inference_mode
            with mode(), torch.autocast("cpu", torch.bfloat16, enabled=self.variant == "bf16"):
                return forward(x).float().mean()

        return step

    def piece(self, function, *names, backward=True):
        leaves = [self.tensors[name] for name in names]
        upstream = self.tensors.get("upstream")
        if backward:
            leaves = [x.requires_grad_() if x.is_floating_point() else x for x in leaves]
        function = self.compiled(function)

        def step():
            if not backward:
                with torch.no_grad():
                    return function(*leaves).flatten()[0]
            for leaf in leaves:
                leaf.grad = None
            function(*leaves).backward(upstream)
            return leaves[0].grad.flatten()[0]

        return step

    def adam(self):
        count = sum(name.startswith("p") for name in self.tensors)
        params = [nn.Parameter(self.tensors[f"p{i}"]) for i in range(count)]
        for index, param in enumerate(params):
            param.grad = self.tensors[f"g{index}"]
        optimizer = self.optimizer(torch.optim.Adam, params)

        def step():
            optimizer.step()
            return params[0].detach().flatten()[0]

        return step


def gelu(x, w, b):
    return F.gelu(x * w + b)


SGD, ADAM = torch.optim.SGD, torch.optim.Adam
MOMENTUM = dict(lr=0.01, momentum=0.9)
WORKLOADS = {
    "W1.train": lambda work: work.train(xor(), F.mse_loss, SGD, lr=0.1),
    "W2.train": lambda work: work.train(mlp(), F.cross_entropy, ADAM),
    "W3.train": lambda work: work.train(textbook(), F.cross_entropy, SGD, **MOMENTUM),
    "W4c.train": lambda work: work.train(ResNet(True), F.cross_entropy, SGD, **MOMENTUM),
    "W4i.train": lambda work: work.train(ResNet(False), F.cross_entropy, SGD, **MOMENTUM),
    "W4i.infer1": lambda work: work.infer(ResNet(False)),
    "W4i.infer16": lambda work: work.infer(ResNet(False)),
    "W4i.int8": lambda work: work.infer(ResNet(False)),
    "W5.lstm": lambda work: work.train(Reader(nn.LSTM, 10_000, True), F.cross_entropy, ADAM),
    "W5.gru": lambda work: work.train(Reader(nn.GRU, 10_000, True), F.cross_entropy, ADAM),
    "W5c.lstm": lambda work: work.train(Reader(nn.LSTM, 10, False), F.cross_entropy, ADAM),
    "W5c.gru": lambda work: work.train(Reader(nn.GRU, 10, False), F.cross_entropy, ADAM),
    "W6.train": lambda work: work.train(Encoder(), F.cross_entropy, ADAM),
    "W6.forward": lambda work: work.infer(Gpt()),
    "W6.decode": lambda work: work.infer(Decoder()),
    "W6.int8": lambda work: work.infer(Decoder()),
    "W6.int4": lambda work: work.infer(Decoder()),
    "W7.train": lambda work: work.train(UNet(32), F.binary_cross_entropy_with_logits, ADAM),
    "W8.gelu": lambda work: work.piece(gelu, "x", "w", "b", backward=False),
    "W8.gelu_backward": lambda work: work.piece(gelu, "x", "w", "b"),
    "W8.cross_entropy": lambda work: work.piece(F.cross_entropy, "x", "y"),
    "W8.layer_norm": lambda work: work.piece(
        lambda x, w, b: F.layer_norm(x, (1024,), w, b), "x", "w", "b"
    ),
    "W8.adam": lambda work: work.adam(),
}
PRODUCTS = ["128", "512", "1024", "64x784x128", "512x768x3072", "1x4096x4096"]
for product in PRODUCTS:
    WORKLOADS[f"product.{product}"] = lambda work: work.piece(torch.mm, "x", "w", backward=False)


def timed(step, count):
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def page_faults():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_minflt + used.ru_majflt


def peak_mib():
    """Of this program: getrusage would also count what its parent had."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def losses(step, count):
    return {"losses": [step().item() for _ in range(count)]}


def measured(step, seconds):
    group = max(1, round(0.002 / timed(step, 1) + 0.5))
    times, before, end = [], page_faults(), time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        times.append(timed(step, group) * 1e3)
    faults = (page_faults() - before) / (len(times) * group)
    times.sort()
    return {"step_ms": times[len(times) // 2], "peak_mib": peak_mib(), "faults": faults}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--variant", choices=VARIANTS, default="eager")
    parser.add_argument("--tensors", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    # Nothing but answers goes where the answers go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(options.threads)
    step = WORKLOADS[options.workload](Work(options.variant, load_file(options.tensors)))
    if options.once:
        print(json.dumps(losses(step, 1)), file=answers)
        return
    for request in sys.stdin:
        word, number = request.split()
        answer = losses(step, int(number)) if word == "losses" else measured(step, float(number))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
