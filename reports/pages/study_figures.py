"""A study's figures and captions: final scores, convergence, the loss by update, each metric, each optimizer."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.analysis import estimates as estimating
from reports.figures.convergence import beyond, convergence, is_curve
from reports.figures.panels import one_optimizer, overview
from reports.figures.scores import dot_plot
from reports.figures.style import STYLE, single_panel
from reports.frames import scores
from reports.frames.study_frames import STEP_LOSS
from reports.pages.files import RenderedFigure, picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from reports.figures.style import Style
    from reports.frames.study_frames import Frames


@dataclass(frozen=True, slots=True)
class FigureInputs:
    """What the figures show.

    Attributes:
        frames: The plan and its records.
        scores: A row per trial.
        table: The estimates, a row per label.
        score: The metric that the study is judged by.
        curves: From each metric that was measured to its mean curves (`estimates.by_epoch`).
        settings: Each label's own options, for the figure of it alone.
        styles: Each label's color and line.
    """

    frames: Frames
    scores: pd.DataFrame
    table: pd.DataFrame
    score: str
    curves: Mapping[str, pd.DataFrame]
    settings: Mapping[str, str]
    styles: Mapping[str, Style]

    @property
    def band(self) -> str:
        """What intervals and bands are."""
        return f"{self.table['level'].iloc[0]:.0%} {self.table['method'].iloc[0]}"

    @property
    def whom(self) -> str:
        """Whom a figure of all shows."""
        labels = self.frames.labels
        return f"{len(labels)} optimizers" if len(labels) > 1 else labels[0]


def figure_specs(drawn: FigureInputs) -> Iterator[RenderedFigure]:
    """All figures, each in all formats, in their order on the page."""
    import matplotlib.style

    curves = drawn.curves
    wanted = dict.fromkeys(metric for metric in ("train/loss", "train/accuracy", drawn.score) if metric in curves)
    shown = {metric: curves[metric] for metric in wanted}
    with matplotlib.style.context(["default", dict(STYLE)]):
        yield from _final_scores(drawn)
        yield from _convergence(drawn, shown)
        yield from _by_update(drawn)
        for metric, curve in curves.items():
            yield from _by_epoch(drawn, metric, curve)
        yield from _each_optimizer(drawn, shown)


def _final_scores(drawn: FigureInputs) -> Iterator[RenderedFigure]:
    """The score of each optimizer after its last epoch."""
    if drawn.table[drawn.score].isna().all():
        return
    figure, ax = single_panel(height=1.1 + 0.24 * len(drawn.frames.labels))
    dot_plot(drawn.table, ax, drawn.styles, metric=drawn.score, scores=drawn.scores)
    name = scores.title(drawn.score)
    caption = (
        f"{name} after the last epoch: mean with its {drawn.band} interval (bar), and the repeats (small dots). "
        "Best mean on top."
    )
    yield picture(figure, "final-score", caption, f"Dot plot: {name.lower()} of {drawn.whom}, mean and interval.")


def _convergence(drawn: FigureInputs, curves: Mapping[str, pd.DataFrame]) -> Iterator[RenderedFigure]:
    """The main metrics side by side."""
    measured = {metric: curve for metric, curve in curves.items() if len(curve)}
    if not measured:
        return
    figure = overview(measured, drawn.table, drawn.scores, drawn.styles)
    caption = f"Convergence over epochs: mean over the repeats with its pointwise {drawn.band} band."
    flat = [scores.title(metric).lower() for metric, curve in measured.items() if not is_curve(curve)]
    if flat:
        caption += f" Measured once in a run, so shown as dots with intervals: {', '.join(flat)}."
    lost = [str(label) for label in drawn.table.loc[drawn.table["ok"] == 0, "label"]]
    if lost:
        caption += f" No curve, since no repeat ended ok: {', '.join(lost)}."
    caption += _arrows(measured)
    names = ", ".join(scores.title(metric).lower() for metric in curves)
    yield picture(figure, "convergence", caption, f"Panels: {names} of {drawn.whom} over epochs.")


def _arrows(curves: Mapping[str, pd.DataFrame]) -> str:
    """What an arrow at the edge means, where there is one."""
    return " At the edge with an arrow: beyond the axis." if any(beyond(c, m) for m, c in curves.items()) else ""


def _by_update(drawn: FigureInputs) -> Iterator[RenderedFigure]:
    """The training loss of every update, or of windows of them."""
    steps = estimating.by_update(drawn.frames.updates)
    if not is_curve(steps):
        return
    figure, ax = single_panel()
    convergence(steps, ax, drawn.styles, metric=STEP_LOSS, along="update")
    lengths = sorted({int(length) for length in steps["window"]})
    windows = f"Each point is the mean over a window of {' or '.join(map(str, lengths))} updates, windows side by side."
    caption = f"Training loss by update: mean over the repeats with its pointwise {drawn.band} band. "
    caption += "Every update is shown." if lengths == [1] else windows
    yield picture(figure, "training-loss-by-update", caption, f"Curves: training loss of {drawn.whom} by update.")


def _by_epoch(drawn: FigureInputs, metric: str, curve: pd.DataFrame) -> Iterator[RenderedFigure]:
    """One metric over the epochs."""
    if not is_curve(curve):
        return
    figure, ax = single_panel()
    convergence(curve, ax, drawn.styles, metric=metric)
    name = scores.title(metric)
    caption = (
        f"{name} over epochs: mean over the repeats with its pointwise {drawn.band} band.{_arrows({metric: curve})}"
    )
    yield picture(figure, slugs([name])[name], caption, f"Curves: {name.lower()} of {drawn.whom} over epochs.")


def _each_optimizer(drawn: FigureInputs, curves: Mapping[str, pd.DataFrame]) -> Iterator[RenderedFigure]:
    """The repeats of one optimizer before the means of the others, for each."""
    points, looks = drawn.frames.points, drawn.styles
    for label, slug in slugs(drawn.frames.labels).items():
        own = points[(points["label"] == label) & points["metric"].isin(list(curves))]
        if own.empty:
            continue
        panels = {metric: curve for metric, curve in curves.items() if len(curve) or metric in set(own["metric"])}
        figure = one_optimizer(own, panels, looks[label], label=label, settings=drawn.settings[label])
        caption = (
            f"{label}: each repeat (thin), their mean with its pointwise {drawn.band} band; grey: the other optimizers."
        )
        yield picture(figure, f"optimizer-{slug}", caption, f"Panels: the repeats of {label} over epochs.", label)


def slugs(labels: Sequence[str]) -> dict[str, str]:
    """A file name for each label: lower-case ASCII letters, digits and hyphens; unique, whatever the labels hold."""
    names: dict[str, str] = {}
    for label in labels:
        plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
        stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "unnamed"
        name, count = stem, 1
        while name in names.values():
            count += 1
            name = f"{stem}-{count}"
        names[label] = name
    return names
