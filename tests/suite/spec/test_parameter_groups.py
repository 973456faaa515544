"""`suite.spec.parameter_groups`: the groups of an entry, checked and described."""

import pytest
import torch

from suite.errors import UserError
from suite.optimizers import OPTIMIZERS, constructor_options, resolve_options
from suite.spec.plan import plan
from suite.spec.study_file import load_study, study_to_toml
from suite.trials import Trial, canonical

ENTRY = '\n[[optimizer]]\nname = "x"\nkind = "{kind}"\n'
GROUP = "[[optimizer.group]]\n"
OWN = """
import torch
from torch import nn
from toy import Blobs

class Apart(torch.optim.SGD):
    def __init__(self, params, lr=0.1, momentum=0.0, rank=3):
        self.rank = rank
        super().__init__(params, lr=lr, momentum=momentum)

class Roles(Blobs):
    key = "roles"

    def roles(self, network):
        return super().roles(network) | {"0.weight": {"readin"}}

ROLES = Roles()
"""


@pytest.fixture
def study(write_study):
    """Write a study with a third entry that has groups; return the loaded study."""

    def write(groups, kind="adamw", options=""):
        path = write_study(repeats=1, extra=f"{ENTRY.format(kind=kind)}{options}\n{groups}")
        (path.parent / "own.py").write_text(OWN, encoding="utf-8")
        return load_study(path)

    return write


def _group(*lines):
    return GROUP + "\n".join(lines) + "\n"


def test_a_trial_records_selectors_and_options(study):
    """Options as they are resolved: the changed ones of a group of the entry's optimizer, all of another optimizer."""
    groups = _group('roles = ["norm", "bias"]', "weight_decay = 0") + _group(
        "ndim = 2", 'names = ["3.*"]', 'kind = "momentum"'
    )
    trial = plan(study(groups))[-1]
    assert trial.groups == (
        {"roles": ["bias", "norm"], "hyperparameters": {"weight_decay": 0.0}},
        {
            "names": ["3.*"],
            "ndim": [2],
            "kind": "momentum",
            "hyperparameters": resolve_options(OPTIMIZERS["momentum"], {}),
        },
    )
    assert trial.kinds == ("adamw", "momentum")
    assert Trial.from_description(trial.description(), "x").id == trial.id


def test_every_part_of_a_group_is_part_of_the_id(study):
    """Selectors, options and kinds; the order of the roles is not, and a trial without groups does not mention them."""
    texts = [
        _group('roles = ["bias", "norm"]', "lr = 0.1"),
        _group('roles = ["bias"]', "lr = 0.1"),
        _group('roles = ["bias", "norm"]', "lr = 0.2"),
        _group('roles = ["bias", "norm"]', "lr = 0.1", 'kind = "adamw"'),
        "",
    ]
    trials = [plan(study(text))[-1] for text in texts]
    assert len({trial.id for trial in trials}) == 5
    assert "groups" not in trials[-1].description()
    assert plan(study(_group('roles = ["norm", "bias"]', "lr = 0.1")))[-1].id == trials[0].id


def test_the_code_of_a_group_is_recorded(study):
    """A class in the folder of the study has the digests of its files."""
    (group,) = plan(study(_group("ndim = 1", 'kind = "own:Apart"')))[-1].groups
    assert group["code"].keys() == {"own.py", "toy.py"}
    assert group["hyperparameters"] == {"lr": 0.1, "momentum": 0.0, "rank": 3}


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("adamw", [("lr = 0.1",)]),
        ("adamw", [("roles = []",), ("ndim = -1",), ('names = "*.bias"',), ('roles = ["bias"]', 'kind = ""')]),
        ("adamw", [('roles = ["biass"]', "lr = 0.1")]),
        ("adamw", [('roles = ["bias"]', "lr = 0.1"), ('names = ["*.bias"]', "lr = 0.2"), ('names = ["9.*"]',)]),
        ("adamw", [("ndim = 1", "weight_decy = 0.0"), ("ndim = 2", "lr = -1.0"), ("ndim = 3", 'kind = "adamm"')]),
        ("adamw", [("ndim = 1", "extra = { lr = 0.1 }"), ("ndim = 2", 'kind = "adam"', "rank = 3")]),
        ("adamw", [("ndim = [1, 2]", 'kind = "adam"')]),
        ("newton", [("ndim = 1", "lr = 0.1")]),
        ("adamw", [("ndim = 1", 'kind = "newton"')]),
        ("adamw", [("ndim = 1", 'kind = "torch.optim:LBFGS"')]),
        ("own:Apart", [("ndim = 1", "rank = 4"), ("ndim = 2", "epochs = 3")]),
    ],
    ids=[
        "no selector",
        "values",
        "role",
        "empty",
        "options",
        "extra",
        "no rest",
        "newton",
        "a newton",
        "closure",
        "apart",
    ],
)
def test_errors_name_the_group(study, wording, kind, groups):
    """All errors of the groups at once, each with the path of its key; nothing is built for a study without groups."""
    with pytest.raises(UserError) as error:
        plan(study("".join(_group(*lines) for lines in groups), kind))
    assert "group[" in str(error.value) or "group:" in str(error.value)
    wording(error.value)


def test_a_problem_names_its_roles(study, here):
    """Roles of a problem replace those of the layers, also new ones."""
    study("")
    path = here / "toy_study.toml"
    text = path.read_text(encoding="utf-8").replace("toy:BLOBS", "own:ROLES")
    path.write_text(text + _group('roles = ["readin"]', "lr = 0.1"), encoding="utf-8")
    assert plan(load_study(path))[-1].groups == ({"roles": ["readin"], "hyperparameters": {"lr": 0.1}},)


def test_only_groups_build_a_network(study, monkeypatch):
    """Planning a study without groups is as fast as before."""
    loaded = study("")
    monkeypatch.setattr("suite.spec.parameter_groups.members", None)
    monkeypatch.setattr("suite.spec.plan.members", None)
    assert len(plan(loaded)) == 3


def test_a_study_with_groups_is_written_and_read_again(study, here):
    """The written file has the same trials, and so has the study with a change on the command line."""
    loaded = study(
        _group("ndim = 1", 'kind = "adam"', "lr = 0.1") + _group('roles = ["output"]', "extra = { rank = 2 }")
    )
    again = here / "again.toml"
    again.write_text(study_to_toml(loaded), encoding="utf-8")
    assert [t.id for t in plan(load_study(again))] == [t.id for t in plan(loaded)]
    assert plan(loaded.override(epochs=5))[-1].groups == plan(loaded)[-1].groups


def test_a_dry_run_prints_the_parameters_of_each_group(study, call, here):
    """Group, setting, number of tensors and values, and names of the tensors."""
    study(_group('roles = ["bias", "norm"]', "weight_decay = 0.0") + _group('roles = ["output"]', 'kind = "adam"'))
    status, out, _ = call("run", "toy_study.toml", "--dry-run", "--device", "cpu")
    assert status == 0
    rows = [line.split("\t") for line in out.splitlines() if line.startswith("x\t")]
    assert rows == [
        ["x", "group 1", "weight_decay 0.0", "4", "28", "0.bias, 1.weight, 1.bias, 3.bias"],
        ["x", "group 2", "adam", "1", "32", "3.weight"],
        ["x", "other", "adamw", "1", "16", "0.weight"],
    ]


def test_the_options_of_a_group_are_those_of_the_class():
    """Every rule reads each option of its constructor from its groups, so that each may differ between groups."""
    for cls in OPTIMIZERS.values():
        if not getattr(cls, "requires_loss_fn", False):
            made = cls([torch.nn.Parameter(torch.zeros(2, 2))])
            assert constructor_options(cls).keys() <= made.defaults.keys(), canonical(cls.__name__)
