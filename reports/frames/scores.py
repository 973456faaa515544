"""One row per trial: where it ended. Never where it was at its best, which would select on the test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from reports.frames.study_frames import Frames

METRICS = ("train/loss", "train/accuracy", "test/loss", "test/accuracy")
"""The metrics of a report, in the order of its columns."""

_TITLES = {
    "train/loss": "Training loss",
    "train/accuracy": "Training accuracy",
    "test/loss": "Test loss",
    "test/accuracy": "Test accuracy",
    "examples_per_second": "Examples/s",
}


def final(frames: Frames, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """The final scores of every planned trial.

    Args:
        frames: A plan and what is recorded of it.
        metrics: Which metrics; each becomes a column.

    Returns:
        A row per planned trial, in the order of the plan: `label`, `repeat`, `trial_id`, `outcome`, `reason`,
        `examples_per_second`, `train_seconds`, and for each metric its value after the last epoch of the trial's own
        budget. NaN unless the outcome is ok, and where the trial does not have the metric.
    """
    names = ["label", "repeat", "trial_id", "outcome", "reason", "examples_per_second", "train_seconds"]
    table = frames.trials[[*names, "epochs"]]
    last = table[["label", "repeat", "epochs"]].merge(frames.points, on=["label", "repeat"], how="inner")
    last = last[(last["epoch"] == last["epochs"]) & (last["outcome"] == "ok") & last["metric"].isin(list(metrics))]
    values = last.pivot_table(index=["label", "repeat"], columns="metric", values="value", aggfunc="last", dropna=False)
    values = values.reindex(columns=list(metrics)).astype("float64")
    return table[names].merge(values.reset_index(), on=["label", "repeat"], how="left")


def measured(frames: Frames, score: str) -> tuple[str, ...]:
    """The metrics that these trials have, in the order of `METRICS`; the study's score always, and first if unusual."""
    known = set(frames.points["metric"].unique())
    return (() if score in METRICS else (score,)) + tuple(m for m in METRICS if m in known or m == score)


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric is better: of accuracy and speed it is, of loss and all else it is not."""
    return metric.endswith("accuracy") or metric == "examples_per_second"


def title(metric: str) -> str:
    """The name of a metric for people."""
    return _TITLES.get(metric, metric.replace("/", " ").replace("_", " ").capitalize())
