"""What the scripts of families use to make fixtures: see make.py.

The tensors of a case are named `case/what`:

    in0, in1 …               the inputs: floats are exact in f32
    out0, out1 …             what came out
    upstream0 …              the gradient that was sent back into each output of floats
    grad0, grad1 …           the gradients by those inputs that have one
    state/KEY                the state dict of a module before the call
    grad/KEY                 the gradients by its parameters
    after/KEY                its buffers after the call
    rounding                 how far PyTorch's own f32 is from its f64, at most, if that is much

PyTorch computes in f64, so that the fixtures hold the right answer and not PyTorch's rounding. Some
random inputs make sums that nearly cancel, in which nobody's f32 can keep five digits: where
PyTorch's has an error above a quarter of the tolerance, the fixture says so.
"""

import copy
import hashlib

import torch
from safetensors.torch import load_file, save_file


def error(found, wanted):
    """The largest error, relative as the tests take it."""
    if not wanted.is_floating_point() or wanted.numel() == 0:
        return 0.0
    wanted = wanted.detach().double()
    finite = wanted.isfinite()
    if not finite.any():
        return 0.0
    usual = wanted[finite].square().mean().sqrt()
    size = wanted.abs().clamp(min=usual)
    errors = ((found.detach().double() - wanted).abs() / size)[finite & (size > 0)]
    return errors.max().item() if errors.numel() else 0.0


class Family:
    """One file of fixtures."""

    def __init__(self, name, seed):
        self.name = name
        self.seed = seed
        self.tensors = {}
        self.generator = torch.Generator()
        self._reseed("first")

    def _reseed(self, case):
        """Each case draws from its own seed, so that a new one changes only its neighbour."""
        text = f"{self.seed}/{self.name}/{case}".encode()
        self.generator.manual_seed(int.from_bytes(hashlib.sha256(text).digest()[:7], "big"))

    def floats(self, *shape, low=None, high=None):
        """Normal numbers, or uniform ones from a range, exact in f32."""
        if low is None:
            return torch.randn(shape, generator=self.generator)
        return torch.rand(shape, generator=self.generator) * (high - low) + low

    def integers(self, below, *shape):
        """Whole numbers from 0 to below - 1."""
        return torch.randint(below, shape, generator=self.generator)

    def booleans(self, share, *shape):
        """Truth values of which this share is true."""
        return torch.rand(shape, generator=self.generator) < share

    def case(self, name, function, *inputs):
        """Calls a function of tensors and keeps what it gives, forward and backward."""
        self.keep_rounding(name, self._run(name, lambda _: function, inputs, {}))
        self._reseed(name)

    def layer(self, name, module, *inputs, call=None, randomise=True):
        """Calls a module (or `call(module, *inputs)`) and keeps its state and gradients too.

        Its parameters get random values unless `randomise` is false.
        """
        module = module.to(torch.float64)
        with torch.no_grad():
            for parameter in module.parameters():
                if randomise:
                    parameter.copy_(self.floats(*parameter.shape) * 0.4)
            for value in module.state_dict().values():
                if value.is_floating_point():
                    value.copy_(value.to(torch.float32))
        state = {f"state/{key}": value.clone() for key, value in module.state_dict().items()}
        self.check_state(name, module, state)
        buffers = {key for key, _ in module.named_buffers()}
        call = call or (lambda module, *inputs: module(*inputs))
        single = copy.deepcopy(module).to(torch.float32)
        modules = {torch.float64: module, torch.float32: single}
        function = lambda dtype: lambda *inputs: call(modules[dtype], *inputs)
        rounding = self._run(name, function, inputs, state)
        keep = {
            f"grad/{key}": parameter.grad
            for key, parameter in module.named_parameters()
            if parameter.grad is not None
        }
        keep |= {f"after/{key}": x for key, x in module.state_dict().items() if key in buffers}
        self.keep(name, keep)
        others = dict(single.named_parameters())
        gradients = [
            error(others[key].grad, parameter.grad)
            for key, parameter in module.named_parameters()
            if parameter.grad is not None and others[key].grad is not None
        ]
        self.keep_rounding(name, max([rounding, *gradients]))
        self._reseed(name)

    def check_state(self, name, module, state):
        """Overridden where what Gradus saved is loaded back."""

    def _run(self, name, function, inputs, keep):
        """Runs `function(dtype)` in f64, which is kept, and in f32, whose rounding is returned."""
        upstreams = {}
        leaves, outputs = self._pass(function(torch.float64), inputs, torch.float64, upstreams)
        for index, output in enumerate(outputs):
            keep[f"out{index}"] = output.detach()
        keep |= {f"upstream{index}": upstream for index, upstream in upstreams.items()}
        for index, (x, leaf) in enumerate(zip(inputs, leaves)):
            keep[f"in{index}"] = x.to(torch.float32) if x.is_floating_point() else x
            if leaf.is_floating_point() and leaf.grad is not None:
                keep[f"grad{index}"] = leaf.grad
        self.keep(name, keep)
        try:
            others, found = self._pass(function(torch.float32), inputs, torch.float32, upstreams)
        except (RuntimeError, TypeError):
            # The function has constants in f64.
            return 0.0
        errors = [error(a, b) for a, b in zip(found, outputs)]
        pairs = [(a.grad, b.grad) for a, b in zip(others, leaves) if b.is_floating_point()]
        errors += [error(a, b) for a, b in pairs if a is not None and b is not None]
        return max(errors, default=0.0)

    def _pass(self, function, inputs, dtype, upstreams):
        """The leaves, with their gradients, and the outputs; draws the upstreams if there are none."""
        leaves = [
            x.detach().to(dtype).requires_grad_() if x.is_floating_point() else x for x in inputs
        ]
        outputs = function(*leaves)
        outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        total = 0.0
        for index, output in enumerate(outputs):
            if output.is_floating_point() and output.requires_grad:
                if index not in upstreams:
                    upstreams[index] = self.floats(*output.shape)
                total = total + (output * upstreams[index].to(dtype)).sum()
        if torch.is_tensor(total):
            total.backward()
        return leaves, outputs

    def keep_rounding(self, name, rounding):
        """Keeps how far PyTorch's f32 is off, if that is above a quarter of the tolerance."""
        if rounding > 2.5e-6:
            self.keep(name, {"rounding": torch.tensor(rounding, dtype=torch.float32)})

    def keep(self, name, tensors):
        """Keeps tensors of a case under their names."""
        for what, x in tensors.items():
            self.tensors[f"{name}/{what}"] = x.detach().clone().contiguous()

    def save(self, folder):
        path = folder / f"{self.name}.safetensors"
        # Inputs and what is sent back are exact in f32; no need to keep them wider.
        narrow = {
            key: x.to(torch.float32)
            if x.dtype == torch.float64 and torch.equal(x.to(torch.float32).to(torch.float64), x)
            else x
            for key, x in self.tensors.items()
        }
        save_file(narrow, path)
        print(f"{path}: {len(narrow)} tensors, {path.stat().st_size} bytes")


class Back(Family):
    """Loads the state dicts that the tests of Gradus saved into PyTorch's modules."""

    def __init__(self, name, seed, folder):
        super().__init__(name, seed)
        self.folder = folder / name
        self.count = 0

    def check_state(self, name, module, state):
        saved = load_file(self.folder / f"{name}.safetensors")
        module.load_state_dict(saved, strict=True)
        for key, value in module.state_dict().items():
            wanted = state[f"state/{key}"]
            assert value.shape == wanted.shape and torch.equal(value, wanted), f"{name}: {key}"
        self.count += 1

    def save(self, _):
        print(f"{self.name}: PyTorch loaded the state dicts of {self.count} modules")
