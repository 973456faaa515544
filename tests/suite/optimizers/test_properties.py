"""Properties that hold for any options in range."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suite.optimizers import NAG, OPTIMIZERS, SGD, AdaDelta, AdaGrad, Adam, AdaMax, Momentum, NAGPaper, RMSProp
from suite.optimizers.base import Rule

QUICK = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

RATES = st.floats(1e-4, 1.0)
DECAYS = st.floats(0.05, 0.999)
SEEDS = st.integers(0, 2**31)
EPS = st.floats(1e-8, 1.0)
WEIGHT_DECAYS = st.one_of(st.just(0.0), st.floats(0.01, 0.5))

OPTIONS = {
    "lr": RATES,
    "momentum": DECAYS,
    "alpha": DECAYS,
    "rho": DECAYS,
    "betas": st.tuples(DECAYS, DECAYS),
    "eps": EPS,
    "weight_decay": WEIGHT_DECAYS,
}

# ours, torch's, the options drawn, what only ours or only torch's takes
PAIRS = {
    "sgd": (SGD, torch.optim.SGD, ("lr", "weight_decay"), {}, {}),
    "momentum": (Momentum, torch.optim.SGD, ("lr", "momentum", "weight_decay"), {}, {}),
    "nag": (NAG, torch.optim.SGD, ("lr", "momentum", "weight_decay"), {}, {"nesterov": True}),
    "adagrad": (AdaGrad, torch.optim.Adagrad, ("lr", "eps", "weight_decay"), {"eps_inside_sqrt": False}, {}),
    "rmsprop": (RMSProp, torch.optim.RMSprop, ("lr", "alpha", "eps", "weight_decay"), {"eps_inside_sqrt": False}, {}),
    "adadelta": (AdaDelta, torch.optim.Adadelta, ("lr", "rho", "eps", "weight_decay"), {}, {}),
    "adam": (Adam, torch.optim.Adam, ("lr", "betas", "eps", "weight_decay"), {}, {}),
    "adamax": (AdaMax, torch.optim.Adamax, ("lr", "betas", "eps", "weight_decay"), {}, {}),
}

RULES = [kind for kind, cls in OPTIMIZERS.items() if issubclass(cls, Rule)]  # those that go element by element


def rows(seed, steps=15):
    """A start and gradients, of four coordinates."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(4, generator=generator, dtype=torch.float64)
    return start.tolist(), torch.randn(steps, 4, generator=generator, dtype=torch.float64).tolist()


@pytest.mark.parametrize("kind", PAIRS)
@QUICK
@given(data=st.data(), seed=SEEDS)
def test_equals_torch_for_any_options(walk, kind, data, seed):
    """Whatever the options, fifteen steps equal those of torch's class, to 1e-10 for the worst of gradients near zero."""
    ours, theirs, names, mine, its = PAIRS[kind]
    options = {name: data.draw(OPTIONS[name], label=name) for name in names}
    start, gradients = rows(seed)
    a, b = walk(ours, start, gradients, **options, **mine), walk(theirs, start, gradients, **options, **its)
    for x, y in zip(a, b, strict=True):
        assert x == pytest.approx(y, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("kind", RULES)
@QUICK
@given(seed=SEEDS)
def test_coordinates_do_not_see_each_other(walk, kind, seed):
    """Every rule works element by element: a permutation of the coordinates permutes the path."""
    start, gradients = rows(seed)
    path = walk(OPTIMIZERS[kind], start, gradients)
    turned = walk(OPTIMIZERS[kind], start[::-1], [g[::-1] for g in gradients])
    for x, y in zip(path, turned, strict=True):
        assert x == pytest.approx(y[::-1], rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("kind", RULES)
@QUICK
@given(seed=SEEDS)
def test_odd_symmetry(walk, kind, seed):
    """No rule prefers a sign: mirrored gradients from a mirrored start give the mirrored path."""
    start, gradients = rows(seed)
    path = walk(OPTIMIZERS[kind], start, gradients)
    mirrored = walk(OPTIMIZERS[kind], [-x for x in start], [[-x for x in g] for g in gradients])
    assert path == [[-x for x in position] for position in mirrored]


@QUICK
@given(seed=SEEDS, lr=RATES, gamma=DECAYS)
def test_printed_nag_is_momentum(walk, seed, lr, gamma):
    """For any η and γ the printed NAG is momentum with (1+γ) η."""
    start, gradients = rows(seed)
    a = walk(NAGPaper, start, gradients, lr=lr, momentum=gamma)
    b = walk(Momentum, start, gradients, lr=(1 + gamma) * lr, momentum=gamma)
    for x, y in zip(a, b, strict=True):
        assert x == pytest.approx(y, rel=1e-11, abs=1e-11)
