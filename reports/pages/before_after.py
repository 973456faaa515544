"""The page that compares two versions of a study, and its numbers for scripts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reports.pages import files
from reports.pages.json_summary import plain, records
from reports.sections import before_after as versus_section
from reports.sections import comparison as comparison_section
from reports.text import notes, tables

if TYPE_CHECKING:
    from pathlib import Path

    from reports.analysis.before_after import BeforeAfter
    from reports.sections import Section

CROWDED = 12
"""Above so many columns the matrix of all pairs has no room for its numbers; the table has them."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was built: its address, the answer, and the table of changes for a terminal (None without a common label)."""

    page: Path
    answer: str
    table: tables.Table | None


def build(found: BeforeAfter, folder: Path, command: str) -> Page:
    """Build the page; an older one there is replaced.

    Args:
        found: The comparison.
        folder: Where it goes.
        command: The command line that builds it again.

    Raises:
        UserError: `folder` holds something that is no report.
    """
    from reports.figures.style import assign_styles

    files.check_place(folder)
    change, whole = versus_section.section(found), _all(found)
    sections = [change, *([whole] if whole else [])]
    looks = assign_styles(list(dict.fromkeys([*found.changes["label"], *found.all_pairs.means])))
    pictures = list(files.draw_sections(sections, looks))
    answer = versus_section.answer(found)
    texts = files.section_texts(sections)
    values: dict[str, Any] = {
        "before": found.before,
        "after": found.after,
        "answer": answer,
        "sections": sections,
        "figures": pictures,
        "styles": looks,
        "command": command,
    }
    with files.replacing(folder) as fresh:
        files.save(pictures, fresh)
        values["files"] = sorted([*texts, "index.html", files.MANIFEST])
        texts["index.html"] = files.render("before_after.html.j2", values)
        files.save_texts(texts, fresh)
        files.finish(fresh, {"before": found.before, "after": found.after, "command": command, "test": found.test})
    return Page(folder / "index.html", answer, change.tables[0] if len(found.changes) else None)


def summary(found: BeforeAfter) -> dict[str, Any]:
    """The numbers of a comparison for scripts; a number that does not exist is null."""
    return {
        "before": found.before,
        "after": found.after,
        "score": found.score,
        "higher_is_better": found.higher,
        "answer": versus_section.answer(found),
        "paired": not found.unpaired_reason,
        "unpaired_reason": found.unpaired_reason,
        "test": found.test,
        "level": found.level,
        "margin": found.margin,
        "min_repeats": found.min_repeats,
        "verdicts": found.has_verdicts,
        "changes": records(found.changes),
        "left_out": list(found.excluded),
        "same_trials": list(found.identical),
        "pairs": records(found.all_pairs.pairs),
        "tiers": found.all_pairs.tiers,
        "differs": records(found.setup_differences),
        "detectable_change": plain(float(found.changes["minimum_detectable_difference"].median())) if len(found.changes) else None,
    }


def _all(found: BeforeAfter) -> Section | None:
    """All pairs of both versions as one family, with its figures where they have room."""
    if len(found.all_pairs.means) < 2:
        return None
    whole = comparison_section.comparison(found.all_pairs, varied=notes.varied(imported=found.imported))
    whole = replace(whole, anchor="all", heading="All pairs of both")
    return whole if len(found.all_pairs.means) <= CROWDED else replace(whole, draw=lambda _: iter(()))
