"""The command line: output and exit status of every command."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reports.analysis.verdicts import ABOVE, BELOW, TIED, UNDECIDED
from suite.data.datasets import DATA_SETS

pytestmark = pytest.mark.integration


def _start(*arguments, **more):
    """Start the command line in a new process and session."""
    return subprocess.Popen(
        [sys.executable, "-m", "ravine", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def test_help_does_not_load_heavy_libraries():
    """`ravine --help` imports neither torch nor MLflow, pandas, matplotlib or pydantic."""
    code = (
        "import sys; sys.argv = ['ravine', '--help']\nimport ravine.cli\n"
        "try: ravine.cli.main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'mlflow', 'pandas', 'matplotlib', 'seaborn', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Run the missing trials of a study" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_reports_need_neither_torch_nor_mlflow():
    """Importing all of `reports` loads none of the libraries that run and record trials."""
    code = (
        "import importlib, pkgutil, sys, reports\n"
        "for module in pkgutil.walk_packages(reports.__path__, 'reports.'): importlib.import_module(module.name)\n"
        "print('reports.pages.study' in sys.modules, [m for m in ('torch', 'mlflow', 'optuna', 'ray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True []\n"


def test_a_study_from_start_to_report(call, write_study, here):
    """`run` trains, records, and prints the table and the report; a second run trains nothing and prints the same."""
    path = write_study(repeats=3)
    status, out, err = call("run", path, "--workers", 2)
    assert status == 0, err
    assert "6 trials on 2 workers" in err
    assert "6/6 " in err
    assert "Adam" in out
    assert "Report: out/reports/toy_study/index.html" in out
    assert (here / "out/reports/toy_study/index.html").is_file()
    status, again, err = call("run", path)
    assert (status, again) == (0, out)
    assert "All 6 trials are done." in err


def test_report_builds_the_same_files_again(call, write_study, here):
    """`report` writes byte-for-byte the same files without training."""
    path = write_study()
    call("run", path)
    folder = here / "out/reports/toy_study"
    before = {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    status, out, _ = call("report", path)
    assert status == 0
    assert {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    assert "Adam" in out


@pytest.mark.usefixtures("no_figures")
def test_report_prints_its_numbers_for_scripts(call, write_study, here):
    """`report --json` prints one JSON value and nothing else; six repeats give verdicts with p, interval and tiers."""
    path = write_study(repeats=6)
    call("run", path)
    status, out, _ = call("report", path, "--json")
    assert status == 0
    summary = json.loads(out)
    (pair,) = summary["pairs"]
    assert {pair["first"], pair["second"]} == {"SGD", "Adam"}
    assert pair["n"] == 6
    assert pair["verdict"] in {*ABOVE, *BELOW, TIED, UNDECIDED}
    assert 2 / 64 <= pair["adjusted_p"] <= 1
    assert pair["superiority_low"] <= pair["superiority"] <= pair["superiority_high"]
    low, high = (float(str(pair[f"simultaneous_{end}"]).replace("Infinity", "inf")) for end in ("low", "high"))
    assert low <= pair["shift"] <= high
    assert set(summary["leaders"]) <= {"SGD", "Adam"}
    assert {label for tier in summary["tiers"] for label in tier} == {"SGD", "Adam"}
    assert {row["label"] for row in summary["estimates"]} == {"SGD", "Adam"}
    assert (here / summary["report"]).is_file()
    assert (summary["test"], summary["paired"]) == ("rank", True)
    other = json.loads(call("report", path, "--json", "--test", "bootstrap-t")[1])
    assert (other["test"], other["paired"]) == ("bootstrap-t", True)
    assert other["pairs"][0]["shift"] == pytest.approx(other["pairs"][0]["difference"])
    manifest = json.loads((here / "out/reports/toy_study/manifest.json").read_text(encoding="utf-8"))
    assert (manifest["comparison"]["test"], manifest["comparison"]["paired"]) == ("bootstrap-t", True)


@pytest.mark.usefixtures("no_figures")
def test_overrides_have_a_report_of_their_own(call, write_study, here):
    """`--repeats` and `--optimizer` give another report folder; the report of the complete study is not changed."""
    path = write_study()
    assert call("run", path, "--repeats", 1, "--optimizer", "adam")[0] == 0
    assert [folder.name for folder in (here / "out/reports").iterdir()] == ["toy_study@repeats=1,optimizer=adam"]


@pytest.mark.usefixtures("no_figures")
def test_a_study_with_parts(call, write_study, here, monkeypatch):
    """Every part runs and has its report, and there is an overview; `--part` selects, and `status` counts each part."""
    path = write_study(repeats=1)
    parts = '[[part]]\nname = "one"\n[[part]]\nname = "two"\nepochs = 3\n'
    path.write_text(
        path.read_text(encoding="utf-8").replace("[[optimizer]]", f"{parts}\n[[optimizer]]", 1), encoding="utf-8"
    )
    status, out, err = call("run", path, "--part", "two")
    assert (status, [folder.name for folder in (here / "out/reports").iterdir()]) == (0, ["toy_study.two"])
    status, out, err = call("verify", path)
    assert (status, out) == (2, ""), "part one is not recorded, which is an error before part two runs again"
    assert "none of its trials is recorded" in err
    status, out, err = call("run", path)
    assert status == 0
    assert "Part one:" in err
    assert "Report on all parts: out/reports/toy_study/index.html" in out
    page = (here / "out/reports/toy_study.two/index.html").read_text(encoding="utf-8")
    assert "ravine run toy_study.toml --part two" in page
    parts = json.loads(call("status", path, "--json")[1])["parts"]
    assert [part["optimizers"]["SGD"]["ok"] for part in parts.values()] == [1, 1]
    assert [part["study"] for part in json.loads(call("report", path, "--json")[1])["parts"]] == [
        "toy_study.one",
        "toy_study.two",
    ]
    verified = json.loads(call("verify", path, "--json", "--sample", 1)[1])
    assert verified["study"] == "toy_study"
    assert [(part["study"], part["checked"], part["differing"], part["planned"]) for part in verified["parts"]] == [
        ("toy_study.one", 1, 0, 2),
        ("toy_study.two", 1, 0, 2),
    ]
    assert [part["trials"][0]["same"] for part in verified["parts"]] == [True, True]
    assert call("tune", path)[0] == 2
    name = path.name
    status, out, err = call("compare", name, f"{name}@part=two")
    assert (status, out) == (2, "")
    assert f"Write one after an @: {name}@part=one" in err
    status, out, err = call("compare", f"{name}@part=one", f"{name}@part=two")
    assert status == 0, err
    assert "out/reports/toy_study.two_against_toy_study.one/index.html" in out
    monkeypatch.setattr("suite.tracking.ui.serve", lambda *given: given[2]("http://here/") or 0)
    status, out, _ = call("ui", "toy_study")
    assert status == 0
    assert re.findall(r"(?m)^  (\S+): http://here/#", out) == ["toy_study.one", "toy_study.two"]


@pytest.mark.usefixtures("no_figures")
def test_dry_run_shows_the_plan_and_runs_nothing(call, write_study, here):
    """`--dry-run` prints every trial with its id and state, and the expected time; nothing is written."""
    path = write_study()
    (here / "out/mlflow.db").unlink()
    status, out, _ = call("run", path, "--dry-run")
    assert status == 0
    assert len(re.findall(r"(?m)^(SGD|Adam) r[01]\t[0-9a-f]{16}\tmissing\t", out)) == 4
    assert re.search(r"4 of 4 trials to run on \d+ x cpu: about .* \(from a probe of two steps\)", out)
    assert not (here / "out/mlflow.db").exists()
    call("run", path, "--repeats", 1)
    _, out, _ = call("run", path, "--dry-run")
    assert len(re.findall(r"\tok\t", out)) == 2
    assert re.search(r"2 of 4 trials to run .*\(from 2 recorded trials\)", out)


@pytest.mark.usefixtures("no_figures")
def test_status_counts_outcomes(call, write_study):
    """`status` counts ok, failed and missing trials of each optimizer, in text and in JSON."""
    path = write_study(extra='\n[[optimizer]]\nname = "mine"\nkind = "toy:Broken"\nlr = 0.1\n')
    status, _, err = call("run", path, "--repeats", 1)
    assert status == 1, "a failed trial is an error"
    assert "failed: ValueError: a bug in the third step" in err
    _, out, _ = call("status", path)
    assert "mine\t0\t0\t0\t1\t1" in out
    assert "2 of 6 trials are done" in out
    counts = json.loads(call("status", path, "--json")[1])
    assert counts["optimizers"]["SGD"] == {"ok": 1, "diverged": 0, "stalled": 0, "failed": 0, "missing": 1}
    assert counts["seconds_left"] > 0


def test_divergence_is_a_result(call, write_study):
    """A study with a diverged optimizer ends with status 0 and says so in the table."""
    path = write_study(repeats=1, extra='\n[[optimizer]]\nname = "wild"\nkind = "sgd"\nlr = 1e30\n')
    status, out, err = call("run", path)
    assert status == 0
    assert "wild r0: diverged: the training loss was nan" in err
    assert re.search(r"wild\s+0/1", out)


def test_an_unwritable_report_folder_is_an_error_before_training(call, write_study, here, wording):
    """If a file has the name of the report folder, nothing is trained and nothing is recorded."""
    path = write_study()
    (here / "out/reports").write_text("x", encoding="utf-8")
    status, _, err = call("run", path)
    assert (status, err.count("\n")) == (2, 1)
    wording(err)
    assert "0 of 4 trials are done" in call("status", path)[1]


def test_a_bug_in_a_problem_is_an_outcome(call, write_study):
    """If the network of a problem cannot be built, every trial fails with the message, and the status is 1."""
    status, _, err = call("run", write_study("BUGGY_BLOBS", repeats=1))
    assert status == 1
    assert "2 trials on 2 workers, unknown time left" in err or "2 trials on 1 worker, unknown time left" in err
    assert "failed: RuntimeError: a bug in the network (toy.py, network, line " in err


def test_labels_are_no_markup_on_a_terminal(call, write_study, monkeypatch):
    """Square brackets in a label are printed as they are."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    path = write_study(extra='\n[[optimizer]]\nname = "x [/b] y"\nkind = "nag"\n')
    status, out, err = call("status", path)
    assert status == 0, err
    assert "x [/b] y" in out


def test_two_labels_of_one_trial_are_counted_alike(call, write_study):
    """The last line of `status` agrees with its table if two entries have the same settings."""
    out = call("status", write_study(extra='\n[[optimizer]]\nname = "SGD again"\nkind = "sgd"\nlr = 0.1\n'))[1]
    assert "0 of 6 trials are done" in out


@pytest.mark.parametrize(
    "arguments",
    [
        "run missing.toml",
        "run quik",
        "run quick --device gpu",
        "run quick --precision half",
        "run quick --repeats 0",
        "run quick --optimizer adm",
        "run quick --data nowhere",
        "run quick --store file",
        "run quick --address auto",
        "report quick --store nowhere",
        "report quick",
        "ui nothing",
        "compare quick quick",
    ],
)
def test_invalid_input_is_one_line_and_status_2(call, here, arguments, wording):
    """There is no traceback and no partial file: one line on standard error has location, problem and hint."""
    (here / "file").write_text("x", encoding="utf-8")
    before = sorted(path.relative_to(here) for path in here.rglob("*") if "mlflow.db" not in path.name)
    status, out, err = call(*arguments.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    wording(err)
    assert sorted(path.relative_to(here) for path in here.rglob("*") if "mlflow.db" not in path.name) == before


def test_an_unknown_option_is_refused(call):
    """An error of the parser has status 2, too, and names the option."""
    status, _, err = call("run", "quick", "--epohcs", "3")
    assert status == 2
    assert "--epohcs" in err


def test_tf32_is_refused_without_cuda(call, write_study, wording):
    """A precision that the device does not have is an error before anything runs."""
    status, _, err = call("run", write_study(), "--precision", "tf32")
    assert (status, err.count("\n")) == (2, 1)
    wording(err)


def test_a_warning_if_bfloat16_is_emulated(call, write_study, monkeypatch):
    """On a CPU without the instructions a warning has the expected slowdown; the study runs."""
    monkeypatch.setattr("suite.training.devices.has_fast_bfloat16", lambda: False)
    status, _, err = call("run", write_study(repeats=1), "--precision", "bfloat16", "--dry-run")
    assert status == 0
    assert "warning: this CPU has no bfloat16 instructions. They are emulated, about 8 times slower" in err


@pytest.mark.parametrize(
    ("what", "entry"), [("optimizers", "adadelta"), ("problems", "digits_mlp"), ("studies", "quick")]
)
def test_list_prints_every_entry(call, what, entry):
    """Each list has a header line and its entries; JSON has the same entries."""
    _, out, _ = call("list", what)
    rows = json.loads(call("list", what, "--json")[1])
    assert entry in out
    assert len(out.splitlines()) == len(rows) + 1


def test_doctor_prints_versions_devices_data_and_store(call):
    """The output has what a bug report needs: Ravine, torch, MLflow, CPU, data and store."""
    status, out, _ = call("doctor")
    assert status == 0
    for what in ("ravine", "torch", "mlflow", "CPU", "GPU", "data", "store"):
        assert re.search(rf"(?m)^{what}\t\S", out), what


@pytest.mark.data
def test_data_prints_every_folder(call, here, monkeypatch, fashion_mnist, airfoil, jargon):
    """`data` prints every searched folder of every data set with its state, and the folder that is used."""
    (here / "both").mkdir()
    for root, name in ((fashion_mnist, "FashionMNIST"), (airfoil, "airfoil"), (jargon, "jargon")):
        (here / "both" / name).symlink_to(root / name)
    monkeypatch.setenv("RAVINE_DATA", str(here / "both"))
    status, out, _ = call("data")
    assert status == 0
    for name in ("Fashion-MNIST", "Airfoil self-noise", "Jargon File"):
        assert re.search(rf"(?m)^{name}\tRAVINE_DATA\t.*\tcomplete$", out), name
    assert out.splitlines()[-1] == f"Used: {here / 'both'}"


@pytest.mark.data
def test_data_warns_about_a_missing_data_set(call, here, fashion_mnist, wording):
    """If a data set is missing, the status is 0, and a warning names the problems that cannot run and the fix."""
    one = here / "one"
    one.mkdir()
    (one / "FashionMNIST").symlink_to(fashion_mnist / "FashionMNIST")
    status, out, err = call("data", "--data", one)
    assert status == 0
    assert f"Used: {one}" in out
    wording(err)


def test_data_without_any_data_set_is_an_error(call, here, wording):
    """If no data set is found, the status is 2, and each has a line with the fix."""
    (here / "none").mkdir()
    status, out, err = call("data", "--data", here / "none")
    assert status == 2
    assert "Used" not in out
    assert err.count("\n") == len(DATA_SETS)
    wording(err)


def test_version(call):
    """`--version` prints the version of the installed package."""
    from importlib.metadata import version

    assert call("--version")[1] == f"ravine {version('ravine')}\n"


@pytest.mark.usefixtures("no_figures")
def test_ctrl_c_keeps_what_is_recorded(call, write_study):
    """Ctrl-C gives status 130, one line and no traceback; the same command runs only the missing trials."""
    path = write_study("SLOW_BLOBS", repeats=20)
    with _start("run", path, "--workers", 1) as process:
        while not re.match(r"3/40 ", process.stderr.readline()):
            pass
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "ravine: stopped. Recorded results are kept; the same command resumes" in err
    assert "Traceback" not in err + out
    status, _, err = call("run", path, "--repeats", 3, "--workers", 1)
    assert status == 0
    first = int(re.search(r"(\d+) trials? on 1 worker", err).group(1))
    assert 1 <= first <= 3


def test_a_second_run_reports_who_has_the_lock(call, write_study):
    """While one `ravine run` has the lock of a store, another one exits with a line that names it."""
    path = write_study("SLOW_BLOBS", repeats=30)
    with _start("run", path, "--workers", 1) as process:
        process.stderr.readline()
        status, _, err = call("run", path)
        process.kill()
        process.communicate()
    assert status == 2
    assert err.count("\n") == 1
    assert f"(process {process.pid}, since " in err
    assert f"run {path}" in err


@pytest.mark.usefixtures("no_figures")
def test_a_store_elsewhere(call, write_study, here, monkeypatch):
    """With MLFLOW_TRACKING_URI the records go to that store, and the default store stays empty."""
    path = write_study(repeats=1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other/mlflow.db")
    assert call("run", path)[0] == 0
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "0 of 2 trials are done" in call("status", path)[1]
    assert "2 of 2 trials are done" in call("status", path, "--store", Path("other"))[1]


TUNE = "\n[tune]\ntrials = 4\nbatch = 2\nrepeats = 2\n"


def test_tune_ends_with_the_tuned_study_and_its_report(call, write_study, here):
    """`tune` prints the best settings, writes a study file, and builds a report on new repeats."""
    path = write_study(repeats=2, extra=TUNE)
    status, out, err = call("tune", path)
    assert status == 0, err
    assert re.search(r"(?m)^Adam\tlr \S+, beta1 \S+, beta2 .*\t\d\.\d{4}\t\d\t\d\t\d\t\d\t[\d,]+$", out)
    assert "Budget of each optimizer: 4 configurations and 3,424 training examples." in out
    assert "Tuned study: out/studies/toy_study_tuned.toml" in out
    assert "Report: out/reports/toy_study_tuned/index.html" in out
    assert re.search(r"SGD, tuned\s+2/2", out)
    assert "validation loss" in err
    assert (here / "out/optuna.db").is_file()
    status, again, _ = call("tune", path, "--dry-run")
    assert status == 0
    assert "SGD\tlr = { log = [0.0001, 10.0] }\t4\t4" in again
    assert "At most 0 trials to run" in again
    assert "8 of 8 trials are done" in call("status", "toy_study_tuned")[1]
    assert "4 of 4 trials are done" in call("status", path)[1], "the default settings are trials of the study itself"


def test_tune_shows_its_plan(call, write_study, here):
    """`--dry-run` prints each space, what is done, the budget and the expected time, and writes nothing."""
    path = write_study(extra=TUNE)
    status, out, _ = call("tune", path, "--dry-run", "--trials", 9)
    assert status == 0
    assert "Adam\tbeta1 = { one_minus_log = [0.005, 0.5] }\t0\t9" in out
    assert "Each optimizer: 9 configurations (tpe), 2 repeats, at most 7,704 training examples; " in out
    assert "objective validation/loss on 42 examples" in out
    assert re.search(r"At most 36 trials to run on \d+ x cpu: about ", out)
    assert not (here / "out/optuna.db").exists()


def test_a_failed_tuning_ends_with_status_1(call, write_study):
    """If trials fail, no tuned study is written, and a line says how to resume."""
    path = write_study("BUGGY_BLOBS", repeats=1, extra=TUNE)
    status, out, err = call("tune", path)
    assert status == 1
    assert "SGD #0 r0: failed: RuntimeError: a bug in the network" in err
    assert " trials failed. Fix the cause and run the same command again to resume" in err
    assert "Tuned study" not in out


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("[tune.space.adam]\nlr = { log = [1, 0.1] }", ""),
        ("[tune.space.adam]\nrho = { log = [0.1, 1] }", ""),
        ("", "--trials 0"),
        ("", "--storage toy.py"),
        ("", "--storage out/mlflow.db"),
        ("", "--optimizer nag"),
    ],
)
def test_invalid_input_of_a_tuning_is_one_line_and_status_2(call, write_study, here, extra, arguments, wording):
    """The error comes before any training, on standard error, and nothing is recorded."""
    path = write_study(extra=f"\n{extra}\n")
    status, out, err = call("tune", path, *arguments.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("ravine: ")
    wording(err)
    assert not (here / "out/studies").exists()


def test_the_public_names_are_imported_when_they_are_used():
    """`import ravine` loads neither torch nor pydantic; every name of `__all__` is there, and a wrong one is an error."""
    code = (
        "import sys, ravine\n"
        "print([m for m in ('torch', 'mlflow', 'pydantic', 'pandas') if m in sys.modules])\n"
        "print(all(getattr(ravine, name).__name__ == name for name in ravine.__all__), dir(ravine) == ravine.__all__)\n"
        "print(hasattr(ravine, 'Nonsense'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["[]", "True True", "False"]
