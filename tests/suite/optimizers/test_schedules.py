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
    schedule, rates = make(optimizer), []
    for _ in range(T):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


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
def test_each_kind_equals_torchs_scheduler(ours, theirs):
    """Every kind gives the learning rates of torch's class at every update."""
    assert _factors(**ours) == pytest.approx(_torch_factors(theirs), rel=1e-12)


def test_wsd_is_constant_and_then_decays_linearly():
    """With a decay of a quarter of 40 updates, 30 factors are 1, and the others fall in equal steps to `final`."""
    factors = _factors(kind="wsd", decay=0.25, final=0.2)
    assert factors[:31] == [1.0] * 31
    assert factors[31:] == pytest.approx([1 - 0.8 * i / 10 for i in range(1, 10)])
    assert _factors(kind="wsd", decay=1.0) == pytest.approx(_factors(kind="linear"))


def test_the_warm_up_is_linear():
    """With a warm-up of 10% of 40 updates the factors are 1/4, 2/4, 3/4 and 4/4; then the cosine begins."""
    factors = _factors(kind="cosine", warmup=0.1)
    assert factors[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert factors[5] == pytest.approx((1 + math.cos(math.pi / 36)) / 2)


def test_the_scheduler_sets_the_learning_rate_of_every_group():
    """The learning rate of each group is multiplied by the factor."""
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (1.0, 0.5)]
    optimizer = torch.optim.SGD(groups)
    schedule = scheduler(Schedule(kind="linear").model_dump(), optimizer, 4)
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.75, 0.375])


def test_a_constant_rate_has_no_scheduler():
    """Without a schedule there is no scheduler to step."""
    assert scheduler(None, torch.optim.SGD([torch.zeros(1, requires_grad=True)]), 4) is None
