"""Learning-rate schedules: a factor for each update, applied by torch's LambdaLR."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LambdaLR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim import Optimizer


def factor(schedule: Mapping[str, Any], t: int, updates: int) -> float:
    """Return the factor of the learning rate at update `t`.

    With T updates in all, the warm-up has W = round(warmup · T), and the factor is (t + 1)/W while t < W. After it, with
    p = (t − W)/(T − W) in [0, 1), the factor is:

    - constant: 1
    - linear: 1 − (1 − final) p
    - cosine: final + (1 − final) (1 + cos πp)/2, torch's CosineAnnealingLR with T_max = T − W (Loshchilov, Hutter 2017)
    - exponential: gamma^p
    - step: gamma to the power of the number of `milestones` that are ≤ p
    - wsd (warm-up, stable, decay; Hu et al. 2024, arXiv 2404.06395; with a linear decay, Hägele et al. 2024, arXiv 2405.18392):
      1 while p < 1 − decay, then 1 − (1 − final)(p − 1 + decay)/decay

    Args:
        schedule: kind, warmup, final, gamma, milestones, and decay for wsd: see `suite.spec.study.Schedule`.
        t: The update, from 0.
        updates: T, the number of updates of the trial.
    """
    warmup = warmup_updates(schedule, updates)
    if t < warmup:
        return (t + 1) / warmup
    p = (t - warmup) / max(1, updates - warmup)
    final, gamma = schedule["final"], schedule["gamma"]
    match schedule["kind"]:
        case "linear":
            result = 1 - (1 - final) * p
        case "cosine":
            result = final + (1 - final) * (1 + math.cos(math.pi * p)) / 2
        case "exponential":
            result = gamma**p
        case "step":
            result = gamma ** sum(milestone <= p for milestone in schedule["milestones"])
        case "wsd":
            result = 1 - (1 - final) * max(0.0, p - 1 + schedule["decay"]) / schedule["decay"]
        case _:
            result = 1.0
    return float(result)


def warmup_updates(schedule: Mapping[str, Any] | None, updates: int) -> int:
    """Return the number of updates of the warm-up."""
    return round(schedule["warmup"] * updates) if schedule else 0


def scheduler(schedule: Mapping[str, Any] | None, optimizer: Optimizer, updates: int) -> LambdaLR | None:
    """Return the scheduler to step after every update; None for a constant learning rate."""
    if schedule is None:
        return None
    return LambdaLR(optimizer, lambda t: factor(schedule, t, updates))
