"""Tests of the pages that reports become."""

import re

import report_to_docs
from PIL import Image


def test_a_report_becomes_a_page_with_the_figures_it_shows(small, tmp_path):
    """Its figures are there, smaller and of the same size in dots, older ones are gone, and its tables are the report's."""
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
    assert "## Each optimizer" not in text
    assert "optimizer-" not in text
    whole = (small.folder / "report.md").read_text(encoding="utf-8")
    assert "## Each optimizer" in whole
    assert [line for line in whole.splitlines() if line.startswith("|")] == [
        line for line in text.splitlines() if line.startswith("|")
    ]
