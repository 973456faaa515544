"""The registry of problems."""

from pathlib import Path

from suite.errors import UserError, did_you_mean
from suite.loading import load
from suite.problems.classification import Classification
from suite.problems.digits import DigitsMlp
from suite.problems.fashion_mnist import FashionMnistCnn
from suite.problems.fashion_mnist_2c2d import FashionMnist2c2d
from suite.problems.fashion_mnist_logistic import FashionMnistLogistic
from suite.problems.fashion_mnist_mlp import FashionMnistMlp
from suite.problems.problem import Data, Problem

__all__ = ["PROBLEMS", "Classification", "Data", "Problem", "find"]

PROBLEMS: dict[str, Problem] = {
    "fashion_mnist_cnn": FashionMnistCnn(),
    "fashion_mnist_2c2d": FashionMnist2c2d(),
    "fashion_mnist_mlp": FashionMnistMlp(),
    "fashion_mnist_logistic": FashionMnistLogistic(),
    "digits_mlp": DigitsMlp(),
}


def find(key: str, folder: Path | None = None) -> Problem:
    """The problem that a study names.

    Args:
        key: A key of `PROBLEMS`, or `package.module:object` for a problem of one's own.
        folder: Where a module is looked up before the installed ones, the study file's own folder.

    Raises:
        UserError: There is none.
    """
    if ":" in key:
        found: Problem = load(key, folder, key="problem", wanted=Problem, example="my_problem:PROBLEM")
        lacking = [name for name in ("train_examples", "test_examples", "chance_loss") if not hasattr(found, name)]
        if lacking:
            raise UserError(
                f"problem: {key} has no {lacking[0]}. Write it in its class, as suite.problems.Problem says"
            )
        return found
    if key not in PROBLEMS:
        names = ", ".join(PROBLEMS)
        raise UserError(f'problem: there is no "{key}".{did_you_mean(key, PROBLEMS)} There are: {names}')
    return PROBLEMS[key]
