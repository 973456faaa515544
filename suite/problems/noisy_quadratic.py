"""The noisy quadratic model: a loss and a gradient noise whose effect is known in closed form (Zhang et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from suite.problems.base import Data, Problem, choose

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

EXAMPLES = 10_000
SIZES = {"tiny": 100, "full": 1_000}
"""Dimensions d."""


def eigenvalues(dimensions: int) -> Tensor:
    """Return h₁, …, h_d with hᵢ = 1/i, in float32."""
    return 1 / torch.arange(1, dimensions + 1, dtype=torch.float32)


def expected_loss(dimensions: int, updates: int, batch_size: int, lr: float, momentum: float = 0.0) -> float:
    """Return the mean of L(θ) over starts and noise after updates of v ← γ v + η g, θ ← θ − v, in closed form.

    For each eigenvalue h, (θ, v) becomes A (θ, v) + (−η, η) ε with A = ((1 − ηh, −γ), (ηh, γ)) and Var ε = h/B. So the second
    moments M become A M Aᵀ + (h/B) η² ((1, −1), (−1, 1)). This map is affine, and `updates` of them are the power of a matrix.
    With γ = 0 the result is ½ Σ h (r^t + η² (h/B) (1 − r^t)/(1 − r)) with r = (1 − ηh)² and t updates.

    Args:
        dimensions: d, the number of eigenvalues.
        updates: t.
        batch_size: B.
        lr: η, constant.
        momentum: γ; 0 for SGD.
    """
    h = eigenvalues(dimensions).double()
    ones = torch.ones_like(h)
    a = torch.stack([1 - lr * h, -momentum * ones, lr * h, momentum * ones], dim=1).reshape(-1, 2, 2)
    step = torch.zeros(dimensions, 5, 5, dtype=torch.float64)  # on the moments θθ, θv, vθ, vv and a constant 1
    step[:, :4, :4] = torch.einsum("nij,nkl->nikjl", a, a).reshape(-1, 4, 4)
    step[:, :4, 4] = lr**2 / batch_size * h[:, None] * torch.tensor([1.0, -1.0, -1.0, 1.0])
    step[:, 4, 4] = 1
    start = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    moments = torch.linalg.matrix_power(step, updates) @ start
    return float((h * moments[:, 0]).sum() / 2)


class QuadraticPoint(nn.Module):
    """A point θ of d dimensions, drawn from N(0, I)."""

    h: Tensor

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.randn(dimensions))
        self.register_buffer("h", eigenvalues(dimensions), persistent=False)

    def forward(self, noise: Tensor) -> Tensor:
        """Return ½ Σ hᵢ θᵢ² + Σ εᵢ θᵢ with εᵢ = √hᵢ zᵢ in shape (n,), for n rows z of standard normal numbers."""
        h, theta = self.h, self.theta
        loss: Tensor = (h * theta.square()).sum() / 2 + noise[:, : len(h)] @ (h.sqrt() * theta)
        return loss


class NoisyQuadratic(Problem):
    """The loss is L(θ) = ½ Σ hᵢ θᵢ² with hᵢ = 1/i, so that the condition number is d; the start is drawn from N(0, I).

    A training example is a vector z of standard normal numbers. Its loss is L(θ) + Σ √hᵢ zᵢ θᵢ, so the gradient has the
    noise √hᵢ zᵢ, and that of a batch of B examples the covariance diag(h)/B. There are 10,000 examples. In one epoch no
    noise is used twice, so updates are independent. The test set is the one example z = 0, so the test loss is L(θ).

    `expected_loss` is the mean of L(θ) over starts and noise after updates of SGD or momentum, in closed form.

    Options:
        size: `tiny`: d = 100; `full`: d = 1,000. Zhang et al. have d = 10,000.
    """

    key = "noisy_quadratic"
    summary = (
        "a quadratic with eigenvalues 1/i and gradient noise, d = 100 (size = full: 1,000); its mean loss is known"
    )
    source = "Zhang, Li, Nado, Martens, Sachdeva, Dahl, Shallue, Grosse 2019, arXiv 1907.04164"
    train_examples = EXAMPLES
    test_examples = 1
    chance_loss = sum(1 / i for i in range(1, 101)) / 2  # the mean of L over the starts of size = tiny
    stalls = False
    metrics = ("loss",)

    def network(self, size: str = "tiny") -> nn.Module:  # noqa: D102 (see Problem)
        return QuadraticPoint(choose("size", size, SIZES))

    def load(self, root: Path | None) -> Data:  # noqa: ARG002 (there is no file)
        """Return the noise of all dimensions, (10000, 1000) for training and a row of zeros for the test."""
        noise = torch.randn(EXAMPLES, max(SIZES.values()), generator=torch.Generator().manual_seed(0))
        return Data(noise, torch.zeros(EXAMPLES), *self.synthetic_batch(1))

    def synthetic_batch(self, n: int) -> tuple[Tensor, Tensor]:  # noqa: D102
        return torch.zeros(n, max(SIZES.values())), torch.zeros(n)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Return the noise unchanged."""
        return inputs

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: ARG002
        """Return the mean of the losses (n,)."""
        return outputs.mean()
