"""Tests of `suite.transfer.import_results`: third-party results become a study."""

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
    """Return test accuracies and training losses; optimizers differ by 0.01, repeat 20 of SGD diverges at its last epoch."""
    rng, rows = np.random.default_rng(0), []
    for number, label in enumerate(labels):
        for repeat in repeats:
            for epoch in range(1, epochs + 1):
                diverged = (label, repeat, epoch) == ("SGD", 20, epochs)
                accuracy = math.nan if diverged else 0.9 - 0.01 * number - 0.3 / epoch + rng.normal(0, 1e-3)
                rows.append((problem, label, repeat, epoch, "test/accuracy", accuracy))
                rows.append((problem, label, repeat, epoch, "train/loss", 2 / epoch + number))
    return pd.DataFrame(rows, columns=HEAD.split(","))


def save(frame, path):
    """Write a frame to a file and return its path."""
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, na_rep="nan")
    return path


@pytest.mark.parametrize("name", ["shuffled.csv", "same.parquet"])
def test_a_file_is_read_exactly_in_any_order(tmp_path, name):
    """Both formats give each run its history and outcome, whatever the order of the rows."""
    frame = values()
    path = save(frame.sample(frac=1, random_state=1), tmp_path / name)
    content = import_results.read(path)
    study = import_results.write_study(path, content, tmp_path / "studies", "mine").single()
    results = {result.trial.name: result for result in import_results.results(content[0], plan(study))}
    assert len(results) == 9
    assert {name for name, result in results.items() if result.outcome is Outcome.DIVERGED} == {"SGD r1"}
    assert results["SGD r1"].reason == "test/accuracy is not finite at the last epoch, 3"
    for number, repeat in enumerate((3, 20, 100)):  # sorted by number: as texts, 100 would be the first
        rows = frame[(frame["optimizer"] == "Adam") & (frame["repeat"] == repeat)]
        points = results[f"Adam r{number}"].points
        assert {(p.metric, p.epoch, p.step, p.value) for p in points} == set(
            zip(rows["metric"], rows["epoch"], rows["epoch"], rows["value"], strict=True)
        )
        assert [p.epoch for p in points] == sorted(p.epoch for p in points)
    assert all(math.isfinite(point.value) for point in results["SGD r1"].points)


def test_metrics_of_other_suites_get_the_names_of_ravine(tmp_path):
    """Splits, blanks, capitals and separators of other suites are translated."""
    names = {
        "Test Accuracy": "test/accuracy",
        "valid_loss": "validation/loss",
        "training-top5_error": "train/top5_error",
    }
    rows = [("p", "A", 1, 1, name, 0.5) for name in names]
    table, _ = import_results.read(save(pd.DataFrame(rows, columns=HEAD.split(",")), tmp_path / "a.csv"))
    assert list(table["metric"]) == list(names.values())


def test_the_study_describes_the_file_and_is_read_back(tmp_path):
    """It has repeats, epochs of each optimizer, score, file and digest. A score is chosen or given, each with its margin."""
    frame = pd.concat([values(), values(labels=("Slow",), epochs=5)])
    path = save(frame, tmp_path / "a.csv")
    content = import_results.read(path)
    study = import_results.write_study(path, content, tmp_path, "mine").single()
    assert (study.repeats, study.epochs, study.score, study.margin) == (3, 5, "test/accuracy", 0.002)
    assert [(entry.name, entry.epochs) for entry in study.optimizer] == [*((name, 3) for name in LABELS), ("Slow", 5)]
    assert study.imported is not None
    assert (study.imported.file, study.imported.sha256) == ("a.csv", content[1])
    other = import_results.write_study(path, content, tmp_path, "mine", "training loss").single()
    assert (other.score, other.margin) == ("train/loss", 0)
    assert import_results.write_study(path, content, tmp_path, "mine", margin=0.1).single().margin == 0.1
    ids = {trial.id for trial in plan(study)}
    assert len(ids) == 12
    changed = save(frame.assign(epoch=frame["epoch"]).iloc[::-1], tmp_path / "a.csv")
    again = import_results.write_study(changed, import_results.read(changed), tmp_path, "mine").single()
    assert not ids & {trial.id for trial in plan(again)}  # another file has other results


def test_the_plan_has_exactly_the_runs_of_the_file(tmp_path):
    """Optimizers may have other repeats, or fewer: every run is planned, and shared repeats have the same number."""
    frame = pd.concat(
        [values(labels=("A",)), values(labels=("B",), repeats=(7, 20)), values(labels=("C",), repeats=(9,))]
    )
    path = save(frame, tmp_path / "a.csv")
    content = import_results.read(path)
    study = import_results.write_study(path, content, tmp_path, "mine").single()
    names = [trial.name for trial in plan(study)]
    assert sorted(names) == ["A r0", "A r3", "A r4", "B r1", "B r3", "C r2"]
    assert {result.trial.name for result in import_results.results(content[0], plan(study))} == set(names)
    assert [trial.name for trial in plan(study.override(repeats=2))] == ["A r0", "B r1"]


def test_each_problem_becomes_a_part_with_one_order_of_optimizers(tmp_path):
    """Invalid names of parts are changed to valid and unique ones; the order sets the colours."""
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
INVALID = {
    "no column": "problem,optimizer,epoch,value\np,A,1,0.5",
    "a column with commas": f'"{HEAD},"\n1',
    "nothing": "",
    "a header alone": HEAD,
    "two columns of one name": f"{HEAD},value\n{GOOD},0.7",
    "long rows": f"{HEAD}\n{GOOD},",
    "long row": f"{HEAD}\n{GOOD}\n{GOOD},7",
    "no label": f"{HEAD}\n{GOOD}\np, ,1,1,test/accuracy,0.5",
    "two lines": f'{HEAD}\n{GOOD}\n"p\nq",A,1,1,test/accuracy,0.5',
    "no metric": f"{HEAD}\np,A,1,1,bleu,0.5",
    "no epoch": f"{HEAD}\n{GOOD}\np,A,1,0,test/accuracy,0.5",
    "half an epoch": f"{HEAD}\np,A,1,1.5,test/accuracy,0.5",
    "no number": f"{HEAD}\np,A,1,1,test/accuracy,high",
    "no value": f"{HEAD}\np,A,1,1,test/accuracy,",
    "a value twice": f"{HEAD}\n{GOOD}\n{GOOD}",
    "a value twice, another name": f"{HEAD}\n{GOOD}\np,A,1,1,Test Accuracy,0.6",
    "a percentage": f"{HEAD}\np,A,1,1,test/accuracy,93.5",
    "a run that ends early": f"{HEAD}\n{GOOD}\np,A,1,2,test/accuracy,0.5\np,A,2,1,test/accuracy,0.5",
    "a long label": f"{HEAD}\np,{'A' * 81},1,1,test/accuracy,0.5",
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_file_is_one_error_with_its_location(call, here, case, wording):
    """The exit status is 2, and nothing is written."""
    (here / "a.csv").write_text(INVALID[case], encoding="utf-8")
    status, out, err = call("import", "a.csv", "--study", "mine")
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("ravine: a.csv: ")
    wording(err)
    assert not (here / "out" / "studies" / "mine.toml").exists()


@pytest.mark.parametrize(
    "command",
    [
        "missing.csv --study mine",
        "latin.csv --study mine",
        "good.parquet --study mine",
        "good.csv --study quick",
        "good.csv --study ../out",
        "good.csv --study own",
        "good.csv --study mine --score test/loss",
    ],
)
def test_an_invalid_command_is_one_error(call, here, write_study, command, wording):
    """The exit status is 2, and another study of that name is not changed."""
    (here / "out" / "studies").mkdir()
    own = here / "out" / "studies" / "own.toml"
    own.write_text(write_study().read_text(encoding="utf-8"), encoding="utf-8")
    before = own.read_bytes()
    (here / "good.csv").write_text(f"{HEAD}\n{GOOD}\n", encoding="utf-8")
    (here / "good.parquet").write_text(f"{HEAD}\n{GOOD}\n", encoding="utf-8")
    (here / "latin.csv").write_bytes(f"{HEAD}\np,\xe9,1,1,test/accuracy,1".encode("latin-1"))
    status, _, err = call("import", *command.split())
    assert (status, err.count("\n")) == (2, 1), err
    wording(err.partition("Parquet magic bytes")[0])
    assert own.read_bytes() == before


@pytest.mark.usefixtures("no_figures")
def test_an_imported_study_is_recorded_reported_and_compared_but_not_run(call, here, wording):
    """A page compares independent repeats. Nothing is recorded twice, and a second import is compared with the first."""
    save(values(repeats=range(8)), here / "a.csv")
    status, out, err = call("import", "a.csv", "--study", "mine")
    assert status == 0, err
    assert "SGD" in out
    assert "out/reports/mine/index.html" in out
    report = json.loads(call("report", "mine", "--json")[1])
    assert (report["test"], report["paired"]) == ("rank", False)
    assert "independent runs (Neubert and Brunner 2007)" in report["test_described"]
    assert report["estimates"][0]["label"] == "Adam"
    accuracies = values(repeats=range(8)).query("optimizer == 'Adam' and epoch == 3 and metric == 'test/accuracy'")[
        "value"
    ]
    assert report["estimates"][0]["test/accuracy"] == pytest.approx(accuracies.mean(), rel=1e-12)
    assert all(pair["variance_reduction"] is None for pair in report["pairs"])
    assert {target["epoch_horizon"] for target in report["targets"]} == {3}
    assert not any("second" in target or "step" in target for target in report["targets"])
    means = json.loads(call("report", "mine", "--test", "bootstrap-t", "--json")[1])
    assert (means["test"], means["paired"]) == ("bootstrap-t", False)
    assert "independent runs" in means["test_described"]
    page = (here / "out/reports/mine/index.html").read_text(encoding="utf-8")
    for absent in ("Examples/s", "same seeds", "paired by seed", "float32", "from pairing", "<b>Lion", "#settings"):
        assert absent not in page, absent
    for present in ("ravine import a.csv --study mine", "&lt;b&gt;Lion&lt;/b&gt;", "Imported third-party results."):
        assert present in page, present

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
        wording(err)
    status, _, err = call("report", "mine", "--epochs", "2")
    assert status == 2
    wording(err)

    better = values(repeats=range(10, 18))
    better["value"] += np.where(better["metric"] == "test/accuracy", 0.05, 0)
    save(better, here / "b.csv")
    assert call("import", "b.csv", "--study", "new")[0] == 0
    comparison = json.loads(call("compare", "mine", "new", "--json")[1])
    wording(comparison["unpaired_reason"])
    assert {change["verdict"] for change in comparison["changes"]} == {"better"}
    assert (comparison["test"], comparison["paired"]) == ("rank", False)
    means = json.loads(call("compare", "mine", "new", "--test", "bootstrap-t", "--json")[1])
    assert (means["test"], means["paired"]) == ("bootstrap-t", False)
    assert {change["verdict"] for change in means["changes"]} == {"better"}


@pytest.mark.usefixtures("no_figures")
def test_an_imported_study_can_be_moved(call, here):
    """It is exported, read back, merged into another store and reported from there."""
    save(values(), here / "a.csv")
    assert call("import", "a.csv", "--study", "mine")[0] == 0
    assert call("export", "mine", "mine.zip")[0] == 0
    read = archive.read(here / "mine.zip")
    assert len(read.records_by_id) == 9
    assert {trial.imported for trial in read.trials} == {True}
    assert call("merge", "mine.zip", "--store", "other")[0] == 0
    status, out, err = call("report", "mine", "--store", "other")
    assert status == 0, err
    assert "8/9" not in out
    assert "2/3" in out


def test_several_problems_get_a_ranking(call, here):
    """Each has a page, and the study has an average P(better) and profiles over epochs."""
    repeats = (3, 20, 100, 101)
    save(pd.concat([values(name, repeats=repeats, epochs=12) for name in ("one", "two")]), here / "a.csv")
    status, out, err = call("import", "a.csv", "--study", "both")
    assert status == 0, err
    assert "ranks significantly above all others." in " ".join(out.split())
    text = (here / "out/reports/both/report.md").read_text(encoding="utf-8")
    assert "times the epochs of the fastest optimizer" in text
    assert (here / "out/reports/both.one/index.html").is_file()


def test_a_study_file_cannot_pass_for_an_import(here, write_study, wording):
    """Only imports have the kind `imported`, and they have no other kind."""
    text = write_study().read_text(encoding="utf-8")
    kind = text.partition('kind = "')[2].partition('"')[0]
    (here / "odd.toml").write_text(text.replace(f'kind = "{kind}"', 'kind = "imported"', 1), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_study_file(here / "odd.toml")
    wording(error.value)
    source = f'imported = {{file = "a.csv", sha256 = "{"0" * 64}"}}\n'
    (here / "odd.toml").write_text(source + text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_study_file(here / "odd.toml")
    wording(error.value)


CELLS = st.one_of(
    st.sampled_from(
        ["", "nan", "inf", "-1", "1e400", "0", "1.5", "A", "test/accuracy", "train loss", '"', "\n", "é", "\0", "=1+1"]
    ),
    st.integers().map(str),
    st.text(max_size=90),
)


@given(cells=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), CELLS), min_size=1, max_size=4), data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_arbitrary_file_is_a_study_or_one_error(tmp_path, cells, data):
    """Cells of a valid file are replaced and bytes deleted: the result can be planned, or the error has a location."""
    rows = [
        HEAD.split(","),
        *([str(value) for value in row] for row in values(repeats=(1, 2), labels=("A", "B")).itertuples(index=False)),
    ]
    for row, column, text in cells:
        rows[row][column] = text
    raw = "\n".join(",".join(row) for row in rows).encode("utf-8", errors="surrogatepass")
    start = data.draw(st.integers(0, len(raw)))
    path = tmp_path / "a.csv"
    path.write_bytes(raw[:start] + raw[start + data.draw(st.integers(0, 2)) :])
    message = ""
    try:
        content = import_results.read(path)
        file = import_results.write_study(path, content, tmp_path / "studies", "mine")
    except UserError as error:
        message = str(error)
    if message:
        assert message.startswith(f"{path}: ")
        assert message[-1] not in ".,;"
        return
    for study in file.parts:
        results = list(import_results.results(content[0], plan(study)))
        assert results
        assert all(0 <= result.trial.repeat < study.repeats for result in results)


def test_two_columns_of_one_name_are_refused_in_a_parquet_file(tmp_path, wording):
    """The error is the same as for a CSV file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [*HEAD.split(","), "value"]
    pq.write_table(pa.table([["x"]] * len(names), names=names), tmp_path / "a.parquet")
    with pytest.raises(UserError) as error:
        import_results.read(tmp_path / "a.parquet")
    wording(error.value)
