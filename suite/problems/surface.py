"""A function of two variables as a problem: the two variables are the parameters, and each update is a step of a trajectory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.data.surfaces import SURFACES
from suite.problems.base import Data, Problem, choose

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from suite.data.surfaces import Surface


class SurfacePoint(nn.Module):
    """A point x = (x₁, x₂) on a surface, in float64."""

    def __init__(self, surface: Surface) -> None:
        super().__init__()
        self.formula = surface.formula
        self.x = nn.Parameter(torch.tensor(surface.start, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return f(x) in shape (n,), for any n inputs."""
        value: Tensor = self.formula(self.x[0], self.x[1])
        return value.expand(len(inputs))


class SurfaceProblem(Problem):
    """min f(x₁, x₂) from a fixed start: the loss is f, in float64, and an epoch is one update.

    There is one example, without information, so the repeats are identical. After each evaluation x₁ and x₂ are recorded
    as `path/x1` and `path/x2`; `test/loss` is f at this point.

    Options:
        surface: A key of `suite.data.surfaces.SURFACES`.
    """

    key = "surface"
    summary = f"a function of two variables: {', '.join(SURFACES)} (problem_options: surface); its path is recorded"
    source = "Zhang, Lipton, Li, Smola 2021, arXiv 2106.11342, 11.6 (the valley); Beale 1958; Rosenbrock 1960"
    train_examples = 1
    test_examples = 1
    chance_loss = math.inf  # there is no constant prediction
    stalls = False
    metrics = ("loss",)

    def network(self, surface: str = "valley") -> nn.Module:
        """Return a point at the start of the surface."""
        return SurfacePoint(choose("surface", surface, SURFACES))

    def load(self, root: Path | None) -> Data:  # noqa: ARG002, D102 (see Problem)
        return Data(*self.synthetic_batch(1), *self.synthetic_batch(1))

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.zeros(n, 1), torch.zeros(n)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return the inputs unchanged; they are not used."""
        return inputs

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: ARG002
        """Return f, the mean of the equal outputs."""
        return outputs.mean()

    def extra_metrics(self, network: nn.Module) -> dict[str, float]:
        """Return x₁ and x₂."""
        x1, x2 = next(network.parameters()).tolist()
        return {"path/x1": x1, "path/x2": x2}
