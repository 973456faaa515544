"""`suite.spec.parts`: a study file with several parts."""

import pytest

from suite.errors import UserError
from suite.spec.parts import load_study_file
from suite.spec.plan import plan
from suite.spec.study_file import shipped_studies

GOOD = """
title = "Two networks"
repeats = 2
epochs = 3

[[part]]
name = "cnn"
problem = "fashion_mnist_cnn"

[[part]]
name = "digits"
title = "On digits"
problem = "digits_mlp"
epochs = 7

[[part.optimizer]]
name = "Mine"
kind = "momentum"
lr = 0.1

[[optimizer]]
name = "Adam"
kind = "adam"
lr = 0.1
"""


def _load(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return load_study_file(path)


def _error(tmp_path, text):
    with pytest.raises(UserError) as error:
        _load(tmp_path, text)
    return str(error.value)


def test_a_part_is_a_study_that_inherits_from_the_top(tmp_path):
    """Keys and optimizers of a part replace those above the parts; its name starts with the file's."""
    file = _load(tmp_path, GOOD)
    cnn, digits = file.parts
    assert (file.name, file.title, file.has_parts) == ("own", "Two networks", True)
    assert (cnn.name, cnn.part, cnn.title, cnn.epochs) == ("own.cnn", "cnn", "Two networks: cnn", 3)
    assert (digits.name, digits.title, digits.problem, digits.epochs) == ("own.digits", "On digits", "digits_mlp", 7)
    assert [entry.name for entry in cnn.optimizer] == ["Adam"]
    assert [entry.name for entry in digits.optimizer] == ["Mine"]
    assert cnn.folder == tmp_path


def test_a_file_without_parts_is_one_study(tmp_path):
    """The name of a study without parts is the file's."""
    top, _, optimizers = GOOD.partition("[[part]]")
    single = f'{top}problem = "digits_mlp"\n[[optimizer]]{optimizers.rpartition("[[optimizer]]")[2]}'
    file = _load(tmp_path, single)
    assert not file.has_parts
    assert file.single().name == file.report_name == "own"


def test_parts_are_selected_by_name(tmp_path, wording):
    """`select` keeps the named parts, and the name of the report has them; the error for a wrong name has the right ones."""
    file = _load(tmp_path, GOOD)
    assert [study.part for study in file.select(["digits"]).parts] == ["digits"]
    assert file.select(["digits"]).report_name == "own@part=digits"
    assert file.select([]) == file
    for fails in (lambda: file.select(["digit"]), file.single):
        with pytest.raises(UserError) as error:
            fails()
        wording(error.value)


def test_overrides_apply_to_every_part(tmp_path, wording):
    """Numbers of the command line hold for all parts; a label drops the parts without it, and must be that of a part."""
    file = _load(tmp_path, GOOD).override(repeats=1, epochs=None)
    assert [study.repeats for study in file.parts] == [1, 1]
    assert file.report_name == "own@repeats=1"
    kept = _load(tmp_path, GOOD).override(optimizers=("adam",))
    assert [study.part for study in kept.parts] == ["cnn"]
    with pytest.raises(UserError) as error:
        file.override(optimizers=("Eve",))
    wording(error.value)


UNUSED = 'problem = "fashion_mnist_cnn"\n[[part.optimizer]]\nname="A"\nkind="sgd"'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "cnn"', ""),
        ('name = "cnn"', 'name = "../up"'),
        ('name = "cnn"', 'name = "digits"'),
        ("epochs = 7", "epochs = 0"),
        ("epochs = 7", "epoch = 7"),
        ("repeats = 2", "repeats = -2"),
        ("lr = 0.1\n\n[[opt", "lr = 0.1\nbatch_size = 0\n\n[[opt"),
        ('problem = "fashion_mnist_cnn"', UNUSED),
        (GOOD, "part = 3"),
    ],
    ids=["no name", "name", "same name", "range", "key", "key at the top", "entry", "unused", "no table"],
)
def test_an_error_has_its_location_once(tmp_path, wording, old, new):
    """Each is one line: with the part if the key stands in a part, without it if the key stands above the parts."""
    assert old in GOOD
    message = _error(tmp_path, GOOD.replace(old, new, 1))
    assert message.startswith(f"{tmp_path}/own.toml: ")
    assert len(message.splitlines()) == 1
    wording(message)


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_every_shipped_study_file_loads_and_plans(name):
    """All parts of every study that comes with Ravine are valid and have different names."""
    file = load_study_file(name)
    assert len({study.name for study in file.parts}) == len(file.parts)
    assert all(plan(study) for study in file.parts)


def test_old_keys_are_read_with_a_warning(tmp_path, wording):
    """The old key is read at the top, in a part and in an entry; the warning has the new name once, and trials are equal."""
    text = GOOD.replace("repeats = 2", "repeats = 2\neval_every = 3").replace(
        "epochs = 7", "epochs = 7\neval_every = 4"
    )
    text = text.replace("lr = 0.1\n\n[[opt", "lr = 0.1\neval_every = 5\n\n[[opt")
    assert text.count("eval_every") == 3
    new, old = _load(tmp_path, text), _load(tmp_path, text.replace("eval_every", "test_every"))
    assert old.parts == new.parts
    assert new.warnings == ()
    assert len(old.warnings) == 1
    wording(old.warnings[0])


@pytest.mark.parametrize("old", ["repeats = 2", "epochs = 7", 'kind = "momentum"'])
def test_an_old_and_a_new_key_together_are_an_error(tmp_path, wording, old):
    """A table must not have both names of a key; different tables may."""
    wording(_error(tmp_path, GOOD.replace(old, f"{old}\neval_every = 3\ntest_every = 3")))
    text = GOOD.replace("repeats = 2", "repeats = 2\ntest_every = 3").replace(
        "epochs = 7", "epochs = 7\neval_every = 2"
    )
    assert [study.eval_every for study in _load(tmp_path, text).parts] == [3, 2]
