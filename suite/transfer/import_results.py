"""Third-party results: a table of measured values becomes a study that is recorded, reported and compared like others.

A CSV or Parquet file has a row for each value, in any order:

    problem,optimizer,repeat,epoch,metric,value
    cifar10_resnet18,Adam,42,1,test/accuracy,0.4312

`repeat` distinguishes the runs of an optimizer: a number or a word, such as the seed. `epoch` counts from 1. `metric` is a
split and a name. A higher accuracy, which is a fraction, is better; a lower error or loss is better. A run that diverged has
`nan` at its last epoch. Each problem becomes a part of the study (`suite.spec.parts`).
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tomlkit

from suite.errors import UserError, format_value
from suite.records import Outcome, Point, TrialResult
from suite.spec import names, study_file
from suite.spec.parts import load_study_file
from suite.spec.study import MAX_LABEL_LENGTH
from suite.spec.study_file import shipped_studies
from suite.trials import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from suite.spec.parts import StudyFile
    from suite.trials import Trial

COLUMNS = ("problem", "optimizer", "repeat", "epoch", "metric", "value")
SPLITS = {"train": "train", "training": "train", "test": "test"}
SPLITS |= dict.fromkeys(("val", "valid", "validation"), "validation")
"""From the names of splits in other suites to Ravine's."""
NAMES = ("accuracy", "error", "loss")
SCORES = tuple(f"{split}/{name}" for split in ("test", "validation", "train") for name in NAMES)
"""The default score is the first of these that a problem has."""
MAX_EPOCHS = 1_000_000
_KEYS = ["problem", "optimizer", "repeat", "epoch", "metric"]
_COMMENT = (
    "Third-party results, written by `ravine import`. They are reported and compared like others but cannot be run."
)


def read(path: Path) -> tuple[pd.DataFrame, str]:
    """Return the checked values of a file, and the SHA-256 of the file.

    Returns:
        A row for each value with `COLUMNS` in the order of the file: texts are stripped, metrics have Ravine's names.

    Raises:
        UserError: The file cannot be read, lacks a column, has an invalid value, or two values for the same key.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(str(path), f"cannot be read: {error.strerror}", "Give a CSV or Parquet file") from None
    table = _parse(path, raw)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        names = ", ".join(format_value(str(name)) for name in list(table.columns)[:10])
        problem = f"it has no column {' and no '.join(missing)}; its columns are {names}"
        raise UserError(str(path), problem, f"Add the missing columns; required are {', '.join(COLUMNS)}")
    if table.empty:
        raise UserError(str(path), "it has no rows", "Add a row for each measured value")
    table = pd.DataFrame({name: table[name] for name in COLUMNS})
    for name in ("problem", "optimizer", "repeat", "metric"):
        table[name] = _texts(path, table[name])
    table["metric"] = _metrics(path, table["metric"])
    table["epoch"] = _epochs(path, table["epoch"])
    table["value"] = _values(path, table["value"], table["metric"])
    _check_duplicates(path, table)
    return table, hashlib.sha256(raw).hexdigest()


def write_study(
    path: Path,
    content: tuple[pd.DataFrame, str],
    folder: Path,
    name: str,
    score: str = "",
    margin: float | None = None,
) -> StudyFile:
    """Write the study file of an import; it replaces an older import of that name.

    Args:
        path: The file that was read.
        content: What `read` returned.
        folder: The folder of generated studies.
        name: The name of the study.
        score: The metric that optimizers are compared by; if empty, the first of `SCORES` that a problem has.
        margin: The equivalence margin of the score. Default: the study's default for an accuracy, else 0.

    Raises:
        UserError: The name belongs to another study or is invalid, a label is invalid, a problem lacks the score, or a
            run has no score at its last epoch.
    """
    _check_name(folder, name)
    table, digest = content
    values: dict[str, Any] = {"title": f"Imported from {path.name}", "batch_size": "full"}
    values["imported"] = {"file": path.name, "sha256": digest}
    parts = _part_names([str(problem) for problem in table["problem"].unique()])
    labels = [str(label) for label in table["optimizer"].unique()]  # one order for all parts, which sets the colours
    tables = [
        {"name": part, "title": problem}
        | _study(path, problem, labels, table[table["problem"] == problem], score, margin)
        for problem, part in parts.items()
    ]
    if len(tables) == 1:
        values |= {key: value for key, value in tables[0].items() if key not in {"name", "title"}}
    document = tomlkit.document()
    document.add(tomlkit.comment(_COMMENT))
    _fill(document, values)
    if len(tables) > 1:
        array = tomlkit.aot()
        for part_values in tables:
            array.append(_fill(tomlkit.table(), part_values))
        document.add("part", array)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".import") as temporary:
        new = Path(temporary) / f"{name}.toml"
        new.write_text(tomlkit.dumps(document), encoding="utf-8")
        load_study_file(new)  # an invalid study is refused before the older one is replaced
        new.replace(folder / new.name)
    return load_study_file(name, folder)


def results(table: pd.DataFrame, trials: Sequence[Trial]) -> Iterator[TrialResult]:
    """Yield the result of each of these trials that the file has.

    A run is `diverged` if a value of its last epoch is not finite. Its history keeps the finite values.

    Args:
        table: From `read`.
        trials: The trials of one part of the study that `write_study` wrote.
    """
    values = table[table["problem"] == trials[0].problem] if trials else table.iloc[:0]
    numbers = {repeat: number for number, repeat in enumerate(_repeats(values))}
    runs = {
        (str(label), numbers[str(repeat)]): run
        for (label, repeat), run in values.groupby(["optimizer", "repeat"], sort=False)
    }
    for trial in trials:
        run = runs.get((trial.label, trial.repeat))
        if run is None:
            continue
        run = run.sort_values("epoch", kind="stable")
        is_finite = np.isfinite(run["value"])
        diverged = run.loc[(run["epoch"] == trial.epochs) & ~is_finite, "metric"]
        columns = (run.loc[is_finite, name].tolist() for name in ("metric", "epoch", "epoch", "value"))
        yield TrialResult(
            trial=trial,
            outcome=Outcome.OK if diverged.empty else Outcome.DIVERGED,
            reason="" if diverged.empty else f"{diverged.iloc[0]} is not finite at the last epoch, {trial.epochs}",
            points=tuple(Point(*row) for row in zip(*columns, strict=True)),
            started=time.time(),
        )


# --- reading ---------------------------------------------------------------------------------------------------------


def _parse(path: Path, raw: bytes) -> pd.DataFrame:
    """Return the columns of a file unchanged: texts of a CSV file, values of a Parquet file."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            _check_unique_columns(path, pq.read_schema(io.BytesIO(raw)).names)
            frame: pd.DataFrame = pq.read_table(io.BytesIO(raw)).to_pandas(ignore_metadata=True)
        except (pa.ArrowException, OSError) as error:
            problem = f"not a Parquet file: {' '.join(str(error).split())[:150]}"
            raise UserError(str(path), problem, "Give a CSV or Parquet file") from None
        return frame

    def parse(**options: Any) -> pd.DataFrame:
        file = io.BytesIO(raw)
        table: pd.DataFrame = pd.read_csv(
            file, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False, **options
        )
        return table

    try:
        _check_unique_columns(path, parse(header=None, nrows=1).iloc[0])
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return parse()
    except pd.errors.ParserWarning:
        hint = "Add names to the header, or remove commas at the ends of rows"
        raise UserError(str(path), "its rows have more values than its header has names", hint) from None
    except UnicodeDecodeError as error:
        raise UserError(str(path), f"not UTF-8 text (byte {error.start})", "Save it as UTF-8 or Parquet") from None
    except ValueError as error:  # a subclass of pandas: no columns, or rows of different lengths
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")[:150]
        raise UserError(
            str(path), f"not a CSV file: {reason}", "Write a header and the same number of values in each row"
        ) from None


def _check_unique_columns(path: Path, names: Iterable[str]) -> None:
    """Check that no column of `COLUMNS` occurs twice."""
    repeated = [name for name, count in Counter(names).items() if count > 1 and name in COLUMNS]
    if repeated:
        raise UserError(str(path), f"it has two columns {repeated[0]}", "Remove one")


def _check(path: Path, column: pd.Series, invalid: pd.Series, expected: str, hint: str) -> None:
    """Raise an error for the first invalid value of a column; rows are counted from 1 below the header."""
    if invalid.any():
        row = int(np.argmax(invalid.to_numpy()))
        problem = f"expected {expected}, got {format_value(str(column.iloc[row]).strip())}"
        raise UserError(f"{path}: row {row + 1}: {column.name}", problem, hint)


def _texts(path: Path, column: pd.Series) -> pd.Series:
    texts: pd.Series = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    invalid = ~texts.map(lambda text: bool(text) and text.isprintable() and len(text) <= MAX_LABEL_LENGTH)
    _check(path, texts, invalid, f"1 to {MAX_LABEL_LENGTH} characters on one line", "Change it in the file")
    return texts


def _metrics(path: Path, column: pd.Series) -> pd.Series:
    metrics = column.map({name: _metric(name) for name in column.unique()})
    splits, metric_names = ", ".join(dict.fromkeys(SPLITS.values())), f"{', '.join(NAMES[:-1])} or {NAMES[-1]}"
    expected = f"a split ({splits}) and a name that ends in {metric_names}"
    _check(path, column, metrics == "", expected, "Write, for example, test/accuracy")
    return metrics


def _metric(name: str) -> str:
    """Return Ravine's name of a metric, such as `test/accuracy` for `Test accuracy` and `test_accuracy`, or ""."""
    split, _, rest = re.sub(r"[\s/_.-]+", "_", name.lower()).partition("_")
    return f"{SPLITS[split]}/{rest}" if split in SPLITS and re.fullmatch(rf"\w*({'|'.join(NAMES)})", rest) else ""


def _epochs(path: Path, column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    invalid = ~((numbers >= 1) & (numbers <= MAX_EPOCHS) & (numbers % 1 == 0))
    hint = "Write epochs counted from 1, without values from before training"
    _check(path, column, invalid, f"an integer from 1 to {MAX_EPOCHS:,}", hint)
    return numbers.astype("int64")


def _values(path: Path, column: pd.Series, metrics: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    texts = column.astype(str).str.strip().str.lower()
    invalid = numbers.isna() & ~(texts.isin({"nan", "-nan"}) & column.notna())
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        invalid[:] = False  # a missing number of a Parquet file is nan
    _check(path, column, invalid, "a number", "Write nan if a run diverged, and remove rows without a measurement")
    percentage = metrics.str.endswith("accuracy") & (numbers.abs() < np.inf) & ~numbers.between(0, 1)
    _check(path, column, percentage, "an accuracy from 0 to 1", "Write percentages divided by 100")
    return numbers


def _check_duplicates(path: Path, table: pd.DataFrame) -> None:
    repeated = table.duplicated(_KEYS)
    if repeated.any():
        number = int(np.argmax(repeated.to_numpy()))
        row = table.iloc[number]
        problem = (
            f"a second {row['metric']} of {row['optimizer']}, repeat {row['repeat']}, epoch {row['epoch']} on "
            f"{row['problem']}"
        )
        hint = "Remove one, or give each run of an optimizer another repeat"
        raise UserError(f"{path}: row {number + 1}: metric", problem, hint)


# --- the study -------------------------------------------------------------------------------------------------------


def _check_name(folder: Path, name: str) -> None:
    try:
        names.check_name(name)
    except ValueError:
        problem = f"{format_value(name)} is not a valid folder name on every system"
        raise UserError("--study", problem, "Use letters, digits and ._,=+@()-") from None
    existing = folder / f"{name}.toml"
    if name in shipped_studies() or (existing.exists() and not load_study_file(existing).imported):
        raise UserError("--study", f"the study {name} exists and is not an import", "Choose another name")


def _part_names(problems: Sequence[str]) -> dict[str, str]:
    """Return a unique name for the part of each problem: lower-case letters, digits, - and _."""
    names: dict[str, str] = {}
    for problem in problems:
        stem = re.sub(r"[^a-z0-9_]+", "-", problem.lower()).strip("-_")[:32] or "problem"
        name, count = stem, 1
        while name in names.values():
            count += 1
            name = f"{stem}-{count}"
        names[problem] = name
    return names


def _study(
    path: Path, problem: str, labels: Sequence[str], table: pd.DataFrame, score: str, margin: float | None
) -> dict[str, Any]:
    """Return the keys of a study of one problem."""
    metrics = list(table["metric"].unique())
    metric = _metric(score) if score else next((name for name in SCORES if name in metrics), metrics[0])
    if metric not in metrics:
        raise UserError("--score", f"{problem} has no {format_value(score)}", f"Choose one of {', '.join(metrics)}")
    last_epochs = {
        label: _last_epoch(path, problem, label, values, metric)
        for label in labels
        if len(values := table[table["optimizer"] == label])
    }
    margin = (None if metric.endswith("accuracy") else 0.0) if margin is None else margin
    repeats = _repeats(table)
    entries = []
    for label, last_epoch in last_epochs.items():
        present = set(table.loc[table["optimizer"] == label, "repeat"])
        numbers = [number for number, repeat in enumerate(repeats) if repeat in present]
        some = {"repeats": numbers} if len(numbers) < len(repeats) else {}
        entries.append({"name": label, "kind": IMPORTED, "epochs": last_epoch, **some})
    return {
        "problem": problem,
        "repeats": len(repeats),
        "epochs": max(last_epochs.values()),
        "score": metric,
        **({} if margin is None else {"margin": float(margin)}),
        "optimizer": entries,
    }


def _last_epoch(path: Path, problem: str, label: str, values: pd.DataFrame, score: str) -> int:
    """Return the last epoch of an optimizer; each of its runs must have the score there."""
    last = int(values["epoch"].max())
    complete = set(values.loc[(values["epoch"] == last) & (values["metric"] == score), "repeat"])
    incomplete = [repeat for repeat in values["repeat"].unique() if repeat not in complete]
    if incomplete:
        more = f" ({len(incomplete)} such runs)" if len(incomplete) > 1 else ""
        raise UserError(
            f"{path}: {label}, repeat {incomplete[0]} on {problem}",
            f"no {score} at epoch {last}, the last of {label}{more}",
            "Add the row, with nan if the run diverged, or remove the run",
        )
    return last


def _repeats(table: pd.DataFrame) -> list[str]:
    """Return the repeats of a problem in order, by number if all are numbers."""
    repeats = list(table["repeat"].unique())
    are_numbers = all(re.fullmatch(r"-?\d{1,18}", repeat) for repeat in repeats)
    return sorted(repeats, key=int) if are_numbers else sorted(repeats)


def _fill(table: Any, values: Mapping[str, Any]) -> Any:
    """Add keys to a table and return it. Optimizers come last, because a key below a table would belong to that."""
    for key, value in values.items():
        if key != "optimizer":
            table.add(key, study_file.plain(value))
    if "optimizer" in values:
        entries = tomlkit.aot()
        for entry in values["optimizer"]:
            entries.append(study_file.table(entry))
        table.add("optimizer", entries)
    return table
