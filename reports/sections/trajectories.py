"""Make the section on test functions: the trajectories of optimizers at each learning rate, and f over the steps."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.frames.study_frames import SURFACES
from reports.frames.trajectories import NEAR, best_label, families, final_points, rows_by_label, trajectory_points
from reports.sections import FigureSpec, Section
from reports.text import notes
from reports.text.tables import NO_VALUE, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from reports.figures.animation import Animation
    from reports.figures.style import Style
    from reports.frames.study_frames import Frames
    from reports.frames.trajectories import Family

CAUTION = (
    "These runs are deterministic, because function, starting point and update rule determine each trajectory. So there is one "
    "run and no interval. The results hold only for this function, starting point, number of steps and these learning rates. A "
    "best learning rate is the best of those tried."
)


@dataclass(frozen=True, slots=True)
class SurfaceResults:
    """The results on one test function.

    Attributes:
        key: The key of the function.
        paths: The points of its trajectories (`trajectories.trajectory_points`).
        ended: The final points (`trajectories.final_points`).
        families: The optimizers on it.
        failed: The labels with a failed trial.
    """

    key: str
    paths: pd.DataFrame
    ended: pd.DataFrame
    families: tuple[Family, ...]
    failed: frozenset[str]

    def best_labels(self) -> list[tuple[str, str]]:
        """Return the name of each optimizer with its best label; without those whose every trajectory diverges."""
        labels = [(family.name, best_label(family, self.ended)) for family in self.families]
        return [(name, label) for name, label in labels if label]

    def ranked(self) -> list[tuple[Family, dict[str, Any]]]:
        """Return each optimizer that has a best label with the final point of it, the lowest value first."""
        rows = rows_by_label(self.ended)
        labels = [(family, best_label(family, self.ended)) for family in self.families]
        final = [(family, rows[label]) for family, label in labels if label]
        return sorted(final, key=lambda pair: float(pair[1]["height"]))


def surface_results(frames: Frames) -> tuple[SurfaceResults, ...]:
    """Return the recorded results on each test function of a plan, in its order."""
    paths = trajectory_points(frames)
    ended = final_points(paths, frames)
    planned = families(frames)
    failed = frozenset(frames.trials.loc[frames.trials["outcome"] == "failed", "label"])
    return tuple(
        SurfaceResults(
            key,
            paths[paths["surface"] == key],
            ended[ended["surface"] == key],
            tuple(family for family in planned if family.surface == key),
            failed,
        )
        for key in dict.fromkeys(family.surface for family in planned)
        if (paths["surface"] == key).any()
    )


def trajectory_styles(frames: Frames) -> dict[str, Style]:
    """Return a style for each optimizer, by its name and by each of its labels."""
    from reports.figures.style import assign_styles

    planned = families(frames)
    by_name = assign_styles(list(dict.fromkeys(family.name for family in planned)))
    return by_name | {label: by_name[family.name] for family in planned for label in family.labels.values()}


def answer(surfaces: tuple[SurfaceResults, ...]) -> str:
    """Return which optimizer reached the lowest value of each function, and how many trajectories diverge."""
    return " ".join(_answer(surface, named=len(surfaces) > 1) for surface in surfaces)


def _answer(surface: SurfaceResults, *, named: bool) -> str:
    ranked, steps = surface.ranked(), int(surface.ended["steps"].max())
    place = f"On {surface.key}, " if named else ""
    if not ranked:
        return f"{place}every trajectory diverges." if place else "Every trajectory diverges."
    family, first = ranked[0]
    text = (
        f"{place}{_at(family, first)} reaches the lowest value after {steps} steps, {notes.compact(first['height'])} above the "
        "minimum."
    )
    if len(ranked) > 2:
        following = [f"{_at(family, end)} ({notes.compact(end['height'])})" for family, end in ranked[1:3]]
        text += f" Next are {' and '.join(following)}."
    if any(len(family.labels) > 1 for family in surface.families):
        text += " Each entry has the best of its learning rates."
    diverging, total = int(surface.ended["diverges"].sum()), len(surface.ended)
    if not diverging:
        return f"{text} No trajectory diverges."
    return f"{text} {diverging} of {total} trajectories diverge{'s' if diverging == 1 else ''}."


def _at(family: Family, end: Mapping[str, Any]) -> str:
    return f"{family.name} at η\u00a0=\u00a0{end['lr']:g}" if math.isfinite(end["lr"]) else family.name


def section(surfaces: tuple[SurfaceResults, ...]) -> Section:
    """Return the section: the trajectories, animated and at every learning rate, and f over the steps."""
    import pandas as pd

    return Section(
        "trajectories",
        "Trajectories",
        tuple(_definition(surface) for surface in surfaces),
        draw=functools.partial(_draw, surfaces),
        data={
            "trajectories": pd.concat([surface.paths for surface in surfaces], ignore_index=True),
            "final-values": pd.concat([surface.ended for surface in surfaces], ignore_index=True),
        },
        position="first",
    )


def animations(surfaces: tuple[SurfaceResults, ...], styles: Mapping[str, Style]) -> dict[str, Animation]:
    """Return the animations that the page shows instead of figures, by the name of the figure."""
    from reports.figures.animation import animation

    found = {
        _name("trajectories", surface, surfaces): animation(surface.paths, surface.ended, surface.families, styles)
        for surface in surfaces
    }
    return {name: animated for name, animated in found.items() if animated}


def surface_table(surface: SurfaceResults, *, name: str, heading: str, remarks: tuple[str, ...] = ()) -> Table:
    """Return the final f − minimum: a row for each optimizer, a column for each learning rate, the best of a row bold."""
    rates = sorted({rate for family in surface.families for rate in family.labels})
    final = rows_by_label(surface.ended)
    columns = [
        Column("Optimizer", "left"),
        *(Column(f"η={rate:g}" if math.isfinite(rate) else "No η") for rate in rates),
        Column(f"Steps to {NEAR:.0%}", rank=1),
    ]
    order = {family.name: at for at, (family, _) in enumerate(surface.ranked())}
    rows = []
    for family in sorted(surface.families, key=lambda family: order.get(family.name, len(order))):
        best = best_label(family, surface.ended)
        cells = [Cell(family.name, family.name)]
        for rate in rates:
            label = family.labels.get(rate)
            if label is None:
                cells.append(Cell(NO_VALUE, math.nan))
            elif label not in final:
                cells.append(Cell("failed" if label in surface.failed else "missing", math.nan))
            elif final[label]["diverges"]:
                cells.append(Cell("diverges", math.inf))
            else:
                height = float(final[label]["height"])
                cells.append(Cell(notes.compact(height), height, best=label == best))
        near = float(final[best]["near"]) if best else math.nan
        cells.append(Cell("never" if math.isnan(near) else f"{near:.0f}", near))
        rows.append(tuple(cells))
    definitions = (
        (
            f"f − minimum after {int(surface.ended['steps'].max())} steps. Bold: the best learning rate of a row; rows are "
            "sorted by it. Diverges: a value overflowed, or the final value exceeds the initial one and is at least half "
            "of the maximum."
        ),
        f"Steps to {NEAR:.0%}: first step with f − minimum at {NEAR:.0%} of its initial value, at the best learning rate.",
    )
    return Table(name, heading, tuple(columns), tuple(rows), (*definitions, *remarks))


def _definition(results: SurfaceResults) -> str:
    surface = SURFACES[results.key]
    minima = notes.join_labels([_point(at) for at in surface.minima])
    noun = "Minimum" if len(surface.minima) == 1 else "Minima"
    lowest = f"{surface.lowest:g}".replace("-", "−")
    return (
        f"f(x₁, x₂) = {surface.text} ({surface.source}). Starting point: {_point(surface.start)}. {noun}: {minima}, with "
        f"f = {lowest}."
    )


def _point(at: tuple[float, float]) -> str:
    return f"({at[0]:g}, {at[1]:g})".replace("-", "−")


def _name(stem: str, surface: SurfaceResults, surfaces: tuple[SurfaceResults, ...]) -> str:
    return stem if len(surfaces) == 1 else f"{stem}-{surface.key}"


def _draw(surfaces: tuple[SurfaceResults, ...], styles: Mapping[str, Style]) -> Iterator[FigureSpec]:
    from reports.figures import animation
    from reports.figures import trajectories as figures

    for surface in surfaces:
        labels, names = surface.best_labels(), ", ".join(family.name for family in surface.families)
        steps = int(surface.ended["steps"].max())
        at_best = "Each optimizer is shown at the best of its learning rates."
        if labels:
            figure, _ = figures.trajectory_map(surface.paths, labels, styles)
            interval = figures.marker_interval(steps + 1)
            markers = "each step" if interval == 1 else f"every {interval}th step"
            caption = (
                f"Trajectories of {steps} steps over contour lines, with a marker at {markers}. Ring: starting point. "
            )
            caption += "Stars: minima."
            if any(len(family.labels) > 1 for family in surface.families):
                caption += f" {at_best}"
            files = {"gif": animation.gif(surface.paths, labels, styles)}
            alt = f"Trajectories over contour lines of {surface.key}: {', '.join(name for name, _ in labels)}."
            yield FigureSpec(figure, _name("trajectories", surface, surfaces), caption, alt, files)
        figure = figures.small_multiples(surface.paths, surface.ended, surface.families, styles)
        caption = (
            f"Each optimizer (rows) at each learning rate (columns), {steps} steps. Corner: final f − minimum, bold for "
            "the best of a row. A diverging trajectory is drawn as far as it stays in the window."
        )
        alt = f"Panels: trajectories over contour lines of {names}."
        yield FigureSpec(figure, _name("trajectories-by-rate", surface, surfaces), caption, alt)
        figure = figures.objective_panels(surface.paths, surface.ended, surface.families, styles)
        caption = (
            "f − minimum over steps on a logarithmic scale, one line per learning rate, darker for higher rates. A line that "
            "leaves at the top and does not return diverges."
        )
        alt = f"Panels: f − minimum over steps of {names}."
        yield FigureSpec(figure, _name("objective-by-rate", surface, surfaces), caption, alt)
        if len(labels) > 1:
            figure = figures.objective_curves(surface.paths, labels, styles)
            caption = f"f − minimum over steps. {at_best}"
            alt = f"Curves: f − minimum over steps of {names}."
            yield FigureSpec(figure, _name("objective", surface, surfaces), caption, alt)
