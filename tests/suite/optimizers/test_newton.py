"""Newton's method: steps by hand, numpy's solves, finite differences, known optima, and errors."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from suite.data.surfaces import SURFACES
from suite.errors import UserError
from suite.optimizers import Newton, resolve_options
from suite.optimizers.newton import MAX_PARAMETERS
from suite.problems import PROBLEMS
from suite.records import Outcome
from suite.spec.plan import plan
from suite.spec.study_file import load_study
from suite.training.run_trial import run_trial
from suite.trials import Trial


def walk(loss, start, steps=1, **options):
    """Return the points after each step from a start, in float64."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer, path = Newton([x], **options), []
    for _ in range(steps):
        optimizer.step(loss)
        path.append(x.tolist())
    return path


@pytest.mark.parametrize(
    ("loss", "start", "options", "path"),
    [
        # x⁴: g = 4x³, h = 12x², so x decreases by a third: 1, 2/3, 4/9; with η = ½ by a sixth
        (lambda x: x**4, 1.0, {}, [2 / 3, 4 / 9]),
        (lambda x: x**4, 1.0, {"lr": 0.5}, [5 / 6, 25 / 36]),
        # x²: g = 2x, h = 2; λ = 2 makes it 2x/4
        (lambda x: x**2, 1.0, {"damping": 2.0}, [1 / 2, 1 / 4]),
        # ω = 2 is the loss x² + x², which one step solves
        (lambda x: x**2, 1.0, {"weight_decay": 2.0}, [0.0, 0.0]),
        # (x − 1)² with ω = 2: g = 2(x − 1) + 2x, h = 4, so from 3 to 3 − 10/4 = ½
        (lambda x: (x - 1) ** 2, 3.0, {"weight_decay": 2.0}, [0.5, 0.5]),
        # −x²/2: g = −x, h = −1: away from the maximum by x, to the maximum, and away by x/ε
        (lambda x: -(x**2) / 2, 1.0, {}, [2.0, 4.0]),
        (lambda x: -(x**2) / 2, 1.0, {"indefinite": "keep"}, [0.0, 0.0]),
        (lambda x: -(x**2) / 2, 1.0, {"indefinite": "shift", "eps": 0.5}, [3.0, 9.0]),
        # x² has h = 2 > ε: nothing is shifted
        (lambda x: x**2, 1.0, {"indefinite": "shift", "eps": 0.5}, [0.0, 0.0]),
        # h + λ = −1 + ½: |h + λ| = ½ and the step 2x
        (lambda x: -(x**2) / 2, 1.0, {"damping": 0.5}, [3.0, 9.0]),
        # 2x + 1 has the curvature 0: g/ε = 2/½
        (lambda x: 2 * x + 1, 1.0, {"eps": 0.5}, [-3.0, -7.0]),
    ],
)
def test_two_steps_by_hand(loss, start, options, path):
    """In one dimension, the points after one and two steps are those worked out beside each case."""
    assert walk(loss, start, steps=2, **options) == pytest.approx(path, rel=1e-14, abs=1e-14)


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({}, [0.0, 2.0]),  # |h| = (3, 1)
        ({"indefinite": "keep"}, [0.0, 0.0]),  # the saddle itself
        ({"indefinite": "shift", "eps": 0.5}, [1 / 3, 3.0]),  # 1.5 is added: 1 − 3/4.5 and 1 + 1/0.5
        ({"damping": 2.0}, [2 / 5, 2.0]),  # h + λ = (5, 1)
    ],
)
def test_a_saddle_by_hand(options, end):
    """3x²/2 − y²/2 from (1, 1), with g = (3, −1) and h = (3, −1): each treatment of the negative curvature."""
    (point,) = walk(lambda x: 1.5 * x[0] ** 2 - 0.5 * x[1] ** 2, [1.0, 1.0], **options)
    assert point == pytest.approx(end, rel=1e-14, abs=1e-14)


def test_the_diagonal_preconditioner_by_hand():
    """On x² + xy + 2y² from (1, 1) the full rule ends at 0, the diagonal one at 1 − 3/2 and 1 − 5/4."""

    def loss(x):
        return x[0] ** 2 + x[0] * x[1] + 2 * x[1] ** 2

    assert walk(loss, [1.0, 1.0])[0] == pytest.approx([0, 0], abs=1e-14)
    assert walk(loss, [1.0, 1.0], diagonal=True)[0] == pytest.approx([-0.5, -0.25], rel=1e-14)
    # g = (3, 5) + ω θ and diag H = (2, 4) + ω + λ, ω = λ = 1
    ends = [1 - 4 / 4, 1 - 6 / 6]
    (point,) = walk(loss, [1.0, 1.0], diagonal=True, weight_decay=1.0, damping=1.0)
    assert point == pytest.approx(ends, abs=1e-14)


def nonconvex(seed, n=7):
    """Return ½ θᵀAθ + bᵀθ + Σ cos(cθ) of n variables in two tensors, its gradient and Hessian in numpy, and a start."""
    draw = np.random.default_rng(seed)
    A, b, c = draw.normal(size=(n, n)), draw.normal(size=n), draw.uniform(0.5, 2, size=n)
    A = A + A.T
    tensors = [torch.from_numpy(array) for array in (A, b, c)]

    def loss(first, second):
        theta = torch.cat([first.reshape(-1), second])
        a, slope, wave = tensors
        return theta @ a @ theta / 2 + slope @ theta + torch.cos(wave * theta).sum()

    def derivatives(theta):
        return A @ theta + b - c * np.sin(c * theta), A - np.diag(c**2 * np.cos(c * theta))

    return loss, derivatives, draw.normal(size=n)


@pytest.mark.parametrize(
    ("seed", "indefinite", "damping", "diagonal"),
    list(itertools.product([0, 1], ["absolute", "shift", "keep"], [0.0, 0.7], [False, True])),
)
def test_steps_equal_numpys_solves(seed, indefinite, damping, diagonal):
    """Three steps of a matrix and a vector equal numpy.linalg's, in float64, with η, λ, ω and every `indefinite`."""
    loss, derivatives, theta = nonconvex(seed)
    first, second = (torch.from_numpy(part.copy()).requires_grad_() for part in (theta[:4].reshape(2, 2), theta[4:]))
    options = {"lr": 0.3, "weight_decay": 0.2, "eps": 1.0}
    optimizer = Newton([first, second], damping=damping, indefinite=indefinite, diagonal=diagonal, **options)
    num_indefinite = 0
    for _ in range(3):
        g, H = derivatives(theta)
        g, H = g + 0.2 * theta, H + (0.2 + damping) * np.eye(7)
        H = np.diag(np.diag(H)) if diagonal else H
        h, Q = np.linalg.eigh(H)
        num_indefinite += h.min() < 0
        if indefinite == "absolute":
            H = Q @ np.diag(np.maximum(abs(h), 1)) @ Q.T
        elif indefinite == "shift":
            H = H + max(0, 1 - h.min()) * np.eye(7)
        theta = theta - 0.3 * np.linalg.solve(H, g)
        optimizer.step(loss)
        ours = np.concatenate([first.detach().numpy().ravel(), second.detach().numpy()])
        np.testing.assert_allclose(ours, theta, rtol=1e-9)
    assert num_indefinite > 0  # otherwise the values of `indefinite` would not differ


def test_the_step_of_a_network_equals_that_of_finite_differences():
    """For an MLP of 17 parameters, H from central differences of the loss gives the same step, within their precision."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x, y = torch.randn(20, 2, dtype=torch.float64), torch.randn(20, 1, dtype=torch.float64)
    names, shapes = zip(*((name, p.shape) for name, p in network.named_parameters()), strict=True)

    def loss(*theta):
        return nn.functional.mse_loss(functional_call(network, dict(zip(names, theta, strict=True)), (x,)), y)

    start = nn.utils.parameters_to_vector(network.parameters()).detach()
    sizes = [shape.numel() for shape in shapes]

    def value(theta):
        parts = zip(theta.split(sizes), shapes, strict=True)
        return loss(*(part.view(shape) for part, shape in parts)).item()

    n, e = len(start), 1e-3
    unit = e * torch.eye(n, dtype=torch.float64)
    g = np.array([value(start + unit[i]) - value(start - unit[i]) for i in range(n)]) / (2 * e)
    H = np.zeros((n, n))
    for i, j in itertools.product(range(n), repeat=2):
        a, b = unit[i], unit[j]
        corners = value(start + a + b) - value(start + a - b) - value(start - a + b) + value(start - a - b)
        H[i, j] = corners / (4 * e * e)
    expected = start.numpy() - np.linalg.solve(H + 5 * np.eye(n), g)  # λ = 5 is above −min h
    returned = Newton(network.parameters(), damping=5.0).step(loss)
    ours = nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert not np.allclose(ours, start.numpy(), atol=1e-3)
    assert returned.item() == pytest.approx(value(start), rel=1e-14)


@pytest.mark.parametrize(("key", "steps"), [("valley", 1), ("rosenbrock", 6), ("saddle", 11), ("beale", 46)])
def test_it_finds_the_minimum_of_every_surface(key, steps):
    """With its defaults it is within 1e-6 of a minimum after N steps, and not one step before."""
    surface = SURFACES[key]
    path = walk(lambda x: surface.formula(x[0], x[1]), surface.start, steps)
    distances = [min(np.hypot(*(np.array(point) - minimum)) for minimum in surface.minima) for point in path]
    assert distances[-1] < 1e-6
    assert steps == 1 or distances[-2] > 1e-6


def test_the_published_rule_goes_to_the_saddle():
    """With indefinite = "keep" the trajectory on the surface `saddle` ends at the saddle, between the two minima."""
    surface = SURFACES["saddle"]
    path = walk(lambda x: surface.formula(x[0], x[1]), surface.start, 20, indefinite="keep")
    assert path[-1] == pytest.approx([0, 0], abs=1e-12)


def test_the_number_of_correct_digits_doubles():
    """Near Rosenbrock's minimum each distance is at most a constant times the square of the previous one."""
    surface = SURFACES["rosenbrock"]
    path = walk(lambda x: surface.formula(x[0], x[1]), (1.1, 1.2), 7)
    distances = [np.hypot(x - 1, y - 1) for x, y in path]
    assert all(b <= 100 * a * a + 1e-15 for a, b in itertools.pairwise(distances))
    assert distances[-1] < 1e-13


@pytest.fixture(scope="module")
def digits():
    """The digits 3 and 8 of the training set: inputs with a constant 1 in float64, and 1 for an 8."""
    data = PROBLEMS["digits_logistic"].load(None)
    selected = (data.train_targets == 3) | (data.train_targets == 8)
    x = torch.cat([data.train_inputs[selected].double() / 16, torch.ones(int(selected.sum()), 1)], dim=1)
    return x, (data.train_targets[selected] == 8).double()


def test_logistic_regression_reaches_the_optimum_of_scikit_learn_and_scipy(digits):
    """Eight steps end at the weights of LogisticRegression and of scipy's trust-region method, to 1e-6."""
    from scipy.optimize import minimize
    from sklearn.linear_model import LogisticRegression

    x, y = digits
    omega = 1e-2
    w = torch.zeros(65, dtype=torch.float64, requires_grad=True)
    optimizer = Newton([w], weight_decay=omega)
    for _ in range(8):
        optimizer.step(lambda w: nn.functional.binary_cross_entropy_with_logits(x @ w, y))

    X, Y = x.numpy(), y.numpy()

    def loss(w):
        z = X @ w
        return np.mean(np.logaddexp(0, z) - Y * z) + omega / 2 * w @ w

    def share(w):
        return 1 / (1 + np.exp(-X @ w))

    def slope(w):
        return X.T @ (share(w) - Y) / len(Y) + omega * w

    def hessian(w):
        p = share(w)
        return X.T @ ((p * (1 - p))[:, None] * X) / len(Y) + omega * np.eye(65)

    theirs = minimize(loss, np.zeros(65), jac=slope, hess=hessian, method="trust-exact", options={"gtol": 1e-10})
    # scikit-learn: Σ loss + |w|²/(2C), so C = 1/(n ω)
    fitted = LogisticRegression(C=1 / (len(Y) * omega), fit_intercept=False, tol=1e-10, max_iter=10_000).fit(X, Y)
    np.testing.assert_allclose(w.detach().numpy(), theirs.x, atol=1e-6)
    np.testing.assert_allclose(w.detach().numpy(), fitted.coef_[0], atol=1e-6)
    assert np.abs(slope(w.detach().numpy())).max() < 1e-12


def trial(problem, examples, **changes):
    """Return a trial of Newton with full batches."""
    values = {"batch_size": "full", "chunk": 256, "epochs": 1, **changes}
    options = resolve_options(Newton, values.pop("options", {}))
    fixed = {"label": "Newton", "optimizer": "newton", "train_examples": examples, "repeat": 0}
    return Trial(problem=problem, hyperparameters=options, **fixed, **values)


def last(result, metric):
    """Return the last value of a metric."""
    return [point.value for point in result.points if point.metric == metric][-1]


def test_one_step_solves_the_airfoil_regression(airfoil):
    """A trial of one update ends at the least-squares loss of the 1,500 rows, 0.241688."""
    result = run_trial(trial("airfoil_linear", 1_500), data=airfoil)
    assert result.outcome is Outcome.OK, result.reason
    assert f"{last(result, 'test/loss'):.6f}" == "0.241688"


def test_a_trial_of_newton_equals_steps_outside_a_trial():
    """Three updates of a trial, in chunks, equal three steps with all examples in one function."""
    problem, options = PROBLEMS["digits_logistic"], {"weight_decay": 0.01, "damping": 0.1}
    one = trial("digits_logistic", 200, chunk=64, epochs=3, options=options)
    result = run_trial(one)
    assert result.outcome is Outcome.OK, result.reason
    data = problem.load(None)
    x, y = problem.prepare(data.train_inputs[:200]), data.train_targets[:200]
    from suite.training.run_trial import _initial_network

    network = _initial_network(one, problem)
    optimizer = Newton(network.parameters(), **options)
    losses = [optimizer.step(lambda w, b: nn.functional.cross_entropy(x @ w.T + b, y)).item() for _ in range(3)]
    recorded = [point.value for point in result.points if point.metric == "train/loss"]
    assert recorded == pytest.approx(losses, rel=1e-5)
    with torch.no_grad():
        test = problem.loss(network(problem.prepare(data.test_inputs)), data.test_targets).item()
    assert last(result, "test/loss") == pytest.approx(test, rel=1e-4)


def test_batch_norm_processes_each_batch_once(write_study):
    """A network with buffers trains, and its running statistics are updated once for each update."""
    from toy import BLOBS

    from suite.training.loop import train

    torch.manual_seed(1)
    network = BLOBS.network()
    optimizer = Newton(network.parameters(), damping=1.0)
    one = trial("toy:BLOBS", 256, batch_size=64, chunk=None, epochs=2)
    run = train(one, BLOBS, BLOBS.load(None), network, optimizer, None, torch.Generator().manual_seed(0))
    try:
        while True:
            next(run)
    except StopIteration as end:
        points = end.value.points
    assert int(network[1].num_batches_tracked) == 8
    losses = [point.value for point in points if point.metric == "train/loss"]
    assert losses[1] < losses[0] < 2


def test_values_that_are_not_finite_become_a_diverged_trial():
    """An infinite Hessian makes θ NaN without an exception of the decomposition; a trial that overflows diverges."""
    for loss, start in ((lambda x: x.sqrt().sum(), [0.0, 1.0]), (lambda x: x.sum().sqrt(), [0.0, 0.0, 0.0])):
        x = torch.tensor(start, requires_grad=True)
        Newton([x]).step(loss)
        assert torch.isnan(x).all()
    far = trial("surface", 1, batch_size=1, chunk=None, epochs=60, options={"lr": 1e200})
    result = run_trial(dataclasses.replace(far, problem_options={"surface": "rosenbrock"}))
    assert result.outcome is Outcome.DIVERGED
    assert "update" in result.reason


def test_a_frozen_parameter_stays():
    """A parameter without requires_grad is passed to the loss, does not move, and is not counted."""
    a, b = torch.tensor([2.0]), torch.tensor([5.0], requires_grad=True)
    large = torch.zeros(MAX_PARAMETERS)
    Newton([a, b, large]).step(lambda a, b, large: ((a * b - 6) ** 2 + large.sum()).sum())
    assert (a.item(), b.item()) == (2.0, 3.0)


def test_the_solve_is_done_in_float64():
    """In float16, without solvers of its own, the step ends at the minimum of x² + xy + y² + y, (1/3, −2/3), rounded."""
    x = torch.tensor([1.0, 1.0], dtype=torch.float16, requires_grad=True)
    Newton([x]).step(lambda x: x[0] ** 2 + x[0] * x[1] + x[1] ** 2 + x[1])
    assert torch.equal(x, torch.tensor([1 / 3, -2 / 3], dtype=torch.float16))


@pytest.mark.parametrize(
    "params",
    [
        lambda: [torch.zeros(MAX_PARAMETERS + 1, requires_grad=True)],
        lambda: [torch.zeros(2, requires_grad=True), torch.zeros(2, dtype=torch.float64, requires_grad=True)],
        lambda: [{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)], "lr": 0.1}],
    ],
    ids=["too many", "two dtypes", "two groups"],
)
def test_unsolvable_parameters_are_errors(wording, params):
    """The constructor raises ValueError for too many parameters, two dtypes or two groups."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the text is compared)
        Newton(params())
    wording(error.value)


def test_the_state_of_another_class_is_an_error(wording):
    """Newton has no state, so a state_dict with state is another class's; missing and invalid options are errors."""
    x = torch.zeros(2, requires_grad=True)
    other = torch.optim.Adam([x])
    x.grad = torch.ones(2)
    other.step()
    invalid, incomplete = Newton([x]).state_dict(), Newton([x]).state_dict()
    invalid["param_groups"][0]["indefinite"] = "perhaps"
    del incomplete["param_groups"][0]["indefinite"]
    for state in (other.state_dict(), invalid, incomplete):
        with pytest.raises(ValueError) as error:  # noqa: PT011 (the text is compared)
            Newton([x]).load_state_dict(state)
        wording(error.value)


STUDY = """
title = "t"
problem = "{problem}"
repeats = 1
epochs = 1
batch_size = 100
{more}
[[optimizer]]
name = "SGD"
kind = "sgd"
[[optimizer]]
name = "N"
kind = "newton"
{option}
"""


@pytest.mark.parametrize(
    "changes",
    [
        {"problem": "digits_mlp"},
        {"more": 'precision = "bfloat16"'},
        {"option": 'indefinite = "abs"'},
        {"option": "diagonal = 1"},
        {"option": "momentum = 0.9"},
        {"option": "lr = 0"},
    ],
    ids=lambda changes: next(iter(changes.values())),
)
def test_an_invalid_study_is_an_error_before_it_runs(here, wording, changes):
    """A problem that is too large, a precision that is too low, an invalid option: one line with its location."""
    values = {"problem": "digits_logistic", "more": "", "option": "", **changes}
    (here / "s.toml").write_text(STUDY.format(**values), encoding="utf-8")
    with pytest.raises(UserError) as error:
        plan(load_study(here / "s.toml"))
    wording(error.value)


def test_a_study_of_newton_is_planned_without_random_numbers(here):
    """Counting the parameters of the problem draws nothing from the global random state."""
    (here / "s.toml").write_text(STUDY.format(problem="digits_logistic", more="", option=""), encoding="utf-8")
    before = torch.random.get_rng_state()
    assert [trial.optimizer for trial in plan(load_study(here / "s.toml"))] == ["sgd", "newton"]
    assert torch.equal(torch.random.get_rng_state(), before)
