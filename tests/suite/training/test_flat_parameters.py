"""`suite.training.flat_parameters`: flat parameters get the same updates as separate ones."""

import pytest
import torch
from torch import nn

from suite.optimizers import OPTIMIZERS
from suite.optimizers.base import Rule
from suite.training.flat_parameters import ALIGNMENT, flatten


def _network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(6 * 4, 5), nn.Linear(5, 3)]
    return nn.Sequential(*layers).double().to(memory_format=torch.channels_last)


def _train(network, optimizer, steps=4):
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(7, 2, 4, 4, generator=generator, dtype=torch.float64)
        optimizer.zero_grad(set_to_none=False)
        network(x).square().sum().backward()
        optimizer.step()
    return [p.detach().clone() for p in network.parameters()]


@pytest.mark.parametrize(
    "kind", [kind for kind, cls in OPTIMIZERS.items() if issubclass(cls, Rule) and cls.elementwise]
)
def test_flat_parameters_move_as_they_would_one_by_one(kind):
    """Every elementwise rule, with weight decay: the same weights except for rounding, and the same memory layouts."""
    plain, other = _network(), _network()
    cls, strides = OPTIMIZERS[kind], [p.stride() for p in other.parameters()]
    expected = _train(plain, cls(plain.parameters(), weight_decay=0.1))
    flat = flatten(other.parameters())
    assert len(flat) == 1
    weights = _train(other, cls(flat, weight_decay=0.1))
    assert all(torch.allclose(x, y, rtol=1e-9, atol=1e-15) for x, y in zip(weights, expected, strict=True))
    assert [p.stride() for p in other.parameters()] == strides
    assert not torch.equal(weights[0], next(iter(_network().parameters())))


def test_values_stay_and_start_aligned():
    """The values do not change, each parameter starts at a multiple of 512 bytes, and the gaps are zero."""
    network, before = _network(), _network()
    (flat,) = flatten(network.parameters())
    assert all(torch.equal(x, y) for x, y in zip(network.parameters(), before.parameters(), strict=True))
    start = flat.data_ptr()
    offsets = [p.data_ptr() - start for p in network.parameters()]
    assert all(offset % ALIGNMENT == 0 for offset in offsets)
    assert offsets == sorted(set(offsets))
    assert flat.abs().sum().item() == pytest.approx(sum(p.abs().sum().item() for p in network.parameters()))
    network[3].weight.grad.fill_(1.0)
    assert flat.grad.sum().item() == network[3].weight.numel()


def test_one_tensor_for_each_dtype_without_frozen_parameters():
    """Parameters of two dtypes are in two tensors; one that requires no gradient keeps its address."""
    network = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2).double(), nn.Linear(2, 2)])
    network[2].requires_grad_(requires_grad=False)
    frozen = network[2].weight.data_ptr()
    flat = flatten(network.parameters())
    assert [x.dtype for x in flat] == [torch.float32, torch.float64]
    assert network[2].weight.data_ptr() == frozen
    assert network[2].weight.grad is None
