"""docs/study_files.md has every key of a study file, as the models have it."""

import re

import study_keys


def test_the_document_is_what_the_models_say():
    """Each key with its default and its meaning; `python tests/measurements/study_keys.py` writes it anew."""
    text = study_keys.DOCUMENT.read_text(encoding="utf-8")
    for name, model in study_keys.TABLES.items():
        table = study_keys.keys(model)
        assert f"<!-- {name} -->\n{table}\n<!-- end of {name} -->" in text
        shown = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
        assert shown == study_keys.shown_fields(model).keys()
