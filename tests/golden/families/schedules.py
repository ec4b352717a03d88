"""The learning rate of each of fifty steps, and the momentum where it is cycled."""

import torch
from torch import optim
from torch.optim import lr_scheduler as lr

STEPS = 50

CASES = {
    "constant": lambda o: lr.ConstantLR(o, factor=0.3, total_iters=7),
    "linear": lambda o: lr.LinearLR(o, start_factor=0.2, end_factor=0.9, total_iters=30),
    "step": lambda o: lr.StepLR(o, step_size=7, gamma=0.6),
    "multi_step": lambda o: lr.MultiStepLR(o, milestones=[5, 6, 30], gamma=0.3),
    "exponential": lambda o: lr.ExponentialLR(o, gamma=0.93),
    "polynomial": lambda o: lr.PolynomialLR(o, total_iters=40, power=2.5),
    "cosine": lambda o: lr.CosineAnnealingLR(o, T_max=49, eta_min=0.03),
    "restarts": lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=11, eta_min=0.03),
    "restarts_longer": lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=5, T_mult=2, eta_min=0.03),
    "one_cycle": lambda o: lr.OneCycleLR(o, 0.4, total_steps=STEPS),
    "one_cycle_line": lambda o: lr.OneCycleLR(
        o, 0.4, total_steps=STEPS, pct_start=0.25, anneal_strategy="linear", base_momentum=0.7,
        max_momentum=0.9, div_factor=10.0, final_div_factor=100.0,
    ),
    "one_cycle_three": lambda o: lr.OneCycleLR(o, 0.4, total_steps=STEPS, three_phase=True),
    "cyclic": lambda o: lr.CyclicLR(o, 0.01, 0.2, step_size_up=6, step_size_down=9),
    "cyclic_halving": lambda o: lr.CyclicLR(o, 0.01, 0.2, step_size_up=7, mode="triangular2"),
    "cyclic_exponential": lambda o: lr.CyclicLR(
        o, 0.01, 0.2, step_size_up=7, mode="exp_range", gamma=0.95, base_momentum=0.6, max_momentum=0.95
    ),
    "lambda": lambda o: lr.LambdaLR(o, lambda t: 1 / (1 + 0.2 * t)),
    "multiplicative": lambda o: lr.MultiplicativeLR(o, lambda t: 0.95),
    "chained": lambda o: lr.ChainedScheduler(
        [lr.LinearLR(o, start_factor=0.2, total_iters=8), lr.ExponentialLR(o, gamma=0.9)]
    ),
    "sequence": lambda o: lr.SequentialLR(
        o, [lr.ExponentialLR(o, 0.9), lr.StepLR(o, 4, 0.5), lr.ConstantLR(o, 0.1, 100)], milestones=[10, 25]
    ),
    "warm_up": lambda o: lr.SequentialLR(
        o, [lr.LinearLR(o, start_factor=0.1, total_iters=10), lr.CosineAnnealingLR(o, T_max=39)], milestones=[10]
    ),
}

PLATEAUS = {
    "plateau": dict(patience=2, factor=0.5),
    "plateau_absolute": dict(patience=1, threshold=0.05, threshold_mode="abs", cooldown=2, factor=0.7, min_lr=0.05),
    "plateau_highest": dict(mode="max", patience=3, threshold=0.02, factor=0.3, eps=1e-3),
    "plateau_highest_absolute": dict(mode="max", patience=0, threshold=0.1, threshold_mode="abs", cooldown=1, factor=0.8),
}


def make(family):
    for name, make_schedule in CASES.items():
        p = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
        schedule = make_schedule(optimizer)
        rates, momenta = [], []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            schedule.step()
        keep = {"rates": torch.tensor(rates, dtype=torch.float64)}
        if name.startswith(("one_cycle", "cyclic")):
            keep["momenta"] = torch.tensor(momenta, dtype=torch.float64)
        family.keep(name, keep)

    for name, options in PLATEAUS.items():
        optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        schedule = lr.ReduceLROnPlateau(optimizer, **options)
        figures = family.floats(STEPS, low=0.5, high=1.0) + 1.0 / torch.arange(1, STEPS + 1)
        rates = []
        for figure in figures:
            schedule.step(figure.item())
            rates.append(optimizer.param_groups[0]["lr"])
        family.keep(name, {"figures": figures, "rates": torch.tensor(rates, dtype=torch.float64)})

    # Two groups: each has a rate of its own, and the schedule moves both.
    tensors = [torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    optimizer = optim.SGD([{"params": tensors[:1]}, {"params": tensors[1:], "lr": 0.03}], lr=0.1)
    schedule = lr.StepLR(optimizer, step_size=7, gamma=0.6)
    rates = []
    for _ in range(STEPS):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    family.keep("groups", {"rates": torch.tensor(rates, dtype=torch.float64)})

    steps = torch.arange(STEPS, dtype=torch.float64)
    # Vaswani 2017, equation 3, whose steps count from 1.
    noam = 2 * 512**-0.5 * torch.minimum((steps + 1) ** -0.5, (steps + 1) * 12**-1.5)
    family.keep("noam", {"rates": noam})
    # Raffel 2020, section 3.1.2: 1 / sqrt(max(n, k)), here times the rate that it starts from.
    family.keep("inverse_square_root", {"rates": 0.1 * (12 / (steps + 1).clamp(min=12)).sqrt()})
