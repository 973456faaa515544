"""`suite.spec.claims`: the `[[claim]]` tables of a study file."""

import pytest

from suite.errors import UserError
from suite.spec.claims import Claim, claim_digest
from suite.spec.parts import load_study_file
from suite.spec.plan import plan
from suite.spec.study_file import load_study, study_to_toml

STUDY = """
title = "A study"
problem = "digits_mlp"
repeats = 2
epochs = 3
CLAIMS
[[optimizer]]
name = "SGD"
kind = "sgd"
lr = 0.1

[[optimizer]]
name = "Momentum"
kind = "momentum"
lr = 0.1
schedule = { kind = "cosine" }

[[optimizer]]
name = "Adam"
kind = "adam"
lr = 0.01
"""

PARTS = """
title = "Two networks"
repeats = 2
epochs = 3

CLAIMS
[[part]]
name = "digits"
problem = "digits_mlp"
score = "test/loss"
margin = 0.01

PART
[[part]]
name = "cnn"
problem = "fashion_mnist_cnn"

[[part.optimizer]]
name = "Adam"
kind = "adam"
lr = 0.01

[[part.optimizer]]
name = "AdaMax"
kind = "adamax"
lr = 0.01

[[optimizer]]
name = "SGD"
kind = "sgd"
lr = 0.1

[[optimizer]]
name = "Adam"
kind = "adam"
lr = 0.01
"""


def _load(tmp_path, claims, text=STUDY, part=""):
    path = tmp_path / "own.toml"
    path.write_text(text.replace("CLAIMS", claims).replace("PART\n", f"{part}\n"), encoding="utf-8")
    return load_study_file(path)


def _claim(keys):
    return f'[[claim]]\ntext = "A claim."\n{keys}\n'


VALID = {
    "better": 'better = "Adam"\nthan = "SGD"',
    "several": 'better = "Adam"\nthan = ["SGD", "Momentum"]\nmetric = ["score", "train/loss"]\nepoch = 1',
    "ratio": 'better = "Adam"\nthan = "SGD"\nmetric = "examples_per_second"\nratio = true\nfactor = 2',
    "equivalent": 'equivalent = ["Adam", "SGD", "Momentum"]\nmetric = "train/loss"\nmargin = 0.1',
    "equivalent ratio": 'equivalent = ["Adam", "SGD"]\nmetric = "train/loss"\nratio = true\nwithin = 1.5',
    "not worse": 'not_worse = "Adam"\nthan = "SGD"',
    "reverses": 'reverses = ["Adam", "SGD", "Momentum"]',
    "equals": 'optimizer = ["SGD", "Adam"]\nmeasure = "step_over_gradient"\nstep = 2\nequals = 10\ntolerance = 0.1',
    "above": 'optimizer = "Momentum"\nmeasure = "late_loss_change"\nabove = 0.99',
    "below": 'optimizer = "Momentum"\nmeasure = "step_ratio"\nbelow = 1.0',
    "height": 'better = "Adam"\nthan = "SGD"\nmeasure = "height"\nstep = 20',
    "requires": 'better = "Adam"\nthan = "SGD"\nrequires = { problem = "digits_mlp", train_examples = 9, epochs = 3, '
    'batch_size = "full", device = "cuda" }\nid = "x"\nsource = "S 1"\nnote = "N."',
    "compound": '[[claim.statement]]\nbetter = "Adam"\nthan = "SGD"\n[[claim.statement]]\ntext = "two"\nnot_worse = "SGD"\n'
    'than = "Adam"',
}


@pytest.mark.parametrize("keys", VALID.values(), ids=VALID)
def test_valid_claims(tmp_path, keys):
    """Each form is read, does not change any trial, and is the same after it was written as TOML and read again."""
    study = _load(tmp_path, _claim(keys)).single()
    assert len(study.claim) == 1
    assert plan(study) == plan(_load(tmp_path, "").single())
    path = tmp_path / "written" / "own.toml"
    path.parent.mkdir()
    path.write_text(study_to_toml(study), encoding="utf-8")
    assert load_study(path).claim == study.claim


def test_statements_and_pairs(tmp_path):
    """`than` has a measurement for each label; `equivalent` compares the first with each; `reverses` has all pairs."""
    keys = ("several", "equivalent", "reverses", "equals", "compound")
    claims = _load(tmp_path, "".join(_claim(VALID[key]) for key in keys)).single().claim
    assert [claim.statements[0].pairs for claim in claims] == [
        (("Adam", "SGD"), ("Adam", "Momentum")),
        (("Adam", "SGD"), ("Adam", "Momentum")),
        (("Adam", "SGD"), ("Adam", "Momentum"), ("SGD", "Momentum")),
        (("SGD", ""), ("Adam", "")),
        (("Adam", "SGD"),),
    ]
    assert [len(claim.statements) for claim in claims] == [1, 1, 1, 1, 2]
    assert [claim.name(number) for number, claim in enumerate(claims, 1)] == ["1", "2", "3", "4", "5"]


INVALID = {
    "no text": '[[claim]]\nbetter = "Adam"\nthan = "SGD"',
    "no form": _claim(""),
    "two forms": _claim('better = "Adam"\nnot_worse = "Adam"\nthan = "SGD"'),
    "unknown key": _claim('better = "Adam"\nthen = "SGD"'),
    "no other": _claim('better = "Adam"'),
    "itself": _claim('better = "Adam"\nthan = ["SGD", "Adam"]'),
    "label": _claim('better = "Adma"\nthan = "SGD"'),
    "other label": _claim('better = "Adam"\nthan = ["SDG", "Lion"]'),
    "twice": _claim('better = "Adam"\nthan = ["SGD", "SGD"]'),
    "number": _claim('better = "Adam"\nthan = 3'),
    "one label": _claim('equivalent = "Adam"'),
    "metric": _claim('better = "Adam"\nthan = "SGD"\nmetric = "train/los"'),
    "epoch": _claim('better = "Adam"\nthan = "SGD"\nepoch = 0'),
    "part": _claim('better = "Adam"\nthan = "SGD"\nproblem = "digits"'),
    "key of another form": _claim('better = "Adam"\nthan = "SGD"\nequals = 1.0'),
    "margin of another metric": _claim('equivalent = ["Adam", "SGD"]\nmetric = "train/loss"'),
    "negative margin": _claim('equivalent = ["Adam", "SGD"]\nmargin = -1.0'),
    "within": _claim('equivalent = ["Adam", "SGD"]\nratio = true'),
    "within below 1": _claim('equivalent = ["Adam", "SGD"]\nratio = true\nwithin = 0.9'),
    "factor without ratio": _claim('better = "Adam"\nthan = "SGD"\nfactor = 2.0'),
    "margin with ratio": _claim('equivalent = ["Adam", "SGD"]\nratio = true\nwithin = 1.5\nmargin = 0.1'),
    "no measure": _claim('optimizer = "Adam"\nbelow = 1.0'),
    "no number": _claim('optimizer = "Adam"\nmeasure = "height"'),
    "two numbers": _claim('optimizer = "Adam"\nmeasure = "height"\nabove = 1.0\nbelow = 2.0'),
    "unknown measure": _claim('optimizer = "Adam"\nmeasure = "hight"\nbelow = 1.0'),
    "tolerance": _claim('optimizer = "Adam"\nmeasure = "height"\nbelow = 1.0\ntolerance = 0.1'),
    "step": _claim('optimizer = "Adam"\nmeasure = "step_ratio"\nbelow = 1.0\nstep = 3'),
    "compared measure": _claim('better = "Adam"\nthan = "SGD"\nmeasure = "step_ratio"'),
    "measure and metric": _claim('better = "Adam"\nthan = "SGD"\nmeasure = "height"\nmetric = "score"'),
    "schedule": _claim('optimizer = "Momentum"\nmeasure = "step_over_gradient"\nequals = 1.0'),
    "requires": _claim('better = "Adam"\nthan = "SGD"\nrequires = { gpu = true }'),
    "same id": _claim('id = "2"\nbetter = "Adam"\nthan = "SGD"') + _claim('better = "Adam"\nthan = "SGD"'),
    "key beside statements": _claim('better = "Adam"\n[[claim.statement]]\nbetter = "Adam"\nthan = "SGD"'),
    "in a statement": _claim('[[claim.statement]]\nbetter = "Adam"\nthan = "SDG"'),
    "no table": "claim = 3",
    "old key": 'claims = "yes"',
}


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_invalid_claims(tmp_path, text, wording):
    """Each error is one line for each wrong value, with the path, the value, what is allowed and a hint."""
    with pytest.raises(UserError) as error:
        plan(_load(tmp_path, text).single())
    assert all(line.startswith(f"{tmp_path}/own.toml: ") for line in str(error.value).splitlines())
    wording(error.value)


def test_a_metric_that_the_problem_does_not_have(tmp_path, wording):
    """It is an error of the plan, like an unknown score."""
    text = STUDY.replace("digits_mlp", "airfoil_linear").replace("epochs = 3", 'epochs = 3\nscore = "test/loss"')
    study = _load(tmp_path, _claim('better = "Adam"\nthan = "SGD"\nmetric = "test/accuracy"'), text).single()
    with pytest.raises(UserError) as error:
        plan(study)
    wording(error.value)


def test_claims_above_the_parts_and_in_a_part(tmp_path):
    """Those above the parts are about all of them, those of a part about that part; trials do not depend on claims."""
    claim, plain = _claim('better = "Adam"\nthan = "SGD"'), _load(tmp_path, "", PARTS)
    file = _load(tmp_path, claim, PARTS)
    assert (len(file.claims), [len(study.claim) for study in file.parts]) == (1, [0, 0])
    assert file.select(["digits"]).claims == file.claims
    inner = _load(tmp_path, "", PARTS, claim.replace("[[claim]]", "[[part.claim]]"))
    assert (len(inner.claims), [len(study.claim) for study in inner.parts]) == (0, [1, 0])
    for file_with_claims in (file, inner):
        assert [plan(study) for study in file_with_claims.parts] == [plan(study) for study in plain.parts]


INVALID_PARTS = {
    "no common part": 'better = "AdaMax"\nthan = "SGD"',
    "no such part": 'better = "Adam"\nthan = "SGD"\nproblem = "digit"',
    "not in this part": 'better = "Adam"\nthan = "SGD"\nproblem = ["digits", "cnn"]',
    "label of another part": 'better = "Adam"\nthan = "SGD"\nproblem = "cnn"',
    "margin": 'equivalent = ["Adam", "SGD"]\nmetric = "test/accuracy"',
    "unknown key": 'better = "Adam"\nthan = "SGD"\nbest = 1',
}


@pytest.mark.parametrize("keys", INVALID_PARTS.values(), ids=INVALID_PARTS)
def test_invalid_claims_about_parts(tmp_path, keys, wording):
    """The labels must be in one part, and the margin of another metric than the score must be given."""
    with pytest.raises(UserError) as error:
        _load(tmp_path, _claim(keys), PARTS)
    wording(error.value)


def test_an_error_in_a_claim_of_a_part_names_the_part(tmp_path, wording):
    """The location has the part once."""
    with pytest.raises(UserError) as error:
        _load(tmp_path, "", PARTS, '[[part.claim]]\ntext = "A."\nbetter = "Adam"\nthan = "AdaMax"\n')
    wording(error.value)


def test_overrides_keep_the_claims(tmp_path):
    """An optimizer that the command line drops is no error; its statements are then not tested."""
    study = _load(tmp_path, _claim('better = "Adam"\nthan = "SGD"')).single()
    assert study.override(optimizers=("Adam",)).claim == study.claim
    assert study.override(repeats=3).claim == study.claim


@pytest.mark.parametrize("value", ["true", "false"])
def test_the_old_key_claims_is_read(tmp_path, value, wording):
    """`claims = true` of old studies has no effect but a warning, at the top and in a part; `false` has none."""
    plain, old = _load(tmp_path, ""), _load(tmp_path, f"claims = {value}")
    assert plan(old.single()) == plan(plain.single())
    assert len(old.warnings) == (value == "true")
    for warning in old.warnings:
        wording(warning)
    text = PARTS.replace('score = "test/loss"', f'score = "test/loss"\nclaims = {value}')
    assert len(_load(tmp_path, "", text).warnings) == (value == "true")


def test_the_digest_is_that_of_what_is_tested(tmp_path):
    """It depends on text, statements, score and margin; not on id, source or note, nor on how defaults are written."""
    study = _load(tmp_path, "").single()

    def digest(study=study, **keys):
        return claim_digest(Claim(**{"text": "A.", "better": "Adam", "than": "SGD"} | keys), study)

    known = digest()
    assert known == digest(id="7", source="S", note="N", than=["SGD"], metric="score")
    changed = [
        digest(text="B."),
        digest(than="Momentum"),
        digest(epoch=1),
        digest(margin=0.1),
        digest(study.model_copy(update={"margin": 0.1})),
        digest(study.model_copy(update={"score": "test/loss"})),
    ]
    assert len({known, *changed}) == 7
