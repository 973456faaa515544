"""A regression as a user would write it, without accuracy and with an option: `line:LINE`."""

import torch
from torch import nn

from ravine import Data, Problem


class Line(Problem):
    """A straight line through noisy points of y = 2x + 1."""

    key = "line"
    summary = "a straight line through 60 noisy points"
    source = "synthetic"
    train_examples = 60
    test_examples = 20
    chance_loss = 1.4
    metrics = ("loss",)

    def network(self, start: float = 0.0):
        if not isinstance(start, float):
            raise ValueError(f'start: expected a number, got "{start}"')  # noqa: TRY004 (see ravine.Problem)
        layer = nn.Linear(1, 1)
        nn.init.constant_(layer.weight, start)
        return layer

    def load(self, root):
        generator = torch.Generator().manual_seed(7)
        x = torch.rand(80, 1, generator=generator) * 2 - 1
        y = 2 * x + 1 + 0.1 * torch.randn(80, 1, generator=generator)
        return Data(x[:60], y[:60], x[60:], y[60:])

    def synthetic_batch(self, n):
        return torch.zeros(n, 1), torch.ones(n, 1)

    def prepare(self, inputs):
        return inputs

    def loss(self, outputs, targets):
        return nn.functional.mse_loss(outputs, targets)


class Uncounted(Line):
    """Has an accuracy in its metrics, but no method for it."""

    metrics = ("loss", "accuracy")


LINE, UNCOUNTED = Line(), Uncounted()


class Halving(torch.optim.SGD):
    """Gradient descent that halves its learning rate in each step."""

    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            group["lr"] /= 2


class Backtracking(torch.optim.Optimizer):
    """Gradient descent with a line search: each step halves η until the loss decreases by at least a tenth of η |g|²."""

    requires_loss_fn = True

    def __init__(self, params, lr=8.0):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, loss):
        (group,) = self.param_groups
        theta, gradient = list(group["params"]), [p.grad for p in group["params"]]
        before, slope, lr = loss(*theta), sum((g**2).sum() for g in gradient), group["lr"]
        while loss(*(p - lr * g for p, g in zip(theta, gradient, strict=True))) > before - 0.1 * lr * slope:
            lr /= 2
        for p, g in zip(theta, gradient, strict=True):
            p.sub_(lr * g)
