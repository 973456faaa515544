"""Tests of the documentation pages that are made from reports."""

import re

import report_to_docs
from PIL import Image


def test_a_report_becomes_a_documentation_page(small, tmp_path):
    """Its figures have the same size in pixels in smaller files, old figures are deleted, and the tables are the same."""
    old = tmp_path / "figures" / "mine" / "old.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    page = report_to_docs.write(small.folder, "mine", tmp_path)
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r"\]\((figures/mine/[^)]+)\)", text)
    assert {place.rpartition("/")[2] for place in shown} >= {"convergence.png", "final-score.png", "pairs.png"}
    assert {path.name for path in old.parent.iterdir()} == {place.rpartition("/")[2] for place in shown}
    for place in shown:
        with (
            Image.open(tmp_path / place) as one,
            Image.open(small.folder / "figures" / place.rpartition("/")[2]) as other,
        ):
            assert one.size == other.size
        assert (tmp_path / place).stat().st_size < (small.folder / "figures" / place.rpartition("/")[2]).stat().st_size
    assert "## Individual optimizers" not in text
    assert "optimizer-" not in text
    report = (small.folder / "report.md").read_text(encoding="utf-8")
    assert "## Individual optimizers" in report
    assert [line for line in report.splitlines() if line.startswith("|")] == [
        line for line in text.splitlines() if line.startswith("|")
    ]
