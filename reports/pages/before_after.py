"""The page that compares two versions of a study, and its numbers for scripts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reports.pages import files
from reports.pages.json_summary import plain, records
from reports.sections import before_after as before_after_section
from reports.sections import comparison as comparison_section
from reports.text import notes

if TYPE_CHECKING:
    from pathlib import Path

    from reports.analysis.before_after import BeforeAfter
    from reports.sections import Section
    from reports.text.tables import Table

MAX_LABELS_IN_MATRIX = 12
"""With more labels the figure of all pairs has no room for its numbers; the table has them."""


@dataclass(frozen=True, slots=True)
class Page:
    """A built page: its path, its answer, and the table of changes (None if the versions share no label)."""

    page: Path
    answer: str
    table: Table | None


def build(comparison: BeforeAfter, folder: Path, command: str) -> Page:
    """Build the page; an older one there is replaced.

    Args:
        comparison: The comparison of the two versions.
        folder: The destination.
        command: The command line that builds the page again.

    Raises:
        UserError: `folder` is not the folder of a report.
    """
    from reports.figures.style import assign_styles

    files.check_destination(folder)
    change, pairs = before_after_section.section(comparison), _all_pairs(comparison)
    sections = [change, *([pairs] if pairs else [])]
    styles = assign_styles(list(dict.fromkeys([*comparison.changes["label"], *comparison.all_pairs.means])))
    answer = before_after_section.answer(comparison)
    names = {"before": comparison.before, "after": comparison.after, "command": command}
    figures = list(files.draw_sections(sections, styles))
    values = {**names, "answer": answer, "sections": sections, "figures": figures, "styles": styles}
    files.write_report(folder, values, {}, names | {"test": comparison.test}, index="before_after.html.j2")
    return Page(folder / "index.html", answer, change.tables[0] if len(comparison.changes) else None)


def summary(comparison: BeforeAfter) -> dict[str, Any]:
    """Return what `ravine compare --json` prints; NaN is null, and infinity the text "Infinity"."""
    changes = comparison.changes
    return {
        "before": comparison.before,
        "after": comparison.after,
        "score": comparison.score,
        "higher_is_better": comparison.higher,
        "answer": before_after_section.answer(comparison),
        "paired": not comparison.unpaired_reason,
        "unpaired_reason": comparison.unpaired_reason,
        "test": comparison.test,
        "level": comparison.level,
        "margin": comparison.margin,
        "min_repeats": comparison.min_repeats,
        "has_verdicts": comparison.has_verdicts,
        "changes": records(changes),
        "left_out": list(comparison.excluded),
        "same_trials": list(comparison.identical),
        "pairs": records(comparison.all_pairs.pairs),
        "tiers": comparison.all_pairs.tiers,
        "setup_differences": records(comparison.setup_differences),
        "detectable_change": plain(float(changes["minimum_detectable_difference"].median())) if len(changes) else None,
    }


def _all_pairs(comparison: BeforeAfter) -> Section | None:
    """Return the section on all pairs of both versions as one family; figures only if there is room."""
    if len(comparison.all_pairs.means) < 2:
        return None
    section = comparison_section.comparison(
        comparison.all_pairs, variation=notes.variation_note(imported=comparison.imported)
    )
    section = replace(section, anchor="all", heading="All pairs of both versions")
    too_many = len(comparison.all_pairs.means) > MAX_LABELS_IN_MATRIX
    return replace(section, draw=lambda _: iter(())) if too_many else section
