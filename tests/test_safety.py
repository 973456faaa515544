"""A study or store of another person cannot write outside its folder, execute code, or open a port to other machines."""

import ast
import os
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import ravine
from reports.pages.study_figures import slugs
from suite.errors import UserError
from suite.plugins import load_object
from suite.records import Outcome
from suite.spec.study import Study
from suite.spec.study_file import load_study
from suite.tracking.store import Store, locate

ROOT = Path(ravine.__file__).parents[1]
SOURCES = [path for room in ("ravine", "suite", "reports") for path in (ROOT / room).rglob("*.py")]
FEW = settings(max_examples=40, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


# --- servers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "host", "warned"),
    [
        ([], "127.0.0.1", False),
        (["--host", "127.0.0.1"], "127.0.0.1", False),
        (["--host", "localhost"], "localhost", False),
        (["--host", "0.0.0.0"], "0.0.0.0", True),
    ],
)
def test_the_ui_listens_on_this_machine_only_by_default(call, monkeypatch, options, host, warned):
    """The server listens on 127.0.0.1; with another address there is a warning."""
    started = []

    class Server:
        """A server that exits at once."""

        stderr, returncode = None, 1

        def __init__(self, command, **_):
            started.append(command)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def poll(self):
            return 1

        terminate = poll

    monkeypatch.setattr("suite.tracking.ui.subprocess.Popen", Server)
    status, _, err = call("ui", *options)
    assert status == 2  # the server exited at once
    (command,) = started
    assert command[command.index("--host") + 1] == host
    assert ("warning: --host 0.0.0.0: the UI has no password, so anyone who can reach this machine" in err) is warned


def test_nothing_else_listens():
    """Only the UI module binds a socket or names the address 0.0.0.0."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        if path.name != "ui.py":
            assert not re.search(r"\.bind\(|\.listen\(|create_server|socketserver|http\.server|0\.0\.0\.0", text), path


# --- names -----------------------------------------------------------------------------------------------------------

ENTRY = {"name": "a", "kind": "sgd"}
STUDY = {"title": "t", "problem": "digits_mlp", "repeats": 1, "epochs": 1, "optimizer": [ENTRY]}
ODD = st.sampled_from(
    [
        "..",
        ".",
        "",
        "/etc/passwd",
        "../x",
        "a/../../b",
        "a\\..\\b",
        "C:\\x",
        "con",
        "NUL.x",
        "a\0b",
        "~",
        "$HOME",
        "x" * 300,
    ]
)
MARKS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@FEW
@given(name=ODD | MARKS | st.text("./\\ab", max_size=6))
def test_the_name_of_a_study_cannot_leave_its_folder(name):
    """The name of a study is the name of one folder, or it is refused."""
    try:
        study = Study.model_validate({**STUDY, "name": name})
    except ValidationError:
        return
    except UserError as error:
        pytest.fail(f"refused without a location: {error}")
    out = Path("/out/reports")
    assert Path(os.path.normpath(out / study.report_name)).parent == out
    assert "\\" not in study.report_name
    assert study.report_name.casefold().partition(".")[0] not in {"con", "nul", "aux", "prn"}
    assert len(f".{study.report_name}_tuned.4194304.new".encode()) < 255


@FEW
@given(labels=st.lists((ODD | MARKS | st.text("é中/.", max_size=80)).filter(bool), min_size=1, max_size=4, unique=True))
def test_labels_stay_inside_a_folder(labels):
    """`name@overrides` with any label, and the figure of any optimizer, are valid file names."""
    overrides = (f"optimizer={'+'.join(labels)}",)
    study = Study.model_validate({**STUDY, "name": "own"}).model_copy(update={"overrides": overrides})
    out = Path("/out/reports")
    assert Path(os.path.normpath(out / study.report_name)).parent == out
    assert len(f".{study.report_name}.4194304.new".encode()) < 255
    names = list(slugs(labels).values())
    assert len(set(names)) == len(labels)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) and len(name) < 100 for name in names)


@pytest.mark.parametrize(
    "stem", ["..", "...", "con", "COM1", "nul.x", "a\\b", "a'b", " a", "a ", "-x", ".hidden", "x" * 121]
)
def test_an_invalid_file_name_is_an_error(tmp_path, stem, wording):
    """The error has the invalid name and asks to rename the file."""
    path = tmp_path / f"{stem}.toml"
    path.write_text(
        'title = "t"\nproblem = "digits_mlp"\nrepeats = 1\nepochs = 1\n[[optimizer]]\nname = "a"\nkind = "sgd"\n'
    )
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert str(caught.value).startswith(f"{path}: name: ")
    wording(caught.value)


@pytest.mark.parametrize(
    "spec", ["../x:Y", "/etc/x:Y", "a/b:C", "..a:B", "a..b:C", "a:b.c", "a\0b:C", "a b:C", "a:", "CON\\x:Y"]
)
def test_a_module_name_is_not_a_path(tmp_path, spec):
    """`package.module:object` cannot name a file outside the folder and the installed packages."""
    with pytest.raises(UserError, match=r'expected "package.module:Name"'):
        load_object(spec, tmp_path, key="kind", base=object, example="a:B")


def test_a_store_of_others_cannot_have_files_removed(here):
    """If the run of an older report names files in another folder, writing the report again does not delete them."""
    store = Store(locate(None, here / "out"), here / "out")
    study = Study.model_validate({**STUDY, "name": "own"})
    victim, report = here / "victim", here / "report"
    for folder in (victim, report):
        folder.mkdir()
        (folder / "precious.txt").write_text("x", encoding="utf-8")
    store.write_report(study, report)
    from sqlalchemy import create_engine, text

    engine = create_engine(store.uri)
    with engine.begin() as database:
        database.execute(text("UPDATE runs SET artifact_uri = :uri"), {"uri": victim.as_uri()})
    engine.dispose()
    store.write_report(study, report)
    assert (victim / "precious.txt").is_file()


# --- code in data ----------------------------------------------------------------------------------------------------

UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {
    "read_pickle",
    "to_pickle",
    "allow_pickle",
    "torch.load",
    "torch.save",
    "unsafe_load",
    "load_model",
    "eval",
    "exec",
}


def test_no_source_loads_a_pickle():
    """No module imports pickle or calls `torch.load`, `read_pickle`, `eval` or the like."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {alias.name.partition(".")[0] for alias in node.names} & UNSAFE, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in UNSAFE, path
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert not {called, called.rpartition(".")[2]} & (CALLS - {"eval", "exec"}), f"{path}: {called}"
                assert called not in {"eval", "exec"}, path
            elif isinstance(node, ast.keyword):
                assert node.arg not in CALLS, path


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.integration
@pytest.mark.parametrize("poison", ["pickle", "text", "other columns", "object column"])
def test_a_manipulated_history_is_an_error_and_never_executed(call, write_study, here, poison):
    """A history that is not a table of numbers gives an error with its run and a hint; a pickle is never loaded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = write_study(repeats=1)
    assert call("run", path, "--workers", 1)[0] == 0
    history = next((here / "out/artifacts/toy_study").rglob("history.parquet"))
    bomb = pickle.dumps(Bomb(here / "exploded"))
    if poison == "pickle":
        history.write_bytes(bomb)
    elif poison == "text":
        history.write_text("metric,epoch\n", encoding="utf-8")
    elif poison == "other columns":
        pq.write_table(pa.table({"metric": ["a"], "pickle": [bomb]}), history)
    else:
        columns = {"metric": ["a"], "epoch": [1], "step": [1], "value": pa.array([bomb], pa.binary())}
        pq.write_table(pa.table(columns), history)
    status, out, err = call("report", path)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert re.match(rf"ravine: {history}: .* history of (SGD|Adam) r0.*\. Delete the run \w+", err), err
    assert not (here / "exploded").exists()
    pickle.loads(bomb)
    assert (here / "exploded").exists(), "the bomb of this test is real"


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("ravine.description", "no JSON"),
        ("ravine.description", "[]"),
        ("ravine.description", '{"label": 1, "other": 2}'),
        ("ravine.outcome", "splendid"),
        ("ravine.timing", '{"os.system": 1}'),
        ("ravine.schema", "one"),
        ("ravine.environment", "{"),
    ],
)
def test_a_record_that_ravine_did_not_write_is_an_error(store, tag, value):
    """A run with invalid tags gives one line with the run and a hint."""
    from mlflow import MlflowClient

    from suite.records import TrialResult
    from suite.trials import Trial

    study = Study.model_validate({**STUDY, "name": "own"})
    trial = Trial(
        label="a", problem="p", optimizer="sgd", hyperparameters={}, batch_size=1, epochs=1, train_examples=1, repeat=0
    )
    run = store.write(study, TrialResult(trial=trial, outcome=Outcome.OK))
    MlflowClient(store.uri).set_tag(run, tag, value)
    with pytest.raises(UserError) as caught:
        store.records([trial.id])
    assert str(caught.value).startswith(f"run {run}: its record cannot be read (")
    assert str(caught.value).endswith("). Delete that run in the UI (`ravine ui`)")
