"""The figures of a study that belong to no section: final scores, convergence, loss by update, metrics, optimizers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.analysis import estimates
from reports.figures.convergence import beyond, convergence, is_curve
from reports.figures.panels import one_optimizer, overview
from reports.figures.scores import dot_plot
from reports.figures.style import STYLE, single_panel
from reports.frames import scores
from reports.frames.study_frames import STEP_LOSS
from reports.pages.files import RenderedFigure, render_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from reports.figures.style import Style
    from reports.frames.study_frames import Frames


@dataclass(frozen=True, slots=True)
class FigureInputs:
    """The data of the figures.

    Attributes:
        frames: The plan and its records.
        scores: A row per trial.
        table: The estimates, a row per label.
        score: The metric that the study compares.
        curves: The mean curves by metric (`estimates.by_epoch`).
        settings: The settings of each label in words.
        styles: The style of each label.
    """

    frames: Frames
    scores: pd.DataFrame
    table: pd.DataFrame
    score: str
    curves: Mapping[str, pd.DataFrame]
    settings: Mapping[str, str]
    styles: Mapping[str, Style]

    @property
    def interval(self) -> str:
        """The confidence level and the method of intervals and bands."""
        return f"{self.table['level'].iloc[0]:.0%} {self.table['method'].iloc[0]}"

    @property
    def subject(self) -> str:
        """The optimizers that a figure of all shows: their number, or the name of the only one."""
        labels = self.frames.labels
        return f"{len(labels)} optimizers" if len(labels) > 1 else labels[0]


def study_figures(inputs: FigureInputs) -> Iterator[RenderedFigure]:
    """Yield all figures in every format, in their order on the page."""
    import matplotlib.style

    main_metrics = dict.fromkeys(("train/loss", "train/accuracy", inputs.score))
    main_curves = {metric: inputs.curves[metric] for metric in main_metrics if metric in inputs.curves}
    with matplotlib.style.context(["default", dict(STYLE)]):
        yield from _final_scores(inputs)
        yield from _convergence(inputs, main_curves)
        yield from _by_update(inputs)
        for metric, curve in inputs.curves.items():
            yield from _by_epoch(inputs, metric, curve)
        yield from _each_optimizer(inputs, main_curves)


def _final_scores(inputs: FigureInputs) -> Iterator[RenderedFigure]:
    """Yield the score of each optimizer after its last epoch."""
    if inputs.table[inputs.score].isna().all():
        return
    figure, ax = single_panel(height=1.1 + 0.24 * len(inputs.frames.labels))
    dot_plot(inputs.table, ax, inputs.styles, metric=inputs.score, scores=inputs.scores)
    name = scores.title(inputs.score)
    caption = (
        f"{name} after the last epoch: mean with its {inputs.interval} interval (bar) and the repeats (small dots). The best "
        "mean is at the top."
    )
    alt = f"Dot plot: {name.lower()} of {inputs.subject}, mean and interval."
    yield render_figure(figure, "final-score", caption, alt)


def _convergence(inputs: FigureInputs, curves: Mapping[str, pd.DataFrame]) -> Iterator[RenderedFigure]:
    """Yield the main metrics side by side."""
    measured = {metric: curve for metric, curve in curves.items() if len(curve)}
    if not measured:
        return
    figure = overview(measured, inputs.table, inputs.scores, inputs.styles)
    caption = f"Convergence over epochs: mean over the repeats with its pointwise {inputs.interval} band."
    measured_once = [scores.title(metric).lower() for metric, curve in measured.items() if not is_curve(curve)]
    if measured_once:
        caption += f" Dots with intervals show metrics that were measured once per trial: {', '.join(measured_once)}."
    without_curve = [str(label) for label in inputs.table.loc[inputs.table["ok"] == 0, "label"]]
    if without_curve:
        caption += f" No curve, because no repeat completed: {', '.join(without_curve)}."
    caption += _arrow_note(measured)
    names = ", ".join(scores.title(metric).lower() for metric in curves)
    yield render_figure(figure, "convergence", caption, f"Panels: {names} of {inputs.subject} over epochs.")


def _arrow_note(curves: Mapping[str, pd.DataFrame]) -> str:
    """Return what an arrow at the edge means, if a figure has one."""
    has_arrow = any(beyond(curve, metric) for metric, curve in curves.items())
    return " An arrow at the edge marks a value beyond the axis." if has_arrow else ""


def _by_update(inputs: FigureInputs) -> Iterator[RenderedFigure]:
    """Yield the training loss of every update, or of windows of updates."""
    steps = estimates.by_update(inputs.frames.updates)
    if not is_curve(steps):
        return
    figure, ax = single_panel()
    convergence(steps, ax, inputs.styles, metric=STEP_LOSS, along="update")
    lengths = sorted({int(length) for length in steps["window"]})
    windows = (
        f"Each point is the mean over a window of {' or '.join(map(str, lengths))} updates; windows do not overlap."
    )
    caption = f"Training loss by update: mean over the repeats with its pointwise {inputs.interval} band. "
    caption += "Every update is shown." if lengths == [1] else windows
    alt = f"Curves: training loss of {inputs.subject} by update."
    yield render_figure(figure, "training-loss-by-update", caption, alt)


def _by_epoch(inputs: FigureInputs, metric: str, curve: pd.DataFrame) -> Iterator[RenderedFigure]:
    """Yield one metric over the epochs."""
    if not is_curve(curve):
        return
    figure, ax = single_panel()
    convergence(curve, ax, inputs.styles, metric=metric)
    name = scores.title(metric)
    caption = f"{name} over epochs: mean over the repeats with its pointwise {inputs.interval} band."
    alt = f"Curves: {name.lower()} of {inputs.subject} over epochs."
    yield render_figure(figure, slugs([name])[name], caption + _arrow_note({metric: curve}), alt)


def _each_optimizer(inputs: FigureInputs, curves: Mapping[str, pd.DataFrame]) -> Iterator[RenderedFigure]:
    """Yield a figure per optimizer: its repeats in front of the means of the others."""
    for label, slug in slugs(inputs.frames.labels).items():
        points = inputs.frames.points
        points = points[(points["label"] == label) & points["metric"].isin(list(curves))]
        if points.empty:
            continue
        panels = {metric: curve for metric, curve in curves.items() if len(curve) or metric in set(points["metric"])}
        style, settings = inputs.styles[label], inputs.settings[label]
        figure = one_optimizer(points, panels, style, label=label, settings=settings)
        caption = (
            f"{label}: each repeat (thin line) and the mean with its pointwise {inputs.interval} band. The means of the other "
            "optimizers are grey."
        )
        yield render_figure(figure, f"optimizer-{slug}", caption, f"Panels: the repeats of {label} over epochs.", label)


def slugs(labels: Sequence[str]) -> dict[str, str]:
    """Return a unique file name for each label: lower-case ASCII letters, digits and hyphens."""
    names: dict[str, str] = {}
    for label in labels:
        ascii_label = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
        stem = re.sub(r"[^a-z0-9]+", "-", ascii_label).strip("-")[:60].strip("-") or "unnamed"
        name, count = stem, 1
        while name in names.values():
            count += 1
            name = f"{stem}-{count}"
        names[label] = name
    return names
