"""The result of a tuning: an ordinary study file with each optimizer's own setting and the tuned one beside it.

Both are run on fresh repeats and judged on the test set, so that tuned − own can be told with its interval. Floats are
written exactly, each tuned value with where it came from.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import tomlkit

from suite.spec.study import tuned_label
from suite.spec.study_file import plain, table
from suite.tuning import ranges, search_space
from suite.tuning import search as searching

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from suite.records import Configuration
    from suite.spec.study import Entry, Study
    from suite.tuning.search import Search


def name(study: Study) -> str:
    """The name of a study's tuned study."""
    return f"{study.report_name}_tuned"


def write(study: Study, searches: Sequence[Search], tried: Mapping[str, Sequence[Configuration]], folder: Path) -> Path:
    """Write the tuned study of a study; returns its path. An older one is replaced at once or not at all.

    Args:
        study: The study that was tuned.
        searches: Its searches.
        tried: From label to what its search tried.
        folder: Where generated studies lie.
    """
    document = tomlkit.document()
    objective, first = study.tune.objective, searches[0]
    document.add(tomlkit.comment(f"Written by `ravine tune`: {first.configurations} configurations of each optimizer,"))
    document.add(
        tomlkit.comment(
            f"picked by {objective} on {first.num_validation_examples:,} validation examples, never on the test set."
        )
    )
    values = study.model_dump(exclude_unset=True, exclude={"optimizer", "tune", "tuned", "modules", "title"})
    document.add("title", f"{study.title}: own against tuned settings")
    for key, value in values.items():
        document.add(key, plain(value))
    if study.folder and any(":" in spec for spec in (study.problem, *(entry.kind for entry in study.optimizer))):
        document.add("modules", os.path.relpath(study.folder, folder.resolve()))
    entries = tomlkit.aot()
    for entry, search in zip(study.optimizer, searches, strict=True):
        entries.append(table(entry.model_dump(exclude_unset=True)))
        entries.append(_tuned(entry, search, searching.best_configuration(tried[search.label], search)))
    document.add("optimizer", entries)
    document.add("tuned", _provenance(study, searches))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name(study)}.toml"
    fresh = path.with_suffix(".new")
    fresh.write_text(tomlkit.dumps(document), encoding="utf-8")
    fresh.replace(path)
    return path


def describe_setting(search: Search, best: Configuration | None) -> str:
    """The best setting for people: `lr 0.0123, momentum 0.912`."""
    if best is None:
        return "none was better than chance"
    told = ", ".join(f"{key} {best.hyperparameters[key]:.4g}" for key in search.space)
    return f"{told} (its own)" if best.is_default else told


def boundary_warnings(searches: Sequence[Search], tried: Mapping[str, Sequence[Configuration]]) -> Iterator[str]:
    """A line for each tuned value that lies on the edge of its range, with the mend."""
    for search in searches:
        best = searching.best_configuration(tried[search.label], search)
        for key, value in best.hyperparameters.items() if best else ():
            values = search.space[key]
            wider = ranges.extend_range_at_bound(values, value)
            if wider:
                yield (
                    f"tune.space.{search.base.optimizer}.{key}: the best {key} of {search.label}, {value:.4g}, lies on the "
                    f"edge of its range {ranges.format_range(values)}. Write {key} = {ranges.format_range(wider)}, and tune again"
                )


def _tuned(entry: Entry, search: Search, best: Configuration | None) -> Any:
    """The entry with the best setting in place of its own, which it keeps where there is no better one."""
    values = entry.model_dump(exclude_unset=True) | {"name": tuned_label(entry.name)}
    if best is None or best.is_default:
        why = "its own setting is the best that was tried" if best else "nothing that was tried was better than chance"
        return table(values, {"name": why})
    changed = search_space.with_values(search.base.hyperparameters, best.hyperparameters)
    keys = [key for key, value in changed.items() if value != search.base.hyperparameters[key] or key in values]
    values |= {key: changed[key] for key in keys}
    source = f'Optuna study "{best.optuna}", trial {best.number}: {best.objective} {best.value!r}'
    told = {key: source for key in keys if key == "betas" or key in best.hyperparameters}
    return table(values, told)


def _provenance(study: Study, searches: Sequence[Search]) -> Any:
    told = tomlkit.table()
    told.add("study", study.name)
    told.add("trials", searches[0].configurations)
    names = tomlkit.table()
    for search in searches:
        names.add(search.label, search.optuna)
    told.add("optuna", names)
    return told
