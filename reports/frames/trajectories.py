"""The paths of optimizers on functions of two variables, as the records have them, and what can be said of each.

A `Family` is an optimizer with all its settings but the learning rate; its labels differ in that alone. Heights are
f − lowest, so that 0 is a minimum of every surface. Nothing is drawn here.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.frames.study_frames import MISSING, SURFACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.frames.study_frames import Frames, Surface

X1, X2 = "path/x1", "path/x2"
NEAR = 0.01
"""A path has come near a minimum when its height is this share of what it was at the start."""
_FAR = 1e3
Window = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Family:
    """An optimizer on a surface, and its labels by learning rate, the lowest rate first.

    Attributes:
        name: What its labels have in common.
        surface: A key of `SURFACES`.
        labels: From learning rate to label; one that has none is NaN.
    """

    name: str
    surface: str
    labels: Mapping[float, str]


def trajectory_points(frames: Frames) -> pd.DataFrame:
    """Every recorded place, the start of its surface first; of the repeats, which are all equal, the first that did not break.

    Returns:
        `label`, `surface`, `step` (0 at the start), `x1`, `x2`, `height`, in the order of the plan; a path that diverged
        as far as it is recorded. Empty where the trials have no paths.
    """
    keys = ["label", "step"]
    points = frames.points[frames.points["metric"].isin([X1, X2]) & (frames.points["outcome"] != "failed")]
    points = points[points["repeat"] == points.groupby("label")["repeat"].transform("min")]
    table = points.pivot_table(index=keys, columns="metric", values="value", sort=False)
    table = table.reindex(columns=[X1, X2]).set_axis(["x1", "x2"], axis=1).reset_index()
    recorded = first_usable_trials(frames)
    on = pd.DataFrame({"label": recorded["label"], "surface": [_surface(o) for o in recorded["problem_options"]]})
    on = on[on["surface"] != ""]
    starts = pd.DataFrame([SURFACES[key].start for key in on["surface"]], columns=["x1", "x2"], index=on.index)
    both = pd.concat([on.assign(step=0).join(starts), table.merge(on, on="label")], ignore_index=True)
    order = {label: at for at, label in enumerate(frames.labels)}
    both = both.sort_values(keys, key=lambda column: column.map(order) if column.name == "label" else column)
    both["height"] = np.nan
    for key, own in both.groupby("surface"):
        surface = SURFACES[str(key)]
        with np.errstate(over="ignore", invalid="ignore"):
            both.loc[own.index, "height"] = surface.formula(own["x1"], own["x2"]) - surface.lowest
    both["height"] = both["height"].fillna(math.inf).clip(lower=0.0)
    return both[["label", "surface", "step", "x1", "x2", "height"]].reset_index(drop=True)


def families(frames: Frames) -> tuple[Family, ...]:
    """The optimizers of the plan, in its order: labels that differ in the learning rate alone are one."""
    found: dict[tuple[str, int], dict[float, str]] = {}
    surfaces: dict[tuple[str, int], str] = {}
    settings: dict[tuple[str, int], dict[str, Any]] = {}
    for _, row in frames.trials.drop_duplicates("label").iterrows():
        surface = _surface(row["problem_options"])
        if not surface:
            continue
        options = dict(row["hyperparameters"])
        rate = float(options.pop("lr", math.nan))
        text = json.dumps([row["kind"], surface, int(row["epochs"]), options], sort_keys=True, default=str)
        key = next((text, at) for at in range(len(frames.labels)) if rate not in found.get((text, at), {}))
        found.setdefault(key, {})[rate] = str(row["label"])
        surfaces[key], settings[key] = surface, options
    names = {key: _common(labels) for key, labels in found.items()}
    for key, name in list(names.items()):
        twins = [other for other, also in names.items() if also == name and surfaces[other] == surfaces[key]]
        if len(twins) > 1:
            for other in twins:
                apart = [
                    f"{option} {value}"
                    for option, value in settings[other].items()
                    if any(settings[twin].get(option) != value for twin in twins)
                ]
                names[other] = f"{name} ({', '.join(apart) or next(iter(found[other].values()))})"
    return tuple(Family(names[key], surfaces[key], dict(sorted(labels.items()))) for key, labels in found.items())


def final_points(paths: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Where each path ended.

    Args:
        paths: What `places` gives.
        frames: What it was given.

    Returns:
        A row per label with a path, in the order of the plan: `label`, `surface`, `lr`, `steps`, `x1`, `x2`, `height`
        (infinite where the path left the numbers), `near` (the first step with a height of at most `NEAR` times that of
        the start; NaN where there is none) and `diverges`: it left the numbers, or it ended higher than it began, at
        half of its greatest height or more.
    """
    recorded = first_usable_trials(frames)
    known = {row["label"]: row for row in recorded.to_dict(orient="records")}
    rows = []
    for label, way in paths.groupby("label", sort=False):
        heights, last = way["height"].to_numpy(), way.iloc[-1]
        lost = known[label]["outcome"] == "diverged" or not math.isfinite(heights[-1])
        close = way.loc[heights <= NEAR * heights[0], "step"]
        rows.append(
            {
                "label": label,
                "surface": last["surface"],
                "lr": float(known[label]["hyperparameters"].get("lr", math.nan)),
                "steps": int(last["step"]),
                "x1": last["x1"],
                "x2": last["x2"],
                "height": math.inf if lost else heights[-1],
                "near": float(close.iloc[0]) if len(close) else math.nan,
                "diverges": bool(lost or heights[0] < heights[-1] >= heights.max() / 2),
            }
        )
    columns = ["label", "surface", "lr", "steps", "x1", "x2", "height", "near", "diverges"]
    return pd.DataFrame(rows, columns=columns)


def first_usable_trials(frames: Frames) -> pd.DataFrame:
    """The first trial of each label that was run and did not break."""
    return frames.trials[~frames.trials["outcome"].isin([MISSING, "failed"])].drop_duplicates("label")


def best_label(family: Family, ended: pd.DataFrame) -> str | None:
    """The label that ended lowest, the first of equals; None where all diverged or none is recorded."""
    own = ended[ended["label"].isin(list(family.labels.values())) & ~ended["diverges"]]
    return str(own.sort_values("height", kind="stable")["label"].iloc[0]) if len(own) else None


def rows_by_label(ended: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The rows of `ends` by their label."""
    return {
        str(row["label"]): {str(key): value for key, value in row.items()} for row in ended.to_dict(orient="records")
    }


def window(surface: Surface, paths: pd.DataFrame) -> Window:
    """What is shown of a surface: its start, its minima, and the paths as far as they stay as near to these as the start.

    Returns:
        The least and the greatest x₁, then those of x₂.
    """
    middle = np.mean(surface.minima, axis=0)
    known = np.array([surface.start, *surface.minima])
    reach = np.maximum(np.abs(known - middle).max(axis=0), 0.5 * np.abs(known - middle).max())
    places_ = paths[["x1", "x2"]].to_numpy(dtype=float)
    near = places_[(np.abs(places_ - middle) <= 1.1 * reach).all(axis=1)]
    seen = np.vstack([known, near])
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = np.maximum(0.08 * (high - low), 0.25 * reach)
    (a, c), (b, d) = (low - margin).tolist(), (high + margin).tolist()
    return (a, b, c, d)


def clip_far_points(way: pd.DataFrame, shown: Window) -> np.ndarray[Any, Any]:
    """A path that can be drawn: places very far off are moved nearer, in their direction seen from the window's middle.

    Returns:
        Shape (places, 2).
    """
    a, b, c, d = shown
    middle, far = np.array([(a + b) / 2, (c + d) / 2]), _FAR * max(b - a, d - c)
    at = way[["x1", "x2"]].to_numpy(dtype=float)
    at = at[np.isfinite(at).all(axis=1)]
    away = np.hypot(*(at - middle).T)[:, None]
    return np.asarray(np.where(away > far, middle + (at - middle) * (far / np.maximum(away, far)), at))


def ends_outside(way: pd.DataFrame, shown: Window) -> bool:
    """Whether a path ends outside of what is shown."""
    a, b, c, d = shown
    return not (a <= way["x1"].iloc[-1] <= b and c <= way["x2"].iloc[-1] <= d)


def _surface(options: Mapping[str, Any]) -> str:
    """The surface that a trial is on; empty where it is on none."""
    key = options.get("surface", "")
    return str(key) if key in SURFACES else ""


def _common(labels: Mapping[float, str]) -> str:
    """The words that labels begin with, without the learning rate that is the last word of each."""
    words = [
        text.split()[:-1] if text.split()[-1] == f"{rate:g}" and len(text.split()) > 1 else text.split()
        for rate, text in labels.items()
    ]
    return _shared(words) or next(iter(labels.values()))


def _shared(texts: Sequence[Sequence[str]]) -> str:
    shared = []
    for column in zip(*texts, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return " ".join(shared)
