"""Two parameters after each of ten steps with given gradients; some problems with losses.

Where PyTorch has no such optimizer, the equations of its paper are written here.
"""

import torch

from golden import error
from torch import optim
from torch.optim import _muon
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

STEPS = 10

# name: the optimizer, its settings, and those of the second parameter's own group.
CASES = {
    "sgd": (optim.SGD, dict(lr=0.1)),
    "sgd_decay": (optim.SGD, dict(lr=0.1, weight_decay=0.05)),
    "sgd_momentum": (optim.SGD, dict(lr=0.1, momentum=0.9)),
    "sgd_dampening": (optim.SGD, dict(lr=0.1, momentum=0.8, dampening=0.3, maximize=True)),
    "sgd_nesterov": (optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "sgd_groups": (optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.1), dict(lr=0.02, weight_decay=0.0)),
    "adam": (optim.Adam, dict(lr=0.05)),
    "adam_decay": (optim.Adam, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    "adam_decoupled": (optim.Adam, dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)),
    "adam_amsgrad": (optim.Adam, dict(lr=0.05, betas=(0.8, 0.6), amsgrad=True)),
    "adamw": (optim.AdamW, dict(lr=0.05, weight_decay=0.1)),
    "adamw_amsgrad": (optim.AdamW, dict(lr=0.05, betas=(0.8, 0.6), amsgrad=True, maximize=True)),
    "adamw_groups": (optim.AdamW, dict(lr=0.05, weight_decay=0.1), dict(lr=0.2, weight_decay=0.0, betas=(0.5, 0.9))),
    "nadam": (optim.NAdam, dict(lr=0.05)),
    "nadam_decay": (optim.NAdam, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, momentum_decay=0.1)),
    "nadam_decoupled": (optim.NAdam, dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)),
    "radam": (optim.RAdam, dict(lr=0.05)),
    "radam_early": (optim.RAdam, dict(lr=0.05, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1)),
    "radam_decoupled": (optim.RAdam, dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True, maximize=True)),
    "adamax": (optim.Adamax, dict(lr=0.05)),
    "adamax_decay": (optim.Adamax, dict(lr=0.05, betas=(0.8, 0.5), eps=1e-3, weight_decay=0.1, maximize=True)),
    "adagrad": (optim.Adagrad, dict(lr=0.1)),
    "adagrad_decay": (optim.Adagrad, dict(lr=0.1, lr_decay=0.2, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-3, maximize=True)),
    "adadelta": (optim.Adadelta, dict(eps=1e-3)),
    "adadelta_decay": (optim.Adadelta, dict(lr=0.5, rho=0.7, eps=1e-2, weight_decay=0.1, maximize=True)),
    "rmsprop": (optim.RMSprop, dict(lr=0.05)),
    "rmsprop_momentum": (optim.RMSprop, dict(lr=0.05, alpha=0.9, momentum=0.8, weight_decay=0.1)),
    "rmsprop_centred": (optim.RMSprop, dict(lr=0.05, alpha=0.9, eps=1e-2, centered=True, maximize=True)),
    "rmsprop_all": (optim.RMSprop, dict(lr=0.02, alpha=0.8, eps=1e-2, centered=True, momentum=0.5, weight_decay=0.1)),
    "rprop": (optim.Rprop, dict(lr=0.1)),
    "rprop_bounds": (optim.Rprop, dict(lr=0.1, etas=(0.3, 1.5), step_sizes=(0.05, 0.2), maximize=True)),
    "asgd": (optim.ASGD, dict(lr=0.1)),
    "asgd_average": (optim.ASGD, dict(lr=0.1, lambd=0.1, alpha=0.5, t0=3, weight_decay=0.1, maximize=True)),
    "adafactor": (optim.Adafactor, dict(lr=0.1, eps=(1e-3, 1e-3))),
    "adafactor_all": (optim.Adafactor, dict(lr=0.6, beta2_decay=-0.5, eps=(1e-2, 0.5), d=1.5, weight_decay=0.1, maximize=True)),
}

MUON = {
    "muon": dict(lr=0.1),
    "muon_plain": dict(lr=0.1, momentum=0.8, nesterov=False, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    "muon_tall": dict(lr=0.1, ns_steps=3, ns_coefficients=(3.0, -3.2, 1.2), adjust_lr_fn="spectral_unclamped"),
}


class Paper(optim.Optimizer):
    """An optimizer of which only the rule for one parameter differs: rule(p, g, state, t, **options)."""

    def __init__(self, params, rule, **options):
        self.rule = rule
        super().__init__(params, options)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            options = {key: value for key, value in group.items() if key != "params"}
            for p in group["params"]:
                state = self.state[p]
                state["t"] = state.get("t", 0) + 1
                sign = -1 if options.get("maximize") else 1
                rest = {key: value for key, value in options.items() if key != "maximize"}
                self.rule(p, sign * p.grad, state, state["t"], **rest)


def remember(state, name, p):
    return state.setdefault(name, torch.zeros_like(p))


def adabelief(p, g, state, t, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
    """Zhuang 2020, algorithm 2."""
    m, s = remember(state, "m", p), remember(state, "s", p)
    if decoupled:
        p.mul_(1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    m.copy_(betas[0] * m + (1 - betas[0]) * g)
    s.copy_(betas[1] * s + (1 - betas[1]) * (g - m) ** 2 + eps)
    p.sub_(lr * (m / (1 - betas[0] ** t)) / ((s / (1 - betas[1] ** t)).sqrt() + eps))


def lion(p, g, state, t, lr, betas=(0.9, 0.99), weight_decay=0.0):
    """Chen 2023, algorithm 2."""
    m = remember(state, "m", p)
    c = betas[0] * m + (1 - betas[0]) * g
    p.sub_(lr * (c.sign() + weight_decay * p))
    m.copy_(betas[1] * m + (1 - betas[1]) * g)


def lars(p, g, state, t, lr, momentum=0.9, weight_decay=0.0, trust=0.001):
    """You 2017, algorithm 1."""
    v = remember(state, "v", p)
    local = trust * p.norm() / (g.norm() + weight_decay * p.norm())
    v.copy_(momentum * v + lr * local * (g + weight_decay * p))
    p.sub_(v)


def lamb(p, g, state, t, lr, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
    """You 2020, algorithm 2."""
    m, v = remember(state, "m", p), remember(state, "v", p)
    m.copy_(betas[0] * m + (1 - betas[0]) * g)
    v.copy_(betas[1] * v + (1 - betas[1]) * g**2)
    r = (m / (1 - betas[0] ** t)) / ((v / (1 - betas[1] ** t)).sqrt() + eps) + weight_decay * p
    p.sub_(lr * p.norm() / r.norm() * r)


PAPERS = {
    "adabelief": (adabelief, dict(lr=0.05)),
    "adabelief_decay": (adabelief, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    "adabelief_decoupled": (adabelief, dict(lr=0.05, weight_decay=0.1, decoupled=True, maximize=True)),
    "lion": (lion, dict(lr=0.05)),
    "lion_decay": (lion, dict(lr=0.05, betas=(0.8, 0.9), weight_decay=0.1, maximize=True)),
    "lars": (lars, dict(lr=5.0)),
    "lars_decay": (lars, dict(lr=1.0, momentum=0.5, weight_decay=0.1, trust=0.02, maximize=True)),
    "lamb": (lamb, dict(lr=0.05)),
    "lamb_decay": (lamb, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, maximize=True)),
}


def orthogonal(gradient, coefficients, steps, eps):
    """Muon's iteration as PyTorch has it, but in f64: PyTorch rounds to bf16 here."""
    a, b, c = coefficients
    x = gradient.T if gradient.size(0) > gradient.size(1) else gradient
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if gradient.size(0) > gradient.size(1) else x


_muon._zeropower_via_newtonschulz = orthogonal


def follow(family, name, shapes, make, after=lambda optimizer, step: None):
    """Keeps the parameters of `make(parameters)` after each step."""
    keep, params, gradients = {}, [], []
    for index, shape in enumerate(shapes):
        keep[f"first{index}"] = family.floats(*shape)
        keep[f"gradients{index}"] = family.floats(STEPS, *shape)
        params.append(keep[f"first{index}"].double().requires_grad_())
        gradients.append(keep[f"gradients{index}"].double())
    # PyTorch keeps the numbers of a step (eta of ASGD, say) in the default type: that should be f64.
    torch.set_default_dtype(torch.float64)
    optimizer = make(params)
    values = [[] for _ in params]
    for step in range(STEPS):
        for p, gradient in zip(params, gradients):
            p.grad = gradient[step].clone()
        optimizer.step()
        after(optimizer, step)
        for p, kept in zip(params, values):
            kept.append(p.detach().clone())
    torch.set_default_dtype(torch.float32)
    family.keep(name, keep | {f"values{index}": torch.stack(kept) for index, kept in enumerate(values)})
    return optimizer


def grouped(kind, options, second=None):
    def make(params):
        if second is None:
            return kind(params, **options)
        return kind([{"params": params[:1]}, {"params": params[1:], **second}], **options)

    return make


def make(family):
    shapes = [(3, 5), (4,)]
    for name, case in CASES.items():
        optimizer = follow(family, name, shapes, grouped(*case))
        if name == "asgd_average":
            states = enumerate(optimizer.state.values())
            family.keep(name, {f"average{index}": state["ax"] for index, state in states})
    for name, (rule, options) in PAPERS.items():
        follow(family, name, shapes, lambda params: Paper(params, rule, **options))
    for name, options in MUON.items():
        follow(family, name, [(3, 5), (6, 2)], lambda params: optim.Muon(params, **options))
    lookahead(family)
    averages(family)
    problems(family)


def lookahead(family):
    """Zhang 2019, algorithm 1, around momentum: k = 3, alpha = 0.4."""
    slow = []

    def make(params):
        slow.extend(p.detach().clone() for p in params)
        return optim.SGD(params, lr=0.1, momentum=0.9)

    def after(optimizer, step):
        if (step + 1) % 3 == 0:
            with torch.no_grad():
                for p, s in zip(optimizer.param_groups[0]["params"], slow):
                    s.add_(0.4 * (p - s))
                    p.copy_(s)

    follow(family, "lookahead", [(3, 5), (4,)], make, after)


def averages(family):
    for name, options in {
        "swa": dict(),
        "ema": dict(multi_avg_fn=get_ema_multi_avg_fn(0.8)),
    }.items():
        module = torch.nn.Linear(3, 2, bias=False).double()
        average = AveragedModel(module, **options)
        weights, averages = family.floats(6, 2, 3), []
        for weight in weights:
            with torch.no_grad():
                module.weight.copy_(weight)
            average.update_parameters(module)
            averages.append(average.module.weight.detach().clone())
        family.keep(name, {"weights": weights, "averages": torch.stack(averages)})


def problems(family):
    """Optimizers that evaluate the loss themselves: mean((tanh(W x + b) - y)^2)."""
    lbfgs = {
        "lbfgs": dict(lr=0.4, max_iter=3),
        "lbfgs_history": dict(lr=0.4, max_iter=4, history_size=2),
        "lbfgs_wolfe": dict(max_iter=2, line_search_fn="strong_wolfe"),
        "lbfgs_wolfe_far": dict(lr=20.0, max_iter=2, line_search_fn="strong_wolfe"),
        "lbfgs_wolfe_near": dict(lr=0.1, max_iter=1, line_search_fn="strong_wolfe"),
        "lbfgs_uphill": dict(lr=0.1, max_iter=3, maximize=True),
    }
    # Few steps: differences of gradients grow the rounding of f32 with each.
    for name, options in lbfgs.items():
        problem(family, name, 2, lambda params: optim.LBFGS(params, **options))
    for name, adaptive in {"sam": False, "sam_adaptive": True}.items():
        problem(family, name, 5, lambda params: Sam(params, rho=0.3, adaptive=adaptive))


class Sam:
    """Foret 2021, algorithm 1, around momentum; adaptive: Kwon 2021, equation 5."""

    def __init__(self, params, rho, adaptive):
        self.params, self.rho, self.adaptive = params, rho, adaptive
        self.base = optim.SGD(params, lr=0.5, momentum=0.9)

    def step(self, closure):
        loss = closure()
        with torch.no_grad():
            homes = [p.clone() for p in self.params]
            sizes = [p.abs() if self.adaptive else torch.ones_like(p) for p in self.params]
            norm = sum(((t * p.grad) ** 2).sum() for t, p in zip(sizes, self.params)).sqrt()
            for t, p in zip(sizes, self.params):
                p.add_(self.rho * t**2 * p.grad / norm)
        closure()
        with torch.no_grad():
            for home, p in zip(homes, self.params):
                p.copy_(home)
        self.base.step()
        return loss


def problem(family, name, steps, make):
    keep = {"x": family.floats(5, 12) * 0.2, "y": family.floats(3, 12, low=-0.9, high=0.9)}
    keep |= {"first0": family.floats(3, 5) * 0.3, "first1": family.floats(3) * 0.3}
    right, single = (solve(keep, steps, make, dtype) for dtype in (torch.float64, torch.float32))
    family.keep(name, keep | right)
    family.keep_rounding(name, max(error(single[what], x) for what, x in right.items()))


def solve(given, steps, make, dtype):
    x, y, w, b = (tensor.to(dtype) for tensor in given.values())
    params = [w.clone().requires_grad_(), b.clone().requires_grad_()]
    optimizer = make(params)

    def closure():
        for p in params:
            p.grad = None
        loss = (((params[0] @ x + params[1].unsqueeze(1)).tanh() - y) ** 2).mean()
        loss.backward()
        return loss

    losses, values = [], [[], []]
    for _ in range(steps):
        losses.append(optimizer.step(closure).detach())
        for p, kept in zip(params, values):
            kept.append(p.detach().clone())
    found = {f"values{index}": torch.stack(kept) for index, kept in enumerate(values)}
    return found | {"losses": torch.stack(losses)}
