"""`suite.spec.parts`: one study file with several parts."""

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


def _refused(tmp_path, text):
    with pytest.raises(UserError) as caught:
        _load(tmp_path, text)
    return str(caught.value).replace(str(tmp_path), "")


def test_a_part_is_a_study_that_inherits_from_the_top(tmp_path):
    """What a part says comes in place of what stands above the parts, its optimizers too; its name has the file's before it."""
    file = _load(tmp_path, GOOD)
    cnn, digits = file.parts
    assert (file.name, file.title, file.has_parts) == ("own", "Two networks", True)
    assert (cnn.name, cnn.part, cnn.title, cnn.epochs) == ("own.cnn", "cnn", "Two networks: cnn", 3)
    assert (digits.name, digits.title, digits.problem, digits.epochs) == ("own.digits", "On digits", "digits_mlp", 7)
    assert [entry.name for entry in cnn.optimizer] == ["Adam"]
    assert [entry.name for entry in digits.optimizer] == ["Mine"]
    assert cnn.folder == tmp_path


def test_a_file_without_parts_is_one_study(tmp_path):
    """Nothing changes for a study without parts: its name is the file's."""
    top, _, optimizers = GOOD.partition("[[part]]")
    single = f'{top}problem = "digits_mlp"\n[[optimizer]]{optimizers.rpartition("[[optimizer]]")[2]}'
    file = _load(tmp_path, single)
    assert not file.has_parts
    assert file.single().name == file.report_name == "own"


def test_parts_are_chosen_by_name(tmp_path):
    """`only` keeps the named parts, the report on the whole says which, and a wrong name is told what there is."""
    file = _load(tmp_path, GOOD)
    assert [study.part for study in file.only(["digits"]).parts] == ["digits"]
    assert file.only(["digits"]).report_name == "own@part=digits"
    assert file.only([]) == file
    with pytest.raises(UserError, match=r'no part "digit".*Did you mean "digits"'):
        file.only(["digit"])
    with pytest.raises(UserError, match=r"several parts: cnn, digits. Choose one: --part cnn"):
        file.single()


def test_overrides_reach_every_part_and_optimizers_choose_among_them(tmp_path):
    """The command line's numbers hold for all parts; a label drops the parts that lack it, and one that no part has is told."""
    file = _load(tmp_path, GOOD).override(repeats=1, epochs=None)
    assert [study.repeats for study in file.parts] == [1, 1]
    assert file.report_name == "own@repeats=1"
    kept = _load(tmp_path, GOOD).override(optimizers=("adam",))
    assert [study.part for study in kept.parts] == ["cnn"]
    with pytest.raises(UserError, match=r'--optimizer: "Eve" is neither a label nor a kind.*Mine'):
        file.override(optimizers=("Eve",))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "cnn"', "", 'own.toml: part[1].name: missing. For example name = "part-1"'),
        ('name = "cnn"', 'name = "../up"', "own.toml: part[1].name: expected a name of small letters"),
        ('name = "cnn"', 'name = "digits"', 'own.toml: part[2].name: two parts are named "digits"'),
        ("epochs = 7", "epochs = 0", 'own.toml: part "digits": epochs: expected'),
        ("epochs = 7", "epoch = 7", 'own.toml: part "digits": epoch: unknown key. Did you mean "epochs"?'),
        ("repeats = 2", "repeats = -2", "own.toml: repeats: expected"),
        (
            "lr = 0.1\n\n[[opt",
            "lr = 0.1\nbatch_size = 0\n\n[[opt",
            'own.toml: part "digits": optimizer[1] ("Mine").batch_size',
        ),
    ],
)
def test_a_mistake_is_told_once_and_where_it_stands(tmp_path, old, new, told):
    """One line: with the part where the part has it, without where it stands above the parts."""
    assert old in GOOD
    message = _refused(tmp_path, GOOD.replace(old, new, 1))
    assert message.startswith(f"/{told}")
    assert len(message.splitlines()) == 1


def test_parts_that_are_no_tables_are_refused(tmp_path):
    """`part = 3`, and optimizers at the top that no part would use."""
    assert "part: expected tables in double brackets" in _refused(tmp_path, "part = 3")
    text = GOOD.replace(
        'problem = "fashion_mnist_cnn"', 'problem = "fashion_mnist_cnn"\n[[part.optimizer]]\nname="A"\nkind="sgd"'
    )
    assert "optimizer: every part has optimizers of its own" in _refused(tmp_path, text)


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_every_shipped_study_file_loads_and_plans(name):
    """All parts of every study that comes with Ravine are valid, each with a name of its own."""
    file = load_study_file(name)
    assert len({study.name for study in file.parts}) == len(file.parts)
    assert all(plan(study) for study in file.parts)


def test_whether_claims_are_settled_is_a_key_like_others(tmp_path):
    """`claims` at the top holds for every part, in a part for it alone; a wrong value is one line; no trial knows of it."""
    top = _load(tmp_path, GOOD.replace("repeats = 2", "repeats = 2\nclaims = true"))
    part = _load(tmp_path, GOOD.replace("epochs = 7", "epochs = 7\nclaims = true"))
    plain = _load(tmp_path, GOOD)
    assert [[study.claims for study in file.parts] for file in (top, part, plain)] == [
        [True] * 2,
        [False, True],
        [False] * 2,
    ]
    assert [plan(study) for study in top.parts] == [plan(study) for study in plain.parts]
    told = _refused(tmp_path, GOOD.replace("repeats = 2", 'repeats = 2\nclaims = "yes"'))
    assert told == '/own.toml: claims: expected true or false, got "yes". For example claims = true'
