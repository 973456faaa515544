"""Optimizers with training and evaluation weights, as a user would write them, in a file beside the study."""

import torch
from torch.optim import Optimizer

from suite.optimizers.base import Rule


class Averaged(Optimizer):
    """SGD whose evaluation weights are the mean of all its points.

    `train` and `eval` exchange points and means, so two calls of one of them without the other would be wrong.
    """

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        self.calls = []

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            p.sub_(self.param_groups[0]["lr"] * p.grad)
            state["n"] = state.get("n", 0) + 1
            state.setdefault("mean", torch.zeros_like(p)).add_((p - state["mean"]) / state["n"])

    def train(self):
        self.calls.append("train")
        exchange(self)

    def eval(self):
        self.calls.append("eval")
        exchange(self)


class InfiniteAverage(Averaged):
    """The evaluation weights are infinite."""

    def eval(self):
        for p in self.param_groups[0]["params"]:
            p.fill_(float("inf"))


def averaged_update(theta, g, mean, *, t, lr):
    """Update θ and the mean of all θ in place."""
    theta.sub_(lr * g)
    mean.add_((theta - mean) / t)


class AveragedRule(Rule):
    """The same optimizer as a rule, which is flattened, and captured on a GPU."""

    elementwise = True
    rule = staticmethod(averaged_update)
    state_names = ("mean",)

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr, "weight_decay": 0.0})

    def train(self):
        exchange(self)

    def eval(self):
        exchange(self)


@torch.no_grad()
def exchange(optimizer):
    """Exchange parameters and means in place, if there are means."""
    for p in optimizer.param_groups[0]["params"]:
        if "mean" in optimizer.state[p]:
            mean = optimizer.state[p]["mean"]
            point = p.clone()
            p.copy_(mean)
            mean.copy_(point)
