"""Invalid study files, options and variables: a line for each error, with location, problem and hint, and status 2.

The tests try 150 study files, the same each time; `tox -e fuzz` tries thousands of different ones.
"""

import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
import tomllib

import fuzzing
import pytest
from hypothesis import HealthCheck, example, given, settings

from suite.errors import MAX_ERRORS, MAX_LINE_LENGTH, UserError
from suite.spec import parts
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tuning.search import make_searches

pytestmark = pytest.mark.integration

EXAMPLES = int(os.environ.get("RAVINE_EXAMPLES", "150"))
FUZZED = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES <= 150,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
MAX_SECONDS = 30.0
"""Seconds to plan or refuse a file; the first import of torch's optimizers takes most of them."""

OWN = """
import torch
from suite.problems.digits import DigitsMlp


class Own(torch.optim.SGD):
    def __init__(self, params, lr=0.1, **anything):
        super().__init__(params, lr)


class Mine(DigitsMlp):
    def network(self, surface=None, initialisation=None):
        return super().network()


P = Mine()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder for study files, with an optimizer and a problem that accept any option."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    return folder


def _check(path):
    """Check that the study and its searches can be planned, or that every line of the error has the form of an error."""
    start = time.monotonic()
    try:
        location = f"{path}: "
        for study in parts.load_study_file(path).parts:
            location = f"{study.place}: "
            trials = plan(study)
            assert all(trial.id for trial in trials[: len(study.optimizer)])
            for search in make_searches(study):
                assert search.configurations > 0
                assert search.protocol
    except UserError as error:
        for line in str(error).split("\n"):
            assert line.startswith(location), line
            assert fuzzing.is_error_line(line), line
            assert len(line) <= MAX_LINE_LENGTH
        for line in error.lines:
            assert fuzzing.has_parts(line), line
    assert time.monotonic() - start < MAX_SECONDS


@FUZZED
@given(text=fuzzing.documents())
def test_invalid_keys_and_values(folder, text):
    """Keys dropped, misspelled or repeated, values of other types and ranges, tables nested wrongly: never a traceback."""
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8", newline="\n")
    _check(path)


@FUZZED
@given(raw=fuzzing.contents())
@example(raw=b"")
@example(raw=b"\xef\xbb\xbf")
@example(raw=b"seed = 0x" + b"f" * 20_000)
@example(raw=b"x = " + b"[" * 90_000)
@example(raw=b"a." * 5_000 + b"b = 1")
@example(raw=b"x" * 10_000_000)
@example(raw=b"# comment\n" * 1_000_000)
@example(raw=b'[[optimizer]]\nname = "a"\nkind = "sgd"\n' * 260_000)
def test_invalid_bytes(folder, raw):
    """Truncated, flipped, repeated, in another encoding, with a byte order mark, ten megabytes long: never a traceback."""
    path = folder / "study.toml"
    path.write_bytes(raw)
    _check(path)


@pytest.mark.parametrize("name", sorted(fuzzing.STUDIES))
def test_a_study_file_from_windows(folder, name):
    """A byte order mark and CRLF line ends change nothing."""
    windows, plain = folder / "windows" / f"{name}.toml", folder / "plain" / f"{name}.toml"
    for path in (windows, plain):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(fuzzing.STUDIES[name])
    windows.write_bytes(b"\xef\xbb\xbf" + fuzzing.STUDIES[name].replace(b"\n", b"\r\n"))
    one, two = ([study.model_dump() for study in parts.load_study_file(path).parts] for path in (windows, plain))
    assert one == two
    assert tomllib.loads(fuzzing.toml(fuzzing.DOCUMENTS[name])) == fuzzing.DOCUMENTS[name]


GRID = """
[tune]
sampler = "grid"
points = 1000
parameters = ["lr", "weight_decay"]
[tune.space.sgd]
weight_decay = { uniform = [0, 1] }
"""


FOUND = {
    "64 bits": ("top", f"seed = {2**63}"),
    "escape": ("top", 'modules = "a\\u001b[31m"'),
    "long text": ("top", f'reference = "{"x" * 600}"'),
    "date": ("entry", "day = 2020-02-29"),
    "line feed in a key": ("entry", '"l\\nr" = 0.1'),
    "empty key": ("entry", '"" = 0.1'),
    "nan in a list": ("entry", "extra = { anything = [[nan]] }"),
    "64 bits in a range": ("bottom", f"[tune.space.sgd]\nlr = {{ values = [{10**19}, 0.1] }}"),
    "large grid": ("bottom", GRID),
    "label of a tuned entry": ("bottom", '[[optimizer]]\nname = "a, tuned"\nkind = "sgd"'),
}
"""Errors that fuzzing found: each broke, hung, failed later, or was reported without its location."""


@pytest.mark.parametrize("name", FOUND)
def test_errors_that_fuzzing_found(folder, wording, name):
    """Each is one line."""
    at, text = FOUND[name]
    kind = "own:Own" if at == "entry" else "sgd"
    lines = [
        'title = "t"\nproblem = "digits_mlp"\nrepeats = 1\nepochs = 1',
        text if at == "top" else "",
        f'[[optimizer]]\nname = "a"\nkind = "{kind}"\nlr = 0.1',
        text if at != "top" else "",
    ]
    path = folder / "study.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError) as error:
        make_searches(load_study(path))
    assert "\n" not in str(error.value)
    wording(error.value, {str(folder): "<folder>"})


TOP = 'title = "t"\nproblem = "digits_mlp"\nrepeats = 1\nepochs = 1\n'
ENTRY = '[[optimizer]]\nname = "a"\nkind = "sgd"\n'
INVALID = {
    "integer": f"{TOP}seed = true\n{ENTRY}",
    "text": f"{TOP}reference = 1\n{ENTRY}",
    "bool": f"{TOP}compiled = 1\n{ENTRY}",
    "optimizers": f"{TOP}optimizer = 1\n",
    "entry": f"{TOP}{ENTRY}epochs = 1.5\n",
    "schedule": f"{TOP}{ENTRY}schedule = {{ kind = 'cosin' }}\n",
    "number": f"{TOP}{ENTRY}schedule = {{ gamma = 'x' }}\n",
    "list": f"{TOP}{ENTRY}schedule = {{ milestones = ['x'] }}\n",
    "key of a schedule": f"{TOP}{ENTRY}schedule = {{ interpolation = 1 }}\n",
    "key": f"{TOP}interval = 3\n{ENTRY}",
    "tune.trials": f"{TOP}{ENTRY}[tune]\ntrials = 'x'\n",
    "tune.epochs": f"{TOP}{ENTRY}[tune]\nepochs = 'x'\n",
    "space": f"{TOP}{ENTRY}[tune.space]\na = 1\n",
    "space of an optimizer": f"{TOP}{ENTRY}[tune.space.a]\nbatch_size = 3\n",
    "range": f"{TOP}{ENTRY}[tune.space.a]\nlr = {{ lag = 1 }}\n",
    "tuned": f"{TOP}{ENTRY}[tuned]\nstudy = 's'\ntrials = 1\n[tuned.optuna]\nepochs = 1\n",
    "imported": f"{TOP}{ENTRY}[imported]\nfile = 'f'\n",
    "label": f"{TOP}{ENTRY}".replace('"a"', f'"{"x" * 81}"'),
}


@pytest.mark.parametrize("name", INVALID)
def test_examples_in_hints(folder, wording, name):
    """The location is written as in the file, and the example is one of that field, or of the table around it."""
    path = folder / "study.toml"
    path.write_text(INVALID[name], encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_study(path)
    wording(error.value, {str(folder): "<folder>"})


def test_hundreds_of_errors(folder):
    """The first ones are reported, and the number of the others."""
    path = folder / "study.toml"
    path.write_text("".join(f"key{number} = 1\n" for number in range(300)), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_study(path)
    assert len(error.value.lines) == 305  # 300 keys, and five that are missing
    lines = str(error.value).split("\n")
    assert len(lines) == MAX_ERRORS + 1
    assert lines[-1] == f"{path}: 285 more errors. Fix the errors above first"


def test_every_example_is_valid():
    """Each example in a hint is TOML, and its model accepts it."""
    from suite.spec.study import Entry, Schedule, Study, Tune
    from suite.spec.validation_errors import example

    entry = {"name": "a", "kind": "sgd"}
    complete = {
        Study: {"title": "t", "problem": "p", "repeats": 1, "epochs": 1, "optimizer": [entry]},
        Entry: entry,
        Schedule: {},
        Tune: {"sampler": "grid"},
    }
    for model, values in complete.items():
        for key, field in model.model_fields.items():
            text = example(model, key)
            if field.exclude or " with " in text or "writes it" in text:
                continue
            if not text:
                assert example(Study, key), f"{model.__name__}.{key} has no example"
                continue
            needed = {"sampler": "tpe"} if (model, key) == (Tune, "trials") else {}
            parsed = tomllib.loads(text)
            assert set(parsed) == {key}
            assert model.model_validate(values | needed | parsed)


# --- the command line ------------------------------------------------------------------------------------------------

INTEGERS = ["-1", "0", "1.5", "1e9", "abc", "", "99999999999999999999", "9" * 5_000, "nan"]
STORES = [
    *[
        "",
        "text.txt",
        "sqlite:///text.txt",
        "sqlite:///songs.db",
        "sqlite:///",
        "sqlite:////",
        "sqlite://",
        "://",
        "fifo",
    ],
    *["foo://bar", "file:///x", "databricks://x", "s3://x", "http://", "http://[::1", "ftp://x/y", "postgresql://"],
    *["/dev/null", "/proc/x", "x" * 300, "y" * 5_000, "a\nb", "sqlite:///a?b=c", "what?", "sqlite:///folder"],
]
STORAGES = [name for name in STORES if name not in {"http://", "what?"}] + ["folder", "http://x", "out/mlflow.db"]
DATA = ["", "text.txt", "fifo", "folder", "nowhere", "x" * 300, "y" * 5_000, "~nobody-at-all", "/dev/null", "a\nb"]
NAMES = [
    "",
    "..",
    "/",
    "../x",
    ".toml",
    "folder",
    "x" * 300,
    "x" * 300 + ".toml",
    "./fifo",
    "/dev/zero",
    "a\nb",
    "\udcff",
    "-",
]
LINES = [
    *(
        [command, "own.toml", option, value]
        for command in ("run", "tune", "report", "status")
        for option, values in {
            "--repeats": INTEGERS,
            "--epochs": INTEGERS,
            "--train-examples": INTEGERS,
            "--precision": ["", "foo", "Float32", "x" * 300],
            "--optimizer": ["", "nobody", "../x", "sgd\n", "x" * 5_000],
        }.items()
        for value in values
    ),
    *(
        [command, "own.toml", option, value]
        for command in ("run", "tune", "status")
        for option, values in {
            "--workers": ["0", "-1", "x", "1e9"],
            "--device": ["", "foo", "cuda:99", "cuda:x", "CPU", "x" * 300],
        }.items()
        for value in values
    ),
    *([command, "own.toml", "--store", value] for command in ("run", "tune", "report") for value in STORES),
    *(["ui", "--store", value] for value in STORES),
    *(["tune", "own.toml", "--storage", value] for value in STORAGES),
    *(["tune", "own.toml", "--trials", value] for value in INTEGERS),
    *(["run", "paper", "--data", value] for value in DATA),
    *(["data", "--data", value] for value in DATA),
    *(
        [command, value]
        for command in ("run", "tune", "report", "status", "ui")
        for value in NAMES
        if value or command != "ui"
    ),
    *(["ui", "--port", value] for value in ["0", "-1", "65536", "x", "1e3"]),
    *(["ui", "--host", value] for value in ["", "nowhere.invalid", "256.1.1.1", "8.8.8.8", "::1", "x" * 300]),
    *(["report", "own.toml", "--test", value] for value in ["", "t", "maxt"]),
    *(["list", *values] for values in [[], ["x"], ["optimizers", "x"]]),
    *([["fly"], ["--fly"], ["run"], ["run", "a", "b"], ["run", "--repeats"]]),
]
"""Command lines with one error each."""


@pytest.fixture
def workspace(here, monkeypatch):
    """Return a folder with a study and files that are no store, no data and no study; nothing is downloaded."""
    (here / "own.toml").write_text(fuzzing.STUDIES["digits"].decode(), encoding="utf-8")
    (here / "text.txt").write_text("my notes", encoding="utf-8")
    (here / "folder").mkdir()
    os.mkfifo(here / "fifo")
    with sqlite3.connect(here / "songs.db") as songs:
        songs.execute("CREATE TABLE songs (name TEXT)")
    songs.close()
    monkeypatch.setenv("RAVINE_CACHE", str(here / "cache"))
    monkeypatch.setattr("suite.data.datasets.fetch", lambda *_: pytest.fail("a download was started"))
    return here


def test_invalid_command_lines(call, workspace):
    """Each of some 300 invalid command lines ends with status 2 and lines with a hint, and changes no file."""
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    for line in LINES:
        status, out, err = call(*line)
        summary = f"{shlex.join(line)[:300]}: {status}: {err[-2_000:]}"
        assert status == 2, summary
        assert not out or line[0] == "data", summary  # which prints its table in any case
        if err.startswith("ravine: "):
            for text in err.removesuffix("\n").split("\n"):
                assert text.startswith("ravine: "), summary
                assert fuzzing.is_error_line(text.removeprefix("ravine: ")), summary
        else:
            assert "Error" in err, summary  # a message of the parser of options
        assert "Traceback" not in err, summary
    after = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    new = {path.name for path in after.keys() - before.keys() if not path.name.endswith((".lock", ".open", ".holder"))}
    assert not new
    assert all(after[path] == content for path, content in before.items() if path.name != "mlflow.db")
    assert len(LINES) > 300


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_TRACKING_URI", "foo://x"),
        ("MLFLOW_TRACKING_URI", "text.txt"),
        ("MLFLOW_TRACKING_URI", "a\nb"),
        ("RAVINE_DATA", "nowhere"),
        ("RAVINE_DATA", "/dev/null"),
        ("RAVINE_CACHE", "a\u2028b"),
    ],
)
def test_invalid_variables(call, workspace, monkeypatch, wording, name, value):
    """The error names the variable and has a hint; `doctor` prints the variable with status 0."""
    monkeypatch.setenv(name, value)
    status, out, err = call("run", "paper")
    assert (status, out, err.count("\n")) == (2, "", 1)
    wording(err)
    if value.isprintable():
        status, out, _ = call("doctor")
        assert status == 0
        assert value in out


ENVIRONMENTS = {
    "C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "abc", "LINES": "-3"},
    "homeless": {
        "TERM": "no-such-terminal",
        "COLUMNS": "0",
        "FORCE_COLOR": "1",
        "NO_COLOR": "1",
        "TZ": "Nowhere/Nothing",
        "HOME": "/nonexistent",
        "TMPDIR": "/nonexistent",
        "XDG_CACHE_HOME": "/dev/null",
        "USER": "",
        "PATH": "",
    },
    "narrow": {"COLUMNS": "1", "LANG": "xx_XX.latin1", "PYTHONIOENCODING": "ascii", "MPLBACKEND": "nonsense"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_study_runs_in_any_environment(write_study, here, name):
    """Without locale, terminal, width, UTF-8, home or writable cache a study runs to its report, in a real process."""
    path = write_study(repeats=2)
    environment = {key: value for key, value in os.environ.items() if key not in {"RAVINE_DATA", "MLFLOW_TRACKING_URI"}}
    commands = [["run", str(path), "--workers", "1"], *([["report", str(path)]] if name == "narrow" else [])]
    for command in commands:
        line = [sys.executable, "-m", "ravine", *command]
        done = subprocess.run(line, env=environment | ENVIRONMENTS[name], capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        assert b"Traceback" not in done.stderr
        assert b"?" in done.stdout or name != "narrow", "characters that standard output lacks are replaced"
    assert (here / "out/reports/toy_study/index.html").is_file()


def test_a_real_process_ends_with_status_2(workspace):
    """A sample of invalid command lines in a real process, one with bytes that are not text."""
    shutil.copy(workspace / "own.toml", workspace / "con.toml")
    for line in (["status", "con.toml"], ["status", b"\xff.toml"], ["status", "own.toml", "--repeats", "-1"]):
        done = subprocess.run([sys.executable, "-m", "ravine", *line], capture_output=True, timeout=120, check=False)
        assert done.returncode == 2
        assert done.stdout == b""
        assert done.stderr.startswith(b"ravine: ")
        assert done.stderr.count(b"\n") == 1
