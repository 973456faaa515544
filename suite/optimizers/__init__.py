"""The optimizers: one file each, with the rule as a pure function and the torch Optimizer around it.

`OPTIMIZERS` is the registry. `find` gives the class for a study's `kind`, `resolve` its checked options, `describe`
what a list of optimizers prints.
"""

import inspect
import re
from pathlib import Path

from torch.optim import Optimizer

from suite.errors import UserError, did_you_mean
from suite.optimizers.adadelta import AdaDelta
from suite.optimizers.adagrad import AdaGrad
from suite.optimizers.adam import Adam
from suite.optimizers.adamax import AdaMax
from suite.optimizers.momentum import Momentum
from suite.optimizers.nadam import NAdam
from suite.optimizers.nadam_paper import NAdamPaper
from suite.optimizers.nag import NAG
from suite.optimizers.nag_paper import NAGPaper
from suite.optimizers.newton import Newton
from suite.optimizers.options import constructor_options, resolve_options
from suite.optimizers.rmsprop import RMSProp
from suite.optimizers.sgd import SGD
from suite.plugins import load_object

__all__ = [
    "NAG",
    "OPTIMIZERS",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "AdaMax",
    "Adam",
    "Momentum",
    "NAGPaper",
    "NAdam",
    "NAdamPaper",
    "Newton",
    "RMSProp",
    "describe",
    "find",
    "resolve_options",
]

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nag": NAG,
    "nag_paper": NAGPaper,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adadelta": AdaDelta,
    "adam": Adam,
    "adamax": AdaMax,
    "nadam": NAdam,
    "nadam_paper": NAdamPaper,
    "newton": Newton,
}


def find_optimizer(kind: str, folder: Path | None = None) -> type[Optimizer]:
    """The optimizer class that a study names.

    Args:
        kind: a key of `OPTIMIZERS`, or "package.module:Class" for any torch Optimizer.
        folder: where a module is looked up before the installed ones, the study file's own folder. Two folders may
            have modules of one name.

    Raises:
        UserError: there is no such key, module or class, or it is no torch Optimizer.
    """
    if kind in OPTIMIZERS:
        return OPTIMIZERS[kind]
    if ":" in kind:
        found: type[Optimizer] = load_object(kind, folder, key="kind", wanted=Optimizer, example="torch.optim:AdamW")
        return found
    raise UserError(
        f'kind: no optimizer is called "{kind}".{did_you_mean(kind, OPTIMIZERS)} Write one of {", ".join(OPTIMIZERS)}, '
        'or "package.module:Class" for any torch optimizer'
    )


def describe(key: str) -> dict[str, object]:
    """What a list of optimizers prints about one: key, class, summary, formula, defaults, source.

    Args:
        key: a key of `OPTIMIZERS`.

    Returns:
        Texts from the class's docstring, the formula in one line; `defaults` is a dict from option to default.

    Raises:
        UserError: there is no such key.
    """
    cls = find_optimizer(key)
    text = inspect.getdoc(cls) or ""
    formula = re.search(r"::\n\n((?:    .*\n)+)", text)
    source = re.search(r"^References:\n((?:    .*\n?)+)", text, flags=re.MULTILINE)
    return {
        "key": key,
        "class": cls.__name__,
        "summary": text.partition("\n")[0],
        "formula": "; ".join(line.strip() for line in formula[1].splitlines()) if formula else "",
        "defaults": {name: option.default for name, option in constructor_options(cls).items()},
        "source": " ".join(source[1].split()) if source else "",
    }
