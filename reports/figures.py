"""Estimates become pictures. Every function takes frames and an `ax`, draws, and returns the `ax`.

Nothing is computed here that a reader could cite, nothing is saved, and no style is set: draw inside
`matplotlib.style.context(STYLE)`. A label has the same colour, dash and marker in every figure (`styles`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from reports import notes
from reports.scores import higher_is_better, title

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import seaborn as sns

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

INK, QUIET, FAINT = "#1c2430", "#5b6470", "#c4c9d0"

STYLE: Mapping[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": "#e7e9ec",
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 300,
    "svg.fonttype": "path",
    "svg.hashsalt": "ravine",
    "pdf.fonttype": 42,
}
"""The look of all figures, on top of matplotlib's default style, so that a reader's own settings change nothing."""

Dash = tuple[float, ...]
_SOLID: Dash = ()
_DASHED: Dash = (5, 1.8)
_DOTTED: Dash = (1.3, 1.5)
_MIXED: Dash = (5, 1.5, 1.2, 1.5)

_LOOKS: tuple[tuple[str, Dash, str], ...] = (
    ("#0072b2", _SOLID, "o"),  # the first seven hues: Okabe and Ito, their yellow left out and the light ones deepened,
    ("#d55e00", _SOLID, "s"),  # since a line on white needs contrast
    ("#008f68", _SOLID, "^"),
    ("#b8528f", _DASHED, "D"),
    ("#d08a00", _DASHED, "v"),
    ("#3a9bd6", _DASHED, "P"),
    ("#3b3b3b", _MIXED, "X"),
    ("#5a3fa0", _MIXED, "o"),
    ("#8c1d40", _MIXED, "s"),
    ("#7d8a1e", _DOTTED, "^"),
    ("#16807f", _DOTTED, "D"),
    ("#a05a2c", _DOTTED, "v"),
)
_LONG = 26


@dataclass(frozen=True, slots=True)
class Style:
    """How a label looks wherever it appears: hue, and dash and marker for eyes and printers without hues."""

    color: str
    dash: Dash
    marker: str

    @property
    def line(self) -> Any:
        """The dash as matplotlib takes it."""
        return (0, self.dash) if self.dash else "-"


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """A look for each label, by its place in the plan; from the thirteenth on, hues return with other dashes."""
    looks = {}
    for at, label in enumerate(labels):
        color, _, marker = _LOOKS[at % len(_LOOKS)]
        _, dash, _ = _LOOKS[(at + 3 * (at // len(_LOOKS))) % len(_LOOKS)]
        looks[label] = Style(color, dash, marker)
    return looks


def short(label: str) -> str:
    """A label that fits beside a line."""
    return label if len(label) <= _LONG else label[: _LONG - 1].rstrip() + "…"


def axis_title(metric: str, *, along: str = "epoch") -> str:
    """The name of a metric with what its numbers are."""
    if along == "update":
        return f"{title('train/loss')} (of the update's batch)"
    if metric.endswith("accuracy"):
        return f"{title(metric)} (fraction correct)"
    running = metric.startswith("train/")
    return f"{title(metric)} (running mean of the epoch)" if running else f"{title(metric)} (mean per example)"


def convergence(
    curves: pd.DataFrame,
    ax: Axes,
    looks: Mapping[str, Style],
    *,
    metric: str,
    along: str = "epoch",
    named: bool = True,
) -> Axes:
    """Mean curves with their pointwise bands, all labels together.

    Args:
        curves: `label`, `epoch` or `update`, `mean`, `low`, `high` (`estimates.by_epoch`, `estimates.by_update`).
        ax: Where to draw.
        looks: A style per label.
        metric: What the curves show; a loss gets a logarithmic scale where it spans enough.
        along: The column of the horizontal axis.
        named: Whether to write each label at the end of its line; else the figure needs a legend.
    """
    labels = [label for label in looks if label in set(curves["label"])]
    sizes = curves.groupby("label", sort=False).size()
    marked = along == "epoch"
    sns.lineplot(
        data=curves[curves["label"].map(sizes) > 1].astype({along: float}),
        x=along,
        y="mean",
        hue="label",
        style="label",
        hue_order=labels,
        style_order=labels,
        palette={label: looks[label].color for label in labels},
        dashes={label: looks[label].dash or "" for label in labels},
        markers={label: looks[label].marker for label in labels} if marked and sizes.max() <= 12 else False,
        markeredgecolor="white",
        markeredgewidth=0.4,
        estimator=None,
        errorbar=None,
        legend=False,
        ax=ax,
    )
    for label in labels:
        curve, look = curves[curves["label"] == label], looks[label]
        x, low, high = (curve[name].to_numpy(dtype=float) for name in (along, "low", "high"))
        if len(curve) > 1:
            ax.fill_between(x, low, high, color=look.color, alpha=0.16, linewidth=0)
        else:
            _interval(ax, x, curve["mean"].to_numpy(dtype=float), low, high, look)
    _value_scale(ax, metric, curves["mean"], curves["low"])
    _along_scale(ax, curves, along)
    ax.set_xlabel("Epoch" if along == "epoch" else "Update")
    ax.set_ylabel(axis_title(metric, along=along))
    if named:
        ends = curves.groupby("label", sort=False).tail(1)
        _name_ends(ax, {row["label"]: (row[along], row["mean"]) for _, row in ends.iterrows()}, looks)
    return ax


def dots(
    estimates: pd.DataFrame,
    ax: Axes,
    looks: Mapping[str, Style],
    *,
    metric: str,
    scores: pd.DataFrame | None = None,
    numbers: bool = True,
) -> Axes:
    """The mean of each label with its interval, the best on top; small dots are the repeats.

    Labels far from all others are drawn at the edge, with an arrow that says so, so that the rest can be read.

    Args:
        estimates: A row per label (`estimates.by_label`).
        ax: Where to draw.
        looks: A style per label.
        metric: What to show.
        scores: A row per trial (`scores.final`), for the dots of the repeats.
        numbers: Whether to write mean and interval at the right.
    """
    table = estimates[np.isfinite(estimates[metric])].sort_values(metric, kind="stable")
    table = table if higher_is_better(metric) else table[::-1]
    low, high = _inner_range(table[metric].to_numpy())
    digits = notes.column_decimals(estimates, metric)
    beyond: dict[int, str] = {}
    for at, (_, row) in enumerate(table.iterrows()):
        look, mean = looks[row["label"]], float(row[metric])
        if not low <= mean <= high:
            beyond[at] = "left" if mean < low else "right"
            continue
        if scores is not None:
            repeats = scores.loc[scores["label"] == row["label"], metric].dropna()
            ax.plot(repeats, np.full(len(repeats), at), "o", ms=2.6, mfc=look.color, mec="none", alpha=0.35, zorder=2)
        bounds = (float(row[f"{metric} {name}"]) for name in ("low", "high"))
        _interval(ax, np.array([mean]), np.array([at]), *(np.array([bound]) for bound in bounds), look, across=True)
    ax.margins(x=0.06)
    for at, side in beyond.items():
        edge, arrow = (0.0, "◂") if side == "left" else (1.0, "▸")
        color = looks[table["label"].iloc[at]].color
        text = f"{arrow} {table[metric].iloc[at]:.{digits}f}" if side == "left" else f"{table[metric].iloc[at]:.{digits}f} {arrow}"
        ax.text(edge, at, text, transform=ax.get_yaxis_transform(), ha=side, va="center", color=color, fontsize=7)
    ax.set_yticks(range(len(table)), [short(label) for label in table["label"]])
    for tick in ax.get_yticklabels():
        tick.set_parse_math(False)
    ax.set_ylim(-0.6, max(len(table), 1) - 0.4)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))
    ax.set_xlabel(axis_title(metric) + ("; ◂ ▸ beyond the axis" if beyond else ""))
    if numbers:
        for at, (_, row) in enumerate(table.iterrows()):
            text = notes.plus_minus(row[metric], row[f"{metric} low"], row[f"{metric} high"], digits)
            ax.text(1.03, at, text, transform=ax.get_yaxis_transform(), va="center", fontsize=7.5, color=INK)
    return ax


def repeats(
    points: pd.DataFrame,
    curves: pd.DataFrame,
    ax: Axes,
    look: Style,
    *,
    label: str,
    metric: str,
) -> Axes:
    """One label: a thin line per repeat, their mean with its band, and the other labels' means in grey behind.

    A repeat that did not end ok is drawn in grey and dashed as far as it came, with a cross at its last finite value.

    Args:
        points: A row per measured value (`Frames.points`).
        curves: Mean curves of all labels (`estimates.by_epoch`).
        ax: Where to draw.
        look: The label's style.
        label: Which label.
        metric: What to show.
    """
    own = points[(points["label"] == label) & (points["metric"] == metric) & np.isfinite(points["value"])]
    mean = curves[curves["label"] == label]
    for other, curve in curves[curves["label"] != label].groupby("label", sort=False):
        shape: dict[str, Any] = {"color": FAINT, "lw": 0.8, "zorder": 1, "label": f"_{other}"}
        ax.plot(curve["epoch"], curve["mean"], "-" if len(curve) > 1 else ".", ms=4, **shape)
    for _, run in own.groupby("repeat", sort=True):
        ok = bool((run["outcome"] == "ok").all())
        color, style = (look.color, "-") if ok else (QUIET, (0, (2, 1.5)))
        ax.plot(run["epoch"], run["value"], color=color, ls=style, lw=0.7, alpha=0.55 if ok else 0.9, zorder=3)
        if not ok:
            ax.plot(run["epoch"].iloc[-1:], run["value"].iloc[-1:], "x", color=QUIET, ms=4, mew=1, zorder=4)
        elif len(run) == 1:
            ax.plot(run["epoch"], run["value"], "o", color=look.color, ms=2.6, mec="none", alpha=0.35, zorder=3)
    x, y, low, high = (mean[name].to_numpy(dtype=float) for name in ("epoch", "mean", "low", "high"))
    if len(mean) > 1:
        ax.fill_between(x, low, high, color=look.color, alpha=0.22, linewidth=0, zorder=2)
        ax.plot(x, y, color=look.color, lw=1.7, zorder=5)
    elif len(mean):
        _interval(ax, x, y, low, high, look)
    everything = curves["mean"].tolist() + own["value"].tolist()
    _value_scale(ax, metric, everything, curves["low"])
    _along_scale(ax, curves if len(curves) else own, "epoch")
    ax.set_xlabel("Epoch")
    ax.set_ylabel(title(metric))
    return ax


def overview(
    panels: Mapping[str, pd.DataFrame],
    estimates: pd.DataFrame,
    scores: pd.DataFrame,
    looks: Mapping[str, Style],
) -> Figure:
    """All labels side by side, a panel per metric, with one legend beneath in the order of the table.

    A metric that was measured once in a run gets a dot plot of its final values instead of a curve of one point.

    Args:
        panels: Mean curves by metric, in the order of the panels.
        estimates: A row per label.
        scores: A row per trial.
        looks: A style per label.
    """
    rows = -(-len(looks) // 5)
    figure = Figure(figsize=(7.6, 2.75 + 0.17 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for ax, (metric, curves) in zip(axes, panels.items(), strict=True):
        if is_curve(curves):
            convergence(curves, ax, looks, metric=metric, named=False)
        else:
            dots(estimates, ax, looks, metric=metric, scores=scores, numbers=False)
        ax.set_ylabel("")
        ax.set_title(title(metric))
    _legend(figure, [str(label) for label in estimates["label"]], looks)
    return figure


def one_optimizer(
    points: pd.DataFrame,
    panels: Mapping[str, pd.DataFrame],
    look: Style,
    *,
    label: str,
    settings: str,
) -> Figure:
    """One label's repeats, a panel per metric."""
    figure = Figure(figsize=(7.6, 2.45), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for ax, (metric, curves) in zip(axes, panels.items(), strict=True):
        repeats(points, curves, ax, look, label=label, metric=metric)
        ax.set_ylabel("")
        ax.set_title(title(metric))
    name = label if len(label) <= 60 else label[:59] + "…"
    figure.suptitle(
        f"{name}   {settings}" if settings and len(name) + len(settings) < 110 else name,
        x=0.008,
        ha="left",
        fontsize=9,
        fontweight="bold",
        color=look.color,
        parse_math=False,
    )
    return figure


def single(width: float = 6.4, height: float = 3.7) -> tuple[Figure, Axes]:
    """An empty figure of one panel."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def is_curve(curves: pd.DataFrame) -> bool:
    """Whether any label has more than one point, so that a line says something."""
    return bool(len(curves) and curves.groupby("label").size().max() > 1)


def _legend(figure: Figure, labels: Sequence[str], looks: Mapping[str, Style]) -> None:
    handles = [
        Line2D([], [], color=looks[n].color, ls=looks[n].line, marker=looks[n].marker, mec="white", mew=0.4, label=short(n))
        for n in labels
    ]
    widest = max(len(short(name)) for name in labels)
    columns = max(2, min(len(labels), 6, int(108 / (widest + 8))))
    legend = figure.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=7.5, handlelength=3)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _interval(
    ax: Axes,
    x: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    low: np.ndarray[Any, Any],
    high: np.ndarray[Any, Any],
    look: Style,
    *,
    across: bool = False,
) -> None:
    """A marker at the mean and a bar over its interval, where it has one."""
    if np.isfinite(low).all() and np.isfinite(high).all():
        (ax.hlines(y, low, high, color=look.color, lw=1.6) if across else ax.vlines(x, low, high, color=look.color, lw=1.6))
    ax.plot(x, y, look.marker, color=look.color, ms=5.6, mec="white", mew=0.6, zorder=6)


def _inner_range(means: np.ndarray[Any, Any]) -> tuple[float, float]:
    """The range of the means that are not far out: within three interquartile ranges of the quartiles (Tukey)."""
    if len(means) < 4:
        return -math.inf, math.inf
    low, high = np.quantile(means, [0.25, 0.75])
    reach = 3 * (high - low)
    return float(low - reach), float(high + reach)


def _value_scale(ax: Axes, metric: str, values: Any, low: Any) -> None:
    """A logarithmic axis for a loss that spans a factor of five or more; a band may reach below 0, a mean may not."""
    means = np.asarray(values, dtype=float)
    means = means[np.isfinite(means)]
    if higher_is_better(metric) or not len(means) or means.min() <= 0 or means.max() / means.min() < 5:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=6))
        return
    bounds = np.asarray(low, dtype=float)
    bounds = bounds[np.isfinite(bounds) & (bounds > means.min() / 2)]
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.9 * min(means.min(), bounds.min() if len(bounds) else math.inf))
    _plain_log(ax, "y")


def _along_scale(ax: Axes, curves: pd.DataFrame, along: str) -> None:
    """Whole epochs; updates on a logarithmic axis where one label makes many times more of them than the others."""
    if along == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
        last = float(curves["epoch"].max()) if len(curves) else 1.0
        ax.set_xlim(1 - 0.03 * max(last - 1, 1), last + 0.03 * max(last - 1, 1))
        return
    ends = curves.groupby("label")[along].max()
    if ends.max() > 3 * ends.median():
        ax.set_xscale("log")
        _plain_log(ax, "x")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.margins(x=0.02)


def _plain_log(ax: Axes, which: str) -> None:
    """Plain numbers on a logarithmic axis: 0.1, 0.2, 0.5, 1; only the powers of ten where it spans many."""
    axis = ax.yaxis if which == "y" else ax.xaxis
    low, high = axis.get_view_interval()
    wide = high / low > 3e2
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())


def _name_ends(ax: Axes, ends: Mapping[str, tuple[float, float]], looks: Mapping[str, Style]) -> None:
    """Write the labels at the right, in the order of the lines' ends and far enough apart, each tied to its end.

    The order is a legend's as well: each name has its piece of line. A line that ends early has no tie.
    """
    ends = {label: end for label, end in ends.items() if np.isfinite(end).all()}
    if not ends:
        return
    figure = ax.get_figure()
    height = 0.78 * 72 * figure.get_figheight() if figure else 200
    gap = min(11.0 / height, 1.0 / max(len(ends) - 1, 1))
    to_axes = (ax.transData + ax.transAxes.inverted()).transform
    places = {label: to_axes(end) for label, end in ends.items()}
    order = sorted(places, key=lambda label: (places[label][1], label))
    heights = _apart([float(places[label][1]) for label in order], gap)
    furthest = max(x for x, _ in ends.values())
    for label, height in zip(order, heights, strict=True):
        look, (x, y) = looks[label], places[label]
        piece: dict[str, Any] = {"transform": ax.transAxes, "clip_on": False, "color": look.color}
        if ends[label][0] == furthest:
            ax.plot([x + 0.012, 1.035], [y, height], lw=0.6, alpha=0.6, **piece)
        ax.plot([1.04, 1.105], [height, height], ls=look.line, lw=1.5, **piece)
        ax.plot([1.0725], [height], look.marker, ms=4.2, mec="white", mew=0.4, **piece)
        ax.text(
            1.12, height, short(label), transform=ax.transAxes, va="center_baseline", fontsize=7.5, color=INK, parse_math=False
        )


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Sorted heights moved as little as possible (least squares) so that neighbours are `gap` apart, within [0, 1]."""
    blocks: list[tuple[float, int]] = []  # pool adjacent violators on the heights less their place's offset
    for at, height in enumerate(heights):
        value, size = height - at * gap, 1
        while blocks and blocks[-1][0] > value:
            before, many = blocks.pop()
            value, size = (before * many + value * size) / (many + size), many + size
        blocks.append((value, size))
    top = 1 - (len(heights) - 1) * gap
    flat = [min(max(value, 0.0), max(top, 0.0)) for value, size in blocks for _ in range(size)]
    return [value + at * gap for at, value in enumerate(flat)]
