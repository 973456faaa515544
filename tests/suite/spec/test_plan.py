"""`suite.spec.plan`: a study becomes trials, and what only optimizers and problems know is checked."""

import pytest

from suite.errors import UserError
from suite.spec.parts import load_study_file as load_file
from suite.spec.plan import plan
from suite.spec.study_file import load_study, shipped_studies

HEAD = 'title = "t"\nproblem = "fashion_mnist_cnn"\nrepeats = 2\nepochs = 3\n'
ENTRY = '[[optimizer]]\nname = "A"\nkind = "adam"\n'


def _plan(tmp_path, text):
    path = tmp_path / "s.toml"
    path.write_text(text, encoding="utf-8")
    return plan(load_study(path))


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_every_shipped_study_has_a_plan(name):
    """Each shipped study becomes as many different trials as it has repeats and optimizers."""
    for study in load_file(name).parts:
        assert len({trial.id for trial in plan(study)}) == study.repeats * len(study.optimizer)


def test_all_optimizers_of_a_repeat_come_before_the_next():
    """A study that is stopped has every optimizer about as often."""
    trials = plan(load_study("quick"))
    assert [trial.repeat for trial in trials] == sorted(trial.repeat for trial in trials)
    assert [trial.label for trial in trials[:3]] == ["MBSGD", "Momentum", "NAG"]


def test_every_hyperparameter_is_resolved(tmp_path):
    """A default that is written out and one that is left out make the same trial; 1 and 1.0 too."""
    short = _plan(tmp_path, HEAD + ENTRY)
    long = _plan(tmp_path, HEAD + ENTRY + "lr = 0.01\nbetas = [0.9, 0.999]\neps = 1e-8\n")
    assert [trial.id for trial in short] == [trial.id for trial in long]
    assert short[0].hyperparameters["betas"] == (0.9, 0.999)
    one, point = (_plan(tmp_path, HEAD + ENTRY + f"lr = {lr}\n") for lr in ("1", "1.0"))
    assert one[0].id == point[0].id


def test_compiled_steps_are_part_of_the_identity(tmp_path):
    """They move bits, so a compiled trial is another one; an optimizer that is not ours is not compiled."""
    other = '[[optimizer]]\nname = "B"\nkind = "torch.optim:AdamW"\n'
    plain = _plan(tmp_path, HEAD + ENTRY + other)
    compiled = _plan(tmp_path, HEAD + "compiled = true\n" + ENTRY + other)
    assert [trial.compiled for trial in compiled] == [True, False, True, False]
    assert [a.id == b.id for a, b in zip(plain, compiled, strict=True)] == [False, True, False, True]


def test_the_data_is_part_of_the_identity(tmp_path):
    """The digests of the problem's files stand in each trial."""
    from suite.data.datasets import FASHION_MNIST

    assert dict(_plan(tmp_path, HEAD + ENTRY)[0].data) == dict(FASHION_MNIST.files)


def test_an_entrys_budget_comes_before_the_studys(tmp_path):
    """batch_size and epochs of an entry hold for it alone."""
    trials = _plan(tmp_path, HEAD + ENTRY + "batch_size = 2\nepochs = 1\n" + ENTRY.replace('"A"', '"B"'))
    assert [(t.label, t.batch_size, t.epochs) for t in trials[:2]] == [("A", 2, 1), ("B", 256, 3)]


def test_a_full_batch_has_chunks(tmp_path):
    """The chunk is 256 where none is written, and part of the trial."""
    full = ENTRY + 'batch_size = "full"\n'
    default, own = _plan(tmp_path, HEAD + full), _plan(tmp_path, HEAD + full + 'chunk = "full"\n')
    assert (default[0].chunk, own[0].chunk) == (256, "full")
    assert default[0].id != own[0].id


def test_a_schedule_is_what_it_does(tmp_path):
    """A constant schedule is none, another is part of the identity."""
    plain = _plan(tmp_path, HEAD + ENTRY)
    constant = _plan(tmp_path, HEAD + ENTRY + 'schedule = { kind = "constant" }\n')
    cosine = _plan(tmp_path, HEAD + ENTRY + 'schedule = { kind = "cosine" }\n')
    assert plain[0].id == constant[0].id != cosine[0].id


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            HEAD + ENTRY.replace("adam", "adm"),
            'optimizer[1] ("A").kind: no optimizer is called "adm". Did you mean "adam"?',
        ),
        (HEAD + ENTRY + "lr = -0.1\n", 'optimizer[1] ("A").lr: expected a number > 0, got -0.1'),
        (HEAD + ENTRY + 'lr = "0.1"\n', 'optimizer[1] ("A").lr: expected a number'),
        (HEAD + ENTRY + "beta = 0.9\n", 'optimizer[1] ("A").beta: '),
        (HEAD + ENTRY + "repeats = 3\n", 'optimizer[1] ("A").repeats: an optimizer cannot override it'),
        (HEAD + ENTRY + "chunk = 8\n", 'optimizer[1] ("A").chunk: it belongs to batch_size = "full"'),
        (HEAD + ENTRY + "batch_size = 1\n", 'optimizer[1] ("A").batch_size: 1 is too small'),
        (HEAD + ENTRY + "batch_size = 59999\n", 'optimizer[1] ("A").batch_size: 59999 leaves 1 of 60,000 examples'),
        (HEAD + ENTRY + "batch_size = 60001\n", 'optimizer[1] ("A").batch_size: 60,001 is more than the 60,000'),
        (HEAD + ENTRY + "train_examples = 60001\n", "train_examples: fashion_mnist_cnn has 60,000, got 60,001"),
        (HEAD + 'score = "test/acuracy"\n' + ENTRY, 'score: there is no "test/acuracy". Did you mean "test/accuracy"?'),
        (
            HEAD.replace("_cnn", "_cn") + ENTRY,
            'problem: there is no "fashion_mnist_cn". Did you mean "fashion_mnist_cnn"?',
        ),
        (
            HEAD + ENTRY + 'schedule = { kind = "cosine", gamma = 0.7 }\n',
            'optimizer[1] ("A").schedule.gamma: cosine does not use it. It uses: kind, warmup, final',
        ),
        (HEAD + 'reference = "papr"\n' + ENTRY, 'reference: there is no "papr". Did you mean "paper"?'),
        (HEAD + ENTRY + f"lr = 1{400 * '0'}\n", "optimizer[1].lr: a whole number beyond those of TOML (2^63"),
        (
            HEAD + ENTRY.replace("adam", "torch.optim:LBFGS"),
            'optimizer[1] ("A").kind: LBFGS evaluates the loss many times a step, by a closure',
        ),
        (HEAD + ENTRY.replace("adam", "nowhere:Adam"), 'optimizer[1] ("A").kind: there is no module "nowhere"'),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path, text, told):
    """What needs an optimizer's or problem's knowledge is told as the study file's own mistakes are."""
    with pytest.raises(UserError) as caught:
        _plan(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/s.toml: ")
    assert told in message
    assert "\n" not in message


def test_the_chunk_of_a_study_is_for_its_full_batches(tmp_path):
    """A study's chunk holds for its entries with a full batch, and is none of the others' business."""
    head = HEAD + "chunk = 500\n"
    trials = _plan(tmp_path, head + ENTRY + ENTRY.replace('"A"', '"B"') + 'batch_size = "full"\n')
    assert [trial.chunk for trial in trials[:2]] == [None, 500]


def test_a_problem_that_lacks_a_value_is_told(write_study):
    """A problem of one's own without its number of examples is one line."""
    path = write_study()
    toy = path.parent / "toy.py"
    toy.write_text(toy.read_text(encoding="utf-8").replace("    train_examples = 256\n", ""), encoding="utf-8")
    with pytest.raises(UserError, match=r"problem: toy:BLOBS has no train_examples. Write it in its class"):
        plan(load_study(path))


def test_a_problem_and_an_optimizer_of_ones_own_lie_beside_the_study(write_study):
    """`module:name` is looked up in the study's folder, and editing the file makes new trials."""
    path = write_study(extra='\n[[optimizer]]\nname = "mine"\nkind = "toy:Broken"\nlr = 0.1\n')
    before = plan(load_study(path))
    assert before[0].problem == "toy:BLOBS"
    assert before[2].optimizer == "toy:Broken"
    toy = path.parent / "toy.py"
    toy.write_text(toy.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert {trial.id for trial in plan(load_study(path))}.isdisjoint({trial.id for trial in before})
