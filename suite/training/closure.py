"""Closures: steps of optimizers that evaluate the loss themselves, at several points, such as LBFGS and SAM.

The step gets a function, the closure. It sets the gradients to zero, evaluates loss and gradients of the batch of the update
at the current parameters, and returns the loss as a tensor without a graph. In an update

- all evaluations have the same batch and the same random numbers, for example the same dropout masks;
- only the first changes the buffers of the network, such as the running statistics of batch normalisation;
- the first gives the training loss and the training accuracy that are recorded.

There are two conventions for the first evaluation. Most optimizers make it with the closure. SAM, as its implementations have
it, starts from the gradients of an evaluation that was made before the step. `starts_from_gradients` finds out which of the
two a class follows.
"""

from __future__ import annotations

import copy
import random
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from suite.errors import UserError
from suite.training.modes import Modes

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn
    from torch.optim import Optimizer


class ClosureStep:
    """Makes updates of an optimizer whose step takes a closure.

    Args:
        optimizer: Over the parameters of the network.
        network: Its buffers are restored after every evaluation of an update except the first.
        from_gradients: Whether the first evaluation is made before the step, which starts from its gradients.

    Attributes:
        evaluations: The number of evaluations in all updates until now.
    """

    def __init__(self, optimizer: Optimizer, network: nn.Module, *, from_gradients: bool) -> None:
        self._optimizer, self._network, self._from_gradients = optimizer, network, from_gradients
        self.evaluations = 0

    def run(self, evaluate: Callable[..., Tensor]) -> Tensor:
        """Make an update and return the loss of its first evaluation.

        Args:
            evaluate: Adds the gradients of the loss of the batch to those of the parameters, and returns the loss. Its
                argument `is_first` is whether this is the first evaluation of the update.

        Raises:
            UserError: Neither the step nor the convention made an evaluation.
        """
        first: Tensor | None = None
        first_states: Any = None

        def closure() -> Tensor:
            nonlocal first, first_states
            self.evaluations += 1
            self._optimizer.zero_grad()
            with torch.enable_grad():
                if first is None:
                    first_states = _random_states(self._network)
                    first = evaluate(is_first=True)
                    return first.clone()
                states = _random_states(self._network)  # the optimizer may have drawn numbers since
                buffers = {name: buffer.clone() for name, buffer in self._network.named_buffers()}
                _set_random_states(first_states)
                try:
                    return evaluate(is_first=False)
                finally:
                    _set_random_states(states)
                    with torch.no_grad():
                        for name, buffer in self._network.named_buffers():
                            buffer.copy_(buffers[name])

        if self._from_gradients:
            closure()
        else:
            self._optimizer.zero_grad()
        self._optimizer.step(closure)  # type: ignore[arg-type]  # torch's stubs expect a float, its LBFGS calls float()
        if first is None:
            problem = f"the step of {type(self._optimizer).__name__} did not call its closure"
            raise UserError("closure", problem, "Remove closure = true")
        return first


def starts_from_gradients(
    make: Callable[[nn.Module], Optimizer], network: nn.Module, *, create_graph: bool = False
) -> bool:
    """Return whether the step of an optimizer uses the gradients that it finds before it calls its closure.

    Two copies of the network get two updates of a quadratic function, with the same random numbers. Only one of them has
    gradients before each step. If these are used, the parameters differ afterwards, or the update without them fails.

    Args:
        make: Returns the optimizer over the parameters of a network.
        network: Any network. Neither it nor the state of a random generator changes.
        create_graph: Whether gradients have a graph.
    """
    states = _random_states(network)
    try:
        with_gradients = _updated(make, copy.deepcopy(network), gradients=True, create_graph=create_graph)
        _set_random_states(states)
        try:
            without = _updated(make, copy.deepcopy(network), gradients=False, create_graph=create_graph)
        except Exception:  # noqa: BLE001 (other people's code)
            return True
    finally:
        _set_random_states(states)
    return not all(map(torch.equal, with_gradients, without))


def _updated(
    make: Callable[[nn.Module], Optimizer], network: nn.Module, *, gradients: bool, create_graph: bool
) -> list[Tensor]:
    """Return the parameters after two updates of |θ + ½|², with or without the gradient θ + 1 before each step."""
    optimizer = make(network)
    Modes(network, optimizer).train()
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]

    def closure() -> Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = torch.stack([(parameter + 0.5).square().sum() for parameter in parameters]).sum()
            backward(loss, create_graph=create_graph)
        return loss.detach()

    for _ in range(2):
        for parameter in parameters if gradients else ():
            gradient = parameter + 1
            parameter.grad = gradient if create_graph else gradient.detach()
        optimizer.step(closure)  # type: ignore[arg-type]
        optimizer.zero_grad()
    return [parameter.detach().nan_to_num() for parameter in parameters]


def backward(loss: Tensor, *, create_graph: bool) -> None:
    """Add the gradients of a loss to those of the parameters; with `create_graph` they can be differentiated.

    Set gradients with a graph to None after use. The graph refers to the parameters, and would never be freed otherwise.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using backward\\(\\) with create_graph=True")
        loss.backward(create_graph=create_graph)


def _random_states(network: nn.Module) -> Any:
    """Return the states of the global generators: torch's on the CPU and on the device of the network, `random`, NumPy."""
    device = next(network.parameters()).device
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 (the global generator)
    return device, torch.random.get_rng_state(), on_device, random.getstate(), numpy_state


def _set_random_states(states: Any) -> None:
    device, torch_state, on_device, random_state, numpy_state = states
    torch.random.set_rng_state(torch_state)
    if on_device is not None:
        torch.cuda.set_rng_state(on_device, device)
    random.setstate(random_state)
    np.random.set_state(numpy_state)  # noqa: NPY002 (the global generator)
