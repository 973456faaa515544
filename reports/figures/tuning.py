"""Estimates of a tuning run become pictures, in the style and the colours of `reports.figures.style`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from reports.figures.convergence import convergence
from reports.figures.style import FAINT, INK, QUIET, axis_title, mark, short
from reports.frames.scores import title
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from reports.figures.style import Style

_ACROSS = 3


def worst_shown_score(points: pd.DataFrame) -> float:
    """The worst score that the axis shows: four times as far from the best as the median is; NaN without a score.

    The few trials that are worse by orders of magnitude are told at the edge, so that the rest can be read.
    """
    scored = points[points["complete"].astype(bool) & points["score"].notna()]
    if scored.empty:
        return math.nan
    best, middle, worst = (float(scored["goodness"].quantile(share)) for share in (1.0, 0.5, 0.0))
    sign = 1.0 if scored["goodness"].iloc[0] == scored["score"].iloc[0] else -1.0
    return sign * max(worst, best - 4 * (best - middle))


def sensitivity(
    points: pd.DataFrame, span: pd.Series, ax: Axes, style: Style, *, worst: float, goal: str, line: bool
) -> Axes:
    """One optimizer's score against its learning rate.

    The range of good rates is shaded: dark from the lowest to the highest of them, light up to the next rates that were
    tried. The best is marked, and the study's own rate is a dashed line. Trials worse than `worst` are triangles at the
    edge, those without a score crosses.

    Args:
        points: A row per rate or trial of one optimizer (`sensitivity.points`).
        span: Its range of good rates (a row of `sensitivity.ranges`).
        ax: Where to draw; the limits of its vertical axis are set.
        style: The optimizer's style.
        worst: The worst score that the axis shows (`worst_shown_score`).
        goal: "minimise" or "maximise": at which edge the worse ones stand.
        line: Whether the rate alone varies, so that a line through the points means something.
    """
    upward = goal == "maximise"
    lowest, highest = float(span["sampled_low"]), float(span["sampled_high"])
    ax.set_xscale("log")
    if math.isfinite(span["score"]):
        outer = (span["below"] if math.isfinite(span["below"]) else lowest / 3, span["above"])
        outer = (outer[0], outer[1] if math.isfinite(outer[1]) else highest * 3)
        ax.axvspan(*outer, color=style.color, alpha=0.08, lw=0, zorder=0)
        ax.axvspan(span["low"], span["high"], color=style.color, alpha=0.17, lw=0, zorder=0)
    if math.isfinite(span["default"]):
        ax.axvline(span["default"], color=QUIET, lw=0.9, ls=(0, (4, 2)), zorder=1)
    score = points["score"].to_numpy(dtype=float)
    inside = (score >= worst) if upward else (score <= worst)
    shown, beyond, lost = points[inside], points[~inside & points["score"].notna()], points[points["score"].isna()]
    if line:
        ax.plot(points["lr"], points["score"], color=style.color, ls=style.line, lw=1.3, zorder=3)
    whole = shown["complete"].astype(bool)
    ax.plot(
        shown.loc[whole, "lr"], shown.loc[whole, "score"], style.marker, color=style.color, ms=3.6, mec="white", mew=0.4
    )
    ax.plot(
        shown.loc[~whole, "lr"], shown.loc[~whole, "score"], style.marker, mfc="none", mec=style.color, ms=3.2, mew=0.7
    )
    edge, beside = 0.045 if upward else 0.955, ax.get_xaxis_transform()
    for kind, group in (("v" if upward else "^", beyond), ("x", lost)):
        ax.plot(group["lr"], np.full(len(group), edge), kind, color=QUIET, ms=3, mew=0.7, transform=beside, zorder=2)
    if math.isfinite(span["score"]):
        ax.plot([span["lr"]], [span["score"]], style.marker, color=style.color, ms=7, mec=INK, mew=1, zorder=6)
    ax.xaxis.set_major_locator(LogLocator(numticks=12))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.minorticks_off()
    return ax


def sensitivities(
    points: pd.DataFrame, ranges: pd.DataFrame, styles: Mapping[str, Style], *, objective: str, goal: str, line: bool
) -> Figure:
    """A panel per optimizer on common axes, in the order of the study."""
    labels = list(ranges["label"])
    across = min(_ACROSS, len(labels))
    rows = -(-len(labels) // across)
    figure = Figure(figsize=(7.6, 0.75 + 1.5 * rows), layout="constrained")
    axes = figure.subplots(rows, across, sharex=True, sharey=True, squeeze=False)
    worst = worst_shown_score(points)
    for ax, (_, span) in zip(axes.flat, ranges.iterrows(), strict=False):
        own = points[points["label"] == span["label"]]
        style = styles[str(span["label"])]
        sensitivity(own, span, ax, style, worst=worst, goal=goal, line=line)
        ax.set_title(short(str(span["label"])), color=style.color, parse_math=False, pad=3)
        told = format_width(span)
        ax.set_title(told, loc="right", fontsize=7, fontweight="normal", color=QUIET, pad=3)
    _score_limits(axes[0, 0], points, goal)
    axes[0, 0].set_xlim(ranges["sampled_low"].min() / 1.6, ranges["sampled_high"].max() * 1.6)
    for ax in axes.flat[len(labels) :]:
        ax.set_axis_off()
    for ax in axes.flat[max(len(labels) - across, 0) : len(labels)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("Learning rate")
    figure.supylabel(axis_title(objective), fontsize=8)
    _key(
        figure,
        goal=goal,
        own=bool(ranges["default"].notna().any()),
        pruned=bool((points["score"].notna() & ~points["complete"].astype(bool)).any()),
    )
    return figure


def sweep(
    points: pd.DataFrame, ranges: pd.DataFrame, ax: Axes, styles: Mapping[str, Style], *, objective: str, goal: str
) -> Axes:
    """The score against the learning rate, a line per optimizer, all together; the best of each is marked.

    A line breaks where a rate has no score. The study's own rate, where it was tried, has a ring.

    Args:
        points: A row per rate (`sensitivity.points`).
        ranges: A row per optimizer (`sensitivity.ranges`).
        ax: Where to draw.
        styles: A style per label.
        objective: What the trials were scored by.
        goal: "minimise" or "maximise".
    """
    ax.set_xscale("log")
    for _, span in ranges.iterrows():
        own, style = points[points["label"] == span["label"]], styles[str(span["label"])]
        ax.plot(
            own["lr"], own["score"], color=style.color, ls=style.line, marker=style.marker, ms=3.4, mec="white", mew=0.3
        )
        if math.isfinite(span["score"]):
            ax.plot([span["lr"]], [span["score"]], style.marker, color=style.color, ms=7, mec=INK, mew=1, zorder=6)
        tried = own[own["default"].astype(bool)]
        ax.plot(tried["lr"], tried["score"], "o", mfc="none", mec=style.color, ms=8, mew=0.9, zorder=5)
    _score_limits(ax, points, goal)
    ax.set_xlabel("Learning rate")
    ax.set_ylabel(axis_title(objective))
    return ax


def format_width(span: pd.Series) -> str:
    """The width of a range of learning rates in words: what it is at least, and at most."""
    if not math.isfinite(span["score"]):
        return "no score"
    least, most = notes.number(float(span["decades"]), 1), notes.number(float(span["at_most"]), 1)
    if span["open_low"] and span["open_high"]:
        return f"at least {least} decades, open at both ends"
    if span["open_low"] or span["open_high"]:
        return f"at least {least} decades, open {'below' if span['open_low'] else 'above'}"
    return f"{least} to {most} decades" if least != most else f"{least} decades"


def tunability(curves: pd.DataFrame, ax: Axes, styles: Mapping[str, Style], *, objective: str) -> Axes:
    """The expected best score after k trials with its band, which ends at half of the trials.

    Args:
        curves: `label`, `trials`, `mean`, `low`, `high` (`tunability.curves`).
        ax: Where to draw.
        styles: A style per label.
        objective: What the trials were scored by.
    """
    convergence(curves, ax, styles, metric=objective, along="trials")
    ends = curves.groupby("label", sort=False)["mean"].agg(["first", "last"])
    room = 0.06 * float((ends["first"] - ends["last"]).abs().max())
    if ax.get_yscale() == "linear" and room > 0:  # a band may reach far beyond the means where k is small
        ax.set_ylim(curves["mean"].min() - room, curves["mean"].max() + room)
    _trials_axis(ax)
    ax.set_ylabel(f"Expected best {title(objective).lower()}")
    return ax


def probability(chances: pd.DataFrame, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """The probability to be the best after k trials, stacked, so that all of them make 100%.

    Args:
        chances: `label`, `trials`, `probability` (`tunability.probabilities`).
        ax: Where to draw.
        styles: A style per label.
    """
    labels = [label for label in styles if label in set(chances["label"])]
    table = chances.pivot_table(index="trials", columns="label", values="probability")[labels]
    k, shares = table.index.to_numpy(dtype=float), table.to_numpy().T
    colors = [styles[label].color for label in labels]
    ax.stackplot(k, shares, colors=colors, edgecolor="white", linewidth=0.7, alpha=0.88)
    ax.set(xlim=(k[0], k[-1]), ylim=(0, 1))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_axisbelow(False)
    _trials_axis(ax)
    ax.grid(visible=False, axis="x")
    ax.set_ylabel("Probability of the best trial")
    handles = [Patch(color=styles[label].color, alpha=0.88, lw=0, label=short(label)) for label in labels]
    beside = ax.legend(
        handles=handles[::-1], loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=7.5
    )
    for text in beside.get_texts():
        text.set_parse_math(False)
    return ax


def importances(table: pd.DataFrame, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """The importance of each hyperparameter as a bar, grouped by optimizer.

    Args:
        table: `label`, `parameter`, `importance` (`importances.by_optimizer`).
        ax: Where to draw.
        styles: A style per label.
    """
    at, ticks, names = 0.0, [], []
    for label, group in table.groupby("label", sort=False):
        style, middle = styles[str(label)], at + (len(group) - 1) / 2
        for _, row in group.iterrows():
            share = float(row["importance"])
            ax.barh(at, share, height=0.72, color=style.color, alpha=0.88)
            ax.text(share + 0.012, at, f"{share:.0%}", va="center_baseline", fontsize=7)
            ticks.append(at)
            names.append(str(row["parameter"]))
            at += 1
        bold: dict[str, Any] = {
            "fontweight": "bold",
            "color": style.color,
            "ha": "right",
            "va": "center",
            "parse_math": False,
        }
        ax.annotate(
            short(str(label)),
            (0, middle),
            (-48, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            **bold,
        )
        at += 0.6
    ax.set_yticks(ticks, names)
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(0, 1.08), ylim=(at - 0.9, -0.7))
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("Importance (shares of each optimizer's hyperparameters)")
    return ax


def score_intervals(compared: pd.DataFrame, ax: Axes, styles: Mapping[str, Style], *, metric: str) -> Axes:
    """Both settings of each optimizer on fresh repeats: the study's own hollow, the tuned one filled.

    Args:
        compared: A row per optimizer (`choices.against_own`).
        ax: Where to draw.
        styles: A style per label.
        metric: What the scores are.
    """
    for at, (_, row) in enumerate(compared.iterrows()):
        style = styles[row["label"]]
        for side, up in (("default", 0.16), ("tuned", -0.16)):
            y = at - up
            ax.plot([row[f"{side}_low"], row[f"{side}_high"]], [y, y], color=style.color, lw=1.4, alpha=0.85)
            if side == "tuned":
                mark(ax, row[side], y, style)
            else:
                ax.plot([row[side]], [y], style.marker, mfc="white", mec=style.color, ms=4.8, mew=1.1, zorder=6)
    ax.set_xlabel(title(metric))
    return ax


def differences(
    table: pd.DataFrame, ax: Axes, styles: Mapping[str, Style], *, column: str, empty: Sequence[str]
) -> Axes:
    """A difference of each optimizer with its interval, and the line of no difference.

    Args:
        table: A row per optimizer with `low` and `high` beside the column.
        ax: Where to draw.
        styles: A style per label.
        column: The difference; with an `own ` one in the table, that is drawn beneath it, hollow.
        empty: What to write, row by row, where there is no difference.
    """
    yardstick = f"own {column}" in table
    for at, (_, row) in enumerate(table.iterrows()):
        style = styles[row["label"]]
        if not math.isfinite(row[column]):
            told: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": QUIET}
            ax.text(0.5, at, empty[at], transform=ax.get_yaxis_transform(), **told)
            continue
        y = at + 0.16 * yardstick
        ax.plot([row["low"], row["high"]], [y, y], color=style.color, lw=1.6, solid_capstyle="butt")
        mark(ax, row[column], y, style)
        if yardstick:
            ax.plot([row["default_low"], row["default_high"]], [at - 0.16] * 2, color=style.color, lw=1, alpha=0.75)
            ax.plot(
                [row[f"own {column}"]], [at - 0.16], style.marker, mfc="white", mec=style.color, ms=4, mew=1, zorder=6
            )
    ax.axvline(0, color=INK, lw=0.8, zorder=1)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.4g}".replace("-", "−") if value else "0"))
    return ax


def new_repeats(compared: pd.DataFrame, gaps: pd.DataFrame, styles: Mapping[str, Style], *, metric: str, goal: str) -> Figure:
    """Fresh repeats of both settings, their paired difference, and the gap to the validation score, side by side.

    Args:
        compared: A row per optimizer (`choices.against_own`).
        gaps: A row per optimizer (`choices.gaps`), in the same order.
        styles: A style per label.
        metric: What the scores of `compared` are.
        goal: Of that metric: which side of no difference is the better one.
    """
    many = len(compared)
    figure = Figure(figsize=(7.6, 1.35 + 0.29 * many), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True, width_ratios=[1.15, 1, 1])
    score_intervals(compared, axes[0], styles, metric=metric)
    kept = ["own setting kept" if row["kept"] else "no pair" for _, row in compared.iterrows()]
    differences(compared, axes[1], styles, column="difference", empty=kept)
    differences(gaps, axes[2], styles, column="gap", empty=["no fresh repeat"] * many)
    axes[0].set_title("Fresh repeats")
    axes[1].set_title("Tuned − own setting")
    axes[2].set_title("Gap: test − validation")
    better = "tuned better ▸" if goal == "maximise" else "◂ tuned better"
    axes[1].set_xlabel(f"{title(metric)}   {better}")
    axes[2].set_xlabel(title(str(gaps["metric"].iloc[0])))
    axes[0].set_yticks(range(many), [short(str(label)) for label in compared["label"]])
    for tick, label in zip(axes[0].get_yticklabels(), compared["label"], strict=True):
        tick.set_parse_math(False)
        tick.set_color(styles[label].color)
        tick.set_fontweight("bold")
    axes[0].set_ylim(many - 0.45, -0.55)
    for ax in axes:
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        for at in range(1, many):
            ax.axhline(at - 0.5, color=FAINT, lw=0.5, zorder=0)
    handles = [_dot("tuned setting", full=True), _dot("the study's own setting", full=False)]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=7.5)
    return figure


def _score_limits(ax: Axes, points: pd.DataFrame, goal: str) -> None:
    """From the best score to the worst that is shown (`worst_shown_score`), with room for what stands at the edge."""
    worst = worst_shown_score(points)
    if math.isfinite(worst):
        best = float(points["score"].max() if goal == "maximise" else points["score"].min())
        room = 0.14 * abs(worst - best) or 0.05 * abs(best) or 1.0
        ax.set_ylim(min(worst, best) - room, max(worst, best) + room)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))


def _trials_axis(ax: Axes) -> None:
    """Numbers of trials on a logarithmic axis: the first few decide most."""
    if ax.get_xlim()[1] > 4:
        ax.set_xscale("log")
        ax.set_xlim(left=1)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.minorticks_off()
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.set_xlabel("Random trials per optimizer")


def _dot(label: str, *, full: bool) -> Line2D:
    return Line2D(
        [], [], color=QUIET, marker="o", mfc=QUIET if full else "white", mec=QUIET, ms=4.8, mew=1, label=label
    )


def _key(figure: Figure, *, goal: str, own: bool, pruned: bool) -> None:
    """What the marks of the learning-rate panels mean."""
    none: dict[str, Any] = {"color": QUIET, "ls": "none"}
    handles: list[Line2D | Patch] = [
        Line2D([], [], marker="o", mfc=QUIET, mec=INK, ms=6.5, mew=1, **none, label="best"),
        Patch(color=QUIET, alpha=0.32, lw=0, label="within 1% of the best (light: up to the next rate tried)"),
        Line2D([], [], marker="v" if goal == "maximise" else "^", ms=3, **none, label="off the axis"),
        Line2D([], [], marker="x", ms=3.2, **none, label="no score"),
    ]
    if pruned:
        handles.insert(1, Line2D([], [], marker="o", mfc="none", ms=3.4, **none, label="pruned"))
    if own:
        handles.insert(1, Line2D([], [], color=QUIET, lw=0.9, ls=(0, (4, 2)), label="own rate"))
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=6,
        frameon=False,
        fontsize=7,
        handlelength=1.6,
        columnspacing=1.3,
    )
