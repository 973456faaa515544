"""The problems: one file for each network and data set. `PROBLEMS` is the registry, `find_problem` returns a problem."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite.errors import UserError, did_you_mean
from suite.plugins import load_object
from suite.problems.airfoil import AirfoilLinear
from suite.problems.base import Data, Problem
from suite.problems.cifar10_resnet import Cifar10Resnet
from suite.problems.classification import Classification
from suite.problems.digits import DigitsMlp
from suite.problems.digits_logistic import DigitsLogistic
from suite.problems.fashion_mnist import FashionMnistCnn
from suite.problems.fashion_mnist_2c2d import FashionMnist2c2d
from suite.problems.fashion_mnist_autoencoder import FashionMnistAutoencoder
from suite.problems.fashion_mnist_logistic import FashionMnistLogistic
from suite.problems.fashion_mnist_mlp import FashionMnistMlp
from suite.problems.fashion_mnist_resnet import FashionMnistResnet
from suite.problems.fashion_mnist_vit import FashionMnistVit
from suite.problems.modular_addition import ModularAddition
from suite.problems.noisy_quadratic import NoisyQuadratic
from suite.problems.surface import SurfaceProblem
from suite.problems.tabular_mlp import TabularMlp
from suite.problems.text_gpt import TextGpt
from suite.problems.text_lstm import TextLstm

__all__ = ["PROBLEMS", "Classification", "Data", "Problem", "find_problem", "resolve_options"]

PROBLEMS: dict[str, Problem] = {
    "fashion_mnist_cnn": FashionMnistCnn(),
    "fashion_mnist_2c2d": FashionMnist2c2d(),
    "fashion_mnist_mlp": FashionMnistMlp(),
    "fashion_mnist_logistic": FashionMnistLogistic(),
    "digits_mlp": DigitsMlp(),
    "digits_logistic": DigitsLogistic(),
    "airfoil_linear": AirfoilLinear(),
    "surface": SurfaceProblem(),
    "noisy_quadratic": NoisyQuadratic(),
    "modular_addition": ModularAddition(),
    "text_gpt": TextGpt(),
    "text_lstm": TextLstm(),
    "fashion_mnist_resnet": FashionMnistResnet(),
    "fashion_mnist_vit": FashionMnistVit(),
    "fashion_mnist_autoencoder": FashionMnistAutoencoder(),
    "cifar10_resnet": Cifar10Resnet(),
    "tabular_mlp": TabularMlp(),
}


def find_problem(key: str, folder: Path | None = None) -> Problem:
    """Return the problem that a study names.

    Args:
        key: A key of `PROBLEMS`, or `package.module:object` for a user's own problem.
        folder: The folder of the study file, which is searched before the installed modules.

    Raises:
        UserError: There is no such problem, or it is incomplete.
    """
    if key in PROBLEMS:
        return PROBLEMS[key]
    if ":" not in key:
        hint = f"Choose from: {', '.join(PROBLEMS)}"
        raise UserError("problem", f'there is no problem "{key}"', did_you_mean(key, PROBLEMS), hint)
    problem: Problem = load_object(key, folder, key="problem", base=Problem, example="my_problem:PROBLEM")
    for name in ("train_examples", "test_examples", "chance_loss"):
        if not hasattr(problem, name):
            raise UserError("problem", f"{key} has no {name}", "Set it in its class (see ravine.Problem)")
    if "accuracy" in problem.metrics and type(problem).correct is Problem.correct:
        raise UserError(
            "problem",
            f'{key} has an accuracy but no method "correct"',
            'Write the method, or metrics = ("loss",) in its class',
        )
    return problem


def resolve_options(problem: Problem, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of a problem: the given ones, checked, and the defaults of its `network` for the others.

    Raises:
        UserError: The problem has no such option, or does not accept the value; the location is the option's name.
    """
    known = {name: option.default for name, option in inspect.signature(problem.network).parameters.items()}
    for name in given:
        if name not in known:
            hint = f"Choose from: {', '.join(known)}" if known else "Remove it"
            raise UserError(name, f"{problem.key} has no such option", did_you_mean(name, known), hint)
    if given:
        try:
            problem.network(**given)
        except Exception as error:  # noqa: BLE001 (a user's problem may raise anything)
            message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            name, _, reason = message.partition(": ")
            if name not in given:
                name, reason = ", ".join(given), f"{problem.key} does not accept it: {message}"
            raise UserError(name, reason, "Write another value") from None
    return known | dict(given)
