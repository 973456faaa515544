"""What a problem is: a network, its data, its loss. One file of this folder each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from suite.data.datasets import DataSet


@dataclass(frozen=True, slots=True)
class Data:
    """Examples on one device: inputs as they are stored (`n` first), targets, for training and for the test."""

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor

    def to(self, device: str) -> Data:
        """The same data on another device."""
        return Data(*(getattr(self, name).to(device) for name in self.__slots__))


class Problem(ABC):
    """A network with its data and its loss. An object without state: all that varies is an argument."""

    key: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    train_examples: ClassVar[int]
    test_examples: ClassVar[int]
    chance_loss: ClassVar[float]
    """The loss of the best constant prediction: what a network reaches that has learnt nothing."""
    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy")
    """What is measured in training and in the test. Where predictions are not right or wrong: `("loss",)` alone."""
    smallest_batch: ClassVar[int] = 1
    """Batch normalisation needs two examples where a channel has one value for each."""
    data_set: ClassVar[DataSet | None] = None
    held_out: ClassVar[bool] = True
    """Whether no test example is trained on. Where it is not so, nothing can be tuned without looking at the test set."""

    def digests(self) -> dict[str, str]:
        """From file to digest: which data a trial of this problem is about."""
        return dict(self.data_set.files) if self.data_set else {}

    @abstractmethod
    def network(self) -> nn.Module:
        """A new network, initialised from torch's global generator (seeded around it): by PyTorch's defaults, as a rule.

        On CUDA its work is captured once and played again (`suite.training.cuda_graphs`), with that of `prepare`, `loss` and `correct`:
        what Python itself counts or draws there, or reads from a tensor, would stay as it was the first time.

        What a study may vary of it, its `problem_options`, are keyword arguments with defaults. A value that they
        cannot have raises ValueError: `<name>: expected ..., got ...`.
        """

    @abstractmethod
    def load(self, root: Path | None) -> Data:
        """All examples, on the CPU. `root` is the folder of the data set, None where the problem has none."""

    @abstractmethod
    def sample(self, n: int) -> tuple[Tensor, Tensor]:
        """Made-up inputs and targets of the right kind and size, to measure speed on."""

    @abstractmethod
    def prepare(self, inputs: Tensor) -> Tensor:
        """A batch of stored inputs as the network wants them."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss over a batch."""

    def extra_metrics(self, network: nn.Module) -> dict[str, float]:  # noqa: ARG002
        """What else is recorded after each evaluation, by the name of its metric: by default nothing."""
        return {}

    def correct(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How many predictions of a batch are right: for problems that have an accuracy, and only asked of them."""
        raise NotImplementedError
