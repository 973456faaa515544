"""Results from elsewhere become a study: read, checked, recorded, reported and compared."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suite.errors import UserError
from suite.records import Outcome
from suite.spec.parts import load_study_file
from suite.spec.plan import plan
from suite.transfer import archive, import_results

HEAD = "problem,optimizer,repeat,epoch,metric,value"
LABELS = ("Adam", "SGD", "<b>Lion</b> $x_1$")


def values(problem="mnist", repeats=(3, 20, 100), labels=LABELS, epochs=3):
    """Test accuracies and training losses of optimizers a hundredth apart; repeat 20 of SGD diverges at its last epoch."""
    rng, rows = np.random.default_rng(0), []
    for at, label in enumerate(labels):
        for repeat in repeats:
            for epoch in range(1, epochs + 1):
                lost = (label, repeat, epoch) == ("SGD", 20, epochs)
                accuracy = math.nan if lost else 0.9 - 0.01 * at - 0.3 / epoch + rng.normal(0, 1e-3)
                rows.append((problem, label, repeat, epoch, "test/accuracy", accuracy))
                rows.append((problem, label, repeat, epoch, "train/loss", 2 / epoch + at))
    return pd.DataFrame(rows, columns=HEAD.split(","))


def save(frame, path):
    """Write a frame as the file that `path` names."""
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, na_rep="nan")
    return path


@pytest.mark.parametrize("name", ["shuffled.csv", "same.parquet"])
def test_a_file_is_read_to_the_last_bit_in_any_order(tmp_path, name):
    """Both formats give each run its own history and outcome, whatever the order of the rows."""
    frame = values()
    path = save(frame.sample(frac=1, random_state=1), tmp_path / name)
    found = import_results.read(path)
    study = import_results.write_study(path, found, tmp_path / "studies", "mine").single()
    known = {result.trial.name: result for result in import_results.results(found[0], plan(study))}
    assert len(known) == 9
    assert {name for name, result in known.items() if result.outcome is Outcome.DIVERGED} == {"SGD r1"}
    assert known["SGD r1"].reason == "test/accuracy is not finite at the last epoch, 3"
    for at, repeat in enumerate((3, 20, 100)):  # by number: as texts, 100 would come first
        wanted = frame[(frame["optimizer"] == "Adam") & (frame["repeat"] == repeat)]
        points = known[f"Adam r{at}"].points
        assert {(p.metric, p.epoch, p.step, p.value) for p in points} == set(
            zip(wanted["metric"], wanted["epoch"], wanted["epoch"], wanted["value"], strict=True)
        )
        assert [p.epoch for p in points] == sorted(p.epoch for p in points)
    assert all(math.isfinite(point.value) for point in known["SGD r1"].points)


def test_metrics_may_be_called_as_others_call_them(tmp_path):
    """Splits and names of other suites become Ravine's; what is no accuracy, error or loss is refused."""
    names = {
        "Test Accuracy": "test/accuracy",
        "valid_loss": "validation/loss",
        "training-top5_error": "train/top5_error",
    }
    rows = [("p", "A", 1, 1, name, 0.5) for name in names]
    found = import_results.read(save(pd.DataFrame(rows, columns=HEAD.split(",")), tmp_path / "a.csv"))[0]
    assert list(found["metric"]) == list(names.values())


def test_the_study_says_what_was_found_and_reads_back(tmp_path):
    """Repeats, epochs of each optimizer, score, file and digest; a score is chosen or asked for, and has its own margin."""
    frame = pd.concat([values(), values(labels=("Slow",), epochs=5)])
    path = save(frame, tmp_path / "a.csv")
    found = import_results.read(path)
    study = import_results.write_study(path, found, tmp_path, "mine").single()
    assert (study.repeats, study.epochs, study.score, study.margin) == (3, 5, "test/accuracy", 0.002)
    assert [(entry.name, entry.epochs) for entry in study.optimizer] == [*((name, 3) for name in LABELS), ("Slow", 5)]
    assert study.imported is not None
    assert (study.imported.file, study.imported.sha256) == ("a.csv", found[1])
    other = import_results.write_study(path, found, tmp_path, "mine", "training loss").single()
    assert (other.score, other.margin) == ("train/loss", 0)
    assert import_results.write_study(path, found, tmp_path, "mine", margin=0.1).single().margin == 0.1
    ids = {trial.id for trial in plan(study)}
    assert len(ids) == 12
    changed = save(frame.assign(epoch=frame["epoch"]).iloc[::-1], tmp_path / "a.csv")
    again = import_results.write_study(changed, import_results.read(changed), tmp_path, "mine").single()
    assert not ids & {trial.id for trial in plan(again)}  # another file is another result


def test_a_file_plans_the_runs_that_it_has(tmp_path):
    """Optimizers may have seeds of their own, or fewer: nothing of a file is missing, and shared seeds stay in line."""
    frame = pd.concat(
        [values(labels=("A",)), values(labels=("B",), repeats=(7, 20)), values(labels=("C",), repeats=(9,))]
    )
    path = save(frame, tmp_path / "a.csv")
    found = import_results.read(path)
    study = import_results.write_study(path, found, tmp_path, "mine").single()
    names = [trial.name for trial in plan(study)]
    assert sorted(names) == ["A r0", "A r3", "A r4", "B r1", "B r3", "C r2"]
    assert {result.trial.name for result in import_results.results(found[0], plan(study))} == set(names)
    assert [trial.name for trial in plan(study.override(repeats=2))] == ["A r0", "B r1"]


def test_each_problem_becomes_a_part_with_one_order_of_optimizers(tmp_path):
    """Names that no part can have are made into such, apart from each other; colours go by the order."""
    frame = pd.concat([values("CIFAR 10"), values("cifar-10", labels=LABELS[::-1]), values("画像", labels=LABELS[1:])])
    path = save(frame, tmp_path / "a.csv")
    file = import_results.write_study(path, import_results.read(path), tmp_path, "many")
    assert [(part.part, part.problem, part.title) for part in file.parts] == [
        ("cifar-10", "CIFAR 10", "CIFAR 10"),
        ("cifar-10-2", "cifar-10", "cifar-10"),
        ("problem", "画像", "画像"),
    ]
    assert [[entry.name for entry in part.optimizer] for part in file.parts] == [[*LABELS], [*LABELS], [*LABELS[1:]]]


GOOD = "p,A,1,1,test/accuracy,0.5"
MISTAKES = {
    "no column": ("problem,optimizer,epoch,value\np,A,1,0.5", "no column repeat and no metric"),
    "a column that no line can hold": (f'"{HEAD},"\n1', 'and has "problem,optimizer,repeat,epoch,metric,value,"'),
    "nothing": ("", "no CSV file: No columns to parse"),
    "a head alone": (HEAD, "it has no rows"),
    "two columns of one name": (f"{HEAD},value\n{GOOD},0.7", "it has two columns value. Leave one"),
    "long rows": (f"{HEAD}\n{GOOD},", "its rows have more values than its head has names"),
    "long row": (f"{HEAD}\n{GOOD}\n{GOOD},7", "no CSV file: Expected 6 fields in line 3, saw 7"),
    "no label": (f"{HEAD}\n{GOOD}\np, ,1,1,test/accuracy,0.5", 'row 2: optimizer: ""'),
    "two lines": (f'{HEAD}\n{GOOD}\n"p\nq",A,1,1,test/accuracy,0.5', "row 2: problem:"),
    "no metric": (f"{HEAD}\np,A,1,1,bleu,0.5", "row 1: metric: expected a split"),
    "no epoch": (f"{HEAD}\n{GOOD}\np,A,1,0,test/accuracy,0.5", "row 2: epoch: expected a whole number from 1"),
    "half an epoch": (f"{HEAD}\np,A,1,1.5,test/accuracy,0.5", "row 1: epoch:"),
    "no number": (f"{HEAD}\np,A,1,1,test/accuracy,high", 'row 1: value: expected a number, got "high"'),
    "no value": (f"{HEAD}\np,A,1,1,test/accuracy,", "Write nan where a run diverged, and leave out what was not measured"),
    "twice": (f"{HEAD}\n{GOOD}\n{GOOD}", "row 2: a second test/accuracy of A, repeat 1, epoch 1 on p"),
    "twice by another name": (f"{HEAD}\n{GOOD}\np,A,1,1,Test Accuracy,0.6", "row 2: a second test/accuracy"),
    "per cent": (f"{HEAD}\np,A,1,1,test/accuracy,93.5", "row 1: value: an accuracy is a fraction, got 93.5"),
    "no end": (
        f"{HEAD}\n{GOOD}\np,A,1,2,test/accuracy,0.5\np,A,2,1,test/accuracy,0.5",
        "A, repeat 2 on p: no test/accuracy at epoch 2, the last of A",
    ),
    "long label": (f"{HEAD}\np,{'A' * 81},1,1,test/accuracy,0.5", "expected 1 to 80 characters"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_what_is_wrong_with_a_file_is_told_with_its_place(call, here, case):
    """One line, exit status 2, and nothing is written."""
    text, told = MISTAKES[case]
    (here / "a.csv").write_text(text, encoding="utf-8")
    status, out, err = call("import", "a.csv", "--study", "mine")
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert told in err
    assert err.startswith("ravine: a.csv: ")
    assert not (here / "out" / "studies" / "mine.toml").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing.csv", "--study", "mine"], "missing.csv: cannot be read: No such file"),
        (["latin.csv", "--study", "mine"], "latin.csv: not UTF-8 text"),
        (["good.parquet", "--study", "mine"], "good.parquet: no Parquet file"),
        (["good.csv", "--study", "quick"], "--study: there is a study quick already, and it is no import"),
        (["good.csv", "--study", "../out"], '--study: "../out" cannot be the name of a folder'),
        (["good.csv", "--study", "own"], "--study: there is a study own already, and it is no import"),
        (
            ["good.csv", "--study", "mine", "--score", "test/loss"],
            '--score: p has no "test/loss". It has: test/accuracy',
        ),
    ],
)
def test_what_is_wrong_with_a_command_is_told(call, here, write_study, words, told):
    """One line with the mend, exit status 2; a study of that name stays as it is."""
    (here / "out" / "studies").mkdir()
    own = here / "out" / "studies" / "own.toml"
    own.write_text(write_study().read_text(encoding="utf-8"), encoding="utf-8")
    before = own.read_bytes()
    (here / "good.csv").write_text(f"{HEAD}\n{GOOD}\n", encoding="utf-8")
    (here / "good.parquet").write_text(f"{HEAD}\n{GOOD}\n", encoding="utf-8")
    (here / "latin.csv").write_bytes(f"{HEAD}\np,\xe9,1,1,test/accuracy,1".encode("latin-1"))
    status, _, err = call("import", *words)
    assert (status, err.count("\n")) == (2, 1), err
    assert told in err
    assert own.read_bytes() == before


@pytest.mark.usefixtures("no_figures")
def test_an_imported_study_is_recorded_reported_and_compared_but_not_run(call, here):
    """From a file to a page with Welch's verdicts; again, nothing is recorded twice; a second import is set against it."""
    save(values(repeats=range(8)), here / "a.csv")
    status, out, err = call("import", "a.csv", "--study", "mine")
    assert status == 0, err
    assert "SGD" in out
    assert "out/reports/mine/index.html" in out
    told = json.loads(call("report", "mine", "--json")[1])
    assert told["test"] == "welch"
    assert told["estimates"][0]["label"] == "Adam"
    wanted = values(repeats=range(8)).query("optimizer == 'Adam' and epoch == 3 and metric == 'test/accuracy'")["value"]
    assert told["estimates"][0]["test/accuracy"] == pytest.approx(wanted.mean(), rel=1e-12)
    assert all(pair["variance_reduction"] is None for pair in told["pairs"])
    assert {target["epoch_horizon"] for target in told["targets"]} == {3}
    assert not any("second" in target or "step" in target for target in told["targets"])
    assert json.loads(call("report", "mine", "--test", "max-t", "--json")[1])["test"] == "max-t"
    page = (here / "out/reports/mine/index.html").read_text(encoding="utf-8")
    for absent in ("Examples/s", "same seeds", "paired by seed", "float32", "Gain of pairing", "<b>Lion", "#settings"):
        assert absent not in page, absent
    for there in ("ravine import a.csv --study mine", "&lt;b&gt;Lion&lt;/b&gt;", "Measured elsewhere and imported."):
        assert there in page, there

    assert json.loads(call("status", "mine", "--json")[1])["optimizers"]["SGD"]["ok"] == 8
    from suite.tracking.store import Store, locate

    out_folder = here / "out"
    count = len(list(Store(locate(None, out_folder), out_folder)._runs("tags.`ravine.kind` = 'trial'")))
    assert count == 24
    assert call("import", "a.csv", "--study", "mine")[0] == 0
    assert len(list(Store(locate(None, out_folder), out_folder)._runs("tags.`ravine.kind` = 'trial'"))) == count

    for command in (["run"], ["tune"], ["verify"]):
        status, _, err = call(*command, "mine")
        assert (status, err.count("\n")) == (2, 1)
        assert "out/studies/mine.toml: imported from a.csv, not to be run. Use: ravine report mine" in err
    status, _, err = call("report", "mine", "--epochs", "2")
    assert (status, err) == (2, "ravine: --epochs: the results of mine are imported. Leave it out\n")

    better = values(repeats=range(10, 18))
    better["value"] += np.where(better["metric"] == "test/accuracy", 0.05, 0)
    save(better, here / "b.csv")
    assert call("import", "b.csv", "--study", "new")[0] == 0
    versus = json.loads(call("compare", "mine", "new", "--json")[1])
    assert versus["unpaired_reason"] == "what random numbers an imported run drew is not known"
    assert {change["verdict"] for change in versus["changes"]} == {"better"}


@pytest.mark.usefixtures("no_figures")
def test_an_imported_study_can_be_moved(call, here):
    """It is exported whole, read back, merged into another store and reported from there."""
    save(values(), here / "a.csv")
    assert call("import", "a.csv", "--study", "mine")[0] == 0
    assert call("export", "mine", "mine.zip")[0] == 0
    read = archive.read(here / "mine.zip")
    assert len(read.found) == 9
    assert {trial.imported for trial in read.trials} == {True}
    assert call("merge", "mine.zip", "--store", "other")[0] == 0
    status, out, err = call("report", "mine", "--store", "other")
    assert status == 0, err
    assert "8/9" not in out
    assert "2/3" in out


def test_several_problems_get_a_ranking(call, here):
    """Each has a page, and the whole has mean ranks and profiles over epochs."""
    save(pd.concat([values("one", epochs=12), values("two", epochs=12)]), here / "a.csv")
    status, out, err = call("import", "a.csv", "--study", "both")
    assert status == 0, err
    assert "Adam has the best mean rank over 2 problems (1.00)" in out
    text = (here / "out/reports/both/report.md").read_text(encoding="utf-8")
    assert "times the epochs of the fastest optimizer" in text
    assert (here / "out/reports/both.one/index.html").is_file()


def test_a_study_file_cannot_pass_for_an_import(here, write_study):
    """A kind of that name belongs to imports alone, and an import has no other."""
    text = write_study().read_text(encoding="utf-8")
    kind = text.partition('kind = "')[2].partition('"')[0]
    (here / "odd.toml").write_text(text.replace(f'kind = "{kind}"', 'kind = "imported"', 1), encoding="utf-8")
    with pytest.raises(UserError, match=r"is imported, the study is not. Choose a kind of `ravine list optimizers`"):
        load_study_file(here / "odd.toml")
    source = f'imported = {{file = "a.csv", sha256 = "{"0" * 64}"}}\n'
    (here / "odd.toml").write_text(source + text, encoding="utf-8")
    with pytest.raises(UserError, match=r"the study is imported, .* is not. Write a study of its own for it"):
        load_study_file(here / "odd.toml")


CELLS = st.one_of(
    st.sampled_from(
        ["", "nan", "inf", "-1", "1e400", "0", "1.5", "A", "test/accuracy", "train loss", '"', "\n", "é", "\0", "=1+1"]
    ),
    st.integers().map(str),
    st.text(max_size=90),
)


@given(cells=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), CELLS), min_size=1, max_size=4), at=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_mistakes_is_a_study_or_one_line(tmp_path, cells, at):
    """Cells of a good file become anything, bytes are lost: what is read is planned, else place and mend are told."""
    rows = [
        HEAD.split(","),
        *([str(value) for value in row] for row in values(repeats=(1, 2), labels=("A", "B")).itertuples(index=False)),
    ]
    for row, column, text in cells:
        rows[row][column] = text
    raw = "\n".join(",".join(row) for row in rows).encode("utf-8", errors="surrogatepass")
    lost = at.draw(st.integers(0, len(raw)))
    path = tmp_path / "a.csv"
    path.write_bytes(raw[:lost] + raw[lost + at.draw(st.integers(0, 2)) :])
    told = ""
    try:
        found = import_results.read(path)
        file = import_results.write_study(path, found, tmp_path / "studies", "mine")
    except UserError as error:
        told = str(error)
    if told:
        assert told.startswith(f"{path}: ")
        assert told[-1] not in ".,;"
        return
    for study in file.parts:
        known = list(import_results.results(found[0], plan(study)))
        assert known
        assert all(0 <= result.trial.repeat < study.repeats for result in known)


def test_two_columns_of_one_name_are_refused_in_a_parquet_file_too(tmp_path):
    """By the same line as in a CSV file: it is a Parquet file all the same."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [*HEAD.split(","), "value"]
    pq.write_table(pa.table([["x"]] * len(names), names=names), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"it has two columns value\. Leave one"):
        import_results.read(tmp_path / "a.parquet")
