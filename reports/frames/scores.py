"""The final score of each trial. The best score over epochs is never used, because it would be selected on the test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from reports.frames.study_frames import Frames

METRICS = ("train/loss", "train/accuracy", "test/loss", "test/accuracy")
"""The metrics of a report in the order of its columns."""

_TITLES = {
    "train/loss": "Training loss",
    "train/accuracy": "Training accuracy",
    "test/loss": "Test loss",
    "test/accuracy": "Test accuracy",
    "examples_per_second": "Examples/s",
}


def final(frames: Frames, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Return the final scores of every planned trial.

    Args:
        frames: The plan and its records.
        metrics: The metrics; each is a column.

    Returns:
        A row per planned trial, in the order of the plan: `label`, `repeat`, `trial_id`, `outcome`, `reason`,
        `examples_per_second`, `train_seconds`, `seconds_per_update`, `state_bytes`, and each metric after the last epoch of
        the trial's budget. A metric is NaN unless the outcome is ok and the trial has it.
    """
    names = ["label", "repeat", "trial_id", "outcome", "reason", "examples_per_second", "train_seconds"]
    names += ["seconds_per_update", "state_bytes"]
    table = frames.trials[[*names, "epochs"]]
    last = table[["label", "repeat", "epochs"]].merge(frames.points, on=["label", "repeat"], how="inner")
    last = last[(last["epoch"] == last["epochs"]) & (last["outcome"] == "ok") & last["metric"].isin(list(metrics))]
    values = last.pivot_table(index=["label", "repeat"], columns="metric", values="value", aggfunc="last", dropna=False)
    values = values.reindex(columns=list(metrics)).astype("float64")
    return table[names].merge(values.reset_index(), on=["label", "repeat"], how="left")


def measured(frames: Frames, score: str) -> tuple[str, ...]:
    """Return the study's score and the metrics that its trials have, in the order of `METRICS`; another score is first."""
    known = set(frames.points["metric"].unique())
    return (() if score in METRICS else (score,)) + tuple(m for m in METRICS if m in known or m == score)


def higher_is_better(metric: str) -> bool:
    """Return whether a higher value is better: for accuracies and speeds it is, for all other metrics it is not."""
    return metric.endswith("accuracy") or metric == "examples_per_second"


def title(metric: str) -> str:
    """Return the display name of a metric."""
    return _TITLES.get(metric, metric.replace("/", " ").replace("_", " ").capitalize())
