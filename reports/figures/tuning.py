"""Plots of a tuning: learning rates, tunability, hyperparameter importance, default and tuned settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from reports.figures.axis_scales import STEPS
from reports.figures.convergence import convergence
from reports.figures.style import (
    FAINT,
    INK,
    QUIET,
    axis_title,
    hide_row_axis,
    label_rows,
    plain_text,
    plot_marker,
    shorten,
)
from reports.frames.scores import title
from reports.text import notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from reports.figures.style import Style

_MAX_COLUMNS = 3


def worst_shown_score(points: pd.DataFrame) -> float:
    """Return the worst score on the axis: 4 times as far from the best as the median; NaN without a score.

    Worse trials are markers at the edge, so that the others remain readable.
    """
    scored = points[points["complete"].astype(bool) & points["score"].notna()]
    if scored.empty:
        return math.nan
    best, median, worst = (float(scored["goodness"].quantile(share)) for share in (1.0, 0.5, 0.0))
    sign = 1.0 if scored["goodness"].iloc[0] == scored["score"].iloc[0] else -1.0
    return sign * max(worst, best - 4 * (best - median))


def sensitivity(
    points: pd.DataFrame, lr_range: pd.Series, ax: Axes, style: Style, *, worst: float, goal: str, line: bool
) -> Axes:
    """Plot the score of one optimizer against its learning rate.

    The range of good rates is shaded, and lightly up to the next rates that were tried. The best rate has a large marker,
    the default rate is a dashed line. At the edge, triangles are trials worse than `worst`, crosses those without a score.

    Args:
        points: A row per rate or trial of one optimizer (`lr_sensitivity.points`).
        lr_range: Its range of good rates (a row of `lr_sensitivity.ranges`).
        ax: The axes; the limits of their vertical axis are set.
        style: The style of the optimizer.
        worst: The worst score on the axis (`worst_shown_score`).
        goal: "minimise" or "maximise".
        line: Whether only the rate varies, so that a line through the points is meaningful.
    """
    maximise = goal == "maximise"
    lowest, highest = float(lr_range["sampled_low"]), float(lr_range["sampled_high"])
    ax.set_xscale("log")
    if math.isfinite(lr_range["score"]):
        below = lr_range["below"] if math.isfinite(lr_range["below"]) else lowest / 3
        above = lr_range["above"] if math.isfinite(lr_range["above"]) else highest * 3
        ax.axvspan(below, above, color=style.color, alpha=0.08, lw=0, zorder=0)
        ax.axvspan(lr_range["low"], lr_range["high"], color=style.color, alpha=0.17, lw=0, zorder=0)
    if math.isfinite(lr_range["default"]):
        ax.axvline(lr_range["default"], color=QUIET, lw=0.9, ls=(0, (4, 2)), zorder=1)
    score = points["score"].to_numpy(dtype=float)
    inside = (score >= worst) if maximise else (score <= worst)
    shown, beyond = points[inside], points[~inside & points["score"].notna()]
    without_score = points[points["score"].isna()]
    if line:
        ax.plot(points["lr"], points["score"], color=style.color, ls=style.line, lw=1.3, zorder=3)
    is_complete = shown["complete"].astype(bool)
    complete, pruned = shown[is_complete], shown[~is_complete]
    ax.plot(complete["lr"], complete["score"], style.marker, color=style.color, ms=3.6, mec="white", mew=0.4)
    ax.plot(pruned["lr"], pruned["score"], style.marker, mfc="none", mec=style.color, ms=3.2, mew=0.7)
    y, edge = 0.045 if maximise else 0.955, ax.get_xaxis_transform()
    for marker, group in (("v" if maximise else "^", beyond), ("x", without_score)):
        ax.plot(group["lr"], np.full(len(group), y), marker, color=QUIET, ms=3, mew=0.7, transform=edge, zorder=2)
    _mark_best(ax, lr_range, style)
    ax.xaxis.set_major_locator(LogLocator(numticks=12))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.minorticks_off()
    return ax


def sensitivities(
    points: pd.DataFrame, ranges: pd.DataFrame, styles: Mapping[str, Style], *, objective: str, goal: str, line: bool
) -> Figure:
    """Return a figure with a panel per optimizer on common axes, in the order of the study."""
    labels = [str(label) for label in ranges["label"]]
    columns = min(_MAX_COLUMNS, len(labels))
    rows = -(-len(labels) // columns)
    figure = Figure(figsize=(7.6, 0.75 + 1.5 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    worst = worst_shown_score(points)
    for ax, label, (_, lr_range) in zip(axes.flat, labels, ranges.iterrows(), strict=False):
        style = styles[label]
        sensitivity(points[points["label"] == label], lr_range, ax, style, worst=worst, goal=goal, line=line)
        ax.set_title(shorten(label), color=style.color, parse_math=False, pad=3)
        ax.set_title(format_width(lr_range), loc="right", fontsize=7, fontweight="normal", color=QUIET, pad=3)
    _set_score_limits(axes[0, 0], points, goal)
    axes[0, 0].set_xlim(ranges["sampled_low"].min() / 1.6, ranges["sampled_high"].max() * 1.6)
    for ax in axes.flat[len(labels) :]:
        ax.set_axis_off()
    for ax in axes.flat[max(len(labels) - columns, 0) : len(labels)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("Learning rate")
    figure.supylabel(axis_title(objective), fontsize=8)
    has_pruned = bool((points["score"].notna() & ~points["complete"].astype(bool)).any())
    _add_sensitivity_legend(figure, goal=goal, default=bool(ranges["default"].notna().any()), pruned=has_pruned)
    return figure


def sweep(
    points: pd.DataFrame, ranges: pd.DataFrame, ax: Axes, styles: Mapping[str, Style], *, objective: str, goal: str
) -> Axes:
    """Plot the score against the learning rate, a line per optimizer; the best rate has a large marker.

    A rate without a score interrupts the line. The default rate has a ring, if it was tried.

    Args:
        points: A row per rate (`lr_sensitivity.points`).
        ranges: A row per optimizer (`lr_sensitivity.ranges`).
        ax: The axes.
        styles: The style of each label.
        objective: The metric of the scores.
        goal: "minimise" or "maximise".
    """
    ax.set_xscale("log")
    for _, lr_range in ranges.iterrows():
        rates, style = points[points["label"] == lr_range["label"]], styles[str(lr_range["label"])]
        line: dict[str, Any] = {"color": style.color, "ls": style.line, "marker": style.marker}
        ax.plot(rates["lr"], rates["score"], **line, ms=3.4, mec="white", mew=0.3)
        _mark_best(ax, lr_range, style)
        default = rates[rates["default"].astype(bool)]
        ax.plot(default["lr"], default["score"], "o", mfc="none", mec=style.color, ms=8, mew=0.9, zorder=5)
    _set_score_limits(ax, points, goal)
    ax.set_xlabel("Learning rate")
    ax.set_ylabel(axis_title(objective))
    return ax


def format_width(lr_range: pd.Series) -> str:
    """Return the width of a range of learning rates in words, with its lower and upper bound."""
    if not math.isfinite(lr_range["score"]):
        return "no score"
    at_least, at_most = notes.number(float(lr_range["decades"]), 1), notes.number(float(lr_range["at_most"]), 1)
    if lr_range["open_low"] and lr_range["open_high"]:
        return f"at least {at_least} decades, open at both ends"
    if lr_range["open_low"] or lr_range["open_high"]:
        return f"at least {at_least} decades, open {'below' if lr_range['open_low'] else 'above'}"
    return f"{at_least} to {at_most} decades" if at_least != at_most else f"{at_least} decades"


def tunability(curves: pd.DataFrame, ax: Axes, styles: Mapping[str, Style], *, objective: str) -> Axes:
    """Plot the expected best score after k trials with its band, which ends at half of the trials.

    Args:
        curves: `label`, `trials`, `mean`, `low`, `high` (`tunability.curves`).
        ax: The axes.
        styles: The style of each label.
        objective: The metric of the scores.
    """
    convergence(curves, ax, styles, metric=objective, along="trials")
    ends = curves.groupby("label", sort=False)["mean"].agg(["first", "last"])
    margin = 0.06 * float((ends["first"] - ends["last"]).abs().max())
    if ax.get_yscale() == "linear" and margin > 0:  # for small k the band may extend far beyond the means
        ax.set_ylim(curves["mean"].min() - margin, curves["mean"].max() + margin)
    _format_trials_axis(ax)
    ax.set_ylabel(f"Expected best {title(objective).lower()}")
    return ax


def probability(chances: pd.DataFrame, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """Plot the probability of having the best trial after k trials, stacked to 100%.

    Args:
        chances: `label`, `trials`, `probability` (`tunability.probabilities`).
        ax: The axes.
        styles: The style of each label.
    """
    labels = [label for label in styles if label in set(chances["label"])]
    table = chances.pivot_table(index="trials", columns="label", values="probability")[labels]
    k, shares = table.index.to_numpy(dtype=float), table.to_numpy().T
    colors = [styles[label].color for label in labels]
    ax.stackplot(k, shares, colors=colors, edgecolor="white", linewidth=0.7, alpha=0.88)
    ax.set(xlim=(k[0], k[-1]), ylim=(0, 1))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_axisbelow(False)
    _format_trials_axis(ax)
    ax.grid(visible=False, axis="x")
    ax.set_ylabel("Probability of the best trial")
    handles = [Patch(color=styles[label].color, alpha=0.88, lw=0, label=shorten(label)) for label in labels][::-1]
    legend = ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=7.5)
    plain_text(legend.get_texts())
    return ax


def importances(table: pd.DataFrame, ax: Axes, styles: Mapping[str, Style]) -> Axes:
    """Plot the importance of each hyperparameter as a bar, grouped by optimizer.

    Args:
        table: `label`, `parameter`, `importance` (`hyperparameter_importance.by_optimizer`).
        ax: The axes.
        styles: The style of each label.
    """
    y, ticks, names = 0.0, [], []
    title_options: dict[str, Any] = {"textcoords": "offset points", "fontweight": "bold", "ha": "right", "va": "center"}
    for label, group in table.groupby("label", sort=False):
        style, center = styles[str(label)], (0, y + (len(group) - 1) / 2)
        for _, row in group.iterrows():
            share = float(row["importance"])
            ax.barh(y, share, height=0.72, color=style.color, alpha=0.88)
            ax.text(share + 0.012, y, f"{share:.0%}", va="center_baseline", fontsize=7)
            ticks.append(y)
            names.append(str(row["parameter"]))
            y += 1
        text = ax.annotate(shorten(str(label)), center, (-48, 0), xycoords=ax.get_yaxis_transform(), **title_options)
        text.set(color=style.color, parse_math=False)
        y += 0.6
    ax.set_yticks(ticks, names)
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(0, 1.08), ylim=(y - 0.9, -0.7))
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("Importance (shares of each optimizer's hyperparameters)")
    return ax


def score_intervals(compared: pd.DataFrame, ax: Axes, styles: Mapping[str, Style], *, metric: str) -> Axes:
    """Plot both settings of each optimizer on new repeats: the default one hollow, the tuned one filled.

    Args:
        compared: A row per optimizer (`tuning.tuned_vs_default`).
        ax: The axes.
        styles: The style of each label.
        metric: The metric of the scores.
    """
    for index, (_, row) in enumerate(compared.iterrows()):
        style = styles[row["label"]]
        for setting, offset in (("default", -0.16), ("tuned", 0.16)):
            y, interval = index + offset, [row[f"{setting}_low"], row[f"{setting}_high"]]
            ax.plot(interval, [y, y], color=style.color, lw=1.4, alpha=0.85)
            if setting == "tuned":
                plot_marker(ax, row["tuned"], y, style)
            else:
                ax.plot([row["default"]], [y], style.marker, mfc="white", mec=style.color, ms=4.8, mew=1.1, zorder=6)
    ax.set_xlabel(title(metric))
    return ax


def differences(
    table: pd.DataFrame, ax: Axes, styles: Mapping[str, Style], *, column: str, empty: Sequence[str]
) -> Axes:
    """Plot a difference of each optimizer with its interval, and a line at 0.

    Args:
        table: A row per optimizer with the column, `low` and `high`.
        ax: The axes.
        styles: The style of each label.
        column: The difference. If the table has `default_<column>` as well, that is a hollow marker in the same row.
        empty: The text of each row that has no difference.
    """
    default, offset = f"default_{column}", 0.16 * (f"default_{column}" in table)
    text_options: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": QUIET}
    for index, (_, row) in enumerate(table.iterrows()):
        style = styles[row["label"]]
        if not math.isfinite(row[column]):
            ax.text(0.5, index, empty[index], transform=ax.get_yaxis_transform(), **text_options)
            continue
        y = index + offset
        ax.plot([row["low"], row["high"]], [y, y], color=style.color, lw=1.6, solid_capstyle="butt")
        plot_marker(ax, row[column], y, style)
        if offset:
            y = index - offset
            ax.plot([row["default_low"], row["default_high"]], [y, y], color=style.color, lw=1, alpha=0.75)
            ax.plot([row[default]], [y], style.marker, mfc="white", mec=style.color, ms=4, mew=1, zorder=6)
    ax.axvline(0, color=INK, lw=0.8, zorder=1)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.4g}".replace("-", "−") if value else "0"))
    return ax


def new_repeats(
    compared: pd.DataFrame, gaps: pd.DataFrame, styles: Mapping[str, Style], *, metric: str, goal: str
) -> Figure:
    """Return a figure of both settings on new repeats, their paired difference, and the gap to the validation score.

    Args:
        compared: A row per optimizer (`tuning.tuned_vs_default`).
        gaps: A row per optimizer (`tuning.validation_test_gap`), in the same order.
        styles: The style of each label.
        metric: The metric of the scores of `compared`.
        goal: Its goal, "minimise" or "maximise".
    """
    num_labels = len(compared)
    figure = Figure(figsize=(7.6, 1.35 + 0.29 * num_labels), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True, width_ratios=[1.15, 1, 1])
    score_intervals(compared, axes[0], styles, metric=metric)
    empty = ["default setting kept" if row["kept"] else "no pair" for _, row in compared.iterrows()]
    differences(compared, axes[1], styles, column="difference", empty=empty)
    differences(gaps, axes[2], styles, column="gap", empty=["no new repeat"] * num_labels)
    axes[0].set_title("New repeats")
    axes[1].set_title("Tuned − default setting")
    axes[2].set_title("Gap: test − validation")
    better = "tuned better ▸" if goal == "maximise" else "◂ tuned better"
    axes[1].set_xlabel(f"{title(metric)}   {better}")
    axes[2].set_xlabel(title(str(gaps["metric"].iloc[0])))
    label_rows(axes[0], range(num_labels), compared["label"].astype(str))
    for tick, label in zip(axes[0].get_yticklabels(), compared["label"], strict=True):
        tick.set_color(styles[label].color)
        tick.set_fontweight("bold")
    axes[0].set_ylim(num_labels - 0.45, -0.55)
    for ax in axes:
        hide_row_axis(ax)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=STEPS))
        for index in range(1, num_labels):
            ax.axhline(index - 0.5, color=FAINT, lw=0.5, zorder=0)
    dot: dict[str, Any] = {"color": QUIET, "marker": "o", "mec": QUIET, "ms": 4.8, "mew": 1}
    handles = [
        Line2D([], [], mfc=fill, label=f"{name} setting", **dot)
        for name, fill in (("tuned", QUIET), ("default", "white"))
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=7.5)
    return figure


def _mark_best(ax: Axes, lr_range: pd.Series, style: Style) -> None:
    """Plot a large marker at the best learning rate, if there is one."""
    if math.isfinite(lr_range["score"]):
        x, y = lr_range["lr"], lr_range["score"]
        ax.plot([x], [y], style.marker, color=style.color, ms=7, mec=INK, mew=1, zorder=6)


def _set_score_limits(ax: Axes, points: pd.DataFrame, goal: str) -> None:
    """Set the limits from the best score to the worst on the axis (`worst_shown_score`), with a margin."""
    worst = worst_shown_score(points)
    if math.isfinite(worst):
        best = float(points["score"].max() if goal == "maximise" else points["score"].min())
        margin = 0.14 * abs(worst - best) or 0.05 * abs(best) or 1.0
        ax.set_ylim(min(worst, best) - margin, max(worst, best) + margin)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=STEPS))


def _format_trials_axis(ax: Axes) -> None:
    """Use a logarithmic axis for the number of trials, because the first trials matter most."""
    if ax.get_xlim()[1] > 4:
        ax.set_xscale("log")
        ax.set_xlim(left=1)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.minorticks_off()
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.set_xlabel("Random trials per optimizer")


def _add_sensitivity_legend(figure: Figure, *, goal: str, default: bool, pruned: bool) -> None:
    """Add the legend of the markers in the panels of learning rates."""
    marker: dict[str, Any] = {"color": QUIET, "ls": "none"}
    handles: list[Line2D | Patch] = [
        Line2D([], [], marker="o", mfc=QUIET, mec=INK, ms=6.5, mew=1, **marker, label="best"),
        Patch(color=QUIET, alpha=0.32, lw=0, label="within 1% of the best (light: up to the next rate tried)"),
        Line2D([], [], marker="v" if goal == "maximise" else "^", ms=3, **marker, label="beyond the axis"),
        Line2D([], [], marker="x", ms=3.2, **marker, label="no score"),
    ]
    if pruned:
        handles.insert(1, Line2D([], [], marker="o", mfc="none", ms=3.4, **marker, label="pruned"))
    if default:
        handles.insert(1, Line2D([], [], color=QUIET, lw=0.9, ls=(0, (4, 2)), label="default rate"))
    spacing: dict[str, Any] = {"handlelength": 1.6, "columnspacing": 1.3}
    figure.legend(handles=handles, loc="outside lower left", ncols=6, frameon=False, fontsize=7, **spacing)
