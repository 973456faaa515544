"""The contract of every optimizer of the registry, and of a torch class that is found by name."""

import copy
import io
import os
import pickle
import shutil

import pytest
import torch
from torch.optim import lr_scheduler

from suite.optimizers import OPTIMIZERS, base, find_optimizer
from suite.optimizers.base import OPTIONS, Rule

KINDS = (*OPTIMIZERS, "torch.optim:AdamW")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

SUITABLE = {
    "adadelta": {"lr": 5.0},  # its first step is 0.003 η, which bfloat16 would round off for a small η
    "muon": {"adam_lr_ratio": 1.0},  # by default, a scalar moves by 0.015 η
}


def make(kind, params, **options):
    """Return an optimizer of a kind, with options that suit the quadratic."""
    return find_optimizer(kind)(params, **{"lr": 0.01, **SUITABLE.get(kind, {}), **options})


def parameters(dtype=torch.float64, seed=0):
    """Return a scalar, a matrix, a 4-D tensor and an empty one."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((), (3, 2), (2, 1, 2, 2), (0, 3))
    values = [torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5 for shape in shapes]
    return [value.to(dtype).requires_grad_() for value in values]


def loss_of(params):
    """Return the quadratic ½ Σ (k+1) θ², with curvature 1 in the first tensor, 2 in the second, ..."""
    return sum(0.5 * (k + 1) * (param**2).sum() for k, param in enumerate(params))


def advance(optimizer, params, steps):
    """Take steps on the quadratic."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(params).backward()
        step(optimizer)


def step(optimizer):
    """Take one step with the current gradients or, if the class requires it, with the quadratic as a function."""
    if getattr(optimizer, "requires_loss_fn", False):
        optimizer.step(lambda *theta: loss_of(theta))
    else:
        optimizer.step()


def state_tensors(optimizer, param):
    """Return the state of a parameter that has its shape, by name: all except the step count and other numbers."""
    numbers = ("step", *getattr(optimizer, "number_names", ()))
    return {name: x for name, x in optimizer.state[param].items() if name not in numbers}


def values(params):
    """Return copies of the parameters."""
    return [param.detach().clone() for param in params]


def identical(a, b):
    """Return whether two lists of tensors are bit-for-bit identical."""
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(params=KINDS)
def kind(request):
    """A kind of the registry, or a class of torch by its name."""
    return request.param


@pytest.fixture(params=tuple(OPTIMIZERS))
def key(request):
    """A key of the registry, for promises beyond those of torch."""
    return request.param


@pytest.fixture(params=[kind for kind, cls in OPTIMIZERS.items() if issubclass(cls, Rule)])
def rule_kind(request):
    """A kind whose rule works from p.grad and the state of the parameter."""
    return request.param


@pytest.fixture(params=[kind for kind, cls in OPTIMIZERS.items() if issubclass(cls, Rule) and cls.elementwise])
def elementwise_kind(request):
    """A kind whose rule works element by element."""
    return request.param


@pytest.fixture(params=[kind for kind in KINDS if not getattr(find_optimizer(kind), "requires_loss_fn", False)])
def gradient_kind(request):
    """A kind that needs only p.grad, torch's among them."""
    return request.param


def test_descends(kind):
    """Four hundred steps reduce the loss of a quadratic to less than a hundredth, with every coordinate nearer to zero."""
    params = parameters()
    before, first = values(params), loss_of(params).item()
    options = {"lr": 0.1} if kind in {"adagrad", "schedule_free_sgd"} else {}
    advance(make(kind, params, **options), params, 400)
    assert loss_of(params).item() < 0.01 * first
    assert all((x.abs() < y.abs()).all() for x, y in zip(params, before, strict=True))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_keeps_dtype(kind, dtype):
    """Parameters and state have the dtype of the parameters, and ten steps are near those in float64."""
    params, exact = parameters(dtype), parameters()
    optimizer = make(kind, params)
    advance(optimizer, params, 10)
    advance(make(kind, exact), exact, 10)
    for param, expected, start in zip(params, exact, parameters(dtype), strict=True):
        assert param.dtype is dtype
        assert all(x.dtype is dtype and x.shape == param.shape for x in state_tensors(optimizer, param).values())
        # each step rounds the parameter, of size 1, and the change, by about half an ulp
        assert torch.allclose(param.double(), expected, rtol=0, atol=25 * torch.finfo(dtype).eps)
        assert param.numel() == 0 or not torch.equal(param, start)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_resumes_exactly(kind, dtype):
    """Seven steps, a state_dict in a file, and six steps of a new optimizer are bit-for-bit identical to thirteen steps."""
    params, resumed = parameters(dtype), parameters(dtype)
    advance(make(kind, params, weight_decay=0.1), params, 13)
    first = make(kind, resumed, weight_decay=0.1)
    advance(first, resumed, 7)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = make(kind, resumed, lr=123.0)  # the state_dict includes the options
    second.load_state_dict(torch.load(file))
    advance(second, resumed, 6)
    assert identical(params, resumed)


def test_resume_casts_state_to_the_parameter(rule_kind):
    """The state of float32 parameters is loaded as float64 for float64 parameters, and the step count continues."""
    params = parameters(torch.float32)
    optimizer = make(rule_kind, params)
    advance(optimizer, params, 3)
    params = parameters(torch.float64)
    other = make(rule_kind, params)
    other.load_state_dict(optimizer.state_dict())
    for param in params:
        assert other.state[param]["step"] == 3
        assert all(x.dtype is torch.float64 for x in state_tensors(other, param).values())
    advance(other, params, 1)
    assert other.state[params[0]]["step"] == 4


def test_loaded_state_is_not_shared(key):
    """Two optimizers that load one state_dict take the same steps, in any order."""
    params = parameters()
    optimizer = make(key, params)
    advance(optimizer, params, 3)
    state, ends = optimizer.state_dict(), []
    for _ in range(2):
        mine = [value.requires_grad_() for value in values(params)]
        other = make(key, mine)
        other.load_state_dict(state)
        advance(other, mine, 5)
        ends.append(mine)
    assert identical(*ends)


def test_copies_and_pickles(kind):
    """A deep copy and a pickled copy, with their parameters, continue exactly like the original."""
    params = parameters()
    optimizer = make(kind, params)
    advance(optimizer, params, 3)
    # one object, so that the copied optimizer has the copied parameters
    copies = [copy.deepcopy((optimizer, params)), pickle.loads(pickle.dumps((optimizer, params)))]
    advance(optimizer, params, 4)
    for other, others in copies:
        advance(other, others, 4)
        assert identical(params, others)


def test_state_of_another_class_is_an_error(rule_kind):
    """A state_dict with other state, a missing option or an invalid one is an error, and nothing of it is loaded."""
    params = parameters()
    other = torch.optim.RAdam(params)
    advance(other, params, 1)
    optimizer = make(rule_kind, params)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ValueError, match="state_dict: expected the state of"):
        optimizer.load_state_dict(other.state_dict())
    incomplete = optimizer.state_dict()
    groups = incomplete["param_groups"]
    incomplete["param_groups"] = [{k: v for k, v in group.items() if k != "lr"} for group in groups]
    with pytest.raises(ValueError, match=r"state_dict: expected the options of .*'lr'"):
        optimizer.load_state_dict(incomplete)
    invalid = copy.deepcopy(optimizer.state_dict())
    invalid["param_groups"][0]["lr"] = -1.0
    with pytest.raises(ValueError, match=r"lr: expected a number >= 0, got -1\.0"):
        optimizer.load_state_dict(invalid)
    assert optimizer.state_dict() == before


def test_leaves_gradients_alone(kind):
    """A step neither replaces p.grad nor changes its value, also with weight decay."""
    params = parameters()
    optimizer = make(kind, params, weight_decay=0.1)
    loss_of(params).backward()
    grads = [param.grad for param in params]
    before = [grad.clone() for grad in grads]
    step(optimizer)
    step(optimizer)
    assert all(param.grad is grad for param, grad in zip(params, grads, strict=True))
    assert identical(grads, before)


def test_closure(gradient_kind):
    """A step under no_grad enables gradients in its closure, returns the closure's loss, and uses the new gradients."""
    params, others = parameters(), parameters()
    optimizer = make(gradient_kind, params)

    def closure():
        assert torch.is_grad_enabled()
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        return loss

    first = loss_of(params).item()
    with torch.no_grad():
        loss = optimizer.step(closure)
        assert not torch.is_grad_enabled()
    assert loss.item() == first
    assert optimizer.step() is None
    advance(make(gradient_kind, others), others, 1)
    assert not identical(params, others)  # the step without a closure moved, too
    assert all(param.requires_grad and param.grad_fn is None for param in params)


def test_zero_grad(kind):
    """The method zero_grad deletes the gradients, or sets them to zero on request."""
    params = parameters()
    optimizer = make(kind, params)
    loss_of(params).backward()
    optimizer.zero_grad(set_to_none=False)
    assert all((param.grad == 0).all() for param in params)
    optimizer.zero_grad()
    assert all(param.grad is None for param in params)


def test_groups_have_their_own_options(gradient_kind):
    """Groups of the constructor and groups that are added later each move as if alone with their options."""
    settings = [{"lr": 0.01}, {"lr": 0.03, "weight_decay": 0.5}, {"lr": 0.02}]
    together = parameters()[:3]
    groups = [{"params": [param], **options} for param, options in zip(together, settings, strict=True)]
    optimizer = find_optimizer(gradient_kind)(groups[:2])
    optimizer.add_param_group(groups[2])
    advance(optimizer, together, 5)
    for k, options in enumerate(settings):
        params = parameters()[:3]
        alone = find_optimizer(gradient_kind)([params[k]], **options)
        advance(alone, params, 5)
        assert torch.equal(params[k], together[k])
        assert not torch.equal(params[k], parameters()[k])


def test_parameters_without_gradient_stay(gradient_kind):
    """A parameter without gradient keeps its value, gets no state, and counts its steps from its first gradient."""
    params = parameters()
    optimizer = make(gradient_kind, params, weight_decay=0.1)
    (params[1] ** 2).sum().backward()
    for _ in range(3):
        optimizer.step()
    assert torch.equal(params[0], parameters()[0])
    assert params[0] not in optimizer.state
    params[0].grad = torch.ones((), dtype=torch.float64)
    optimizer.step()
    late = parameters()[0]
    late.grad = torch.ones((), dtype=torch.float64)
    make(gradient_kind, [late], weight_decay=0.1).step()
    assert torch.equal(params[0], late)


SCHEDULES = {
    "LambdaLR": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t)),
    "StepLR": lambda optimizer: lr_scheduler.StepLR(optimizer, step_size=2),
    "CosineAnnealingLR": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=8),
    "OneCycleLR": lambda optimizer: lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.02, total_steps=12, cycle_momentum=_cycles_momentum(optimizer)
    ),
    "CyclicLR": lambda optimizer: lr_scheduler.CyclicLR(
        optimizer, base_lr=0.001, max_lr=0.02, step_size_up=3, cycle_momentum=_cycles_momentum(optimizer)
    ),
}


def _cycles_momentum(optimizer):
    return "momentum" in optimizer.defaults or "betas" in optimizer.defaults


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedulers_take_effect(key, schedule):
    """With a scheduler each step equals that of an optimizer whose groups are given the same options."""
    params, others = parameters(), parameters()
    optimizer, manual = make(key, params), make(key, others)
    scheduler, history = SCHEDULES[schedule](optimizer), []
    for _ in range(8):
        options = {name: optimizer.param_groups[0][name] for name in OPTIONS if name in optimizer.param_groups[0]}
        history.append(options)
        manual.param_groups[0].update(options)
        advance(optimizer, params, 1)
        advance(manual, others, 1)
        assert identical(params, others)
        scheduler.step()
    assert len({options["lr"] for options in history}) > 2
    if schedule in {"OneCycleLR", "CyclicLR"} and _cycles_momentum(optimizer):
        assert len({options.get("momentum") or options["betas"][0] for options in history}) > 2
    constant = parameters()
    advance(make(key, constant), constant, 8)
    assert not identical(params, constant)


def test_reduces_on_plateau(key):
    """ReduceLROnPlateau, which needs a loss, reduces the learning rate of every optimizer."""
    params = parameters()
    optimizer = make(key, params)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.0, patience=0, min_lr=0.0)
    advance(optimizer, params, 2)
    scheduler.step(1.0)
    scheduler.step(1.0)
    assert optimizer.param_groups[0]["lr"] == 0
    if "momentum" not in optimizer.defaults and key != "schedule_free_adamw":  # a velocity or an average keeps moving θ
        before = values(params)
        advance(optimizer, params, 1)
        assert identical(params, before)


def test_learning_rate_may_be_a_tensor(key):
    """A tensor of one element gives the same steps as the float, and is read at each step."""
    params, others = parameters(), parameters()
    lr = torch.tensor(0.015625)
    optimizer, plain = make(key, params, lr=lr), make(key, others, lr=0.015625)
    for factor in (1.0, 0.5):
        lr.mul_(factor)
        plain.param_groups[0]["lr"] *= factor
        advance(optimizer, params, 3)
        advance(plain, others, 3)
    assert identical(params, others)


def test_deterministic(kind):
    """The same steps twice are bit-for-bit identical and draw nothing from the global random state."""
    before = torch.random.get_rng_state()
    first, second = parameters(), parameters()
    advance(make(kind, first), first, 20)
    advance(make(kind, second), second, 20)
    assert identical(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_named_parameters(kind):
    """Named parameters move like unnamed ones, and their names remain in the group."""
    params, others = parameters(), parameters()
    named = make(kind, [(f"layer.{k}", param) for k, param in enumerate(params)])
    assert named.param_groups[0]["param_names"] == ["layer.0", "layer.1", "layer.2", "layer.3"]
    advance(named, params, 3)
    advance(make(kind, others), others, 3)
    assert identical(params, others)


def test_memory_format(rule_kind):
    """A channels-last parameter and its contiguous copy take the same steps; parameters and state keep their layouts."""
    plain = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    last = plain.detach().clone().to(memory_format=torch.channels_last).requires_grad_()
    for param in (plain, last):
        optimizer = make(rule_kind, [param])
        (param**2).sum().backward()
        optimizer.step()  # this step creates the state
        assert all(x.stride() == param.stride() for x in state_tensors(optimizer, param).values())
        advance(optimizer, [param], 2)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain, last)


BAD = [
    ("lr", -1.0),
    ("lr", float("nan")),
    ("lr", float("inf")),
    ("lr", "0.1"),
    ("lr", True),
    ("lr", torch.tensor([0.1, 0.2])),
    ("weight_decay", -0.1),
    ("weight_decay", float("nan")),
    ("momentum", 1.0),
    ("momentum", -0.1),
    ("momentum", float("nan")),
    ("dampening", 1.0),
    ("dampening", -0.5),
    ("alpha", 1.0),
    ("alpha", -0.5),
    ("rho", 1.0),
    ("rho", -0.5),
    ("betas", (1.0, 0.9)),
    ("betas", (0.9, 1.0)),
    ("betas", (-0.1, 0.9)),
    ("betas", (0.9, float("nan"))),
    ("betas", (0.9,)),
    ("betas", 0.9),
    ("eps", 0.0),
    ("eps", -1e-8),
    ("eps", float("nan")),
    ("bias_correction", 1),
    ("eps_inside_sqrt", "yes"),
    ("momentum_schedule", 1),
    ("momentum_decay", -0.1),
    ("momentum_decay", float("inf")),
    ("damping", -1.0),
    ("damping", float("inf")),
    ("indefinite", "abs"),
    ("indefinite", ["keep"]),
    ("diagonal", 1),
    ("nesterov", 1),
    ("scale", "adamw"),
    ("scale", ["original"]),
    ("ns_dtype", "float16"),
    ("ns_dtype", torch.float32),
    ("adam_lr_ratio", -1.0),
    ("adam_betas", (0.9, 1.0)),
    ("adam_eps", 0.0),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=str)
def test_invalid_options_are_errors(key, name, value):
    """An option out of its range is an error with name and value, in the constructor, a group, and an added group."""
    cls, params = OPTIMIZERS[key], parameters()
    if name not in cls(params).defaults:
        with pytest.raises(TypeError, match=name):
            cls(params, **{name: value})
        return
    message = f"{name}: expected {OPTIONS[name][0]}, got {value!r}"
    for construct in (
        lambda: cls(params, **{name: value}),
        lambda: cls([{"params": params, name: value}]),
        lambda: cls([{"params": params[:1], name: cls(params).defaults[name]}], **{name: value}),
    ):
        with pytest.raises(ValueError) as error:  # noqa: PT011 - compared in full below
            construct()
        assert str(error.value) == message
    optimizer = cls(params[:1])
    with pytest.raises(ValueError) as error:  # noqa: PT011
        optimizer.add_param_group({"params": params[1:], name: value})
    assert str(error.value) == message
    assert len(optimizer.param_groups) == 1


def test_every_rule_with_a_divisor_has_an_eps(key):
    """Every rule that divides by a root or a maximum has an ε, which cannot be 0; the others have none."""
    divides = key not in {"sgd", "momentum", "nag", "nag_paper", "lion", "schedule_free_sgd"}
    assert ("eps" in OPTIMIZERS[key](parameters()).defaults) is divides


def test_zero_gradients_move_nothing(rule_kind):
    """Gradients that are always zero do not give 0/0: without decay, the parameter stays."""
    params = parameters()
    optimizer = make(rule_kind, params, weight_decay=0.0)
    for _ in range(3):
        for param in params:
            param.grad = torch.zeros_like(param)
        optimizer.step()
    assert identical(params, parameters())


@pytest.mark.parametrize("named", [False, True])
def test_sparse_gradients_are_errors(rule_kind, named):
    """A sparse gradient is an error with parameter and layout, before any parameter moves or gets state."""
    first, second = parameters()[:2]
    pairs = [("first", first), ("second", second)]
    optimizer = make(rule_kind, pairs if named else [first, second])
    first.grad, second.grad = torch.ones_like(first), torch.ones_like(second).to_sparse()
    name = "second" if named else "1"
    with pytest.raises(RuntimeError, match=rf"grad: .* torch.sparse_coo for parameter {name} of shape \(3, 2\)"):
        optimizer.step()
    assert identical([first, second], parameters()[:2])
    assert not optimizer.state


def test_complex_gradients_are_errors(rule_kind):
    """A complex gradient, which torch allows with `grad_dtype`, is an error with its dtype."""
    (param,) = parameters()[:1]
    if not hasattr(param, "grad_dtype"):
        pytest.skip("this torch does not allow a gradient of another dtype")
    param.grad_dtype = torch.complex128
    param.grad = torch.ones((), dtype=torch.complex128)
    with pytest.raises(RuntimeError, match=r"grad: .* torch.complex128, .* for parameter 0 of shape \(\)"):
        make(rule_kind, [param]).step()


@pytest.mark.parametrize(
    ("param", "problem"),
    [
        (torch.zeros(2, dtype=torch.complex64), "torch.complex64"),
        (torch.zeros(2, dtype=torch.int64), "torch.int64"),
        (torch.zeros(2).to_sparse(), "torch.sparse_coo"),
    ],
    ids=["complex", "integer", "sparse"],
)
def test_unsupported_parameters_are_errors(key, param, problem):
    """A complex, integer or sparse parameter is an error with name and dtype or layout; its group is not added."""
    with pytest.raises(ValueError, match=rf"params: .* got parameter 0 of shape \(2,\), .*{problem}"):
        make(key, [param])
    optimizer = make(key, [("good", parameters()[0])])
    with pytest.raises(ValueError, match=f"parameter other of shape .*{problem}"):
        optimizer.add_param_group({"params": [("other", param)]})
    assert len(optimizer.param_groups) == 1


def test_options_after_the_learning_rate_have_names(key):
    """Options after lr are keyword-only, because torch has other orders: SGD(params, 0.1, 0.9) is momentum there."""
    with pytest.raises(TypeError):
        OPTIMIZERS[key](parameters(), 0.1, 0.9)


def test_step_hooks(key):
    """The step hooks of torch.optim.Optimizer run before and after a step."""
    params, calls = parameters(), []
    optimizer = make(key, params)
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    advance(optimizer, params, 1)
    assert calls == ["before", "after"]


EVERY_OPTION = {"bias_correction": True, "eps_inside_sqrt": True, "momentum_schedule": True, "weight_decay": 0.1}


def all_options(key):
    """Return the options with which the rule computes more than by default."""
    return {name: value for name, value in EVERY_OPTION.items() if name in OPTIMIZERS[key](parameters()).defaults}


@pytest.mark.parametrize("more", [False, True], ids=["defaults", "options"])
def test_capturable(rule_kind, more):
    """With step counts and learning rates in tensors, as in a captured step, steps are the same, also after a resume."""
    options = all_options(rule_kind) if more else {}
    params, others = parameters(), parameters()
    optimizer, plain = make(rule_kind, params, **options), make(rule_kind, others, **options)
    schedulers = [lr_scheduler.StepLR(o, step_size=2) for o in (optimizer, plain)]
    advance(optimizer, params, 1)
    advance(plain, others, 1)
    optimizer.capturable()
    rate, count = optimizer.param_groups[0]["lr"], optimizer.state[params[0]]["step"]
    for _ in range(5):
        advance(optimizer, params, 1)
        advance(plain, others, 1)
        for scheduler in schedulers:
            scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate  # a graph reads this tensor
    assert optimizer.state[params[0]]["step"] is count
    assert (rate.item(), count.item()) == (plain.param_groups[0]["lr"], 6)
    assert all(torch.allclose(x, y, rtol=1e-12, atol=0) for x, y in zip(params, others, strict=True))
    again = make(rule_kind, params, **options)
    again.capturable()
    again.load_state_dict(optimizer.state_dict())
    advance(again, params, 1)
    advance(plain, others, 1)
    assert isinstance(again.param_groups[0]["lr"], torch.Tensor)
    assert all(torch.allclose(x, y, rtol=1e-12, atol=0) for x, y in zip(params, others, strict=True))


def test_capturable_resumes_exactly(rule_kind):
    """In float32, too, a state that is loaded again gives bit-for-bit identical steps: its numbers are not rounded."""
    params, others = parameters(torch.float32), parameters(torch.float32)
    optimizer, first = make(rule_kind, params), make(rule_kind, others)
    for one in (optimizer, first):
        one.capturable()
    advance(optimizer, params, 6)
    advance(first, others, 3)
    second = make(rule_kind, others)
    second.capturable()
    second.load_state_dict(first.state_dict())
    advance(second, others, 3)
    assert identical(params, others)
    for name in ("step", *optimizer.number_names):
        assert optimizer.state[params[0]][name] == second.state[others[0]][name]
        assert second.state[others[0]][name].dtype is torch.float64


def test_capturable_writes_in_place(rule_kind):
    """No tensor that a step reads or writes is replaced, so a captured step can be replayed."""
    params = parameters()
    optimizer = make(rule_kind, params)
    optimizer.capturable()
    advance(optimizer, params, 1)
    before = {name: x.data_ptr() for name, x in optimizer.state[params[1]].items()}
    advance(optimizer, params, 2)
    assert {name: x.data_ptr() for name, x in optimizer.state[params[1]].items()} == before


def test_blocks_change_nothing(elementwise_kind, monkeypatch):
    """A large tensor that is updated in blocks ends like one without blocks, with weight decay and state."""
    start = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ends = []
    for size in (128, 10**6):
        monkeypatch.setattr(base, "BLOCK_SIZE", size)
        param = start.clone().requires_grad_()
        optimizer = make(elementwise_kind, [param], weight_decay=0.1)
        advance(optimizer, [param], 3)
        ends.append([param, *state_tensors(optimizer, param).values()])
    assert all(torch.allclose(x, y, rtol=1e-12, atol=0) for x, y in zip(*ends, strict=True))
    assert not torch.equal(ends[0][0], start)


@pytest.mark.compiler
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="no C++ compiler")
def test_compiled(elementwise_kind):
    """Compiled steps equal plain ones except for rounding, with a schedule, and are compiled only once."""
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    options = all_options(elementwise_kind)
    params, others = ([torch.linspace(-1, 2, 100).requires_grad_()] for _ in range(2))
    optimizer, plain = make(elementwise_kind, params, **options), make(elementwise_kind, others, **options)
    schedulers = [lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)) for o in (optimizer, plain)]
    optimizer.compile()
    for _ in range(4):
        advance(optimizer, params, 1)
        advance(plain, others, 1)
        for scheduler in schedulers:
            scheduler.step()
    assert torch.allclose(params[0], others[0], rtol=1e-5, atol=1e-6)
    assert not torch.equal(params[0], torch.linspace(-1, 2, 100))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs + 1


def test_a_rule_of_matrices_is_not_compiled():
    """Each shape would be compiled by itself, and in parts: an error with the class."""
    with pytest.raises(ValueError, match="compile: Muon does not work element by element"):
        make("muon", parameters()).compile()
