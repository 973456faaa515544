"""Trajectories of optimizers on test functions of two variables, and their final points.

A `Family` is an optimizer with all its settings except the learning rate; its labels differ only in that. A height is f minus
the minimum of f, so it is 0 at a minimum of every function.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.frames.study_frames import MISSING, SURFACES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from reports.frames.study_frames import Frames, Surface

X1, X2 = "path/x1", "path/x2"
NEAR = 0.01
"""A trajectory is near a minimum if its height is at most this share of its initial height."""
_FAR = 1e3
Window = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Family:
    """An optimizer on a test function, and its labels by learning rate, the lowest rate first.

    Attributes:
        name: The words that its labels have in common.
        surface: A key of `SURFACES`.
        labels: From learning rate to label; the key is NaN if there is no learning rate.
    """

    name: str
    surface: str
    labels: Mapping[float, str]


def trajectory_points(frames: Frames) -> pd.DataFrame:
    """Return every recorded point with the starting point of its function; repeats are equal, so only one is used.

    Returns:
        `label`, `surface`, `step` (0 at the start), `x1`, `x2`, `height`, in the order of the plan, from the first repeat that
        did not fail. A trajectory that diverged ends with its last record. Empty if the trials have no trajectories.
    """
    keys = ["label", "step"]
    points = frames.points[frames.points["metric"].isin([X1, X2]) & (frames.points["outcome"] != "failed")]
    points = points[points["repeat"] == points.groupby("label")["repeat"].transform("min")]
    table = points.pivot_table(index=keys, columns="metric", values="value", sort=False)
    table = table.reindex(columns=[X1, X2]).set_axis(["x1", "x2"], axis=1).reset_index()
    trials = first_usable_trials(frames)
    on = pd.DataFrame({"label": trials["label"], "surface": [_surface(o) for o in trials["problem_options"]]})
    on = on[on["surface"] != ""]
    starts = pd.DataFrame([SURFACES[key].start for key in on["surface"]], columns=["x1", "x2"], index=on.index)
    table = pd.concat([on.assign(step=0).join(starts), table.merge(on, on="label")], ignore_index=True)
    order = {label: position for position, label in enumerate(frames.labels)}
    table = table.sort_values(keys, key=lambda column: column.map(order) if column.name == "label" else column)
    table["height"] = np.nan
    for key, rows in table.groupby("surface"):
        surface = SURFACES[str(key)]
        with np.errstate(over="ignore", invalid="ignore"):
            table.loc[rows.index, "height"] = surface.formula(rows["x1"], rows["x2"]) - surface.lowest
    table["height"] = table["height"].fillna(math.inf).clip(lower=0.0)
    return table[["label", "surface", "step", "x1", "x2", "height"]].reset_index(drop=True)


def families(frames: Frames) -> tuple[Family, ...]:
    """Return the optimizers in the order of the plan; labels that differ only in the learning rate are one optimizer."""
    labels: dict[tuple[str, int], dict[float, str]] = {}
    surfaces: dict[tuple[str, int], str] = {}
    settings: dict[tuple[str, int], dict[str, Any]] = {}
    for _, row in frames.trials.drop_duplicates("label").iterrows():
        surface = _surface(row["problem_options"])
        if not surface:
            continue
        options = dict(row["hyperparameters"])
        rate = float(options.pop("lr", math.nan))
        text = json.dumps([row["kind"], surface, int(row["epochs"]), options], sort_keys=True, default=str)
        key = next((text, number) for number in count() if rate not in labels.get((text, number), {}))
        labels.setdefault(key, {})[rate] = str(row["label"])
        surfaces[key], settings[key] = surface, options
    names = {key: _common_words(by_rate) for key, by_rate in labels.items()}
    for key, name in list(names.items()):
        same_name = [other for other in names if names[other] == name and surfaces[other] == surfaces[key]]
        for other in same_name if len(same_name) > 1 else ():
            distinct = [
                f"{option} {value}"
                for option, value in settings[other].items()
                if any(settings[twin].get(option) != value for twin in same_name)
            ]
            names[other] = f"{name} ({', '.join(distinct) or next(iter(labels[other].values()))})"
    return tuple(Family(names[key], surfaces[key], dict(sorted(labels[key].items()))) for key in labels)


def final_points(points: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Return the final point of each trajectory.

    Args:
        points: From `trajectory_points`.
        frames: The plan and its records.

    Returns:
        A row per label with a trajectory, in the order of the plan: `label`, `surface`, `lr`, `steps`, `x1`, `x2`, `height`
        (infinite if a value overflowed), `near` (the first step with a height of at most `NEAR` times the initial height; NaN
        if there is none) and `diverges`: a value overflowed, or the final height exceeds the initial one and is at least half
        of the maximum.
    """
    trials = {row["label"]: row for row in first_usable_trials(frames).to_dict(orient="records")}
    rows = []
    for label, trajectory in points.groupby("label", sort=False):
        trial, heights, last = trials[label], trajectory["height"].to_numpy(), trajectory.iloc[-1]
        overflowed = trial["outcome"] == "diverged" or not math.isfinite(heights[-1])
        near = trajectory.loc[heights <= NEAR * heights[0], "step"]
        rows.append(
            {
                "label": label,
                "surface": last["surface"],
                "lr": float(trial["hyperparameters"].get("lr", math.nan)),
                "steps": int(last["step"]),
                "x1": last["x1"],
                "x2": last["x2"],
                "height": math.inf if overflowed else heights[-1],
                "near": float(near.iloc[0]) if len(near) else math.nan,
                "diverges": bool(overflowed or heights[0] < heights[-1] >= heights.max() / 2),
            }
        )
    columns = ["label", "surface", "lr", "steps", "x1", "x2", "height", "near", "diverges"]
    return pd.DataFrame(rows, columns=columns)


def first_usable_trials(frames: Frames) -> pd.DataFrame:
    """Return the first trial of each label that has a record and did not fail."""
    return frames.trials[~frames.trials["outcome"].isin([MISSING, "failed"])].drop_duplicates("label")


def best_label(family: Family, ended: pd.DataFrame) -> str | None:
    """Return the label with the lowest final height, the first if several are equal; None if all diverged or none has one."""
    rows = ended[ended["label"].isin(list(family.labels.values())) & ~ended["diverges"]]
    return str(rows.sort_values("height", kind="stable")["label"].iloc[0]) if len(rows) else None


def rows_by_label(ended: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the rows of `final_points` by label."""
    return {
        str(row["label"]): {str(key): value for key, value in row.items()} for row in ended.to_dict(orient="records")
    }


def window(surface: Surface, points: pd.DataFrame) -> Window:
    """Return the part of the plane to draw: start, minima, and the points that are about as near to them as the start.

    Returns:
        The minimum and the maximum of x₁, then those of x₂.
    """
    centre = np.mean(surface.minima, axis=0)
    known = np.array([surface.start, *surface.minima])
    reach = np.maximum(np.abs(known - centre).max(axis=0), 0.5 * np.abs(known - centre).max())
    xy = points[["x1", "x2"]].to_numpy(dtype=float)
    near = xy[(np.abs(xy - centre) <= 1.1 * reach).all(axis=1)]
    shown = np.vstack([known, near])
    low, high = shown.min(axis=0), shown.max(axis=0)
    margin = np.maximum(0.08 * (high - low), 0.25 * reach)
    (a, c), (b, d) = (low - margin).tolist(), (high + margin).tolist()
    return (a, b, c, d)


def clip_far_points(trajectory: pd.DataFrame, shown: Window) -> NDArray[np.float64]:
    """Return the finite points of a trajectory, shape (points, 2), with distant ones moved towards the centre of the window.

    A moved point keeps its direction as seen from the centre, so lines to it are drawn correctly and no renderer overflows.
    """
    a, b, c, d = shown
    centre, limit = np.array([(a + b) / 2, (c + d) / 2]), _FAR * max(b - a, d - c)
    xy = trajectory[["x1", "x2"]].to_numpy(dtype=float)
    xy = xy[np.isfinite(xy).all(axis=1)]
    distance = np.hypot(*(xy - centre).T)[:, None]
    return np.asarray(np.where(distance > limit, centre + (xy - centre) * (limit / np.maximum(distance, limit)), xy))


def ends_outside(trajectory: pd.DataFrame, shown: Window) -> bool:
    """Return whether a trajectory ends outside the window."""
    a, b, c, d = shown
    return not (a <= trajectory["x1"].iloc[-1] <= b and c <= trajectory["x2"].iloc[-1] <= d)


def _surface(options: Mapping[str, Any]) -> str:
    """Return the key of a trial's test function; empty if it has none."""
    key = options.get("surface", "")
    return str(key) if key in SURFACES else ""


def _common_words(labels: Mapping[float, str]) -> str:
    """Return the first words that all labels share, without a learning rate as the last word."""
    words = [
        text.split()[:-1] if text.split()[-1] == f"{rate:g}" and len(text.split()) > 1 else text.split()
        for rate, text in labels.items()
    ]
    shared = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    return " ".join(column[0] for column in shared) or next(iter(labels.values()))
