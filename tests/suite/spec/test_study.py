"""`suite.spec.study` and `suite.spec.study_file`: study files, and one line for each error in them."""

import pytest

from suite.errors import UserError
from suite.spec.parts import load_study_file as load_file
from suite.spec.study import Study
from suite.spec.study_file import load_reference, load_study, shipped_studies

GOOD = """
title = "A study"
problem = "fashion_mnist_cnn"
repeats = 2
epochs = 3

[[optimizer]]
name = "Adam"
kind = "adam"
lr = 0.1
betas = [0.8, 0.9]

[[optimizer]]
name = "SGD, batch 2"
kind = "sgd"
batch_size = 2
epochs = 1
schedule = { kind = "cosine", warmup = 0.05 }
"""


def _load(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return load_study(path)


def _error(tmp_path, text):
    with pytest.raises(UserError) as error:
        _load(tmp_path, text)
    return str(error.value)


def _check_one_line(tmp_path, wording, text):
    message = _error(tmp_path, text)
    assert message.startswith(f"{tmp_path}/own.toml: ")
    assert "\n" not in message
    wording(message)


def test_a_study_is_its_file(tmp_path):
    """Keys of the study and its entries and options of optimizers are read as written; other keys have defaults."""
    study = _load(tmp_path, GOOD)
    assert (study.name, study.repeats, study.batch_size, study.precision, study.seed) == ("own", 2, 256, "float32", 0)
    assert study.optimizer[0].options == {"lr": 0.1, "betas": [0.8, 0.9]}
    assert (study.optimizer[1].batch_size, study.optimizer[1].epochs) == (2, 1)
    assert study.optimizer[1].schedule.kind == "cosine"
    assert study.folder == tmp_path


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_every_shipped_study_loads(name):
    """Each study that comes with Ravine is valid, and so are the published values that it names."""
    file = load_file(name)
    assert file.name == name
    for study in (part for part in file.parts if part.reference):
        labels = {entry.name for entry in study.optimizer}
        assert labels & set(load_reference(study.reference)["results"])


def test_published_values_match_the_labels_of_the_study():
    """Each published value has its row."""
    labels = {entry.name for entry in load_study("paper").optimizer}
    assert set(load_reference("paper")["results"]) <= labels


HEAD = GOOD.partition("[[optimizer]]")[0]
INVALID = {
    "unknown key": ("epochs = 3", "epochs = 3\nepohcs = 4"),
    "number in quotes": ("epochs = 3", 'epochs = "3"'),
    "zero": ("epochs = 3", "epochs = 0"),
    "bool": ("epochs = 3", "epochs = true"),
    "missing": ("epochs = 3", ""),
    "no text": ('title = "A study"', "title = 1"),
    "empty text": ('title = "A study"', 'title = ""'),
    "precision": ("epochs = 3", 'epochs = 3\nprecision = "float16"'),
    "batch size": ("batch_size = 2", 'batch_size = "all"'),
    "same label": ('name = "SGD, batch 2"', 'name = "Adam"'),
    "label": ('name = "SGD, batch 2"', 'name = " x"'),
    "schedule": ("warmup = 0.05", "warmup = 1.5"),
    "key of a schedule": ("warmup = 0.05", "warmpu = 0.5"),
    "name": ("epochs = 3", "epochs = 3\nname = 'x'"),
    "fraction": ("repeats = 2", "repeats = 2.5"),
    "table": (GOOD, f'{HEAD}[[optimizer]]\nname = "a"\nkind = "sgd"\n[optimiser]\nlr = 1\n'),
    "too large": ("repeats = 2", "repeats = 999999999999"),
    "infinite": ("repeats = 2", "repeats = 2\nmargin = inf"),
    "milestone": ("warmup = 0.05", "milestones = [nan]"),
    "nan": ("repeats = 2", "repeats = nan"),
    "no table": ("schedule = {", "schedule = 3 # {"),
    "no entries": (GOOD, f'{HEAD}optimizer = "adam"\n'),
    "incomplete entry": (GOOD, f'{HEAD}[[optimizer]]\nname = "a"\n'),
    "imported entry": ('kind = "adam"', 'kind = "imported"'),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_error_is_one_line(tmp_path, wording, name):
    """The line has the file, the key, what was expected, the value and the fix."""
    old, new = INVALID[name]
    assert old in GOOD
    _check_one_line(tmp_path, wording, GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repeats = 2 3", "invalid TOML: "),
        (f"seed = {5000 * '9'}", "cannot be read: Exceeds the limit"),
        (f"x = {3000 * '['}{3000 * ']'}", "cannot be read: maximum recursion"),
    ],
)
def test_a_file_that_cannot_be_parsed(tmp_path, text, message):
    """The line has the file, Python's reason and the fix."""
    assert _error(tmp_path, text).startswith(f"{tmp_path}/own.toml: {message}")


def test_all_errors_are_reported_at_once(tmp_path):
    """Two errors give two lines, so that a file is fixed in one go."""
    message = _error(tmp_path, GOOD.replace("epochs = 3", "epochs = 0").replace("repeats = 2", "repeats = -1"))
    assert [line.split(": ", 2)[1] for line in message.splitlines()] == ["repeats", "epochs"]


@pytest.mark.parametrize("name", ["quik", "missing.toml"])
def test_no_such_study(tmp_path, monkeypatch, wording, name):
    """A misspelled name gets a suggestion and all names; a path without a file is named."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        load_study(name)
    wording(error.value)


def test_generated_studies_come_before_shipped_ones(tmp_path):
    """A generated study comes before a shipped one of the same name."""
    (tmp_path / "quick.toml").write_text(GOOD, encoding="utf-8")
    assert load_study("quick", tmp_path).title == "A study"
    assert load_study("quick").title != "A study"


def test_the_command_line_overrides_every_entry(tmp_path):
    """`--epochs` holds also for entries with a budget of their own; the report has a separate folder."""
    study = _load(tmp_path, GOOD).override(epochs=7, repeats=1)
    assert [entry.epochs or study.epochs for entry in study.optimizer] == [7, 7]
    assert study.report_name == "own@repeats=1,epochs=7"
    assert study.optimizer[1].batch_size == 2


@pytest.mark.parametrize("name", ["Adam", "adam", "ADAM"])
def test_an_optimizer_is_selected_by_label_or_kind(tmp_path, name):
    """`--optimizer` takes either, and ignores case if nothing matches exactly."""
    assert [entry.name for entry in _load(tmp_path, GOOD).override(optimizers=(name,)).optimizer] == ["Adam"]


@pytest.mark.parametrize("override", [{"optimizers": ("adm",)}, {"repeats": -1}], ids=["optimizer", "repeats"])
def test_an_invalid_override_is_an_error(tmp_path, wording, override):
    """Values of the command line are checked like those of the file."""
    with pytest.raises(UserError) as error:
        _load(tmp_path, GOOD).override(**override)
    wording(error.value)


def test_long_report_names_differ(tmp_path):
    """Two long lists of overrides have different folders."""
    study = _load(tmp_path, GOOD)
    names = {
        study.model_copy(update={"overrides": (f"optimizer={'+'.join(['Adam'] * 50)}", end)}).report_name
        for end in "ab"
    }
    assert len(names) == 2
    assert all(len(name) < 140 for name in names)


def test_no_override_is_the_same_study(tmp_path):
    """Without options nothing changes, not even the name of the report."""
    study = _load(tmp_path, GOOD)
    assert study.override() is study
    assert isinstance(study, Study)
    assert study.report_name == "own"


def test_the_path_in_messages_is_short(tmp_path, monkeypatch):
    """Below the current directory the path is relative, elsewhere absolute."""
    study = _load(tmp_path, GOOD)
    assert study.place == f"{tmp_path}/own.toml"
    monkeypatch.chdir(tmp_path)
    assert study.place == "own.toml"


SPACE = "[tune.space.adam]\n"
INVALID_TUNE = {
    "inverted": f"{SPACE}lr = {{ log = [1.0, 1e-5] }}",
    "empty": f"{SPACE}lr = {{ uniform = [0.1, 0.1] }}",
    "zero": f"{SPACE}lr = {{ log = [0, 1] }}",
    "one bound": f"{SPACE}lr = {{ log = [0.1] }}",
    "infinite": f"{SPACE}lr = {{ log = [0.1, inf] }}",
    "text": f'{SPACE}lr = {{ log = ["0.1", 1] }}',
    "one minus": f"{SPACE}beta1 = {{ one_minus_log = [0.5, 2] }}",
    "no values": f"{SPACE}lr = {{ values = [] }}",
    "equal values": f"{SPACE}lr = {{ values = [1, 1.0] }}",
    "no form": f"{SPACE}lr = {{}}",
    "two forms": f"{SPACE}lr = {{ log = [0.1, 1], values = [1] }}",
    "unknown form": f"{SPACE}lr = {{ lgo = [0.1, 1] }}",
    "number": f"{SPACE}lr = 3",
    "optimizer": "[tune.space.adm]\nlr = { log = [0.1, 1] }",
    "unknown key": "[tune]\ntrails = 3",
    "trials": "[tune]\ntrials = 0",
    "objective": '[tune]\nobjective = "test/loss"',
    "sampler": '[tune]\nsampler = "bayes"',
    "grid with trials": '[tune]\nsampler = "grid"\ntrials = 3',
    "points without grid": "[tune]\npoints = 3",
}


@pytest.mark.parametrize("name", INVALID_TUNE)
def test_an_error_in_tune_is_one_line(tmp_path, wording, name):
    """Empty, inverted or impossible ranges, unknown keys and optimizers: each has its location and the fix."""
    _check_one_line(tmp_path, wording, f"{GOOD}\n{INVALID_TUNE[name]}\n")


def test_the_command_line_overrides_the_tuning(tmp_path):
    """Trials and budget hold in the tuning, too, and the spaces of optimizers that are left out are removed."""
    tune = "[tune]\ntrials = 3\nepochs = 2\n[tune.space.adam]\nlr = { log = [0.01, 1] }\n"
    study = _load(tmp_path, f"{GOOD}\n{tune}").override(trials=5, epochs=1, optimizers=("sgd",))
    assert (study.tune.trials, study.tune.epochs, study.epochs, study.tune.space) == (5, None, 1, {})
    assert study.report_name == "own@epochs=1,trials=5,optimizer=sgd"
    assert "adam" in _load(tmp_path, f"{GOOD}\n{tune}").override(optimizers=("Adam",)).tune.space
