"""Results from elsewhere: a table of measured values becomes a study, which is recorded, reported and compared as any other.

A CSV or Parquet file with a row for each value, in any order:

    problem,optimizer,repeat,epoch,metric,value
    cifar10_resnet18,Adam,42,1,test/accuracy,0.4312

`repeat` is what tells runs of one optimizer apart, a number or a word, such as its seed; `epoch` counts from 1; `metric` is a
split and a name: of an accuracy, which is a fraction, more is better, of an error or a loss less. A run that diverged has `nan`
at its last epoch. Each problem becomes a part of the study (`suite.spec.parts`).
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
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""How the splits of the data are called, and what Ravine calls them."""
NAMES = ("accuracy", "error", "loss")
SCORES = tuple(f"{split}/{name}" for split in ("test", "validation", "train") for name in NAMES)
"""What optimizers are judged by where nothing else is asked for: the first of these that a problem has."""
MAX_EPOCHS = 1_000_000
_WHAT = ["optimizer", "repeat", "epoch", "metric"]
_HEAD = "Results from elsewhere, written by `ravine import`: reported and compared like others, but not to be run."


def read(path: Path) -> tuple[pd.DataFrame, str]:
    """The values of a file, checked, and the SHA-256 of the file.

    Returns:
        A row for each value with `COLUMNS`, texts stripped, metrics by the names that Ravine has for them, in the order of
        the file.

    Raises:
        UserError: The file cannot be read, lacks a column, has a value that is none, or two for the same.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Give a CSV or Parquet file") from None
    table = _parse(path, raw)
    lacking = [name for name in COLUMNS if name not in table.columns]
    if lacking:
        has = ", ".join(format_value(str(name)) for name in list(table.columns)[:10])
        raise UserError(
            f"{path}: it has no column {' and no '.join(lacking)}. It needs {', '.join(COLUMNS)}, and has {has}"
        )
    if table.empty:
        raise UserError(f"{path}: it has no rows. It needs one for each measured value")
    table = pd.DataFrame({name: table[name] for name in COLUMNS})
    for name in ("problem", "optimizer", "repeat", "metric"):
        table[name] = _texts(path, table[name])
    table["metric"] = _metrics(path, table["metric"])
    table["epoch"] = _epochs(path, table["epoch"])
    table["value"] = _values(path, table["value"])
    _check(path, table)
    return table, hashlib.sha256(raw).hexdigest()


def write_study(
    path: Path, found: tuple[pd.DataFrame, str], folder: Path, name: str, score: str = "", margin: float | None = None
) -> StudyFile:
    """Write the study file of an import; an older import of that name gives way.

    Args:
        path: The file that was read.
        found: What `read` gave.
        folder: Of generated studies.
        name: Of the study.
        score: What optimizers are judged by; if empty, the first of `SCORES` that a problem has.
        margin: What counts as no difference of the score; default: the study's own for an accuracy, else none.

    Raises:
        UserError: The name is that of another study or of no folder, a label cannot stand in a table, a problem has no such
            score, or a run lacks its last one.
    """
    _check_name(folder, name)
    table, digest = found
    whole: dict[str, Any] = {"title": f"Imported from {path.name}", "batch_size": "full"}
    whole["imported"] = {"file": path.name, "sha256": digest}
    parts = _part_names([str(problem) for problem in table["problem"].unique()])
    labels = [str(label) for label in table["optimizer"].unique()]  # in one order for all parts: colours go by it
    tables = [
        {"name": part, "title": problem}
        | _study(path, problem, labels, table[table["problem"] == problem], score, margin)
        for problem, part in parts.items()
    ]
    if len(tables) == 1:
        whole |= {key: value for key, value in tables[0].items() if key not in {"name", "title"}}
    document = tomlkit.document()
    document.add(tomlkit.comment(_HEAD))
    _fill(document, whole)
    if len(tables) > 1:
        several = tomlkit.aot()
        for values in tables:
            several.append(_fill(tomlkit.table(), values))
        document.add("part", several)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".import") as place:
        fresh = Path(place) / f"{name}.toml"
        fresh.write_text(tomlkit.dumps(document), encoding="utf-8")
        load_study_file(fresh)  # what no study can hold is refused before an older one is gone
        fresh.replace(folder / fresh.name)
    return load_study_file(name, folder)


def results(table: pd.DataFrame, trials: Sequence[Trial]) -> Iterator[TrialResult]:
    """What came of each of these trials, as far as the file has it.

    A run is `diverged` where a value of its last epoch is not finite; of its history, finite values are kept.

    Args:
        table: What `read` gave.
        trials: Of one part of the study that `write_study` wrote.
    """
    own = table[table["problem"] == trials[0].problem] if trials else table.iloc[:0]
    number = {repeat: at for at, repeat in enumerate(_repeats(own))}
    runs = {
        (str(label), number[str(repeat)]): run
        for (label, repeat), run in own.groupby(["optimizer", "repeat"], sort=False)
    }
    for trial in trials:
        run = runs.get((trial.label, trial.repeat))
        if run is None:
            continue
        run = run.sort_values("epoch", kind="stable")
        finite = run[np.isfinite(run["value"])]
        lost = run[(run["epoch"] == trial.epochs) & ~np.isfinite(run["value"])]
        columns = (finite[name].tolist() for name in ("metric", "epoch", "epoch", "value"))
        yield TrialResult(
            trial=trial,
            outcome=Outcome.OK if lost.empty else Outcome.DIVERGED,
            reason="" if lost.empty else f"{lost['metric'].iloc[0]} is not finite at the last epoch, {trial.epochs}",
            points=tuple(Point(*row) for row in zip(*columns, strict=True)),
            started=time.time(),
        )


# --- reading ---------------------------------------------------------------------------------------------------------


def _parse(path: Path, raw: bytes) -> pd.DataFrame:
    """The columns of a file as they stand: texts of a CSV, values of a Parquet file."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            _check_unique_columns(path, pq.read_schema(io.BytesIO(raw)).names)
            frame: pd.DataFrame = pq.read_table(io.BytesIO(raw)).to_pandas(ignore_metadata=True)
        except (pa.ArrowException, OSError) as error:
            raise UserError(
                f"{path}: no Parquet file: {' '.join(str(error).split())[:150]}. Give a CSV or Parquet file"
            ) from None
        return frame

    def read(**more: Any) -> pd.DataFrame:
        file = io.BytesIO(raw)
        table: pd.DataFrame = pd.read_csv(
            file, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False, **more
        )
        return table

    try:
        _check_unique_columns(path, read(header=None, nrows=1).iloc[0])
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return read()
    except pd.errors.ParserWarning:
        raise UserError(
            f"{path}: its rows have more values than its head has names. Mend the head, or commas at the ends of rows"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8, or as Parquet") from None
    except ValueError as error:  # pandas' own kinds of it: no columns, rows of different lengths
        told = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")[:150]
        raise UserError(f"{path}: no CSV file: {told}. Mend the file there") from None


def _check_unique_columns(path: Path, names: Iterable[str]) -> None:
    """Refuse a file of which two columns that count have one name."""
    twins = [name for name, many in Counter(names).items() if many > 1 and name in COLUMNS]
    if twins:
        raise UserError(f"{path}: it has two columns {twins[0]}. Leave one")


def _row(path: Path, wrong: pd.Series) -> str:
    """The first row where something is wrong, counted from 1 below the head."""
    return f"{path}: row {int(np.argmax(wrong.to_numpy())) + 1}"


def _texts(path: Path, column: pd.Series) -> pd.Series:
    texts: pd.Series = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    wrong = ~texts.map(lambda text: bool(text) and text.isprintable() and len(text) <= MAX_LABEL_LENGTH)
    if wrong.any():
        told = format_value(texts[wrong].iloc[0])
        raise UserError(
            f"{_row(path, wrong)}: {column.name}: {told}: expected 1 to {MAX_LABEL_LENGTH} characters on one line. Mend it there"
        )
    return texts


def _metrics(path: Path, column: pd.Series) -> pd.Series:
    known = {name: _metric(name) for name in column.unique()}
    wrong = column.map(known) == ""
    if wrong.any():
        raise UserError(
            f"{_row(path, wrong)}: metric: expected a split ({', '.join(dict.fromkeys(SPLITS.values()))}) and a name that ends "
            f"in {', '.join(NAMES[:-1])} or {NAMES[-1]}, got {format_value(column[wrong].iloc[0])}. For example test/accuracy"
        )
    return column.map(known)


def _metric(name: str) -> str:
    """What Ravine calls a metric: `test/accuracy` for `Test accuracy` and `test_accuracy`; empty where it has no name."""
    split, _, rest = re.sub(r"[\s/_.-]+", "_", name.lower()).partition("_")
    return f"{SPLITS[split]}/{rest}" if split in SPLITS and re.fullmatch(rf"\w*({'|'.join(NAMES)})", rest) else ""


def _epochs(path: Path, column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = ~((numbers >= 1) & (numbers <= MAX_EPOCHS) & (numbers % 1 == 0))
    if wrong.any():
        told = format_value(str(column[wrong].iloc[0]))
        raise UserError(
            f"{_row(path, wrong)}: epoch: expected a whole number from 1 to {MAX_EPOCHS:,}, got {told}. "
            "Count epochs from 1, and leave out what was measured before training"
        )
    return numbers.astype("int64")


def _values(path: Path, column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    texts = column.astype(str).str.strip().str.lower()
    wrong = numbers.isna() & ~(texts.isin({"nan", "-nan"}) & column.notna())
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        wrong[:] = False  # numbers of a Parquet file: what is none there is nan
    if wrong.any():
        raise UserError(
            f"{_row(path, wrong)}: value: expected a number, got {format_value(str(column[wrong].iloc[0]))}. "
            "Write nan where a run diverged, and leave out what was not measured"
        )
    return numbers


def _check(path: Path, table: pd.DataFrame) -> None:
    """Refuse two values of one thing, and accuracies that are no fractions."""
    twice = table.duplicated(["problem", *_WHAT])
    if twice.any():
        row = table[twice].iloc[0]
        raise UserError(
            f"{_row(path, twice)}: a second {row['metric']} of {row['optimizer']}, repeat {row['repeat']}, epoch "
            f"{row['epoch']} on {row['problem']}. Leave one; runs of one optimizer differ in repeat"
        )
    outside = table["metric"].str.endswith("accuracy") & (table["value"].abs() < np.inf) & ~table["value"].between(0, 1)
    if outside.any():
        told = f"{float(table.loc[outside, 'value'].iloc[0]):g}"
        raise UserError(f"{_row(path, outside)}: value: an accuracy is a fraction, got {told}. Divide per cent by 100")


# --- the study -------------------------------------------------------------------------------------------------------


def _check_name(folder: Path, name: str) -> None:
    try:
        names.check_name(name)
    except ValueError:
        raise UserError(
            f"--study: {format_value(name)} cannot be the name of a folder everywhere. Give letters, digits and ._,=+@()-"
        ) from None
    there = folder / f"{name}.toml"
    if name in shipped_studies() or (there.exists() and not load_study_file(there).imported):
        raise UserError(f"--study: there is a study {name} already, and it is no import. Give another name")


def _part_names(problems: Sequence[str]) -> dict[str, str]:
    """A name for the part of each problem: small letters, digits, - and _."""
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
    """The keys of a study of one problem."""
    metrics = list(table["metric"].unique())
    wanted = _metric(score) if score else next((name for name in SCORES if name in metrics), metrics[0])
    if wanted not in metrics:
        raise UserError(f'--score: {problem} has no "{score}". It has: {", ".join(metrics)}')
    lasts = {
        label: _last(path, problem, label, own, wanted)
        for label in labels
        if len(own := table[table["optimizer"] == label])
    }
    margin = (None if wanted.endswith("accuracy") else 0.0) if margin is None else margin
    names = _repeats(table)
    entries = []
    for label, last in lasts.items():
        there = set(table.loc[table["optimizer"] == label, "repeat"])
        found = [at for at, name in enumerate(names) if name in there]
        some = {"repeats": found} if len(found) < len(names) else {}
        entries.append({"name": label, "kind": IMPORTED, "epochs": last, **some})
    return {
        "problem": problem,
        "repeats": len(names),
        "epochs": max(lasts.values()),
        "score": wanted,
        **({} if margin is None else {"margin": float(margin)}),
        "optimizer": entries,
    }


def _last(path: Path, problem: str, label: str, own: pd.DataFrame, score: str) -> int:
    """The last epoch of an optimizer, at which each of its runs has the score."""
    last = int(own["epoch"].max())
    there = set(own.loc[(own["epoch"] == last) & (own["metric"] == score), "repeat"])
    short = [repeat for repeat in own["repeat"].unique() if repeat not in there]
    if short:
        raise UserError(
            f"{path}: {label}, repeat {short[0]} on {problem}: no {score} at epoch {last}, the last of {label}"
            f"{f' ({len(short)} such runs)' if len(short) > 1 else ''}. Add the row, with nan if the run diverged, or leave "
            "the run out"
        )
    return last


def _repeats(table: pd.DataFrame) -> list[str]:
    """The repeats of a problem in order, by number where all are numbers."""
    names = list(table["repeat"].unique())
    numbers = all(re.fullmatch(r"-?\d{1,18}", name) for name in names)
    return sorted(names, key=int) if numbers else sorted(names)


def _fill(table: Any, values: Mapping[str, Any]) -> Any:
    """Write keys into a table, those of optimizers last: a key below a table would belong to it."""
    for key, value in values.items():
        if key != "optimizer":
            table.add(key, study_file.plain(value))
    if "optimizer" in values:
        entries = tomlkit.aot()
        for entry in values["optimizer"]:
            entries.append(study_file.table(entry))
        table.add("optimizer", entries)
    return table
