"""The result of a tuning: a study file with the default and the tuned setting of each optimizer.

Both run on new repeats and are evaluated on the test set, which gives a confidence interval for tuned − default. Floats are
written exactly, and each tuned value with its source.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import tomlkit

from suite.spec.study import tuned_label
from suite.spec.study_file import plain, table
from suite.tuning import ranges, search_space
from suite.tuning.search import best_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from suite.records import Configuration
    from suite.spec.study import Entry, Group, Study
    from suite.tuning.search import Search


def name(study: Study) -> str:
    """Return the name of a study's tuned study."""
    return f"{study.report_name}_tuned"


def write(
    study: Study, searches: Sequence[Search], configurations: Mapping[str, Sequence[Configuration]], folder: Path
) -> Path:
    """Write the tuned study of a study and return its path; an older one is replaced atomically.

    Args:
        study: The study that was tuned.
        searches: Its searches.
        configurations: From label to the configurations that its search tried.
        folder: The folder of generated studies.
    """
    document = tomlkit.document()
    first = searches[0]
    document.add(tomlkit.comment(f"Written by `ravine tune`: {first.configurations} configurations of each optimizer,"))
    examples = f"{first.num_validation_examples:,} validation examples"
    document.add(tomlkit.comment(f"selected by {study.tune.objective} on {examples}, never on the test set."))
    values = study.model_dump(exclude_unset=True, exclude={"optimizer", "tune", "tuned", "modules", "title"})
    document.add("title", f"{study.title}: default and tuned settings")
    for key, value in values.items():
        document.add(key, plain(value))
    if study.folder and any(":" in spec for spec in (study.problem, *_kinds(study))):
        document.add("modules", os.path.relpath(study.folder, folder.resolve()))
    entries = tomlkit.aot()
    for entry, search in zip(study.optimizer, searches, strict=True):
        entries.append(table(entry.model_dump(exclude_unset=True)))
        entries.append(_tuned_entry(entry, search, best_configuration(configurations[search.label], search)))
    document.add("optimizer", entries)
    source = {"study": study.name, "trials": first.configurations}
    document.add("tuned", table(source))
    document["tuned"].add("optuna", table({search.label: search.optuna for search in searches}))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name(study)}.toml"
    new = path.with_suffix(".new")
    new.write_text(tomlkit.dumps(document), encoding="utf-8")
    new.replace(path)
    return path


def _kinds(study: Study) -> list[str]:
    """Return the kinds of all optimizers, wrappers and groups."""
    kinds = [
        (entry.kind, *(wrap.kind for wrap in entry.wraps), *(group.kind for group in entry.group))
        for entry in study.optimizer
    ]
    return [kind for found in kinds for kind in found if kind]


def describe_setting(search: Search, best: Configuration | None) -> str:
    """Return the best setting as text, such as `lr 0.0123, momentum 0.912`."""
    if best is None:
        return "none was better than chance"
    text = ", ".join(f"{key} {best.hyperparameters[key]:.4g}" for key in search.space)
    return f"{text} (default)" if best.is_default else text


def boundary_warnings(
    searches: Sequence[Search], configurations: Mapping[str, Sequence[Configuration]]
) -> Iterator[str]:
    """Yield a warning with a fix for each tuned value at a bound of its range."""
    for search in searches:
        best = best_configuration(configurations[search.label], search)
        for key, value in best.hyperparameters.items() if best else ():
            values = search.space[key]
            wider = ranges.extend_range_at_bound(values, value)
            if wider:
                yield (
                    f"tune.space.{search.base.optimizer}.{key}: the best {key} of {search.label}, {value:.4g}, is at a "
                    f"bound of its range {ranges.format_range(values)}. Write {key} = {ranges.format_range(wider)} and "
                    "tune again"
                )


def _tuned_entry(entry: Entry, search: Search, best: Configuration | None) -> Any:
    """Return the entry with its best setting; without a better one it keeps the default setting."""
    values = entry.model_dump(exclude_unset=True) | {"name": tuned_label(entry.name)}
    if best is None or best.is_default:
        reason = "the default setting is the best that was tried" if best else "no configuration was better than chance"
        return table(values, {"name": reason})
    changed = search_space.with_values(search.base.settings, best.hyperparameters)
    default = search.base.hyperparameters
    keys = [key for key in default if changed[key] != default[key] or key in values]
    values |= {key: changed[key] for key in keys if key not in entry.extra}
    if entry.extra:
        values["extra"] = {key: changed[key] for key in entry.extra}
    if entry.group:
        values["group"] = [
            _tuned_group(group, f"group.{n}.", search, changed) for n, group in enumerate(entry.group, 1)
        ]
    source = f'Optuna study "{best.optuna}", trial {best.number}: {best.objective} {best.value!r}'
    comments = {key: source for key in keys if key == "betas" or key in best.hyperparameters}
    if any(key.startswith("group.") for key in best.hyperparameters):
        comments["group"] = source
    return table(values, comments)


def _tuned_group(group: Group, prefix: str, search: Search, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of a parameter group with tuned values."""
    values = group.model_dump(exclude_unset=True)
    for key, default in search.base.settings.items():
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and name not in group.extra and (changed[key] != default or name in values):
            values[name] = changed[key]
    return values | ({"extra": {name: changed[prefix + name] for name in group.extra}} if group.extra else {})
