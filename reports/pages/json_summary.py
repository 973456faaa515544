"""A report's numbers for scripts: estimates, pairs, tiers and times to targets as plain JSON values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reports.text import conclusions

if TYPE_CHECKING:
    import pandas as pd

    from reports.analysis.claims import Findings
    from reports.pages.study import Report


def summary(report: Report, study: str) -> dict[str, Any]:
    """What `ravine report STUDY --json` prints; a number that does not exist is null, "never" is the text Infinity."""
    found = report.comparison
    claims = {"claims": claims_as_dict(report.claims)} if report.claims else {}
    return claims | {
        "study": study,
        "score": found.score,
        "higher_is_better": found.higher,
        "answer": report.answer,
        "level": found.level,
        "margin": found.margin,
        "test": found.test,
        "test_described": conclusions.method_statement(found) if len(found.pairs) else "",
        "min_repeats": found.min_repeats,
        "verdicts": found.has_verdicts,
        "estimates": records(report.estimates),
        "pairs": records(found.pairs),
        "tiers": found.tiers,
        "letters": found.letters,
        "not_significantly_worse_than_best": list(found.not_significantly_worse),
        "left_out": list(found.excluded),
        "detectable_difference": plain(found.minimum_detectable_difference),
        "repeats_to_separate_top_two": plain(found.repeats_to_separate_top_two),
        "targets": records(report.targets) if report.targets is not None else [],
        "report": str(report.page),
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain JSON values; a blank in a name becomes `_`."""
    rows = frame.to_dict(orient="records")
    return [{str(key).replace(" ", "_"): plain(value) for key, value in row.items()} for row in rows]


def claims_as_dict(found: Findings) -> list[dict[str, Any]]:
    """The claims for scripts, as plain JSON values."""
    told = []
    for each in found.claims:
        claim = each.claim
        told.append(
            {
                "claim": claim.key,
                "text": claim.text,
                "source": claim.source,
                "how": claim.how,
                "verdict": each.verdict,
                "halves": {half: verdict for half, verdict in each.sub_claims.items() if half},
                "repeats_needed": plain(each.repeats_needed),
                "measurements": [
                    {name: plain(getattr(one, name)) for name in one.__slots__ if not name.startswith("size")}
                    for one in each.measurements
                ],
            }
        )
    return told


def plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
