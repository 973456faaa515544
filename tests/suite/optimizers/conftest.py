"""What the tests of the optimizers share: paths under given gradients, and step by step comparison with torch."""

import copy
import pickle
import random

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def start():
    """Three coordinates, one of them zero."""
    return [1.5, -0.25, 0.0]


@pytest.fixture
def gradients():
    """60 gradients of three coordinates: of scale 1, of scale 100 that starts with zeros, of scale 0.001."""
    draw = random.Random("gradients")
    rows = [[draw.gauss(0, 1), draw.gauss(0, 100), draw.gauss(0, 0.001)] for _ in range(60)]
    rows[0][1] = rows[1][1] = 0.0
    return rows


@pytest.fixture
def walk():
    """The float64 positions after each step of a class under given gradients."""

    def walk(cls, start, gradients, **options):
        x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimizer = cls([x], **options)
        path = []
        for g in gradients:
            x.grad = torch.tensor(g, dtype=torch.float64)
            optimizer.step()
            path.append(x.detach().tolist())
        return path

    return walk


@pytest.fixture
def naive_walk():
    """The same with Python floats and a naive rule, one coordinate at a time.

    make_step() gives a fresh step(g, t), which keeps its state and returns the change to subtract.
    """

    def naive_walk(make_step, start, gradients, weight_decay=0.0):
        paths = []
        for i, first in enumerate(start):
            step, path = make_step(), [first]
            for t, g in enumerate(gradients, 1):
                x = path[-1]
                path.append(x - step(g[i] + weight_decay * x, t))
            paths.append(path[1:])
        return [list(position) for position in zip(*paths, strict=True)]

    return naive_walk


@pytest.fixture
def assert_same_path():
    """Both paths agree after every step, to 1e-12 of each coordinate's largest value."""

    def assert_same_path(ours, theirs, rel=1e-12):
        assert len(ours) == len(theirs)
        assert len(ours) > 1
        a, b = torch.tensor(ours, dtype=torch.float64), torch.tensor(theirs, dtype=torch.float64)
        for t in range(len(ours)):
            assert ((a[t] - b[t]).abs() <= rel * b.abs().amax(0)).all(), f"step {t + 1}: {a[t]} and {b[t]}"

    return assert_same_path


SHAPES = ((), (2, 3), (4,), (2, 1, 3, 2))


@pytest.fixture
def assert_same_as_torch():
    """Ours and torch's class agree in each of 100 float64 steps, in two groups, ours resumed after the 50th.

    `settings` holds, for each of the two groups, the options of ours and of theirs. Gradients depend on the parameters,
    so a difference in one step stays in those that follow.
    """

    def assert_same_as_torch(ours, theirs, settings, steps=100):
        generator = torch.Generator().manual_seed(1)

        def normal(shape):
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        values = [normal(shape) for shape in SHAPES]
        slopes = [normal(shape).abs() + 0.5 for shape in SHAPES]
        a = [value.clone().requires_grad_() for value in values]
        b = [value.clone().requires_grad_() for value in values]

        def make(cls, params, side):
            groups = [{"params": params[k::2], **options[side]} for k, options in enumerate(settings)]
            return cls(groups)

        first, second = make(ours, a, 0), make(theirs, b, 1)
        for t in range(1, steps + 1):
            noise = [normal(shape) for shape in SHAPES]
            for params in (a, b):
                for param, slope, shift in zip(params, slopes, noise, strict=True):
                    param.grad = (slope * param + shift).detach()
            first.step()
            second.step()
            for x, y in zip(a, b, strict=True):
                assert (x - y).abs().max() <= 1e-12 * y.abs().max(), f"step {t}, shape {tuple(x.shape)}"
            if t == steps // 2:
                state = pickle.loads(pickle.dumps(copy.deepcopy(first.state_dict())))
                first = make(ours, a, 0)
                first.load_state_dict(state)

    return assert_same_as_torch
