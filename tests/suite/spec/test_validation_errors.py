"""What people get wrong in study files, options and the environment: one line with the place and the mend, status 2.

Some hundred study files are tried here, the same each time; `tox -e mistakes` tries thousands, others each time.
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

from suite.errors import LONGEST_LINE, UserError
from suite.spec import parts
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.tuning import search as searching

EXAMPLES = int(os.environ.get("RAVINE_EXAMPLES", "150"))
FUZZED = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES <= 150,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
HANG = 30.0
"""Seconds in which a file is planned or refused; the first import of torch's own optimizers takes most of that."""

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
    """A folder for study files, with an optimizer and a problem that take any option."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    return folder


def _check(path):
    """The study is planned and its searches are laid out, or every line of the error has place and mend."""
    started = time.monotonic()
    try:
        place = f"{path}: "
        for study in parts.load_study_file(path).parts:
            place = f"{study.place}: "
            trials = plan(study)
            assert all(trial.id for trial in trials[: len(study.optimizer)])
            for search in searching.make_searches(study):
                assert search.configurations > 0
                assert search.protocol
    except UserError as error:
        lines = str(error).split("\n")
        assert lines
        for line in lines:
            assert line.startswith(place), line
            assert fuzzing.MEND.search(line), f"no mend: {line}"
            assert line.isprintable(), line
            assert len(line) <= LONGEST_LINE
    assert time.monotonic() - started < HANG


@FUZZED
@given(text=fuzzing.documents())
def test_a_study_with_mistakes_in_what_it_says_is_valid_or_told(folder, text):
    """Keys dropped, misspelt or doubled, values of other types and ranges, tables nested wrongly: never a traceback."""
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
def test_a_study_with_mistakes_in_its_bytes_is_valid_or_told(folder, raw):
    """Truncated, flipped, doubled, in another encoding, with a byte order mark, ten megabytes long: never a traceback."""
    path = folder / "study.toml"
    path.write_bytes(raw)
    _check(path)


@pytest.mark.parametrize("name", sorted(fuzzing.STUDIES))
def test_what_windows_makes_of_a_study_is_the_same_study(folder, name):
    """A byte order mark and line ends of two characters change nothing."""
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


@pytest.mark.parametrize(
    ("at", "text", "told"),
    [
        ("top", f"seed = {2**63}", "seed: a whole number beyond those of TOML (2^63 − 1). Write a smaller one"),
        ("top", 'modules = "a\\u001b[31m"', 'modules: the text "a\\x1b[31m" holds the character U+001B'),
        ("top", f'reference = "{"x" * 600}"', "has 600 characters. Write at most 500 characters on one line"),
        ("entry", "day = 2020-02-29", "optimizer[1].day: expected a number or a text, got the date or time 2020-02-29"),
        ("entry", '"l\\nr" = 0.1', 'optimizer[1]: the key "l\\nr" holds the character U+000A, which does not print'),
        ("entry", '"" = 0.1', 'optimizer[1]: the key "" is empty. Write a word, or remove it'),
        ("entry", "anything = [[nan]]", "anything: expected a finite number, got nan. Write a number"),
        (
            "bottom",
            f"[tune.space.sgd]\nlr = {{ values = [{10**19}, 0.1] }}",
            "values[1]: a whole number beyond those of TOML",
        ),
        ("bottom", GRID, 'tune.points: the grid of "a" has 1,000,000 points, more than 10,000. Write fewer'),
        (
            "bottom",
            '[[optimizer]]\nname = "a, tuned"\nkind = "sgd"',
            '"a, tuned": what the tuning of "a" will be called. ',
        ),
    ],
)
def test_what_the_fuzzing_found_is_told(folder, at, text, told):
    """Each of these broke, hung, went on to break later, or was told without its place."""
    kind = "own:Own" if at == "entry" else "sgd"
    lines = [
        'title = "t"\nproblem = "digits_mlp"\nrepeats = 1\nepochs = 1',
        text if at == "top" else "",
        f'[[optimizer]]\nname = "a"\nkind = "{kind}"\nlr = 0.1',
        text if at != "top" else "",
    ]
    path = folder / "study.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        searching.make_searches(load_study(path))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


TOP = 'title = "t"\nproblem = "digits_mlp"\nrepeats = 1\nepochs = 1\n'
ENTRY = '[[optimizer]]\nname = "a"\nkind = "sgd"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{TOP}seed = true\n{ENTRY}", "seed: expected a whole number, got true. For example seed = 0"),
        (f"{TOP}reference = 1\n{ENTRY}", 'reference: expected text in quotes, got 1. For example reference = "paper"'),
        (f"{TOP}compiled = 1\n{ENTRY}", "compiled: expected true or false, got 1. For example compiled = true"),
        (f"{TOP}optimizer = 1\n", "got 1. For example [[optimizer]] with name = "),
        (
            f"{TOP}{ENTRY}epochs = 1.5\n",
            'optimizer[1] ("a").epochs: expected a whole number, got 1.5. For example epochs = 5',
        ),
        (f"{TOP}{ENTRY}schedule = {{ kind = 'cosin' }}\n", ".schedule.kind: expected 'constant', 'linear', "),
        (f"{TOP}{ENTRY}schedule = {{ kind = 'cosin' }}\n", 'got "cosin". For example kind = "cosine"'),
        (
            f"{TOP}{ENTRY}schedule = {{ gamma = 'x' }}\n",
            '.schedule.gamma: expected a number, got "x". For example gamma = 0.1',
        ),
        (
            f"{TOP}{ENTRY}schedule = {{ milestones = ['x'] }}\n",
            '.schedule.milestones[1]: expected a number, got "x". For example milest',
        ),
        (
            f"{TOP}{ENTRY}schedule = {{ interpolation = 1 }}\n",
            ".schedule.interpolation: unknown key. Known keys: kind,",
        ),
        (f"{TOP}interval = 3\n{ENTRY}", "interval: unknown key. Known keys: title, problem,"),
        (
            f"{TOP}{ENTRY}[tune]\ntrials = 'x'\n",
            'tune.trials: expected a whole number, got "x". For example trials = 20',
        ),
        (
            f"{TOP}{ENTRY}[tune]\nepochs = 'x'\n",
            'tune.epochs: expected a whole number, got "x". For example epochs = 5',
        ),
        (
            f"{TOP}{ENTRY}[tune.space]\na = 1\n",
            "tune.space.a: expected a table, got 1. For example [tune.space.adam] with lr",
        ),
        (
            f"{TOP}{ENTRY}[tune.space.a]\nbatch_size = 3\n",
            "tune.space.a.batch_size: expected a table, got 3. For example [tune.space.adam] with lr",
        ),
        (f"{TOP}{ENTRY}[tune.space.a]\nlr = {{ lag = 1 }}\n", "tune.space.a.lr.lag: unknown key. Did you mean"),
        (
            f"{TOP}{ENTRY}[tuned]\nstudy = 's'\ntrials = 1\n[tuned.optuna]\nepochs = 1\n",
            "tuned.optuna.epochs: expected text in quotes, got 1. For example [tuned.optuna] as",
        ),
        (
            f"{TOP}{ENTRY}[imported]\nfile = 'f'\n",
            "imported.sha256: missing. Write it, for example [imported]",
        ),
        (f"{TOP}{ENTRY}".replace('"a"', f'"{"x" * 81}"'), "expected at most 80 characters"),
    ],
)
def test_what_could_stand_in_the_place_of_a_mistake(folder, text, told):
    """The place is named as it is written, and the example is one of that very field, or of what holds it."""
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert told in str(caught.value)


def test_hundreds_of_mistakes_are_told_as_twenty(folder):
    """The first are shown, and how many more there are."""
    path = folder / "study.toml"
    path.write_text("".join(f"key{at} = 1\n" for at in range(300)), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_study(path)
    lines = str(caught.value).split("\n")
    assert len(lines) == 21
    assert lines[-1] == f"{path}: 285 more mistakes. Mend these first"  # 300 keys, and five that are missing


def test_every_example_of_a_message_is_valid():
    """What a message says could stand at a place can be read as TOML, and its model takes it."""
    from suite.spec.study import Entry, Schedule, Study, Tune
    from suite.spec.validation_errors import example

    entry = {"name": "a", "kind": "sgd"}
    whole = {
        Study: {"title": "t", "problem": "p", "repeats": 1, "epochs": 1, "optimizer": [entry]},
        Entry: entry,
        Schedule: {},
        Tune: {"sampler": "grid"},
    }
    for model, values in whole.items():
        for key, field in model.model_fields.items():
            text = example(model, key)
            if field.exclude or " with " in text or "writes it" in text:
                continue
            if not text:
                assert example(Study, key), f"{model.__name__}.{key} has no example"
                continue
            own = {"sampler": "tpe"} if (model, key) == (Tune, "trials") else {}
            found = tomllib.loads(text)
            assert set(found) == {key}
            assert model.model_validate(values | own | found)


# --- the command line ------------------------------------------------------------------------------------------------

WHOLE = ["-1", "0", "1.5", "1e9", "abc", "", "99999999999999999999", "9" * 5_000, "nan"]
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
            "--repeats": WHOLE,
            "--epochs": WHOLE,
            "--train-examples": WHOLE,
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
    *(["tune", "own.toml", "--trials", value] for value in WHOLE),
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
"""Command lines with one mistake each."""


@pytest.fixture
def place(here, monkeypatch):
    """A folder with a study and things that are no store, no data and no study; nothing is fetched from a network."""
    (here / "own.toml").write_text(fuzzing.STUDIES["digits"].decode(), encoding="utf-8")
    (here / "text.txt").write_text("my notes", encoding="utf-8")
    (here / "folder").mkdir()
    os.mkfifo(here / "fifo")
    with sqlite3.connect(here / "songs.db") as songs:
        songs.execute("CREATE TABLE songs (name TEXT)")
    songs.close()
    monkeypatch.setenv("RAVINE_CACHE", str(here / "cache"))
    monkeypatch.setattr("suite.data.datasets.fetch", lambda *_: pytest.fail("something is fetched"))
    return here


def test_a_mistake_on_the_command_line_is_told(call, place):
    """Each of some three hundred wrong command lines ends with status 2 and lines with the mend, and touches no file."""
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    for line in LINES:
        status, out, err = call(*line)
        told = f"{shlex.join(line)[:300]}: {status}: {err[-2_000:]}"
        assert status == 2, told
        assert not out or line[0] == "data", told  # which shows its table all the same
        if err.startswith("ravine: "):
            for each in err.removesuffix("\n").split("\n"):
                assert each.startswith("ravine: "), told
                assert fuzzing.MEND.search(each), told
                assert each.isprintable(), told
        else:
            assert "Error" in err, told  # the parser's own words
        assert "Traceback" not in err, told
    after = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    odd = {path.name for path in after.keys() - before.keys() if not path.name.endswith((".lock", ".open", ".holder"))}
    assert not odd
    assert all(after[path] == content for path, content in before.items() if path.name != "mlflow.db")
    assert len(LINES) > 300


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "MLFLOW_TRACKING_URI",
            "foo://x",
            'MLFLOW_TRACKING_URI: "foo://x": no such address. Write a folder, or one of',
        ),
        ("MLFLOW_TRACKING_URI", "text.txt", "MLFLOW_TRACKING_URI: text.txt: it is a file. Write sqlite:///text.txt if"),
        ("MLFLOW_TRACKING_URI", "a\nb", "MLFLOW_TRACKING_URI: it holds the character U+000A"),
        ("RAVINE_DATA", "nowhere", "nowhere: there is no such folder. Give a folder with the whole of Fashion-MNIST"),
        ("RAVINE_DATA", "/dev/null", "RAVINE_DATA: /dev/null: not the data: "),
        ("RAVINE_CACHE", "a\u2028b", "RAVINE_CACHE: it holds the character U+2028"),
    ],
)
def test_nonsense_in_a_variable_is_told(call, place, monkeypatch, name, value, told):
    """A variable that means Ravine is named, with the mend; `doctor` shows it and ends well, since it is asked for that."""
    monkeypatch.setenv(name, value)
    status, out, err = call("run", "paper")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert told in err
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
def test_a_study_runs_in_an_odd_environment(write_study, here, name):
    """Without locale, terminal, width, letters, home or writable cache a study goes from start to report, in a real process."""
    path = write_study(repeats=2)
    environment = {key: value for key, value in os.environ.items() if key not in {"RAVINE_DATA", "MLFLOW_TRACKING_URI"}}
    commands = [["run", str(path), "--workers", "1"], *([["report", str(path)]] if name == "narrow" else [])]
    for command in commands:
        line = [sys.executable, "-m", "ravine", *command]
        done = subprocess.run(line, env=environment | ENVIRONMENTS[name], capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        assert b"Traceback" not in done.stderr
        assert b"?" in done.stdout or name != "narrow", "another letter stands for one that standard output lacks"
    assert (here / "out/reports/toy_study/index.html").is_file()


def test_a_real_process_ends_with_status_2(place):
    """What holds in one process holds on a real command line: a sample, with bytes that are no text among it."""
    shutil.copy(place / "own.toml", place / "con.toml")
    for line in (["status", "con.toml"], ["status", b"\xff.toml"], ["status", "own.toml", "--repeats", "-1"]):
        done = subprocess.run([sys.executable, "-m", "ravine", *line], capture_output=True, timeout=120, check=False)
        assert done.returncode == 2
        assert done.stdout == b""
        assert done.stderr.startswith(b"ravine: ")
        assert done.stderr.count(b"\n") == 1
