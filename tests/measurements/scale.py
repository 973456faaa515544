"""Scaling with the number of trials: `python tests/measurements/scale.py 1000 10000` plans, resumes and reports N tiny trials.

The first records are trained and written by the suite itself. Copies of their rows and files stand for the rest, with the
ids of the trials that they stand for: recording 100,000 takes three quarters of an hour. Each step is a process of its own.
The table goes into docs/scale.md; sizes that are not measured keep their row.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from markdown_tables import grid, put

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"
KINDS = ("sgd", "momentum", "nag", "nag_paper", "adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam")
STUDY = """
title = "Tiny trials"
problem = "digits_mlp"
repeats = {repeats}
epochs = 1
batch_size = 73
"""
TABLES = {  # those of MLflow that have rows of a run, and the column that names it
    "params": "run_uuid",
    "metrics": "run_uuid",
    "latest_metrics": "run_uuid",
    "tags": "run_uuid",
}
STEPS = ("plan", "resume", "report")


def write_study(folder, trials):
    """Write a study of ten optimizers with N trials in total, and return its path."""
    path = folder / "tiny.toml"
    entries = "".join(f'[[optimizer]]\nname = "{kind}"\nkind = "{kind}"\n' for kind in KINDS)
    path.write_text(STUDY.format(repeats=trials // len(KINDS)) + entries, encoding="utf-8")
    return path


def fill(folder, path):
    """Record one repeat of each optimizer and copies for the other trials; return the milliseconds per record."""
    from suite.spec.plan import plan
    from suite.spec.study_file import load_study
    from suite.tracking.store import Store, locate
    from suite.training.run_trial import run_trial

    study = load_study(path)
    trials = plan(study)
    store = Store(locate(str(folder), folder), folder)
    results = [run_trial(trial) for trial in trials[: len(KINDS)]]
    began = time.process_time()
    for result in results:
        store.write(study, result)
    took = (time.process_time() - began) / len(results)
    known = store.records([trial.id for trial in trials])
    copy(folder / "mlflow.db", [(known[trials[i % len(KINDS)].id], trials[i]) for i in range(len(KINDS), len(trials))])
    return took * 1e3


def copy(database, pairs):
    """Give each trial the rows and files of a record, as if it had the same result."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TEMP TABLE copies (old TEXT, new TEXT, place TEXT, name TEXT)")
        connection.execute("CREATE TEMP TABLE own (run TEXT, key TEXT, value TEXT, PRIMARY KEY (run, key))")
        for record, trial in pairs:
            new = uuid.uuid4().hex
            place = Path(record.artifacts.removeprefix("file://").replace(record.run_id, new))
            old = Path(record.artifacts.removeprefix("file://"))
            place.mkdir(parents=True)
            for file in old.iterdir():
                os.link(file, place / file.name)
            connection.execute("INSERT INTO copies VALUES (?, ?, ?, ?)", (record.run_id, new, str(place), trial.name))
            from suite.trials import canonical

            own = {"ravine.trial": trial.id, "ravine.description": canonical(trial.description())}
            own |= {"ravine.repeat": str(trial.repeat), "mlflow.runName": trial.name}
            connection.executemany("INSERT INTO own VALUES (?, ?, ?)", [(new, *each) for each in own.items()])
        _copy_rows(connection, "runs", "run_uuid", {"run_uuid": "new", "artifact_uri": "place", "name": "copies.name"})
        for table, column in TABLES.items():
            _copy_rows(connection, table, column, {column: "new"})
        connection.execute(
            "UPDATE tags SET value = (SELECT value FROM own WHERE run = run_uuid AND own.key = tags.key) "
            "WHERE EXISTS (SELECT 1 FROM own WHERE run = run_uuid AND own.key = tags.key)"
        )
    connection.close()


def _copy_rows(connection, table, column, changed):
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(name, f'{table}."{name}"') for name in names)
    quoted = ", ".join(f'"{name}"' for name in names)
    connection.execute(
        f"INSERT INTO {table} ({quoted}) SELECT {values} FROM copies JOIN {table} ON {table}.{column} = copies.old"
    )


def step(name, path):
    """Run one of `STEPS` in this process, and return its seconds and peak memory in MB."""
    import matplotlib as mpl

    from reports.pages.study import build
    from suite.execution import runner
    from suite.spec.plan import plan
    from suite.spec.study_file import load_study
    from suite.tracking.store import Store, locate

    mpl.use("agg")
    folder = path.parent
    study = load_study(path)
    began = time.process_time()
    trials = plan(study)
    if name != "plan":
        store = Store(locate(str(folder), folder), folder, create=False)
    if name == "resume":
        began = time.process_time()
        left = runner.missing(trials, store.records([trial.id for trial in trials]))
        assert not left, f"{len(left)} trials have no record"
    if name == "report":
        began = time.process_time()
        build(study, trials, store, folder / "report")
    took = time.process_time() - began
    # The peak of this program alone: that of `getrusage` starts with the memory of the parent process.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return {"seconds": took, "megabytes": int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024}


def measure(trials, steps=STEPS):
    """Return the row of N trials: milliseconds per record, seconds and memory of each step, sizes on disk."""
    folder = Path(tempfile.mkdtemp(prefix="ravine-scale-", dir="/var/tmp"))
    try:
        path = write_study(folder, trials)
        row = {"trials": trials, "record": fill(folder, path)}
        for name in steps:
            command = [sys.executable, __file__, "--step", name, path]
            row[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        row["database"] = (folder / "mlflow.db").stat().st_size
        row["files"] = sum(file.stat().st_size for file in folder.glob("artifacts/**/*") if file.is_file())
        return row
    finally:
        shutil.rmtree(folder)


def cells(row):
    """Return a measured row as text."""
    found = [f"{row['trials']:,}"]
    for name in STEPS:
        found += [f"{row[name]['seconds']:,.1f}", f"{row[name]['megabytes']:,.0f}"] if name in row else ["", ""]
    return [*found, f"{row['database'] / 2**20:,.0f}", f"{row['files'] / 2**20:,.0f}"]


def main():
    """Measure the sizes named on the command line."""
    if sys.argv[1] == "--step":
        print(json.dumps(step(sys.argv[2], Path(sys.argv[3]))))
        return
    measures = [f"{name}, {unit}" for name in STEPS for unit in ("s", "MB")]
    head = ["trials", *measures, "database, MB", "histories, MB"]
    rows = {}
    text = DOCUMENT.read_text(encoding="utf-8")
    for line in text.partition("<!-- scale -->\n")[2].partition("\n<!-- end of scale -->")[0].splitlines()[2:]:
        kept = [cell.strip() for cell in line.strip("|").split("|")]
        rows[int(kept[0].replace(",", ""))] = kept
    for trials in map(int, sys.argv[1:]):
        rows[trials] = cells(measure(trials))
        found = grid(head, [rows[n] for n in sorted(rows)])
        DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), "scale", found), encoding="utf-8")
        print(found, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
