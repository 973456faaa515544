"""`suite.training.loop`: a small problem, compared with an independent textbook loop."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from toy import BLOBS, NOISE, Blobs, Noise

from suite.optimizers import SGD, Momentum
from suite.optimizers.schedules import scheduler
from suite.problems import PROBLEMS
from suite.records import Outcome
from suite.training.interleaving import InterleavedRun, Seeds, run_interleaved
from suite.training.loop import epoch_orders, train
from suite.trials import Trial

TRIAL = Trial(
    label="a",
    problem="blobs",
    optimizer="sgd",
    hyperparameters={},
    batch_size=60,
    epochs=3,
    train_examples=256,
    repeat=0,
)


pytestmark = pytest.mark.usefixtures("one_thread")


def _run(trial, problem=BLOBS, kind=SGD, lr=0.1, schedule=None):
    torch.manual_seed(1)
    network = problem.network()
    optimizer = kind(network.parameters(), lr=lr)
    lr_scheduler = scheduler(schedule, optimizer, trial.updates)
    order = torch.Generator().manual_seed(2)
    run = train(trial, problem, problem.load(None), network, optimizer, lr_scheduler, order)
    return run_interleaved([InterleavedRun(run, Seeds(0, 0, 0), "cpu")], 1)[0], network


def _values(run, metric):
    return [point.value for point in run.points if point.metric == metric]


def test_the_loop_equals_the_textbook_loop():
    """Running training metrics and test metrics equal those of a plain loop, and the weights are bit-for-bit identical."""
    run, network = _run(TRIAL, kind=Momentum)
    torch.manual_seed(1)
    plain, data, order = BLOBS.network(), BLOBS.load(None), torch.Generator().manual_seed(2)
    optimizer = Momentum(plain.parameters(), lr=0.1)
    losses, accuracies, test_losses, test_accuracies = [], [], [], []
    for _ in range(3):
        plain.train()
        loss_sum = correct = 0.0
        for indices in torch.randperm(256, generator=order).split(60):  # 60, 60, 60, 60, 16: none is dropped
            outputs = plain(data.train_inputs[indices])
            loss = nn.functional.cross_entropy(outputs, data.train_targets[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(indices)
            correct += (outputs.argmax(1) == data.train_targets[indices]).sum().item()
        losses.append(loss_sum / 256)
        accuracies.append(correct / 256)
        plain.eval()
        with torch.no_grad():
            outputs = plain(data.test_inputs)
        test_losses.append(nn.functional.cross_entropy(outputs, data.test_targets).item())
        test_accuracies.append((outputs.argmax(1) == data.test_targets).float().mean().item())
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), plain.state_dict().values(), strict=True)
    )
    assert _values(run, "train/loss") == pytest.approx(losses, rel=1e-12)
    assert _values(run, "train/accuracy") == accuracies
    assert _values(run, "test/loss") == pytest.approx(test_losses, rel=1e-6)
    assert _values(run, "test/accuracy") == pytest.approx(test_accuracies)
    assert run.outcome is Outcome.OK


def test_every_update_has_its_loss_and_every_metric_its_step():
    """Three epochs of five updates give fifteen step losses; epoch metrics are at steps 5, 10, 15 and epochs 1, 2, 3."""
    run, _ = _run(TRIAL)
    steps = [(p.epoch, p.step) for p in run.points if p.metric == "train/step_loss"]
    assert steps == [(1 + i // 5, 1 + i) for i in range(15)]
    assert [(p.epoch, p.step) for p in run.points if p.metric == "test/accuracy"] == [(1, 5), (2, 10), (3, 15)]


def test_all_examples_are_counted():
    """Three epochs of 256 examples are 768, including the smaller last batches."""
    run, _ = _run(TRIAL)
    assert run.timing.examples == 768
    assert run.timing.train > 0
    assert run.timing.evaluate > 0


def test_a_training_subset_is_the_first_examples():
    """With 64 training examples, the weights equal those of a problem that has no others."""

    class Small(Blobs):
        def load(self, root):
            data = super().load(root)
            return dataclasses.replace(data, train_inputs=data.train_inputs[:64], train_targets=data.train_targets[:64])

    trial = dataclasses.replace(TRIAL, train_examples=64)
    (_, subset), (_, small) = _run(trial), _run(trial, Small())
    assert torch.equal(subset[0].weight, small[0].weight)


def test_an_evaluation_every_two_epochs():
    """With an evaluation every second epoch of three, epochs 2 and 3 are evaluated."""
    run, _ = _run(dataclasses.replace(TRIAL, eval_every=2))
    assert [p.epoch for p in run.points if p.metric == "test/loss"] == [2, 3]


def test_training_yields_when_it_would_wait():
    """It yields every 128 updates, at the end of an epoch, and between the start and the result of an evaluation."""
    trial = dataclasses.replace(TRIAL, batch_size=2, epochs=2, eval_every=2, train_examples=256)  # 128 updates an epoch
    torch.manual_seed(1)
    network = BLOBS.network()
    optimizer, order = SGD(network.parameters(), lr=0.1), torch.Generator().manual_seed(2)
    yields = sum(1 for _ in train(trial, BLOBS, BLOBS.load(None), network, optimizer, None, order))
    assert yields == 2 * (1 + 1) + 1


class Linear(Blobs):
    """The blobs with a linear network, in which nothing couples the examples."""

    def network(self):
        return nn.Linear(2, 4)


def test_a_full_batch_is_one_update_with_the_gradient_of_the_mean_loss():
    """In chunks, the update equals that of one pass over all examples, if nothing couples the examples."""
    full = dataclasses.replace(TRIAL, batch_size="full", epochs=2, chunk=100)  # chunks of 100, 100 and 56
    (run, chunked), (_, at_once) = _run(full, Linear()), _run(dataclasses.replace(full, chunk="full"), Linear())
    torch.manual_seed(1)
    plain, data = nn.Linear(2, 4), BLOBS.load(None)
    for _ in range(2):
        loss = nn.functional.cross_entropy(plain(data.train_inputs), data.train_targets)
        plain.weight.grad = plain.bias.grad = None
        loss.backward()
        with torch.no_grad():
            for parameter in plain.parameters():
                parameter.sub_(0.1 * parameter.grad)
    assert torch.allclose(chunked.weight, plain.weight, rtol=1e-5)
    assert torch.allclose(at_once.weight, plain.weight, rtol=1e-5)
    assert len(_values(run, "train/step_loss")) == 2
    assert _values(run, "train/step_loss")[1] == pytest.approx(loss.item(), rel=1e-5)
    assert run.timing.examples == 512


@pytest.mark.parametrize(("chunk", "updates"), [(64, 4), ("full", 1)])
def test_each_chunk_updates_the_running_statistics_once(chunk, updates):
    """Batch norm counts one batch for each chunk of a full batch, as the docstring of the module says."""
    _, network = _run(dataclasses.replace(TRIAL, batch_size="full", epochs=1, chunk=chunk))
    assert network[1].num_batches_tracked.item() == updates


def test_batches_of_two_train():
    """Stochastic gradient descent with batches of two: 128 updates an epoch, with a check within the epoch."""
    run, _ = _run(dataclasses.replace(TRIAL, batch_size=2, epochs=1), lr=0.01)
    assert run.outcome is Outcome.OK
    assert len(_values(run, "train/step_loss")) == 128


def test_a_loss_that_is_not_finite_ends_the_trial_as_diverged():
    """The trial stops in that epoch, the reason has the update, and the epoch has no epoch metrics."""
    run, _ = _run(TRIAL, lr=1e30)
    assert run.outcome is Outcome.DIVERGED
    assert run.reason.startswith("the training loss was nan at update ")
    update = int(run.reason.rsplit(" ", 1)[1])
    losses = _values(run, "train/step_loss")
    assert not math.isfinite(losses[update - 1])
    assert all(map(math.isfinite, losses[: update - 1]))
    assert len(losses) < TRIAL.updates
    assert len(_values(run, "train/loss")) == (update - 1) // 5


def test_a_long_epoch_ends_early_if_it_diverges():
    """The losses are checked every 128 updates, so an epoch of 512 batches of 2 ends after 128."""
    trial = dataclasses.replace(TRIAL, batch_size=2, epochs=9)

    class Many(Blobs):
        def load(self, root):
            data = super().load(root)
            inputs, targets = data.train_inputs.repeat(4, 1), data.train_targets.repeat(4)
            return dataclasses.replace(data, train_inputs=inputs, train_targets=targets)

    run, _ = _run(dataclasses.replace(trial, train_examples=1024), Many(), lr=1e30)
    assert len(_values(run, "train/step_loss")) == 128


def test_weights_that_are_not_finite_at_the_end_are_divergence():
    """The finite loss of the last update does not hide weights that it made infinite."""

    class Last(SGD):
        def step(self, closure=None):
            super().step(closure)
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(math.inf)

    run, _ = _run(dataclasses.replace(TRIAL, batch_size="full", epochs=1, chunk="full"), kind=Last)
    assert (run.outcome, run.reason) == (Outcome.DIVERGED, "a weight was not finite after the last update (1)")


def test_a_network_that_never_leaves_chance_is_stalled():
    """If nothing can be learnt, the trial stops at the end of the first epoch after 200 updates, not before."""
    trial = dataclasses.replace(TRIAL, epochs=100)
    run, _ = _run(trial, NOISE, lr=0.001)
    assert run.outcome is Outcome.STALLED
    assert run.reason.startswith("still at chance after 200 updates: ")
    assert len(_values(run, "train/step_loss")) == 200


def test_a_problem_without_stalls_trains_to_the_end():
    """With `stalls = False` a trial at chance uses its whole budget."""

    class Patient(Noise):
        stalls = False

    run, _ = _run(dataclasses.replace(TRIAL, epochs=60), Patient(), lr=0.001)
    assert run.outcome is Outcome.OK, run.reason
    assert len(_values(run, "train/step_loss")) == 300


def test_the_warm_up_does_not_count_as_a_stall():
    """The 200 updates are counted from the end of the warm-up."""
    trial = dataclasses.replace(TRIAL, epochs=100, schedule={"kind": "constant", "warmup": 0.1})
    schedule = {"kind": "constant", "warmup": 0.1, "final": 0.0, "gamma": 0.1, "milestones": (0.5, 0.75)}
    run, _ = _run(trial, NOISE, lr=0.001, schedule=schedule)
    assert run.reason.startswith("still at chance after 250 updates: ")


def test_a_loss_that_once_left_chance_is_not_stalled():
    """A late rise of the loss is a bad result, but the outcome is ok."""

    class Rises(SGD):
        def step(self, closure=None):
            self.steps = getattr(self, "steps", 0) + 1
            super().step(closure)
            if self.steps == 150:
                with torch.no_grad():
                    for p in self.param_groups[0]["params"][-2:]:
                        p.zero_()
                self.param_groups[0]["lr"] = 0.0

    run, _ = _run(dataclasses.replace(TRIAL, epochs=100), kind=Rises)
    assert run.outcome is Outcome.OK
    assert _values(run, "train/loss")[-1] > 0.99 * math.log(4)


def test_the_schedule_changes_the_learning_rate_every_update():
    """A rate that falls to 1e-9 of its value after the first update leaves the weights of that update."""
    schedule = {"kind": "step", "warmup": 0.0, "final": 0.0, "gamma": 1e-9, "milestones": (1 / 15,)}
    _, stopped = _run(TRIAL, schedule=schedule)
    _, one = _run(dataclasses.replace(TRIAL, train_examples=60, epochs=1))
    torch.manual_seed(1)
    start, data, order = BLOBS.network(), BLOBS.load(None), torch.Generator().manual_seed(2)
    first = torch.randperm(256, generator=order)[:60]
    nn.functional.cross_entropy(start(data.train_inputs[first]), data.train_targets[first]).backward()
    expected = start[0].weight.detach() - 0.1 * start[0].weight.grad
    assert torch.allclose(stopped[0].weight, expected, atol=1e-6)
    assert not torch.allclose(one[0].weight, expected, atol=1e-6)


def test_bfloat16_computes_under_autocast():
    """In bfloat16 the weights stay float32, and the losses are near those of float32 but not equal."""
    (exact, _), (rounded, network) = _run(TRIAL), _run(dataclasses.replace(TRIAL, precision="bfloat16"))
    assert network[0].weight.dtype == torch.float32
    a, b = _values(exact, "train/loss"), _values(rounded, "train/loss")
    assert a != b
    assert b == pytest.approx(a, rel=0.02)


def test_the_cnn_has_the_published_shapes():
    """The network has 474,670 parameters, sides 28, 26, 13, 11, 5, 3, 1, and the scale [0, 1] of ToTensor."""
    problem = PROBLEMS["fashion_mnist_cnn"]
    network, (inputs, _) = problem.network(), problem.synthetic_batch(2)
    assert sum(p.numel() for p in network.parameters()) == 474_670
    x, shapes = problem.prepare(inputs), []
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(72, 26, 26), (72, 13, 13), (256, 11, 11), (256, 5, 5), (128, 3, 3), (128, 1, 1)]
    every_byte = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(problem.prepare(every_byte), every_byte.to(torch.float32) / 255)


def test_pooling_before_the_relu_gives_the_same_values_and_gradients():
    """Pooling before and after the ReLU is bit-for-bit identical, forward and backward."""
    torch.manual_seed(0)
    x = torch.randn(8, 3, 6, 6)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    relu_first, pool_first = nn.MaxPool2d(2)(nn.ReLU()(a)), nn.ReLU()(nn.MaxPool2d(2)(b))
    weights = torch.randn_like(pool_first)
    (relu_first * weights).sum().backward()
    (pool_first * weights).sum().backward()
    assert torch.equal(relu_first, pool_first)
    assert torch.equal(a.grad, b.grad)


def _textbook(epochs, *, clip=None, smoothing=0.0, parts=1, decay=None):
    """Return the network of a plain loop, and the average of its weights after each update if there is a decay."""
    torch.manual_seed(1)
    plain, data, order = BLOBS.network(), BLOBS.load(None), torch.Generator().manual_seed(2)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    history = []
    for _ in range(epochs):
        for indices in torch.randperm(256, generator=order).split(60):
            optimizer.zero_grad()
            for part in indices.split(-(-60 // parts)):
                outputs = plain(data.train_inputs[part])
                loss = nn.functional.cross_entropy(outputs, data.train_targets[part], label_smoothing=smoothing)
                (loss * (len(part) / len(indices))).backward()
            if clip:
                norm = torch.cat([p.grad.flatten() for p in plain.parameters()]).norm()
                for p in plain.parameters():
                    p.grad *= min(1.0, clip / (norm.item() + 1e-6))
            optimizer.step()
            history.append(nn.utils.parameters_to_vector(plain.parameters()).detach().double().clone())
    shares = [(1 - decay) * decay ** (len(history) - 1 - i) for i in range(len(history))] if decay is not None else []
    average = sum(share * theta for share, theta in zip(shares, history, strict=True)) / sum(shares) if shares else None
    return nn.utils.parameters_to_vector(plain.parameters()).detach(), average


@pytest.mark.parametrize("clip", [0.05, 1e6])
def test_a_long_gradient_is_scaled_to_the_norm_of_clip(clip):
    """With a norm of 0.05 the weights are those of a plain loop that scales the gradient; with 10⁶ nothing is scaled."""
    _, network = _run(dataclasses.replace(TRIAL, clip=clip))
    weights = nn.utils.parameters_to_vector(network.parameters())
    assert torch.allclose(weights, _textbook(3, clip=clip)[0], rtol=1e-5)
    assert torch.allclose(weights, _textbook(3)[0], rtol=1e-5) == (clip == 1e6)


def test_the_parts_of_a_batch_have_its_gradient():
    """In parts of 20 examples, the weights of a network without batch norm are those of complete batches, to rounding."""
    (run, parts), (_, at_once) = _run(dataclasses.replace(TRIAL, chunk=20), Linear()), _run(TRIAL, Linear())
    assert torch.allclose(parts.weight, at_once.weight, rtol=1e-5)
    assert len(_values(run, "train/step_loss")) == 15


def test_batch_norm_sees_the_parts_of_a_batch():
    """In three parts, the weights are those of a plain loop with three backward passes for each update."""
    _, network = _run(dataclasses.replace(TRIAL, chunk=20))
    weights = nn.utils.parameters_to_vector(network.parameters())
    assert torch.allclose(weights, _textbook(3, parts=3)[0], rtol=1e-5)


def test_label_smoothing_changes_the_training_loss_alone():
    """The weights are those of torch's smoothed loss; the test loss is not smoothed."""
    run, network = _run(dataclasses.replace(TRIAL, label_smoothing=0.2))
    assert torch.allclose(
        nn.utils.parameters_to_vector(network.parameters()), _textbook(3, smoothing=0.2)[0], rtol=1e-5
    )
    data = BLOBS.load(None)
    network.eval()
    with torch.no_grad():
        loss = nn.functional.cross_entropy(network(data.test_inputs), data.test_targets).item()
    assert _values(run, "test/loss")[-1] == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_of_the_weights_is_evaluated(decay):
    """The final weights are the exponentially weighted mean of the weights after each update, and they are evaluated."""
    run, network = _run(dataclasses.replace(TRIAL, ema=decay))
    weights = nn.utils.parameters_to_vector(network.parameters()).detach()
    assert torch.allclose(weights.double(), _textbook(3, decay=decay)[1], rtol=1e-4, atol=1e-6)
    data = BLOBS.load(None)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(network(data.test_inputs), data.test_targets).item()
    assert _values(run, "test/loss")[-1] == pytest.approx(loss, rel=1e-6)
    losses = [_values(_run(trial)[0], "train/loss") for trial in (TRIAL, dataclasses.replace(TRIAL, ema=decay))]
    assert losses[0] == losses[1]  # evaluations do not change the training


def test_an_epoch_may_have_a_number_of_updates():
    """Batches of 60 go through one permutation after another, without a smaller batch, and 7 updates are an epoch."""
    trial = dataclasses.replace(TRIAL, epoch_updates=7)
    orders = epoch_orders(trial, torch.Generator().manual_seed(2))
    first, second = next(orders), next(orders)
    generator = torch.Generator().manual_seed(2)
    passes = torch.cat([torch.randperm(256, generator=generator) for _ in range(4)])
    assert torch.equal(torch.cat([first, second]), passes[:840])
    run, _ = _run(trial)
    assert [(p.epoch, p.step) for p in run.points if p.metric == "test/loss"] == [(1, 7), (2, 14), (3, 21)]
    assert run.timing.examples == 3 * 7 * 60
    assert trial.updates == 21


def test_full_batches_may_share_an_epoch():
    """With full batches, an epoch of four updates uses every example four times."""
    run, _ = _run(dataclasses.replace(TRIAL, batch_size="full", chunk="full", epoch_updates=4))
    assert run.timing.examples == 3 * 4 * 256
    assert len(_values(run, "train/step_loss")) == 12
