"""Newton's method: steps by hand, numpy's solves, finite differences, known optima, and what it refuses."""

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
    """The places after each step from a start, in float64."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer, path = Newton([x], **options), []
    for _ in range(steps):
        optimizer.step(loss)
        path.append(x.tolist())
    return path


@pytest.mark.parametrize(
    ("loss", "start", "options", "path"),
    [
        # x⁴: g = 4x³, h = 12x², so x loses a third of itself: 1, 2/3, 4/9; with η = ½ a sixth
        (lambda x: x**4, 1.0, {}, [2 / 3, 4 / 9]),
        (lambda x: x**4, 1.0, {"lr": 0.5}, [5 / 6, 25 / 36]),
        # x²: g = 2x, h = 2; λ = 2 makes it 2x/4
        (lambda x: x**2, 1.0, {"damping": 2.0}, [1 / 2, 1 / 4]),
        # ω = 2 is the loss x² + x², which one step solves
        (lambda x: x**2, 1.0, {"weight_decay": 2.0}, [0.0, 0.0]),
        # (x − 1)² with ω = 2: g = 2(x − 1) + 2x, h = 4, so from 3 to 3 − 10/4 = ½
        (lambda x: (x - 1) ** 2, 3.0, {"weight_decay": 2.0}, [0.5, 0.5]),
        # −x²/2: g = −x, h = −1: away from the top by x, onto it, and by x/ε
        (lambda x: -(x**2) / 2, 1.0, {}, [2.0, 4.0]),
        (lambda x: -(x**2) / 2, 1.0, {"indefinite": "keep"}, [0.0, 0.0]),
        (lambda x: -(x**2) / 2, 1.0, {"indefinite": "shift", "eps": 0.5}, [3.0, 9.0]),
        # x² has h = 2 > ε: nothing is shifted
        (lambda x: x**2, 1.0, {"indefinite": "shift", "eps": 0.5}, [0.0, 0.0]),
        # h + λ = −1 + ½: |h + λ| = ½ and the step 2x
        (lambda x: -(x**2) / 2, 1.0, {"damping": 0.5}, [3.0, 9.0]),
        # 2x + 1 has no curvature: g/ε = 2/½
        (lambda x: 2 * x + 1, 1.0, {"eps": 0.5}, [-3.0, -7.0]),
    ],
)
def test_two_steps_by_hand(loss, start, options, path):
    """One coordinate: the places after one and two steps are those worked out beside each case."""
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
    """3x²/2 − y²/2 from (1, 1), where g = (3, −1) and h = (3, −1): each way to treat the negative curvature."""
    (found,) = walk(lambda x: 1.5 * x[0] ** 2 - 0.5 * x[1] ** 2, [1.0, 1.0], **options)
    assert found == pytest.approx(end, rel=1e-14, abs=1e-14)


def test_the_diagonal_preconditioner_by_hand():
    """On x² + xy + 2y² from (1, 1) the full rule ends at 0, the diagonal one at 1 − 3/2 and 1 − 5/4."""

    def loss(x):
        return x[0] ** 2 + x[0] * x[1] + 2 * x[1] ** 2

    assert walk(loss, [1.0, 1.0])[0] == pytest.approx([0, 0], abs=1e-14)
    assert walk(loss, [1.0, 1.0], diagonal=True)[0] == pytest.approx([-0.5, -0.25], rel=1e-14)
    # g = (3, 5) + ω θ and diag H = (2, 4) + ω + λ, ω = λ = 1
    ends = [1 - 4 / 4, 1 - 6 / 6]
    found = walk(loss, [1.0, 1.0], diagonal=True, weight_decay=1.0, damping=1.0)[0]
    assert found == pytest.approx(ends, abs=1e-14)


def bumpy(seed, n=7):
    """A function of n variables with its gradient and Hessian in numpy: ½ θᵀAθ + bᵀθ + Σ cos(cθ), in two tensors."""
    draw = np.random.default_rng(seed)
    A, b, c = draw.normal(size=(n, n)), draw.normal(size=n), draw.uniform(0.5, 2, size=n)
    A = A + A.T
    tensors = [torch.from_numpy(each) for each in (A, b, c)]

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
    """Three steps over a matrix and a vector equal numpy.linalg's, in float64, with η, λ, ω and every way to mend H."""
    loss, derivatives, theta = bumpy(seed)
    first, second = (torch.from_numpy(part.copy()).requires_grad_() for part in (theta[:4].reshape(2, 2), theta[4:]))
    options = {"lr": 0.3, "weight_decay": 0.2, "eps": 1.0}
    optimizer = Newton([first, second], damping=damping, indefinite=indefinite, diagonal=diagonal, **options)
    indefinites = 0
    for _ in range(3):
        g, H = derivatives(theta)
        g, H = g + 0.2 * theta, H + (0.2 + damping) * np.eye(7)
        H = np.diag(np.diag(H)) if diagonal else H
        h, Q = np.linalg.eigh(H)
        indefinites += h.min() < 0
        if indefinite == "absolute":
            H = Q @ np.diag(np.maximum(abs(h), 1)) @ Q.T
        elif indefinite == "shift":
            H = H + max(0, 1 - h.min()) * np.eye(7)
        theta = theta - 0.3 * np.linalg.solve(H, g)
        optimizer.step(loss)
        found = np.concatenate([first.detach().numpy().ravel(), second.detach().numpy()])
        np.testing.assert_allclose(found, theta, rtol=1e-9)
    assert indefinites > 0  # or the ways would not differ


def test_a_network_steps_by_its_finite_differences():
    """For an MLP of 17 parameters H from central differences of the loss alone gives the same step, to their precision."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x, y = torch.randn(20, 2, dtype=torch.float64), torch.randn(20, 1, dtype=torch.float64)
    names, shapes = zip(*((name, p.shape) for name, p in network.named_parameters()), strict=True)

    def loss(*theta):
        return nn.functional.mse_loss(functional_call(network, dict(zip(names, theta, strict=True)), (x,)), y)

    start = nn.utils.parameters_to_vector(network.parameters()).detach()
    sizes = [shape.numel() for shape in shapes]

    def height(theta):
        parts = zip(theta.split(sizes), shapes, strict=True)
        return loss(*(part.view(shape) for part, shape in parts)).item()

    n, e = len(start), 1e-3
    unit = e * torch.eye(n, dtype=torch.float64)
    g = np.array([height(start + unit[i]) - height(start - unit[i]) for i in range(n)]) / (2 * e)
    H = np.zeros((n, n))
    for i, j in itertools.product(range(n), repeat=2):
        a, b = unit[i], unit[j]
        corners = height(start + a + b) - height(start + a - b) - height(start - a + b) + height(start - a - b)
        H[i, j] = corners / (4 * e * e)
    expected = start.numpy() - np.linalg.solve(H + 5 * np.eye(n), g)  # λ = 5 is above −min h
    told = Newton(network.parameters(), damping=5.0).step(loss)
    found = nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.allclose(found, start.numpy(), atol=1e-3)
    assert told.item() == pytest.approx(height(start), rel=1e-14)


@pytest.mark.parametrize(("key", "steps"), [("valley", 1), ("rosenbrock", 6), ("saddle", 11), ("beale", 46)])
def test_it_finds_the_minimum_of_every_surface(key, steps):
    """With its defaults it is within 1e-6 of a minimum after so many steps, and not one step before."""
    surface = SURFACES[key]
    path = walk(lambda x: surface.formula(x[0], x[1]), surface.start, steps)
    away = [min(np.hypot(*(np.array(at) - minimum)) for minimum in surface.minima) for at in path]
    assert away[-1] < 1e-6
    assert steps == 1 or away[-2] > 1e-6


def test_the_rule_as_printed_goes_to_the_saddle():
    """With indefinite = "keep" the path on the saddle ends on it, between the two minima."""
    surface = SURFACES["saddle"]
    path = walk(lambda x: surface.formula(x[0], x[1]), surface.start, 20, indefinite="keep")
    assert path[-1] == pytest.approx([0, 0], abs=1e-12)


def test_the_number_of_right_digits_doubles():
    """Near Rosenbrock's minimum each distance is at most a constant times the square of the one before."""
    surface = SURFACES["rosenbrock"]
    path = walk(lambda x: surface.formula(x[0], x[1]), (1.1, 1.2), 7)
    away = [np.hypot(x - 1, y - 1) for x, y in path]
    assert all(b <= 100 * a * a + 1e-15 for a, b in itertools.pairwise(away))
    assert away[-1] < 1e-13


@pytest.fixture(scope="module")
def digits():
    """The digits 3 and 8 of the training set: inputs with a constant 1 in float64, and which of the two."""
    data = PROBLEMS["digits_logistic"].load(None)
    which = (data.train_targets == 3) | (data.train_targets == 8)
    x = torch.cat([data.train_inputs[which].double() / 16, torch.ones(int(which.sum()), 1)], dim=1)
    return x, (data.train_targets[which] == 8).double()


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
    """A trial of Newton on full batches."""
    values = {"batch_size": "full", "chunk": 256, "epochs": 1, **changes}
    options = resolve_options(Newton, values.pop("options", {}))
    fixed = {"label": "Newton", "optimizer": "newton", "train_examples": examples, "repeat": 0}
    return Trial(problem=problem, hyperparameters=options, **fixed, **values)


def last(result, metric):
    """The last value of a metric."""
    return [point.value for point in result.points if point.metric == metric][-1]


def test_one_step_solves_the_airfoil_regression(airfoil):
    """A trial of one update ends at the least-squares loss of the 1,500 rows, 0.241688."""
    result = run_trial(trial("airfoil_linear", 1_500), data=airfoil)
    assert result.outcome is Outcome.OK, result.reason
    assert f"{last(result, 'test/loss'):.6f}" == "0.241688"


def test_a_trial_of_newton_is_its_steps_outside():
    """Three updates of a trial, in chunks, end at the weights of three steps on all examples in one function."""
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
    told = [point.value for point in result.points if point.metric == "train/loss"]
    assert told == pytest.approx(losses, rel=1e-5)
    with torch.no_grad():
        test = problem.loss(network(problem.prepare(data.test_inputs)), data.test_targets).item()
    assert last(result, "test/loss") == pytest.approx(test, rel=1e-4)


def test_batch_norm_sees_each_batch_once(write_study):
    """A network with buffers trains, and its running statistics have moved once for each update."""
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


def test_what_is_not_finite_becomes_a_diverged_trial():
    """An infinite Hessian makes θ NaN, whatever the decomposition would raise; a trial that leaves the numbers diverges."""
    for loss, start in ((lambda x: x.sqrt().sum(), [0.0, 1.0]), (lambda x: x.sum().sqrt(), [0.0, 0.0, 0.0])):
        x = torch.tensor(start, requires_grad=True)
        Newton([x]).step(loss)
        assert torch.isnan(x).all()
    far = trial("surface", 1, batch_size=1, chunk=None, epochs=60, options={"lr": 1e200})
    result = run_trial(dataclasses.replace(far, problem_options={"surface": "rosenbrock"}))
    assert result.outcome is Outcome.DIVERGED
    assert "update" in result.reason


def test_a_frozen_parameter_stays():
    """What wants no gradient is handed to the loss in its place, does not move, and does not count."""
    a, b = torch.tensor([2.0]), torch.tensor([5.0], requires_grad=True)
    large = torch.zeros(MAX_PARAMETERS)
    Newton([a, b, large]).step(lambda a, b, large: ((a * b - 6) ** 2 + large.sum()).sum())
    assert (a.item(), b.item()) == (2.0, 3.0)


def test_the_solve_is_done_in_float64():
    """In float16, in which nothing can be solved, the step ends at x² + xy + y² + y's minimum, (1/3, −2/3), rounded."""
    x = torch.tensor([1.0, 1.0], dtype=torch.float16, requires_grad=True)
    Newton([x]).step(lambda x: x[0] ** 2 + x[0] * x[1] + x[1] ** 2 + x[1])
    assert torch.equal(x, torch.tensor([1 / 3, -2 / 3], dtype=torch.float16))


@pytest.mark.parametrize(
    ("params", "told"),
    [
        (lambda: [torch.zeros(MAX_PARAMETERS + 1, requires_grad=True)], "at most 1,000 values, got 1,001"),
        (
            lambda: [torch.zeros(2, requires_grad=True), torch.zeros(2, dtype=torch.float64, requires_grad=True)],
            "one dtype on one device, got torch.float32 on cpu, torch.float64 on cpu",
        ),
        (
            lambda: [{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)], "lr": 0.1}],
            "solves for all parameters together. Give them in one group",
        ),
    ],
)
def test_parameters_that_it_cannot_solve_for_are_told(params, told):
    """Too many, of two dtypes, in two groups: refused by the constructor."""
    with pytest.raises(ValueError, match=f"params: Newton .*{told}"):
        Newton(params())


def test_the_state_of_another_class_is_refused():
    """It has no state of its own, so any is another's; so are missing and wrong options."""
    x = torch.zeros(2, requires_grad=True)
    other = torch.optim.Adam([x])
    x.grad = torch.ones(2)
    other.step()
    with pytest.raises(ValueError, match="state_dict: expected the state of Newton, which has none"):
        Newton([x]).load_state_dict(other.state_dict())
    state = Newton([x]).state_dict()
    state["param_groups"][0]["indefinite"] = "perhaps"
    with pytest.raises(ValueError, match='indefinite: expected "absolute", "shift" or "keep", got \'perhaps\''):
        Newton([x]).load_state_dict(state)
    del state["param_groups"][0]["indefinite"]
    with pytest.raises(ValueError, match=r"state_dict: expected the options of Newton, \['indefinite'\] are missing"):
        Newton([x]).load_state_dict(state)


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
    ("changes", "told"),
    [
        (
            {"problem": "digits_mlp"},
            'optimizer[2] ("N").kind: newton solves for all parameters together, 1,000 at most; digits_mlp has 4,810. Take',
        ),
        (
            {"more": 'precision = "bfloat16"'},
            'optimizer[2] ("N").kind: newton differentiates the loss twice, which bfloat16 is too coarse for. Write',
        ),
        (
            {"option": 'indefinite = "abs"'},
            'optimizer[2] ("N").indefinite: expected "absolute", "shift" or "keep", got \'abs\'',
        ),
        ({"option": "diagonal = 1"}, 'optimizer[2] ("N").diagonal: expected true or false, got 1'),
        ({"option": "momentum = 0.9"}, 'optimizer[2] ("N").momentum: Newton has no such option.'),
        ({"option": "lr = 0"}, 'optimizer[2] ("N").lr: expected a number > 0, got 0'),
    ],
)
def test_a_study_that_makes_no_sense_is_refused_before_it_runs(here, changes, told):
    """Too large a problem, a precision too coarse, an option's wrong value: one line with its place."""
    values = {"problem": "digits_logistic", "more": "", "option": "", **changes}
    (here / "s.toml").write_text(STUDY.format(**values), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        plan(load_study(here / "s.toml"))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_study_of_newton_is_planned_without_a_draw(here):
    """Counting the parameters of the problem takes nothing from the global random state."""
    (here / "s.toml").write_text(STUDY.format(problem="digits_logistic", more="", option=""), encoding="utf-8")
    before = torch.random.get_rng_state()
    assert [one.optimizer for one in plan(load_study(here / "s.toml"))] == ["sgd", "newton"]
    assert torch.equal(torch.random.get_rng_state(), before)
