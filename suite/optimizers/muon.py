"""Muon: momentum whose matrices are made nearly orthogonal, and AdamW for all parameters that are not matrices."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from suite.optimizers.adamw import adamw_update
from suite.optimizers.base import Number, Rule, add_, decay_

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b and c: five iterations bring singular values between 0.002 and 1 to between 0.68 and 1.21."""
ITERATIONS = 5


def newton_schulz(u: Tensor, *, eps: float, ns_dtype: str) -> Tensor:
    """Return X of `Muon` for a matrix u of shape (rows, columns): u with singular values near 1, of type `ns_dtype`."""
    a, b, c = COEFFICIENTS
    X = u.to(getattr(torch, ns_dtype), copy=True)
    is_tall = len(u) > u.shape[1]
    X = X.T if is_tall else X  # the smaller side, which gives the same X for fewer operations
    X.div_(X.norm().clamp(min=eps))  # X = u / max(|u|, ε)
    for _ in range(ITERATIONS):
        A = X @ X.T
        B = torch.addmm(A, A, A, beta=b, alpha=c)  # b A + c A²
        X = torch.addmm(X, B, X, beta=a)  # X ← a X + (b A + c A²) X
    return X.T if is_tall else X


def scale_factor(rows: int, columns: int, scale: str) -> float:
    """Return s of `Muon` for a matrix with at least one element."""
    return math.sqrt(max(1.0, rows / columns)) if scale == "original" else 0.2 * math.sqrt(max(rows, columns))


def muon_update(
    theta: Tensor,
    g: Tensor,
    m: Tensor,
    *,
    lr: Number,
    momentum: float,
    nesterov: bool,
    scale: str,
    eps: float,
    ns_dtype: str,
    weight_decay: float,
) -> None:
    """Update θ and m in place; tensors of the same shape with two or more dimensions, symbols as in `Muon`."""
    if theta.numel() == 0:
        return
    m.lerp_(g, 1 - momentum)  # m ← γ m + (1−γ) g
    u = (g.lerp(m, momentum) if nesterov else m).flatten(1)  # u = γ m + (1−γ) g, rows × rest
    X = newton_schulz(u, eps=eps, ns_dtype=ns_dtype)
    decay_(theta, lr, weight_decay)  # θ ← θ − η λ θ
    rows, columns = u.shape
    s = scale_factor(rows, columns, scale)
    add_(theta, -(lr * s), X.reshape(theta.shape).to(theta.dtype))  # θ ← θ − η s X


def vector_update(
    theta: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    t: Number,
    lr: Number,
    adam_lr_ratio: float,
    adam_betas: tuple[float, float],
    adam_eps: float,
    weight_decay: float,
) -> None:
    """Update θ, m and v in place at step t >= 1 by AdamW with the learning rate κ η; symbols as in `Muon`."""
    lr = adam_lr_ratio * lr
    adamw_update(theta, g, m, v, t=t, lr=lr, betas=adam_betas, eps=adam_eps, weight_decay=weight_decay)


class Muon(Rule):
    """Muon: momentum with every matrix replaced by a nearly orthogonal one, and AdamW for vectors and scalars.

    For each parameter θ with two or more dimensions, as a matrix of its first dimension by all others, with gradient g and
    momentum m of its shape, m starting at zero::

        m ← γ m + (1−γ) g
        u = γ m + (1−γ) g with nesterov, else m
        X = u / max(|u|, ε)
        5 times: X ← 3.4445 X + (−4.7750 X Xᵀ + 2.0315 X Xᵀ X Xᵀ) X
        θ ← θ − η (s X + λ θ)

    |u| is the square root of the sum of the squares of u. Products are those of matrices. The iteration is Newton-Schulz's:
    the singular vectors of X stay those of u, and its singular values between 0.002 and 1 end between 0.68 and 1.21. So all
    directions of a matrix get steps of about one size. The factor s depends on the shape::

        "original"          √max(1, rows / columns)
        "match_rms_adamw"   0.2 √max(rows, columns): steps have about the root mean square of those of AdamW, so that η and λ
                            of AdamW can be used

    Parameters with fewer than two dimensions, such as biases, get the steps of `AdamW` with the learning rate κ η, so that a
    schedule acts on both. The authors use AdamW for embeddings and for the output layer, too. These are matrices. Give them
    `adamw` with parameter groups.

    With ns_dtype = "bfloat16", equals torch's Muon with the same options, which refuses all parameters that are not matrices.
    The authors' code differs in ε alone, which it adds to |u|. Both compute X in bfloat16, which is fast on a GPU. The default
    here is float32, because a CPU without instructions for bfloat16 is many times slower with it (docs/sources.md).

    Args:
        params: Parameters, named parameters, or groups of them with their own options.
        lr: η >= 0, in units of θ; a float or a tensor of one element.
        momentum: γ in [0, 1), the decay rate of m.
        nesterov: Whether the step looks ahead by one step of the momentum.
        scale: "original" or "match_rms_adamw", which selects s.
        eps: ε > 0, in units of g: the smallest divisor of u.
        ns_dtype: "float32", "bfloat16" or "float64": the type in which X is computed.
        adam_lr_ratio: κ >= 0, the learning rate of AdamW divided by η. With "match_rms_adamw", use 1.
        adam_betas: β₁ and β₂ in [0, 1) of AdamW.
        adam_eps: ε > 0 of AdamW, in units of g. In float16 values below 3e-8 round to 0.
        weight_decay: λ >= 0, per unit of η, for AdamW per unit of κ η: a step without gradient multiplies θ by 1 − η λ.

    Raises:
        ValueError: An option is out of its range, or a parameter is not a dense, real, floating-point tensor.
        RuntimeError: From `step`, if a gradient is sparse or complex.

    Example:
        >>> import torch
        >>> x = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
        >>> (5 * x[0, 0] - 0.1 * x[1, 1]).backward()
        >>> Muon([x], lr=1.0).step()  # singular values 5 and 0.1 of the gradient, both near 1 in the step
        >>> [[round(value, 1) + 0.0 for value in row] for row in x.tolist()]
        [[-0.7, 0.0], [0.0, 0.7]]

    References:
        Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks, kellerjordan.github.io/posts/muon; Liu et
        al. 2025, Muon is scalable for LLM training, arXiv 2502.16982; docs/sources.md.
    """

    rule = staticmethod(muon_update)
    elementwise = False
    state_names = ("m",)

    def __init__(
        self,
        params: ParamsT,
        lr: Number = 0.02,
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        scale: str = "original",
        eps: float = 1e-7,
        ns_dtype: str = "float32",
        adam_lr_ratio: float = 0.015,
        adam_betas: tuple[float, float] = (0.9, 0.95),
        adam_eps: float = 1e-10,
        weight_decay: float = 0.0,
    ) -> None:
        matrices = {"momentum": momentum, "nesterov": nesterov, "scale": scale, "eps": eps, "ns_dtype": ns_dtype}
        vectors = {"adam_lr_ratio": adam_lr_ratio, "adam_betas": adam_betas, "adam_eps": adam_eps}
        super().__init__(params, {"lr": lr, **matrices, **vectors, "weight_decay": weight_decay})

    def rule_of(self, param: Tensor) -> tuple[Callable[..., None], tuple[str, ...]]:
        """Return `muon_update` with its state for a matrix, and `vector_update` with its state otherwise."""
        return super().rule_of(param) if param.ndim > 1 else (vector_update, ("m", "v"))
