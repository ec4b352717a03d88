"""Makes the golden fixtures: what PyTorch computes, forward and backward.

    python3 -m venv /tmp/venv
    /tmp/venv/bin/pip install torch==2.15.0 numpy safetensors
    /tmp/venv/bin/python tests/golden/make.py [FAMILY …]

Fresh fixtures from another seed, and the same comparison on them:

    /tmp/venv/bin/python tests/golden/make.py --seed 7 --folder /tmp/fresh
    GRADUS_GOLDEN=/tmp/fresh cargo test --test golden

What the tests saved (they say where), loaded back into PyTorch's modules:

    /tmp/venv/bin/python tests/golden/make.py --back target/tmp/golden

Each file of `families` makes one file of fixtures; golden.py says what is in it.
"""

import argparse
import importlib
import pathlib

import torch

from golden import Back, Family

HERE = pathlib.Path(__file__).parent


def main():
    names = sorted(path.stem for path in (HERE / "families").glob("*.py"))
    parser = argparse.ArgumentParser(description="Makes the golden fixtures.")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of: {', '.join(names)}")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--folder", type=pathlib.Path, default=HERE / "fixtures")
    parser.add_argument("--back", type=pathlib.Path, help="a folder of state dicts to load back")
    options = parser.parse_args()
    for name in options.families:
        if name not in names:
            parser.error(f"no family {name}: there are {', '.join(names)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.families or names:
        torch.manual_seed(options.seed)
        if options.back:
            if not (options.back / name).is_dir():
                continue
            family = Back(name, options.seed, options.back)
        else:
            family = Family(name, options.seed)
        importlib.import_module(f"families.{name}").make(family)
        family.save(options.folder)


if __name__ == "__main__":
    main()
