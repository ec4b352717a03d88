"""The parameter after each of ten steps with given gradients."""

import torch


def make(family):
    optim = torch.optim
    cases = {
        "sgd": lambda p: optim.SGD(p, lr=0.1),
        "sgd_decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.05),
        "sgd_momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        "sgd_nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "adam": lambda p: optim.Adam(p, lr=0.05),
        "adam_decay": lambda p: optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
        "adamw": lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.1),
    }
    for name, make in cases.items():
        first, gradients = family.floats(3, 5), family.floats(10, 3, 5)
        p = first.to(torch.float64).clone().requires_grad_()
        optimizer = make([p])
        values = []
        for gradient in gradients:
            p.grad = gradient.to(torch.float64)
            optimizer.step()
            values.append(p.detach().clone())
        family.keep(name, {"first": first, "gradients": gradients, "values": torch.stack(values)})
