"""The base class of the problems: a network, its data and its loss. Each problem has its own file in this folder."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from suite.errors import format_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from suite.data.datasets import DataSet

T = TypeVar("T")

_RENAMED = {"sample": "synthetic_batch", "readings": "extra_metrics", "smallest_batch": "min_batch_size"}


@dataclass(frozen=True, slots=True)
class Data:
    """Training and test examples on one device: inputs as they are stored, and targets, both with n as the first axis."""

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor

    def to(self, device: str) -> Data:
        """Return the data on another device."""
        return Data(*(getattr(self, name).to(device) for name in self.__slots__))


class Problem(ABC):
    """A network with its data and its loss. An instance has no state: everything that varies is an argument."""

    key: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    train_examples: ClassVar[int]
    test_examples: ClassVar[int]
    chance_loss: ClassVar[float]
    """The loss of the best constant prediction. A network at this loss has learnt nothing."""
    stalls: ClassVar[bool] = True
    """Whether a trial whose loss stays at chance ends as stalled. False if a good trial may stay there for long."""
    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
    """The metrics of training and test; `("loss",)` if predictions are neither right nor wrong."""
    loss_units: ClassVar[Mapping[str, float]] = {}
    """Other units of the loss: a factor by name. `test/<name>` is recorded beside `test/loss`."""
    min_batch_size: ClassVar[int] = 1
    """The smallest batch for training: 2 if batch normalisation sees one value for each channel and example."""
    data_set: ClassVar[DataSet | None] = None
    held_out: ClassVar[bool] = True
    """Whether the test examples are not trained on. If False, tuning is not possible without the test set."""

    ordered: ClassVar[bool] = False
    """Whether neighbouring examples belong together, as passages of a text do. The validation split is then the last sixth of
    the training examples; otherwise it is a random sixth."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Accept the old names of methods and attributes in a user's class, with a warning."""
        super().__init_subclass__(**kwargs)
        for old, new in _RENAMED.items():
            if old in vars(cls) and new not in vars(cls):
                warnings.warn(f"{cls.__name__}.{old} is now called {new}. Rename it", FutureWarning, stacklevel=3)
                setattr(cls, new, vars(cls)[old])

    def digests(self) -> dict[str, str]:
        """Return the digests of the data by file name; they are part of the description of each trial."""
        return dict(self.data_set.files) if self.data_set else {}

    @abstractmethod
    def network(self) -> nn.Module:
        """Return a new network, initialised from torch's global generator, which is seeded before.

        Its `problem_options` in a study are keyword arguments of this method with defaults. An invalid value raises
        ValueError: `<name>: expected ..., got ...`.

        On CUDA, the network, `prepare`, `loss` and `correct` are captured once and replayed
        (`suite.training.cuda_graphs`). Numbers that Python counts, draws or reads from a tensor there keep their first value.
        """

    @abstractmethod
    def load(self, root: Path | None) -> Data:
        """Return all examples, on the CPU. `root` is the folder of the data set; None for a problem without one."""

    @abstractmethod
    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:
        """Return n synthetic inputs and targets of the right dtypes and shapes, to measure speed with."""

    @abstractmethod
    def prepare(self, inputs: Tensor) -> Tensor:
        """Return a batch of stored inputs as the network expects them."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over a batch."""

    def roles(self, network: nn.Module) -> dict[str, set[str]]:
        """Return the roles of each parameter of the network by name, by which the groups of a study select parameters.

        A problem may change them, and may add roles with other names.
        """
        from suite.problems.parameter_roles import parameter_roles

        return parameter_roles(network)

    def extra_metrics(self, network: nn.Module) -> dict[str, float]:  # noqa: ARG002
        """Return further metrics to record after each evaluation, by name; none by default."""
        return {}

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the number of correct predictions of a batch; required if `metrics` has an accuracy."""
        raise NotImplementedError


def choose(name: str, value: object, choices: Mapping[str, T]) -> T:
    """Return the choice that the value of an option of a network names.

    Raises:
        ValueError: There is no such choice.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {format_value(value)}")
    return choices[value]
