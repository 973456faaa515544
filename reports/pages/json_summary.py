"""The numbers of a report for scripts: estimates, pairs, tiers, times to targets and claims as plain JSON values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reports.analysis import claims
from reports.text import conclusions

if TYPE_CHECKING:
    import pandas as pd

    from reports.analysis.claims import Findings
    from reports.pages.study import Report


def summary(report: Report, study: str) -> dict[str, Any]:
    """Return what `ravine report STUDY --json` prints; NaN is null, and infinity the text "Infinity"."""
    comparison = report.comparison
    judged = {"claims": claims_as_dict(report.claims)} if report.claims else {}
    return judged | {
        "study": study,
        "score": comparison.score,
        "higher_is_better": comparison.higher,
        "answer": report.answer,
        "level": comparison.level,
        "margin": comparison.margin,
        "test": comparison.test,
        "paired": comparison.paired,
        "test_described": conclusions.method_statement(comparison) if len(comparison.pairs) else "",
        "min_repeats": comparison.min_repeats,
        "has_verdicts": comparison.has_verdicts,
        "estimates": records(report.estimates),
        "pairs": records(comparison.pairs),
        "tiers": comparison.tiers,
        "letters": comparison.letters,
        "leaders": list(comparison.leaders),
        "left_out": list(comparison.excluded),
        "minimum_detectable_difference": plain(comparison.minimum_detectable_difference),
        "repeats_to_separate_top_two": plain(comparison.repeats_to_separate_top_two),
        "targets": records(report.targets) if report.targets is not None else [],
        "report": str(report.page),
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as plain JSON values; a space in a column name becomes `_`."""
    rows = frame.to_dict(orient="records")
    return [{str(key).replace(" ", "_"): plain(value) for key, value in row.items()} for row in rows]


def claims_as_dict(findings: Findings) -> list[dict[str, Any]]:
    """Return the claims with their measurements as plain JSON values."""
    return [
        {
            "claim": finding.name,
            "text": finding.claim.text,
            "source": finding.claim.source,
            "note": finding.claim.note,
            "stated_before_trials": finding.stated,
            "verdict": finding.verdict,
            "statements": {text: verdict for text, verdict in finding.verdicts.items() if text},
            "repeats_needed": plain(finding.repeats_needed),
            "measurements": [{name: plain(value) for name, value in row.items()} for row in claims.rows(finding)],
        }
        for finding in findings.claims
    ]


def plain(value: Any) -> Any:
    """Return a value that JSON has: no NumPy scalar, no NaN, no infinity."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
