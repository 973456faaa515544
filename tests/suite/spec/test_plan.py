"""`suite.spec.plan`: a study becomes trials, checked against its optimizers and its problem."""

import dataclasses

import pytest

from suite.errors import UserError
from suite.spec.parts import load_study_file as load_file
from suite.spec.plan import plan
from suite.spec.study_file import load_study, shipped_studies
from suite.trials import Trial

HEAD = 'title = "t"\nproblem = "fashion_mnist_cnn"\nrepeats = 2\nepochs = 3\n'
ENTRY = '[[optimizer]]\nname = "A"\nkind = "adam"\n'


def _plan(tmp_path, text):
    path = tmp_path / "s.toml"
    path.write_text(text, encoding="utf-8")
    return plan(load_study(path))


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_every_shipped_study_has_a_plan(name):
    """Each shipped study has a different trial for each repeat of each optimizer."""
    for study in load_file(name).parts:
        assert len({trial.id for trial in plan(study)}) == study.repeats * len(study.optimizer)


def test_trials_are_ordered_by_repeat():
    """A study that is stopped has every optimizer about as often."""
    trials = plan(load_study("quick"))
    assert [trial.repeat for trial in trials] == sorted(trial.repeat for trial in trials)
    assert [trial.label for trial in trials[:3]] == ["MBSGD", "Momentum", "NAG"]


def test_every_hyperparameter_is_resolved(tmp_path):
    """A default that is written out and one that is omitted give the same trial, and so do 1 and 1.0."""
    short = _plan(tmp_path, HEAD + ENTRY)
    long = _plan(tmp_path, HEAD + ENTRY + "lr = 0.01\nbetas = [0.9, 0.999]\neps = 1e-8\n")
    assert [trial.id for trial in short] == [trial.id for trial in long]
    assert short[0].hyperparameters["betas"] == (0.9, 0.999)
    one, point = (_plan(tmp_path, HEAD + ENTRY + f"lr = {lr}\n") for lr in ("1", "1.0"))
    assert one[0].id == point[0].id


def test_compiled_steps_are_part_of_the_id(tmp_path):
    """They change results in the last bits, so a compiled trial is another one; only elementwise rules are compiled."""
    other = '[[optimizer]]\nname = "B"\nkind = "torch.optim:AdamW"\n[[optimizer]]\nname = "C"\nkind = "muon"\n'
    plain = _plan(tmp_path, HEAD + ENTRY + other)
    compiled = _plan(tmp_path, HEAD + "compiled = true\n" + ENTRY + other)
    assert [trial.compiled for trial in compiled] == [True, False, False] * 2
    assert [a.id == b.id for a, b in zip(plain, compiled, strict=True)] == [False, True, True] * 2


def test_the_data_is_part_of_the_id(tmp_path):
    """Each trial has the digests of the problem's files."""
    from suite.data.datasets import FASHION_MNIST

    assert dict(_plan(tmp_path, HEAD + ENTRY)[0].data) == dict(FASHION_MNIST.files)


def test_the_budget_of_an_entry_overrides_the_studys(tmp_path):
    """`batch_size` and `epochs` of an entry hold only for that entry."""
    trials = _plan(tmp_path, HEAD + ENTRY + "batch_size = 2\nepochs = 1\n" + ENTRY.replace('"A"', '"B"'))
    assert [(t.label, t.batch_size, t.epochs) for t in trials[:2]] == [("A", 2, 1), ("B", 256, 3)]


def test_a_full_batch_has_chunks(tmp_path):
    """The default chunk is 256, and the chunk is part of the trial."""
    text = HEAD + ENTRY + 'batch_size = "full"\n'
    default, full = _plan(tmp_path, text), _plan(tmp_path, text + 'chunk = "full"\n')
    assert (default[0].chunk, full[0].chunk) == (256, "full")
    assert default[0].id != full[0].id


def test_the_schedule_is_part_of_the_id(tmp_path):
    """A constant schedule is the same as none."""
    plain = _plan(tmp_path, HEAD + ENTRY)
    constant = _plan(tmp_path, HEAD + ENTRY + 'schedule = { kind = "constant" }\n')
    cosine = _plan(tmp_path, HEAD + ENTRY + 'schedule = { kind = "cosine" }\n')
    assert cosine[0].schedule.keys() == {
        "kind",
        "warmup",
        "final",
        "gamma",
        "milestones",
    }  # newer keys would change ids
    assert plain[0].id == constant[0].id != cosine[0].id


def test_a_closure_is_part_of_the_id(tmp_path):
    """It is given to an optimizer whose step requires one, and to others that ask for it; its steps are not compiled."""
    lbfgs = _plan(tmp_path, HEAD + ENTRY.replace("adam", "torch.optim:LBFGS"))[0]
    assert lbfgs.closure
    assert _plan(tmp_path, HEAD + ENTRY.replace("adam", "torch.optim:LBFGS") + "closure = true\n")[0].id == lbfgs.id
    head = HEAD + "compiled = true\n"
    plain, closure, graph = (
        _plan(tmp_path, head + ENTRY + line)[0] for line in ("", "closure = true\n", "create_graph = true\n")
    )
    assert (plain.closure, plain.create_graph, plain.compiled) == (False, False, True)
    assert (closure.closure, closure.create_graph, closure.compiled) == (True, False, False)
    assert (graph.closure, graph.create_graph, graph.compiled) == (False, True, False)
    assert len({plain.id, closure.id, graph.id}) == 3
    assert _plan(tmp_path, head + ENTRY + "closure = false\ncreate_graph = false\n")[0].id == plain.id


INVALID = {
    "kind": ENTRY.replace("adam", "adm"),
    "lr negative": ENTRY + "lr = -0.1\n",
    "lr text": ENTRY + 'lr = "0.1"\n',
    "unknown option": ENTRY + "beta = 0.9\n",
    "repeats": ENTRY + "repeats = 3\n",
    "chunk": ENTRY + "chunk = 8\n",
    "accumulate a full batch": ENTRY + 'batch_size = "full"\naccumulate = 2\n',
    "too many parts": ENTRY + "batch_size = 8\naccumulate = 9\n",
    "parts too small": ENTRY + "batch_size = 7\naccumulate = 3\ntrain_examples = 700\n",
    "smoothed regression": 'label_smoothing = 0.1\nscore = "test/loss"\n' + ENTRY,
    "clipped Newton": ENTRY.replace("adam", "newton") + "clip = 1.0\n",
    "two averages": ENTRY.replace("adam", "schedule_free_sgd") + "ema = 0.9\n",
    "batch too small": ENTRY + "batch_size = 1\n",
    "last batch too small": ENTRY + "batch_size = 59999\n",
    "batch too large": ENTRY + "batch_size = 60001\n",
    "train_examples": ENTRY + "train_examples = 60001\n",
    "score": 'score = "test/acuracy"\n' + ENTRY,
    "problem": ENTRY,
    "schedule": ENTRY + 'schedule = { kind = "cosine", gamma = 0.7 }\n',
    "reference": 'reference = "papr"\n' + ENTRY,
    "long integer": ENTRY + f"lr = 1{400 * '0'}\n",
    "closure": ENTRY.replace("adam", "torch.optim:LBFGS") + "closure = false\n",
    "closure of another kind": ENTRY.replace("adam", "newton") + "closure = true\n",
    "clipped graph": ENTRY + "clip = 1.0\ncreate_graph = true\n",
    "create_graph": 'precision = "bfloat16"\n' + ENTRY + "create_graph = true\n",
    "module": ENTRY.replace("adam", "nowhere:Adam"),
}


OWN = """
import torch

class Open(torch.optim.SGD):
    def __init__(self, params, lr=0.1, epochs=3, seed=0, **others):
        super().__init__(params, lr, **others)
"""


def _own(tmp_path, options):
    """Return the plan of a study with an entry of the class `Open`, which has `**kwargs`."""
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return _plan(tmp_path, HEAD + ENTRY.replace("adam", "own:Open") + options)


def test_declared_options_are_recorded(tmp_path):
    """`extra` has options that the signature does not list, and those whose names are keys of a study or of an entry."""
    trial, *_ = _own(tmp_path, "epochs = 2\nextra = { momentum = 0.9, nesterov = true, epochs = 4, seed = 7 }\n")
    assert trial.epochs == 2
    assert trial.hyperparameters == {"lr": 0.1, "epochs": 4, "seed": 7, "momentum": 0.9, "nesterov": True}


@pytest.mark.parametrize(
    "options",
    [
        "momentun = 0.9\n",
        "seed = 3\n",
        "extra = { lr = 0.3 }\n",
        "extra = { momentun = 0.9 }\n",
        "extra = { momentum = nan }\n",
        "extra = 3\n",
    ],
)
def test_undeclared_and_invalid_options(tmp_path, wording, options):
    """A misspelled option is not passed to `**kwargs`; a declared option that the class refuses is named."""
    with pytest.raises(UserError) as error:
        _own(tmp_path, options)
    wording(error.value)


def test_extra_without_kwargs(tmp_path, wording):
    """A class without `**kwargs` has no other options."""
    with pytest.raises(UserError) as error:
        _plan(tmp_path, HEAD + ENTRY + "extra = { amsgrad = true }\n")
    wording(error.value)


@pytest.mark.parametrize("name", INVALID)
def test_an_error_is_one_line_with_its_location(tmp_path, wording, name):
    """Errors that only an optimizer or a problem can find have the form of all errors in study files."""
    other = {"problem": "fashion_mnist_cn", "smoothed regression": "airfoil_linear"}
    head = HEAD.replace("fashion_mnist_cnn", other.get(name, "fashion_mnist_cnn"))
    with pytest.raises(UserError) as error:
        _plan(tmp_path, head + INVALID[name])
    message = str(error.value)
    assert message.startswith(f"{tmp_path}/s.toml: ")
    assert "\n" not in message
    wording(message)


def test_all_errors_are_reported_at_once(tmp_path):
    """Errors of the study, the problem's options and two optimizers give a line each."""
    entries = ENTRY.replace("adam", "adm") + ENTRY.replace('"A"', '"B"') + "lr = -1\n"
    with pytest.raises(UserError) as error:
        _plan(tmp_path, f'{HEAD}score = "x"\nreference = "x"\nproblem_options = {{ x = 1 }}\n{entries}')
    locations = [line.removeprefix(f"{tmp_path}/s.toml: ").partition(": ")[0] for line in str(error.value).split("\n")]
    assert locations == ["score", "reference", "problem_options.x", 'optimizer[1] ("A").kind', 'optimizer[2] ("B").lr']


def test_the_chunk_of_a_study_is_for_its_full_batches(tmp_path):
    """A study's chunk holds only for its entries with a full batch."""
    head = HEAD + "chunk = 500\n"
    trials = _plan(tmp_path, head + ENTRY + ENTRY.replace('"A"', '"B"') + 'batch_size = "full"\n')
    assert [trial.chunk for trial in trials[:2]] == [None, 500]


TRAINING = {
    "updates_per_epoch = 50\n": {"epoch_updates": 50},
    "batch_size = 100\naccumulate = 3\n": {"batch_size": 100, "chunk": 34},
    "clip = 1.0\n": {"clip": 1.0},
    "label_smoothing = 0.1\n": {"label_smoothing": 0.1},
    "ema = 0.99\n": {"ema": 0.99},
}


@pytest.mark.parametrize("keys", TRAINING)
def test_keys_that_change_the_training_are_part_of_the_id(tmp_path, keys):
    """A key of the study holds for all entries, an entry's key for itself; without them the description has no such field."""
    plain = _plan(tmp_path, HEAD + ENTRY)[0]
    assert plain.description().keys().isdisjoint({"epoch_updates", "clip", "label_smoothing", "ema"})
    of_study, of_entry = _plan(tmp_path, HEAD + keys + ENTRY)[0], _plan(tmp_path, HEAD + ENTRY + keys)[0]
    assert of_study.id == of_entry.id != plain.id
    changed = {field.name for field in dataclasses.fields(plain)} & TRAINING[keys].keys()
    assert {name: getattr(of_study, name) for name in changed} == TRAINING[keys]
    assert Trial.from_description(of_study.description(), "A").id == of_study.id


def test_an_entry_overrides_a_key_that_changes_the_training(tmp_path):
    """An entry's own value replaces that of the study."""
    head = HEAD + "clip = 1.0\nlabel_smoothing = 0.1\n"
    first, second, *_ = _plan(tmp_path, head + ENTRY + "label_smoothing = 0.0\nclip = 2.0\n")
    assert (first.clip, first.label_smoothing, second.clip) == (2.0, 0.0, 2.0)


def test_batches_of_a_fixed_number_of_updates_leave_no_remainder(tmp_path):
    """Batches of 59,999 leave one of 60,000 examples, which batch norm refuses; with `updates_per_epoch` there is no rest."""
    keys = "batch_size = 59_999\n"
    with pytest.raises(UserError, match="leaves 1 of 60,000"):
        _plan(tmp_path, HEAD + ENTRY + keys)
    trial, *_ = _plan(tmp_path, HEAD + ENTRY + keys + "updates_per_epoch = 4\n")
    assert (trial.updates, trial.examples_per_epoch) == (12, 4 * 59_999)


def test_a_problem_without_its_number_of_examples(write_study, wording):
    """A user's problem that lacks an attribute is an error of one line."""
    path = write_study()
    toy = path.parent / "toy.py"
    toy.write_text(toy.read_text(encoding="utf-8").replace("    train_examples = 256\n", ""), encoding="utf-8")
    with pytest.raises(UserError) as error:
        plan(load_study(path))
    wording(error.value)


def test_a_users_problem_and_optimizer_lie_beside_the_study(write_study):
    """`module:name` is looked up in the study's folder, and a change of the file gives new trials."""
    path = write_study(extra='\n[[optimizer]]\nname = "mine"\nkind = "toy:Broken"\nlr = 0.1\n')
    before = plan(load_study(path))
    assert before[0].problem == "toy:BLOBS"
    assert before[2].optimizer == "toy:Broken"
    toy = path.parent / "toy.py"
    toy.write_text(toy.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert {trial.id for trial in plan(load_study(path))}.isdisjoint({trial.id for trial in before})
