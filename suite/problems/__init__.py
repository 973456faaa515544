"""The registry of problems."""

from suite.errors import UserError
from suite.problems.fashion_mnist import FashionMnistCnn
from suite.problems.problem import Data, Problem

__all__ = ["PROBLEMS", "Data", "Problem", "find"]

PROBLEMS: dict[str, Problem] = {
    "fashion_mnist_cnn": FashionMnistCnn(),
}


def find(key: str) -> Problem:
    """The problem of that key.

    Raises:
        UserError: There is none.
    """
    from suite.study import did_you_mean

    if key not in PROBLEMS:
        names = list(PROBLEMS)
        raise UserError(f'problem: there is no "{key}"{did_you_mean(key, names)}. There are: {", ".join(names)}')
    return PROBLEMS[key]
