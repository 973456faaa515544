"""Estimates become pictures. Every function takes frames and an `ax`, draws, and returns the `ax`.

Nothing is computed here that a reader could cite, nothing is saved, and no style is set: draw inside
`matplotlib.style.context(STYLE)`. A label has the same colour, dash and marker in every figure (`styles`).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from reports import notes
from reports.frame import TUNED
from reports.scores import higher_is_better, title

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import seaborn as sns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.transforms import Affine2DBase

INK, QUIET, FAINT = "#1c2430", "#5b6470", "#d5d9df"

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
    "figure.dpi": 300,  # as saved, so that the layout measures the text at the size it gets
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
_OF_TUNED = {_SOLID: _DOTTED, _DASHED: _SOLID, _MIXED: _SOLID, _DOTTED: _SOLID}

_LOOKS: tuple[tuple[str, Dash, str], ...] = (
    ("#0072b2", _SOLID, "o"),  # the first seven hues: Okabe and Ito, their yellow left out and the light ones deepened,
    ("#d55e00", _SOLID, "s"),  # since a line on white needs contrast
    ("#008f68", _SOLID, "^"),
    ("#b8528f", _DASHED, "D"),
    ("#c88400", _DASHED, "v"),
    ("#3a9bd6", _DASHED, "P"),
    ("#0d0d0d", _MIXED, "X"),
    ("#5a3fa0", _MIXED, "^"),
    ("#8c1d40", _MIXED, "o"),
    ("#7d8a1e", _DOTTED, "P"),
    ("#16807f", _DOTTED, "s"),
    ("#a05a2c", _DOTTED, "D"),
)
_LONG = 26
_STEPS = [1, 2, 2.5, 5, 10]


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
    """A look for each label, by its place in the plan; from the thirteenth on, hues return with other dashes.

    A tuned entry has the hue and the marker of the entry that it was tuned from, with another dash.
    """
    looks: dict[str, Style] = {}
    first = [label for label in labels if not (label.endswith(TUNED) and label.removesuffix(TUNED) in labels)]
    for at, label in enumerate(first):
        color, _, marker = _LOOKS[at % len(_LOOKS)]
        _, dash, _ = _LOOKS[(at + 3 * (at // len(_LOOKS))) % len(_LOOKS)]
        looks[label] = Style(color, dash, marker)
    for label in labels:
        if label not in looks:
            untuned = looks[label.removesuffix(TUNED)]
            looks[label] = Style(untuned.color, _OF_TUNED[untuned.dash], untuned.marker)
    return {label: looks[label] for label in labels}


def short(label: str) -> str:
    """A label that fits beside a line."""
    return label if len(label) <= _LONG else label[: _LONG - 1].rstrip() + "…"


def axis_title(metric: str, *, along: str = "epoch") -> str:
    """The name of a metric with what its numbers are."""
    if along == "update":
        return f"{title('train/loss')} (of the update's batch)"
    return f"{title(metric)} (fraction correct)" if metric.endswith("accuracy") else title(metric)


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

    A label that was measured once, far worse than the others end, is told at the edge, so that the rest can be read.

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
    outside = beyond(curves, metric)
    sns.lineplot(
        data=curves[curves["label"].map(sizes) > 1].astype({along: float}),
        x=along,
        y="mean",
        hue="label",
        style="label",
        hue_order=labels,
        style_order=labels,
        palette={label: looks[label].color for label in labels},
        dashes={label: looks[label].dash or (None, None) for label in labels},
        markers={label: looks[label].marker for label in labels},
        markevery=1 if sizes.max() <= 12 else 0.12,
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
        if label in outside:
            continue
        if len(curve) > 1:
            ax.fill_between(x, low, high, color=look.color, alpha=0.15 if len(labels) < 7 else 0.1, linewidth=0)
        else:
            _standing(ax, float(x[0]), curve.iloc[0], look)
    inside = curves[~curves["label"].isin(outside)]
    _value_scale(ax, metric, inside["mean"], inside["low"])
    _along_scale(ax, curves, along)
    for label in outside:
        point = curves[curves["label"] == label].iloc[0]
        name = f"{short(label)}: " if named else ""
        _at_the_edge(ax, float(point[along]), float(point["mean"]), looks[label], metric, name)
    ax.set_xlabel("Epoch" if along == "epoch" else "Update")
    ax.set_ylabel(axis_title(metric, along=along))
    if named:
        ends = inside.groupby("label", sort=False).tail(1)
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

    Labels far worse than most are told at the edge, with an arrow, so that the rest can be read.

    Args:
        estimates: A row per label (`estimates.by_label`).
        ax: Where to draw.
        looks: A style per label.
        metric: What to show.
        scores: A row per trial (`scores.final`), for the dots of the repeats.
        numbers: Whether to write mean and interval at the right.
    """
    sign = 1 if higher_is_better(metric) else -1
    table = estimates.sort_values(metric, key=lambda values: -sign * values, kind="stable", na_position="last")[::-1]
    cut = _cut(sign * table[metric].dropna().to_numpy())
    digits = notes.column_decimals(estimates, metric)
    worse, side, arrow = (0.0, "left", "◂ {}") if sign > 0 else (1.0, "right", "{} ▸")
    beside = ax.get_yaxis_transform()
    beyond = False
    for at, (_, row) in enumerate(table.iterrows()):
        look, mean, low, high = looks[row["label"]], *(float(row[f"{metric}{end}"]) for end in ("", " low", " high"))
        if not sign * mean >= cut:
            beyond = beyond or math.isfinite(mean)
            text = arrow.format(notes.number(mean, digits)) if math.isfinite(mean) else "no score"
            color = look.color if math.isfinite(mean) else QUIET
            ax.text(worse, at, text, transform=beside, ha=side, va="center", fontsize=7, color=color)
        else:
            if scores is not None:
                single = scores.loc[scores["label"] == row["label"], metric].dropna()
                ax.plot(single, np.full(len(single), at - 0.27), "o", ms=2.4, mfc=look.color, mec="none", alpha=0.45)
            if math.isfinite(low) and math.isfinite(high):
                ax.plot([low, high], [at, at], color=look.color, lw=1.6, solid_capstyle="butt")
            mark(ax, mean, at, look)
        if numbers:
            text = notes.plus_minus(mean, low, high, digits)
            ax.annotate(text, (1, at), (9, 0), xycoords=beside, textcoords="offset points", va="center", fontsize=7.5)
    ax.set_yticks(range(len(table)), [short(label) for label in table["label"]])
    for tick in ax.get_yticklabels():
        tick.set_parse_math(False)
    ax.set_ylim(-0.65, len(table) - 0.45)
    ax.margins(x=0.06)
    _within(ax, metric, "x")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3, steps=_STEPS))
    ax.set_xlabel(axis_title(metric) + (f"  ({'◂' if sign > 0 else '▸'} beyond the axis)" if beyond else ""))
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
    if not is_curve(curves):
        return _once(own, curves, ax, look, label=label, metric=metric)
    for _, curve in curves[curves["label"] != label].groupby("label", sort=False):
        ax.plot(curve["epoch"], curve["mean"], "-" if len(curve) > 1 else ".", ms=4, color=FAINT, lw=0.8, zorder=1)
    whole, runs, ended_ok = [], own[["epoch", "value"]].to_numpy(dtype=float), (own["outcome"] == "ok").to_numpy()
    for at in own.groupby("repeat", sort=True).indices.values():
        run, ok = runs[at], ended_ok[at].all()
        if ok and len(run) > 1:
            whole.append(run)
        elif ok:
            ax.plot(*run.T, "o", color=look.color, ms=2.6, mec="none", alpha=0.35, zorder=3)
        else:
            ax.plot(*run.T, color=QUIET, ls=(0, (2, 1.5)), lw=0.7, alpha=0.9, zorder=3)
            ax.plot(*run[-1:].T, "x", color=QUIET, ms=4, mew=1, zorder=4)
    ax.add_collection(
        LineCollection(whole, colors=look.color, linewidths=0.7, alpha=0.55, zorder=3)
    )  # a hundred are one
    ax.autoscale_view()
    x, y, low, high = (mean[name].to_numpy(dtype=float) for name in ("epoch", "mean", "low", "high"))
    if len(mean) > 1:
        ax.fill_between(x, low, high, color=look.color, alpha=0.22, linewidth=0, zorder=2)
        ax.plot(x, y, color=look.color, lw=1.7, zorder=5)
    elif len(mean):
        _standing(ax, float(x[0]), mean.iloc[0], look)
    _value_scale(ax, metric, curves["mean"].tolist() + own.loc[own["outcome"] == "ok", "value"].tolist(), curves["low"])
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
            ax.set_xlabel("After the last epoch")
        ax.set_ylabel("")
        ax.set_title(title(metric))
    drawn = {label for curves in panels.values() for label in curves["label"]}
    legend(figure, [str(label) for label in estimates["label"] if label in drawn], looks)
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
    figure.suptitle(name, x=0.008, ha="left", fontsize=9.5, fontweight="bold", color=look.color, parse_math=False)
    if len(name) + len(settings) < 100:
        figure.text(0.992, 0.98, settings, ha="right", va="top", fontsize=8, color=QUIET, parse_math=False)
    return figure


def single(width: float = 6.4, height: float = 3.7) -> tuple[Figure, Axes]:
    """An empty figure of one panel."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def is_curve(curves: pd.DataFrame) -> bool:
    """Whether any label has more than one point, so that a line says something."""
    return bool(len(curves) and curves.groupby("label").size().max() > 1)


def legend(figure: Figure, labels: Sequence[str], looks: Mapping[str, Style]) -> None:
    """One legend beneath all panels of a figure."""
    handles = [
        Line2D(
            [], [], color=looks[n].color, ls=looks[n].line, marker=looks[n].marker, mec="white", mew=0.4, label=short(n)
        )
        for n in labels
    ]
    widest = max(len(short(name)) for name in labels)
    columns = max(2, min(len(labels), 6, int(108 / (widest + 8))))
    legend = figure.legend(
        handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=7.5, handlelength=3
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _standing(ax: Axes, at: float, estimate: pd.Series[Any], look: Style) -> None:
    """One mean, with a bar over its interval where it has one."""
    mean, low, high = (float(estimate[name]) for name in ("mean", "low", "high"))
    if math.isfinite(low) and math.isfinite(high):
        ax.plot([at, at], [low, high], color=look.color, lw=1.6, solid_capstyle="butt", zorder=5)
    mark(ax, at, mean, look)


def mark(ax: Axes, x: float, y: float, look: Style) -> None:
    """One value of a label, on top of all else."""
    ax.plot([x], [y], look.marker, color=look.color, ms=5.6, mec="white", mew=0.6, zorder=6)


def _once(own: pd.DataFrame, curves: pd.DataFrame, ax: Axes, look: Style, *, label: str, metric: str) -> Axes:
    """What was measured once in a run: the repeats beside their mean and interval, the other means as grey ticks."""
    mean, others = curves[curves["label"] == label], curves[curves["label"] != label]
    ax.hlines(others["mean"], 0.25, 0.5, color=FAINT, lw=1.6)
    ok = own[own["outcome"] == "ok"]
    ax.plot(np.full(len(ok), -0.3), ok["value"], "o", color=look.color, ms=3.2, mec="none", alpha=0.5)
    if len(mean):
        _standing(ax, 0, mean.iloc[0], look)
    ax.set_xticks([-0.3, 0, 0.375], ["repeats", "mean", "others"])
    ax.set_xlim(-0.7, 0.7)
    ax.grid(visible=False, axis="x")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=_STEPS))
    ax.set_xlabel("After the last epoch")
    ax.set_ylabel(title(metric))
    return ax


def beyond(curves: pd.DataFrame, metric: str) -> list[str]:
    """Labels with a single mean that is far worse than the ends of most; none where all have single ones."""
    sizes = curves.groupby("label", sort=False).size()
    if not len(sizes) or sizes.max() < 2:
        return []
    ends = (1 if higher_is_better(metric) else -1) * curves.groupby("label", sort=False)["mean"].last()
    cut = _cut(ends.dropna().to_numpy())
    return [str(label) for label in ends[ends < cut].index if sizes[label] == 1]


def _at_the_edge(ax: Axes, at: float, value: float, look: Style, metric: str, name: str) -> None:
    """A mark at the worse edge of the axes, with the number that lies beyond it."""
    height, arrow = (0.04, "▾") if higher_is_better(metric) else (0.96, "▴")
    beside = ax.get_xaxis_transform()
    ax.plot([at], [height], look.marker, color=look.color, ms=5.6, mec="white", mew=0.6, zorder=6, transform=beside)
    text, far = f"{name}{notes.number(value, 3)} {arrow}", "offset points"
    told = ax.annotate(text, (at, height), (6, 0), xycoords=beside, textcoords=far, va="center", fontsize=7)
    told.set(color=look.color, parse_math=False)


def _cut(goodness: np.ndarray[Any, Any]) -> float:
    """Below which the means are far worse than most: four times as far from the best as the median is."""
    if len(goodness) < 4:
        return -math.inf
    best, middle = float(goodness.max()), float(np.median(goodness))
    return best - 4 * (best - middle) if best > middle else -math.inf


def _value_scale(ax: Axes, metric: str, values: Any, low: Any) -> None:
    """A logarithmic axis for a loss that spans a factor of five or more; a band may reach below 0, a mean may not."""
    means = np.asarray(values, dtype=float)
    means = means[np.isfinite(means)]
    if higher_is_better(metric) or not len(means) or means.min() <= 0 or means.max() / means.min() < 5:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=_STEPS))
        _within(ax, metric, "y")
        return
    bounds = np.asarray(low, dtype=float)
    bounds = bounds[np.isfinite(bounds) & (bounds > means.min() / 2)]
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.9 * min(means.min(), bounds.min() if len(bounds) else math.inf))
    _plain_log(ax, "y")


def _within(ax: Axes, metric: str, which: Literal["x", "y"]) -> None:
    """An accuracy's axis shows no more than 0 to 1, and a hair for the markers: a wide interval may reach beyond."""
    if metric.endswith("accuracy"):
        low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
        ax.set(**{f"{which}lim": (max(low, -0.015), min(high, 1.015))})


def _along_scale(ax: Axes, curves: pd.DataFrame, along: str) -> None:
    """Whole epochs; updates on a logarithmic axis where one label makes many times more of them than the others."""
    if along == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
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
    if not isinstance(figure, Figure):
        raise TypeError('"ax" must belong to a figure of its own. Take it from Figure().subplots()')
    gap = min(11.0 / (0.78 * 72 * figure.get_figheight()), 1.0 / max(len(ends) - 1, 1))
    ax.get_xlim(), ax.get_ylim()  # settles the limits, which the heights depend on
    to_axes = (ax.transData + ax.transAxes.inverted()).transform
    places = {label: float(to_axes(end)[1]) for label, end in ends.items()}
    order = sorted(places, key=lambda label: (places[label], label))
    furthest = max(x for x, _ in ends.values())
    # Across: inches from the right edge of the axes; up: the share of its height.
    beside = blended_transform_factory(figure.dpi_scale_trans + ScaledTranslation(1, 0, _affine(ax)), ax.transAxes)
    for label, height in zip(order, _apart([places[label] for label in order], gap), strict=True):
        look = looks[label]
        piece: dict[str, Any] = {"transform": beside, "clip_on": False, "color": look.color}
        if ends[label][0] == furthest:
            tie = {"arrowstyle": "-", "color": look.color, "lw": 0.6, "alpha": 0.6, "shrinkA": 0, "shrinkB": 3}
            ax.annotate(
                "", ends[label], xytext=(0.12, height), textcoords=beside, arrowprops=tie, annotation_clip=False
            )
        ax.plot([0.14, 0.46], [height, height], ls=look.line, lw=1.5, **piece)
        ax.plot([0.30], [height], look.marker, ms=4.2, mec="white", mew=0.4, **piece)
        ax.text(0.52, height, short(label), transform=beside, va="center_baseline", fontsize=7.5, parse_math=False)


def _affine(ax: Axes) -> Affine2DBase:
    """The axes' own transform: it is affine, which matplotlib's types do not say."""
    return cast("Affine2DBase", ax.transAxes)


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
