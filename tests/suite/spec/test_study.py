"""`suite.spec.study` and `suite.spec.study_file`: study files, and one line for each mistake in them."""

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


def _refused(tmp_path, text):
    with pytest.raises(UserError) as caught:
        _load(tmp_path, text)
    return str(caught.value)


def test_a_study_is_its_file(tmp_path):
    """Keys of the study, of its entries, and the optimizer's own options arrive as written; the rest has defaults."""
    study = _load(tmp_path, GOOD)
    assert (study.name, study.repeats, study.batch_size, study.precision, study.seed) == ("own", 2, 256, "float32", 0)
    assert study.optimizer[0].options == {"lr": 0.1, "betas": [0.8, 0.9]}
    assert (study.optimizer[1].batch_size, study.optimizer[1].epochs) == (2, 1)
    assert study.optimizer[1].schedule.kind == "cosine"
    assert study.folder == tmp_path


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_every_shipped_study_loads(name):
    """Each study that comes with Ravine is valid, and so are the numbers that it refers to."""
    file = load_file(name)
    assert file.name == name
    for study in (part for part in file.parts if part.reference):
        labels = {entry.name for entry in study.optimizer}
        assert labels & set(load_reference(study.reference)["results"])


def test_the_numbers_that_the_paper_printed_match_the_labels_of_its_study():
    """No printed number is left without its row."""
    labels = {entry.name for entry in load_study("paper").optimizer}
    assert set(load_reference("paper")["results"]) <= labels


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("epochs = 3", "epochs = 3\nepohcs = 4", 'epohcs: unknown key. Did you mean "epochs"?'),
        (
            "epochs = 3",
            'epochs = "3"',
            'epochs: expected a whole number, got "3". Write it without quotes: epochs = 3',
        ),
        ("epochs = 3", "epochs = 0", "epochs: expected greater than 0, got 0"),
        ("epochs = 3", "epochs = true", "epochs: expected a whole number, got true"),
        ("epochs = 3", "", "epochs: missing. Write it, for example epochs = 5"),
        ('title = "A study"', "title = 1", "title: expected text in quotes, got 1"),
        (
            "epochs = 3",
            'epochs = 3\nprecision = "float16"',
            "precision: expected 'float32', 'tf32' or 'bfloat16', got \"float16\"",
        ),
        (
            "batch_size = 2",
            'batch_size = "all"',
            'optimizer[2] ("SGD, batch 2").batch_size: expected a whole number > 0, or "full", got "all"',
        ),
        ('name = "SGD, batch 2"', 'name = "Adam"', 'two optimizers are named "Adam". Give each a name of its own'),
        ('name = "SGD, batch 2"', 'name = " x"', 'optimizer[2] (" x").name: expected one line of text'),
        (
            "warmup = 0.05",
            "warmup = 1.5",
            'optimizer[2] ("SGD, batch 2").schedule.warmup: expected less than 1, got 1.5',
        ),
        ("warmup = 0.05", "warmpu = 0.5", 'schedule.warmpu: unknown key. Did you mean "warmup"?'),
        ("epochs = 3", "epochs = 3\nname = 'x'", "name: unknown key. Remove it"),
        ("repeats = 2", "repeats = 2 3", "not TOML"),
        ("repeats = 2", "repeats = 2.5", "repeats: expected a whole number, got 2.5"),
        ("[[optimizer]]", "[optimiser]", "unknown key"),
        ("repeats = 2", "repeats = 999999999999", "repeats: expected less than or equal to 10000, got 99999"),
        ("repeats = 2", "repeats = 2\nmargin = inf", "margin: expected a finite number, got inf"),
        ("repeats = 2", f"repeats = 2\nseed = {5000 * '9'}", "cannot be read: Exceeds the limit"),
        ("repeats = 2", f"repeats = 2\nx = {3000 * '['}{3000 * ']'}", "cannot be read: maximum recursion"),
        ("warmup = 0.05", "milestones = [nan]", "schedule.milestones[1]: expected less than 1, got nan"),
        ("repeats = 2", "repeats = nan", "repeats: expected a whole number, got nan"),
        (
            "schedule = {",
            "schedule = 3 # {",
            'schedule: expected a table, got 3. For example schedule = { kind = "cosine"',
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place_and_the_mend(tmp_path, old, new, told):
    """The line starts with the file, names the place, and says what was expected, what was found, or what to write."""
    text = GOOD.replace(old, new, 1)
    if old == "[[optimizer]]":
        text = (
            GOOD.split("[[optimizer]]", maxsplit=1)[0]
            + '[[optimizer]]\nname = "a"\nkind = "sgd"\n[optimiser]\nlr = 1\n'
        )
    message = _refused(tmp_path, text)
    assert message.startswith(f"{tmp_path}/own.toml: ")
    assert told in message
    assert "\n" not in message


def test_a_word_in_place_of_the_optimizers_is_told(tmp_path):
    """`optimizer = "x"` is told what stands there, with an example."""
    message = _refused(tmp_path, GOOD.partition("[[optimizer]]")[0] + 'optimizer = "adam"\n')
    assert 'optimizer: expected a list, or tables in double brackets, got "adam". For example [[optimizer]]' in message


def test_a_mistake_in_an_entry_is_told_once(tmp_path):
    """An entry without a kind is one line, not a second one about their number."""
    message = _refused(tmp_path, GOOD.partition("[[optimizer]]")[0] + '[[optimizer]]\nname = "a"\n')
    assert message == f'{tmp_path}/own.toml: optimizer[1] ("a").kind: missing. Write it, for example kind = "adam"'


def test_all_mistakes_are_told_at_once(tmp_path):
    """Two mistakes give two lines, so that a file is mended in one go."""
    message = _refused(tmp_path, GOOD.replace("epochs = 3", "epochs = 0").replace("repeats = 2", "repeats = -1"))
    assert [line.split(": ", 2)[1] for line in message.splitlines()] == ["repeats", "epochs"]


def test_no_such_study_names_the_nearest():
    """A misspelled name says which was meant, and what there is."""
    with pytest.raises(UserError, match=r'no study is named "quik". Did you mean "quick"..*paper'):
        load_study("quik")


def test_no_such_file_says_so(tmp_path):
    """A path that does not exist is named."""
    with pytest.raises(UserError, match=r"missing.toml: no such file"):
        load_study(tmp_path / "missing.toml")


def test_generated_studies_come_before_shipped_ones(tmp_path):
    """A tuned study of the same name is the one that is meant."""
    (tmp_path / "quick.toml").write_text(GOOD, encoding="utf-8")
    assert load_study("quick", tmp_path).title == "A study"
    assert load_study("quick").title != "A study"


def test_the_command_line_overrides_every_entry(tmp_path):
    """--epochs holds for entries with a budget of their own, too; the report gets a folder of its own."""
    study = _load(tmp_path, GOOD).override(epochs=7, repeats=1)
    assert [entry.epochs or study.epochs for entry in study.optimizer] == [7, 7]
    assert study.report_name == "own@repeats=1,epochs=7"
    assert study.optimizer[1].batch_size == 2


@pytest.mark.parametrize("wanted", ["Adam", "adam", "ADAM"])
def test_an_optimizer_is_chosen_by_label_or_kind(tmp_path, wanted):
    """--optimizer takes either, and case does not matter where it is clear."""
    assert [entry.name for entry in _load(tmp_path, GOOD).override(optimizers=(wanted,)).optimizer] == ["Adam"]


def test_an_optimizer_that_the_study_lacks_is_refused(tmp_path):
    """The message names the nearest label or kind and all labels."""
    with pytest.raises(UserError, match=r'--optimizer: "adm" is neither.*Did you mean "Adam".*SGD, batch 2'):
        _load(tmp_path, GOOD).override(optimizers=("adm",))


def test_an_override_out_of_range_is_refused(tmp_path):
    """The command line's values are checked as the file's are."""
    with pytest.raises(UserError, match=r"command line: repeats: expected greater than 0, got -1"):
        _load(tmp_path, GOOD).override(repeats=-1)


def test_a_long_name_stays_its_own(tmp_path):
    """Two long lists of overrides do not share a folder."""
    study = _load(tmp_path, GOOD)
    names = {
        study.model_copy(update={"overrides": (f"optimizer={'+'.join(['Adam'] * 50)}", end)}).report_name
        for end in "ab"
    }
    assert len(names) == 2
    assert all(len(name) < 140 for name in names)


def test_no_override_is_the_same_study(tmp_path):
    """Without options nothing changes, not even the report's folder."""
    study = _load(tmp_path, GOOD)
    assert study.override() is study
    assert isinstance(study, Study)
    assert study.report_name == "own"


def test_messages_name_the_file_as_short_as_they_can(tmp_path, monkeypatch):
    """Below the current directory the path is relative, elsewhere whole."""
    study = _load(tmp_path, GOOD)
    assert study.place == f"{tmp_path}/own.toml"
    monkeypatch.chdir(tmp_path)
    assert study.place == "own.toml"


@pytest.mark.parametrize(
    ("tune", "told"),
    [
        (
            "[tune.space.adam]\nlr = { log = [1.0, 1e-5] }",
            "tune.space.adam.lr.log: the range [1.0, 1e-05] is inverted. Write [1e-05, 1.0]",
        ),
        (
            "[tune.space.adam]\nlr = { uniform = [0.1, 0.1] }",
            "tune.space.adam.lr.uniform: the range [0.1, 0.1] is empty. Write two",
        ),
        ("[tune.space.adam]\nlr = { log = [0, 1] }", "tune.space.adam.lr: a logarithmic range starts above 0, got 0.0"),
        (
            "[tune.space.adam]\nlr = { log = [0.1] }",
            "tune.space.adam.lr.log: expected the two ends of a range, got [0.1]",
        ),
        (
            "[tune.space.adam]\nlr = { log = [0.1, inf] }",
            "tune.space.adam.lr.log: expected the two ends of a range, got [0.1, inf]",
        ),
        (
            '[tune.space.adam]\nlr = { log = ["0.1", 1] }',
            'tune.space.adam.lr.log: expected the two ends of a range, got ["0.1", 1]',
        ),
        (
            "[tune.space.adam]\nbeta1 = { one_minus_log = [0.5, 2] }",
            "tune.space.adam.beta1: 1 − value has to lie in (0, 1]",
        ),
        (
            "[tune.space.adam]\nlr = { values = [] }",
            "tune.space.adam.lr.values: expected a list of different numbers, got []",
        ),
        (
            "[tune.space.adam]\nlr = { values = [1, 1.0] }",
            "tune.space.adam.lr.values: expected a list of different numbers",
        ),
        (
            "[tune.space.adam]\nlr = {}",
            "tune.space.adam.lr: expected one of log, one_minus_log, uniform, values, got 0 of them",
        ),
        ("[tune.space.adam]\nlr = { log = [0.1, 1], values = [1] }", "tune.space.adam.lr: expected one of log,"),
        ("[tune.space.adam]\nlr = { lgo = [0.1, 1] }", 'tune.space.adam.lr.lgo: unknown key. Did you mean "log"?'),
        ("[tune.space.adam]\nlr = 3", "tune.space.adam.lr: expected a table, got 3"),
        (
            "[tune.space.adm]\nlr = { log = [0.1, 1] }",
            'tune.space.adm: the study has no such optimizer. Did you mean "adam"?',
        ),
        ("[tune]\ntrails = 3", 'tune.trails: unknown key. Did you mean "trials"?'),
        ("[tune]\ntrials = 0", "tune.trials: expected greater than 0, got 0"),
        (
            '[tune]\nobjective = "test/loss"',
            "tune.objective: expected 'validation/loss' or 'validation/accuracy', got \"test/loss\"",
        ),
        ('[tune]\nsampler = "bayes"', "tune.sampler: expected 'tpe', 'random', 'qmc' or 'grid', got \"bayes\""),
        ('[tune]\nsampler = "grid"\ntrials = 3', "tune.trials: a grid has as many configurations as points. Remove it"),
        ("[tune]\npoints = 3", 'tune.points: tpe has none. Remove it, or write sampler = "grid"'),
    ],
)
def test_a_mistake_in_tune_is_one_line_with_its_place_and_the_mend(tmp_path, tune, told):
    """Ranges that are empty, inverted or impossible, unknown keys and optimizers: each is told with its place."""
    message = _refused(tmp_path, f"{GOOD}\n{tune}\n")
    assert message.startswith(f"{tmp_path}/own.toml: ")
    assert told in message
    assert "\n" not in message


def test_the_command_line_overrides_the_tuning(tmp_path):
    """More trials and another budget hold in the tuning, too, and spaces of optimizers that are left out go with them."""
    tune = "[tune]\ntrials = 3\nepochs = 2\n[tune.space.adam]\nlr = { log = [0.01, 1] }\n"
    study = _load(tmp_path, f"{GOOD}\n{tune}").override(trials=5, epochs=1, optimizers=("sgd",))
    assert (study.tune.trials, study.tune.epochs, study.epochs, study.tune.space) == (5, None, 1, {})
    assert study.report_name == "own@epochs=1,trials=5,optimizer=sgd"
    assert "adam" in _load(tmp_path, f"{GOOD}\n{tune}").override(optimizers=("Adam",)).tune.space
