"""The optimizers: one file for each update rule, with the rule as a function and a torch Optimizer that applies it.

`OPTIMIZERS` is the registry. `find_optimizer` returns the class of a study's `kind`, `resolve_options` its options with
defaults, `constructor_arguments` the arguments that they stand for, `describe` a description for lists. `docs/sources.md`
compares each rule with its sources.
"""

import inspect
import re
import warnings
from pathlib import Path

from torch.optim import Optimizer

from suite.errors import UserError, did_you_mean
from suite.optimizers.adadelta import AdaDelta
from suite.optimizers.adagrad import AdaGrad
from suite.optimizers.adam import Adam
from suite.optimizers.adamax import AdaMax
from suite.optimizers.adamw import AdamW
from suite.optimizers.lion import Lion
from suite.optimizers.momentum import Momentum
from suite.optimizers.muon import Muon
from suite.optimizers.nadam import NAdam
from suite.optimizers.nadam_paper import NAdamPaper
from suite.optimizers.nadamw import NAdamW
from suite.optimizers.nag import NAG
from suite.optimizers.nag_paper import NAGPaper
from suite.optimizers.newton import Newton
from suite.optimizers.options import (
    constructor_arguments,
    constructor_options,
    group_options,
    record,
    requires_closure,
    resolve_options,
)
from suite.optimizers.rmsprop import RMSProp
from suite.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from suite.optimizers.schedule_free_sgd import ScheduleFreeSGD
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
    "AdamW",
    "Lion",
    "Momentum",
    "Muon",
    "NAGPaper",
    "NAdam",
    "NAdamPaper",
    "NAdamW",
    "Newton",
    "RMSProp",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "constructor_arguments",
    "constructor_options",
    "describe",
    "find_optimizer",
    "group_options",
    "record",
    "requires_closure",
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
    "adamw": AdamW,
    "nadamw": NAdamW,
    "lion": Lion,
    "muon": Muon,
    "schedule_free_sgd": ScheduleFreeSGD,
    "schedule_free_adamw": ScheduleFreeAdamW,
}

_RENAMED = {"takes_loss": "requires_loss_fn", "most_parameters": "max_parameters"}


def find_optimizer(kind: str, folder: Path | None = None) -> type[Optimizer]:
    """Return the optimizer class that a study names.

    Args:
        kind: A key of `OPTIMIZERS`, or "package.module:Class" for any torch Optimizer.
        folder: The folder of the study file, which is searched before the installed modules. Two folders may have modules
            of the same name.

    Raises:
        UserError: There is no such key, module or class, or it is not a torch Optimizer.
    """
    if kind in OPTIMIZERS:
        return OPTIMIZERS[kind]
    if ":" not in kind:
        raise UserError(
            "kind",
            f'there is no optimizer "{kind}"',
            did_you_mean(kind, OPTIMIZERS),
            f'Choose from: {", ".join(OPTIMIZERS)}, or write "package.module:Class" for any torch optimizer',
        )
    cls: type[Optimizer] = load_object(kind, folder, key="kind", base=Optimizer, example="torch.optim:AdamW")
    for old, new in _RENAMED.items():
        if hasattr(cls, old) and not hasattr(cls, new):
            warnings.warn(f"{cls.__name__}.{old} is now called {new}. Rename it", FutureWarning, stacklevel=2)
            setattr(cls, new, getattr(cls, old))
    return cls


def describe(key: str) -> dict[str, object]:
    """Return the description of an optimizer: key, class, summary, formula, defaults, source.

    Args:
        key: A key of `OPTIMIZERS`.

    Returns:
        Texts of the class's docstring, with the formula on one line; `defaults` is a dict from option to default.

    Raises:
        UserError: There is no such key.
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
