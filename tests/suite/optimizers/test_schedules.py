"""`suite.optimizers.schedules`: the factor of the learning rate at each update."""

import math

import pytest
import torch

from suite.optimizers.schedules import factor, scheduler
from suite.spec.study import Schedule

T = 40


def _factors(**schedule):
    values = Schedule(**schedule).model_dump()
    return [factor(values, t, T) for t in range(T)]


def _torch_factors(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    steps, seen = make(optimizer), []
    for _ in range(T):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        steps.step()
    return seen


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"kind": "cosine"}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=T)),
        ({"kind": "cosine", "final": 0.1}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T, eta_min=0.1)),
        ({"kind": "linear", "final": 0.2}, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.2, T)),
        ({"kind": "exponential", "gamma": 0.01}, lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.01 ** (1 / T))),
        (
            {"kind": "step", "gamma": 0.5, "milestones": [0.25, 0.5]},
            lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [10, 20], 0.5),
        ),
    ],
)
def test_each_kind_is_torchs_scheduler_of_that_name(ours, theirs):
    """Every kind gives the learning rates of torch's own class at every update."""
    assert _factors(**ours) == pytest.approx(_torch_factors(theirs), rel=1e-12)


def test_the_warm_up_rises_in_equal_steps_to_the_full_rate():
    """With 10% warm-up of 40 updates the factors start at 1/4, 2/4, 3/4, 4/4, and the cosine begins there."""
    seen = _factors(kind="cosine", warmup=0.1)
    assert seen[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert seen[5] == pytest.approx((1 + math.cos(math.pi / 36)) / 2)


def test_the_scheduler_sets_the_learning_rate_of_every_group():
    """Each group's own learning rate is multiplied."""
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (1.0, 0.5)]
    optimizer = torch.optim.SGD(groups)
    steps = scheduler(Schedule(kind="linear").model_dump(), optimizer, 4)
    optimizer.step()
    steps.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.75, 0.375])


def test_no_schedule_is_no_scheduler():
    """A constant learning rate costs nothing."""
    assert scheduler(None, torch.optim.SGD([torch.zeros(1, requires_grad=True)]), 4) is None
