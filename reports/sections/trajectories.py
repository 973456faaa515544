"""The part of the report on paths: where optimizers went on a surface, at which learning rates, and how fast."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.frames.study_frames import SURFACES
from reports.frames.trajectories import NEAR, best_label, rows_by_label, final_points, families, trajectory_points
from reports.sections import FigureSpec, Section
from reports.text import notes
from reports.text.conclusions import join_labels
from reports.text.tables import NO_VALUE, Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from reports.figures.animation import Animation
    from reports.figures.style import Style
    from reports.frames.study_frames import Frames
    from reports.frames.trajectories import Family

CAUTION = (
    "Nothing here is left to chance: the start, the function and the rule fix each path, so one run says all there is and "
    "there are no intervals. It speaks of this function, this start, so many steps and these learning rates alone, and a best "
    "learning rate is the best of those tried."
)


@dataclass(frozen=True, slots=True)
class SurfaceResults:
    """The paths on one surface.

    Attributes:
        key: Of the surface.
        paths: `paths.places` on it.
        ended: `paths.ends` on it.
        families: The optimizers on it.
        failed: The labels of which a trial broke.
    """

    key: str
    paths: pd.DataFrame
    ended: pd.DataFrame
    families: tuple[Family, ...]
    failed: frozenset[str]

    def racers(self) -> list[tuple[str, str]]:
        """Each optimizer with its best label; those without are left out."""
        found = [(family.name, best_label(family, self.ended)) for family in self.families]
        return [(name, label) for name, label in found if label]

    def ranked(self) -> list[tuple[Family, dict[str, Any]]]:
        """Each optimizer that has a best label with where that ended, the lowest first."""
        end = rows_by_label(self.ended)
        found = [(family, best_label(family, self.ended)) for family in self.families]
        told = [(family, end[label]) for family, label in found if label]
        return sorted(told, key=lambda pair: float(pair[1]["height"]))


def surface_results(frames: Frames) -> tuple[SurfaceResults, ...]:
    """What is recorded on each surface of a plan, in its order."""
    paths = trajectory_points(frames)
    ended = final_points(paths, frames)
    known = families(frames)
    failed = frozenset(frames.trials.loc[frames.trials["outcome"] == "failed", "label"])
    return tuple(
        SurfaceResults(
            key,
            paths[paths["surface"] == key],
            ended[ended["surface"] == key],
            tuple(family for family in known if family.surface == key),
            failed,
        )
        for key in dict.fromkeys(family.surface for family in known)
        if (paths["surface"] == key).any()
    )


def trajectory_styles(frames: Frames) -> dict[str, Style]:
    """A look for each optimizer, by its name and by each of its labels."""
    from reports.figures.style import assign_styles

    known = families(frames)
    of_names = assign_styles(list(dict.fromkeys(family.name for family in known)))
    return of_names | {label: of_names[family.name] for family in known for label in family.labels.values()}


def answer(on: tuple[SurfaceResults, ...]) -> str:
    """Who came nearest to a minimum of each surface, and how many paths diverge."""
    return " ".join(_answer(ground, named=len(on) > 1) for ground in on)


def _answer(ground: SurfaceResults, *, named: bool) -> str:
    ranked, steps = ground.ranked(), int(ground.ended["steps"].max())
    where = f" of the {ground.key}" if named else ""
    if not ranked:
        return f"Every path{where} diverges."
    family, first = ranked[0]
    text = f"{_at(family, first)} ends lowest{where} after {steps} steps, {notes.compact(first['height'])} above the minimum"
    if len(ranked) > 2:
        text += f"; then {', '.join(_at(f, e) + ' (' + notes.compact(e['height']) + ')' for f, e in ranked[1:3])}"
    if any(len(family.labels) > 1 for family in ground.families):
        text += "; each at the best of its learning rates"
    lost = int(ground.ended["diverges"].sum())
    text += (
        f". {lost} of {len(ground.ended)} paths diverge{'s' if lost == 1 else ''}." if lost else ". No path diverges."
    )
    return text


def _at(family: Family, end: Mapping[str, Any]) -> str:
    return f"{family.name} at η\u00a0=\u00a0{end['lr']:g}" if math.isfinite(end["lr"]) else family.name


def section(on: tuple[SurfaceResults, ...]) -> Section:
    """The paths: a race, every learning rate, and the height over steps."""
    return Section(
        "paths",
        "Paths",
        tuple(_words(ground) for ground in on),
        draw=functools.partial(_draw, on),
        data={"paths": _joined([ground.paths for ground in on]), "ends": _joined([ground.ended for ground in on])},
        position="first",
    )


def animations(on: tuple[SurfaceResults, ...], styled: Mapping[str, Style]) -> dict[str, Animation]:
    """From the name of a figure to the race that the page plays in its place."""
    from reports.figures.animation import animation

    found = {_name("race", ground, on): animation(ground.paths, ground.ended, ground.families, styled) for ground in on}
    return {name: each for name, each in found.items() if each}


def surface_table(ground: SurfaceResults, *, name: str, heading: str, remarks: tuple[str, ...] = ()) -> Table:
    """A row for each optimizer, a column for each learning rate: the height at the end, the lowest of a row in bold."""
    rates = sorted({rate for family in ground.families for rate in family.labels})
    end = rows_by_label(ground.ended)
    columns = [
        Column("Optimizer", "left"),
        *(Column(f"η={rate:g}" if math.isfinite(rate) else "No η") for rate in rates),
    ]
    columns += [Column("Steps to 1%", rank=1)]
    order = {family.name: at for at, (family, _) in enumerate(ground.ranked())}
    rows = []
    for family in sorted(ground.families, key=lambda family: order.get(family.name, len(order))):
        lowest = best_label(family, ground.ended)
        cells = [Cell(family.name, family.name)]
        for rate in rates:
            label = family.labels.get(rate)
            if label is None:
                cells.append(Cell(NO_VALUE, math.nan))
            elif label not in end:
                cells.append(Cell("failed" if label in ground.failed else "missing", math.nan))
            elif end[label]["diverges"]:
                cells.append(Cell("diverges", math.inf))
            else:
                height = float(end[label]["height"])
                cells.append(Cell(notes.compact(height), height, best=label == lowest))
        near = float(end[lowest]["near"]) if lowest else math.nan
        cells.append(Cell("never" if math.isnan(near) else f"{near:.0f}", near))
        rows.append(tuple(cells))
    told = (
        (
            f"f − lowest after {int(ground.ended['steps'].max())} steps; bold: the best learning rate of a row, by which rows "
            "are sorted. Diverges: it left the numbers, or ended higher than it began, at half of its greatest height or more."
        ),
        f"Steps to 1%: the first step at which the path with the best learning rate is at {NEAR:.0%} of its first height.",
    )
    return Table(name, heading, tuple(columns), tuple(rows), (*told, *remarks))


def _words(ground: SurfaceResults) -> str:
    surface = SURFACES[ground.key]
    start, minima = _place(surface.start), join_labels([_place(at) for at in surface.minima])
    few = "a minimum" if len(surface.minima) == 1 else "minima"
    lowest = f"{surface.lowest:g}".replace("-", "−")
    return f"f(x₁, x₂) = {surface.text}, from {start}, with {few} at {minima}, where f = {lowest} ({surface.source})."


def _place(at: tuple[float, float]) -> str:
    return f"({at[0]:g}, {at[1]:g})".replace("-", "−")


def _name(stem: str, ground: SurfaceResults, on: tuple[SurfaceResults, ...]) -> str:
    return stem if len(on) == 1 else f"{stem}-{ground.key}"


def _draw(on: tuple[SurfaceResults, ...], styled: Mapping[str, Style]) -> Iterator[FigureSpec]:
    from reports.figures import animation
    from reports.figures import trajectories as drawn

    for ground in on:
        racers, names = ground.racers(), ", ".join(family.name for family in ground.families)
        steps = int(ground.ended["steps"].max())
        if racers:
            figure, _ = drawn.trajectory_map(ground.paths, racers, styled)
            several = any(len(family.labels) > 1 for family in ground.families)
            every = drawn.marker_interval(steps + 1)
            dots = "a dot at each" if every == 1 else f"dots at every {every}th"
            caption = f"{steps} steps from the start (ring) over contour lines, {dots}; stars: minima."
            caption += " Each optimizer at the learning rate with which it ends lowest." if several else ""
            moving = {"gif": animation.gif(ground.paths, racers, styled)}
            alt = f"Paths over contour lines of the {ground.key}: {', '.join(name for name, _ in racers)}."
            yield FigureSpec(figure, _name("race", ground, on), caption, alt, moving)
        figure = drawn.small_multiples(ground.paths, ground.ended, ground.families, styled)
        caption = (
            f"Every optimizer (rows) at every learning rate (columns), {steps} steps each. In the corner: f − lowest at the "
            "end, bold for the best of a row. A path that diverges is drawn as far as it stays in the window."
        )
        yield FigureSpec(figure, _name("paths", ground, on), caption, f"Panels: paths over contour lines of {names}.")
        figure = drawn.objective_panels(ground.paths, ground.ended, ground.families, styled)
        caption = (
            "Height f − lowest over steps on a logarithmic scale, a line for each learning rate, darker the higher it is; a "
            "line that does not come back from the top diverges."
        )
        yield FigureSpec(figure, _name("descent", ground, on), caption, f"Panels: height over steps of {names}.")
        if len(racers) > 1:
            figure = drawn.objective_curves(ground.paths, racers, styled)
            caption = "Height f − lowest over steps, each optimizer at the learning rate with which it ends lowest."
            yield FigureSpec(figure, _name("descents", ground, on), caption, f"Curves: height over steps of {names}.")


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(parts, ignore_index=True)
