"""The registry of problems."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite.errors import UserError, did_you_mean
from suite.plugins import load_object
from suite.problems.airfoil import AirfoilLinear
from suite.problems.base import Data, Problem
from suite.problems.classification import Classification
from suite.problems.digits import DigitsMlp
from suite.problems.digits_logistic import DigitsLogistic
from suite.problems.fashion_mnist import FashionMnistCnn
from suite.problems.fashion_mnist_2c2d import FashionMnist2c2d
from suite.problems.fashion_mnist_logistic import FashionMnistLogistic
from suite.problems.fashion_mnist_mlp import FashionMnistMlp
from suite.problems.surface import OnSurface

__all__ = ["PROBLEMS", "Classification", "Data", "Problem", "find", "resolve"]

PROBLEMS: dict[str, Problem] = {
    "fashion_mnist_cnn": FashionMnistCnn(),
    "fashion_mnist_2c2d": FashionMnist2c2d(),
    "fashion_mnist_mlp": FashionMnistMlp(),
    "fashion_mnist_logistic": FashionMnistLogistic(),
    "digits_mlp": DigitsMlp(),
    "digits_logistic": DigitsLogistic(),
    "airfoil_linear": AirfoilLinear(),
    "surface": OnSurface(),
}


def find_problem(key: str, folder: Path | None = None) -> Problem:
    """The problem that a study names.

    Args:
        key: A key of `PROBLEMS`, or `package.module:object` for a problem of one's own.
        folder: Where a module is looked up before the installed ones, the study file's own folder.

    Raises:
        UserError: There is none.
    """
    if ":" in key:
        found: Problem = load_object(key, folder, key="problem", wanted=Problem, example="my_problem:PROBLEM")
        lacking = [name for name in ("train_examples", "test_examples", "chance_loss") if not hasattr(found, name)]
        if lacking:
            raise UserError(
                f"problem: {key} has no {lacking[0]}. Write it in its class, as suite.problems.Problem says"
            )
        if "accuracy" in found.metrics and type(found).correct is Problem.correct:
            raise UserError(
                f'problem: {key} has an accuracy but no method "correct". Write it, or metrics = ("loss",) in its class'
            )
        return found
    if key not in PROBLEMS:
        names = ", ".join(PROBLEMS)
        raise UserError(f'problem: there is no "{key}".{did_you_mean(key, PROBLEMS)} There are: {names}')
    return PROBLEMS[key]


def resolve_options(problem: Problem, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of a problem: the defaults of its `network` with what is given over them, checked.

    Raises:
        UserError: in one line that starts with the option's name; the problem has no such option, or refuses its value.
    """
    known = {name: option.default for name, option in inspect.signature(problem.network).parameters.items()}
    for name in given:
        if name not in known:
            has = f"It has {', '.join(known)}" if known else "It has none: remove it"
            raise UserError(f"{name}: {problem.key} has no such option.{did_you_mean(name, known)} {has}")
    if given:
        try:
            problem.network(**given)
        except Exception as error:  # noqa: BLE001 - a problem of the user's own may raise anything
            why = " ".join(str(error).split()) or type(error).__name__
            named = why if why.partition(":")[0] in given else f"{', '.join(given)}: {problem.key} refuses it: {why}"
            raise UserError(f"{named.rstrip('.')}. Write another value") from None
    return known | dict(given)
