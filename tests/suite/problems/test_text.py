"""`suite.problems.text` and its networks: passages of the real text, no look at later bytes, bits per byte."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from suite.data import datasets
from suite.errors import UserError
from suite.problems import PROBLEMS, Data
from suite.training.run_trial import _load_data, run_trial
from suite.trials import Trial

every = pytest.mark.parametrize("key", ["text_gpt", "text_lstm"])


@pytest.mark.data
def test_the_passages_are_the_text(jargon):
    """Training and test passages together are the start of the file, and each target is the byte behind its input."""
    data, text = PROBLEMS["text_gpt"].load(jargon), (jargon / "jargon" / "jargon.txt").read_bytes()
    assert len(text) == 1_681_817
    inputs, targets = (
        bytes(torch.cat([getattr(data, f"{part}_{what}") for part in ("train", "test")]).flatten().tolist())
        for what in ("inputs", "targets")
    )
    n = (5_912 + 657) * 256
    assert (inputs, targets) == (text[:n], text[1 : n + 1])
    assert len(text) - n <= 256  # what is left is no complete passage with its targets
    assert (len(data.train_inputs), len(data.test_inputs)) == (5_912, 657)


@pytest.mark.data
def test_the_chance_loss_is_the_entropy_of_the_bytes(jargon):
    """The chance loss is −Σ p ln p over the frequencies p of the bytes that the training passages predict."""
    counts = Counter(PROBLEMS["text_gpt"].load(jargon).train_targets.flatten().tolist())
    total = sum(counts.values())
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    assert PROBLEMS["text_gpt"].chance_loss == PROBLEMS["text_lstm"].chance_loss == pytest.approx(entropy, rel=1e-6)


@pytest.mark.data
def test_a_wrong_text_is_refused(jargon, tmp_path, monkeypatch, wording):
    """A truncated text and another edition are refused in one line with both digests, and nothing is written."""
    monkeypatch.setenv("RAVINE_CACHE", str(tmp_path / "cache"))
    text = (jargon / "jargon" / "jargon.txt").read_bytes()
    for name, wrong in (("truncated", text[:-1]), ("edition", text.replace(b"4.4.7", b"4.4.6"))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "jargon.txt").write_bytes(wrong)
        with pytest.raises(UserError) as error:
            datasets.ensure(datasets.JARGON, folder)
        wording(error.value)
    assert not (tmp_path / "cache").exists()


@every
def test_no_score_depends_on_a_later_byte_or_another_window(key):
    """Another byte at position 100 changes no score before it, and none after its window of 64 bytes."""
    torch.manual_seed(0)
    network, tokens = PROBLEMS[key].network(), torch.randint(0, 256, (1, 256))
    changed = tokens.clone()
    changed[0, 100] += 1 if tokens[0, 100] < 255 else -1
    differs = (network(tokens) != network(changed)).any(dim=2)[0]
    assert not differs[:100].any()
    assert differs[100:128].all()
    assert not differs[128:].any()


def test_gpt_ties_its_output_layer_unless_told_otherwise():
    """A tied layer is the byte embedding itself; an untied one has 256 · 64 parameters more."""
    tied, untied = (PROBLEMS["text_gpt"].network(tied=tied) for tied in (True, False))
    assert tied.output.weight is tied.token_embedding.weight
    sizes = [sum(p.numel() for p in network.parameters()) for network in (tied, untied)]
    assert sizes[1] - sizes[0] == 256 * 64


def test_a_block_equals_its_formula():
    """The output of a causal block equals softmax(QKᵀ/√k)V and the MLP, written out in numpy's float64."""
    from suite.problems.transformer import Block

    torch.manual_seed(0)
    block, x = Block(8, 2, causal=True).double(), torch.randn(5, 8, dtype=torch.float64)
    w = {name: p.detach().numpy() for name, p in block.named_parameters()}

    def norm(h, name):
        h = (h - h.mean(axis=1, keepdims=True)) / np.sqrt(h.var(axis=1, keepdims=True) + 1e-5)
        return h * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(h, name):
        return h @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    h = x.numpy()
    q, k, v = np.split(linear(norm(h, "attention_norm"), "attention_in"), 3, axis=1)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        scores = q[:, part] @ k[:, part].T / 2
        scores[np.triu_indices(5, 1)] = -np.inf
        weights = np.exp(scores)
        heads.append(weights / weights.sum(axis=1, keepdims=True) @ v[:, part])
    h = h + linear(np.concatenate(heads, axis=1), "attention_out")
    hidden = linear(norm(h, "mlp_norm"), "mlp_in")
    hidden = hidden * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2))) / 2
    np.testing.assert_allclose(block(x[None])[0].detach().numpy(), h + linear(hidden, "mlp_out"), atol=1e-12)


@every
def test_the_loss_is_in_nats_and_bits_per_byte_stand_beside_it(key, monkeypatch):
    """The test loss is the mean of −ln p over all bytes, and `test/bits_per_byte` is this loss divided by ln 2."""
    problem = PROBLEMS[key]
    torch.manual_seed(0)
    text = torch.randint(0, 256, (4, 256), dtype=torch.uint8)
    monkeypatch.setattr(type(problem), "load", lambda *_: Data(text, text, text, text))
    trial = Trial(
        label="a",
        problem=key,
        optimizer="sgd",
        hyperparameters={"lr": 0.0},
        batch_size=3,
        epochs=1,
        train_examples=4,
        repeat=0,
    )
    _load_data.cache_clear()
    run = run_trial(trial)
    _load_data.cache_clear()
    values = {point.metric: point.value for point in run.points}
    assert set(values) == {"train/step_loss", "train/loss", "test/loss", "test/bits_per_byte"}
    assert values["test/bits_per_byte"] == pytest.approx(values["test/loss"] / math.log(2), rel=1e-12)
    assert values["train/loss"] == pytest.approx(values["test/loss"], rel=1e-6)  # the learning rate is 0
    outputs = torch.randn(2, 256, 256, dtype=torch.float64)
    p = outputs.softmax(dim=2).gather(2, text[:2, :, None].long())
    assert problem.loss(outputs, text[:2]).item() == pytest.approx(-p.log().mean().item(), rel=1e-12)


@pytest.mark.data
def test_tuning_never_sees_the_test_passages(jargon):
    """The validation passages are the last sixth of those for training."""
    problem = PROBLEMS["text_gpt"]
    data, split = problem.load(jargon), _load_data(problem, jargon, "cpu", "text_gpt")
    assert torch.equal(torch.cat([split.train_inputs, split.test_inputs]), data.train_inputs)
    assert len(split.test_inputs) == 5_912 // 6
