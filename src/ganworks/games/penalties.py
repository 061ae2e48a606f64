"""Gradient penalties on a discriminator, per example [B], with three back-ends; regularisers; path lengths of G.

exact  autograd with create_graph differentiates the input gradient itself. This is the reference.
func   computes the same number by `torch.func.vjp`, for use inside a compiled loss. D must not update buffers
       (no batch norm in training mode).
fd     finite difference (Lin et al. 2025, 2501.08316, "approximated R1"): E[(D(x + s e) - D(x))^2] / s^2 over
       e ~ N(0, I) is |grad D(x)|^2 + O(s^2). It needs first-order autograd only, on a fraction of the rows. One
       draw has a relative standard deviation of about sqrt 2; the mean is unbiased up to O(s^2). Both logits of
       a difference are computed without autocast, since bfloat16 rounds x by almost half of s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ganworks.core.spec import Draw

BACKENDS = ("exact", "func", "fd")
SIGMA = 0.01  # step of the finite difference, in units of the data's [-1, 1] (2501.08316)


class RowCritic(Protocol):
    """x [B, ...] -> logits [B], one for each row; `rows(index)` is the same critic for those rows of x.

    A finite difference uses `rows` to score a part of the batch again with the same labels and augmentation.
    """

    def __call__(self, x: Tensor) -> Tensor: ...

    def rows(self, index: Tensor) -> RowCritic: ...


class LabelledCritic:
    """D(x, y) with fixed labels y and without augmentation: the simplest `RowCritic`."""

    def __init__(self, D: Callable[..., Tensor], y: Tensor | None = None):
        self.D, self.y = D, y

    def __call__(self, x: Tensor) -> Tensor:
        return self.D(x) if self.y is None else self.D(x, self.y)

    def rows(self, index: Tensor) -> LabelledCritic:
        return LabelledCritic(self.D, None if self.y is None else self.y[index])


@dataclass(frozen=True)
class Probe:
    """The rows [k] that a finite difference perturbs, and the perturbations: noise [k, ...] ~ N(0, I)."""

    rows: Tensor
    noise: Tensor

    @staticmethod
    def draw(x: Tensor, draw: Draw, fraction: float = 1.0) -> Probe:
        """A probe of the first ceil(fraction * B) rows of x; the noise comes from the keyed random numbers `draw`."""
        count = math.ceil(fraction * len(x))
        noise = draw.normal(*x.shape[1:])[:count]
        return Probe(torch.arange(count, device=x.device), noise.to(x.dtype))

    def beside(self, other: Probe, offset: int) -> Probe:
        """Both probes joined, for a batch in which the examples of `other` begin at row `offset`."""
        return Probe(torch.cat([self.rows, other.rows + offset]), torch.cat([self.noise, other.noise]))


def logits_and_gradient_norms(
    critic: RowCritic, x: Tensor, backend: str = "exact", probe: Probe | None = None
) -> tuple[Tensor, Tensor]:
    """Logits [B] and squared gradient norms |grad_x D(x)|^2 [B], summed within an example; both float32.

    x: [B, ...]; treated as a constant (no gradient flows to the network that made it). backend: one of `BACKENDS`.
    probe: for "fd" only. The norms of rows outside the probe are 0, and those of its k rows are scaled by B/k, so
    that the batch mean estimates the mean over all rows. Raises TypeError for "fd" without a probe.
    """
    x = x.detach()
    if backend == "fd":
        return _finite_difference(critic, x, probe)
    if backend == "func":
        logits, pull = torch.func.vjp(lambda v: critic(v).float(), x)[:2]
        gradient = pull(torch.ones_like(logits))[0]
    else:
        x = x.requires_grad_()
        logits = critic(x).float()
        gradient = torch.autograd.grad(logits.sum(), x, create_graph=torch.is_grad_enabled())[0]
    return logits, gradient.float().square().flatten(1).sum(1)


def _finite_difference(critic: RowCritic, x: Tensor, probe: Probe | None) -> tuple[Tensor, Tensor]:
    if probe is None:
        raise TypeError('The "fd" back-end needs a probe; make one with `Probe.draw`.')
    logits, few = critic(x).float(), critic.rows(probe.rows)
    at, rounded = x[probe.rows].float(), torch.is_autocast_enabled(x.device.type)
    with torch.autocast(x.device.type, enabled=False):
        start = few(at).float() if rounded else logits[probe.rows]
        moved = few(at + SIGMA * probe.noise).float()
    norms = (moved - start).square() * (len(x) / len(at) / SIGMA**2)
    return logits, norms.new_zeros(len(x)).index_copy(0, probe.rows, norms)


def zero_centred(
    D: Callable[..., Tensor],
    x: Tensor,
    gamma: float,
    y: Tensor | None = None,
    *,
    backend: str = "exact",
    draw: Draw | None = None,
    fraction: float = 1.0,
) -> Tensor:
    """gamma/2 * |grad_x D(x)|^2 per example [B]: Mescheder et al. 2018 (1801.04406), equations 9 and 10.

    On real examples this is R1, on generated ones R2. draw and fraction are for the "fd" back-end.
    """
    probe = Probe.draw(x, draw, fraction) if backend == "fd" and draw is not None else None
    return 0.5 * gamma * logits_and_gradient_norms(LabelledCritic(D, y), x, backend, probe)[1]


def r1(D: Callable[..., Tensor], real: Tensor, gamma: float, y: Tensor | None = None, **how: Any) -> Tensor:
    """R1: `zero_centred` on real examples; 1801.04406, equation 9."""
    return zero_centred(D, real, gamma, y, **how)


def r2(D: Callable[..., Tensor], fake: Tensor, gamma: float, y: Tensor | None = None, **how: Any) -> Tensor:
    """R2: `zero_centred` on generated examples; 1801.04406, equation 10."""
    return zero_centred(D, fake, gamma, y, **how)


def interpolate(real: Tensor, fake: Tensor, draw: Draw) -> Tensor:
    """A uniformly drawn point on the line between each real example and its fake: 1704.00028, algorithm 1."""
    t = draw.uniform(*[1] * (real.dim() - 1)).to(real.dtype)
    return (real + t * (fake - real)).detach()


def one_centred(squared: Tensor, weight: float) -> Tensor:
    """weight * (|grad| - 1)^2 from squared norms [B]; the square root is kept differentiable at 0."""
    return weight * ((squared + 1e-12).sqrt() - 1).square()


def gradient_penalty(
    D: Callable[..., Tensor],
    real: Tensor,
    fake: Tensor,
    draw: Draw,
    *,
    weight: float = 10.0,
    y: Tensor | None = None,
    backend: str = "exact",
) -> Tensor:
    """weight * (|grad_x D(x)| - 1)^2 [B] at random points x between real and fake.

    Gulrajani et al. 2017 (1704.00028), equation 3; the norm is taken for each example. A finite difference
    estimates the squared norm only, not the norm, so "fd" is computed as "exact".
    """
    x = interpolate(real, fake, draw)
    return one_centred(
        logits_and_gradient_norms(LabelledCritic(D, y), x, "exact" if backend == "fd" else backend)[1], weight
    )


def dragan(
    D: Callable[..., Tensor], real: Tensor, draw: Draw, *, weight: float = 10.0, scale: float = 0.5, y: Any = None
) -> Tensor:
    """weight * (|grad D| - 1)^2 [B] around real examples: DRAGAN, Kodali et al. 2017 (1705.07215), section 2.3.

    The points are x + scale * s * u, s the standard deviation of the whole batch and u uniform in 0..1 for each value,
    as in the authors' code.
    """
    x = real + scale * real.std() * draw.uniform(*real.shape[1:]).to(real.dtype)
    return one_centred(logits_and_gradient_norms(LabelledCritic(D, y), x)[1], weight)


def lecam(r: Tensor, f: Tensor, mean_r: Tensor, mean_f: Tensor, weight: float) -> Tensor:
    """weight * (relu(r - mean_f)^2 + relu(mean_r - f)^2) [B]: Tseng et al. 2021 (2104.03310), equation 5.

    mean_r, mean_f: running means of the logits of real and of generated examples. The rectifiers are those of the
    authors' code: the paper's equation has plain squares.
    """
    return weight * (relu(r.float() - mean_f).square() + relu(mean_r - f.float()).square())


def consistency(logits: Tensor, others: Tensor, weight: float) -> Tensor:
    """weight * (D(x) - D(T(x)))^2 [B]: CR on real examples (1910.12027, equation 4), bCR also on generated ones and zCR
    for two near latents (2002.04724, algorithms 1 and 2)."""
    return weight * (logits.float() - others.float()).square()


def latent_contrast(made: Tensor, others: Tensor, weight: float) -> Tensor:
    """-weight * mean squared difference [B] of what two near latents become: zCR's term of G, 2002.04724, algorithm 2.

    made, others: [B, ...]; their squared differences are averaged over the values of an example.
    """
    return -weight * (made.float() - others.float()).square().flatten(1).mean(1)


def off_diagonal(weight: Tensor) -> Tensor:
    """The squared Frobenius norm of W W' without its diagonal, for W as a matrix of one row for each output; float32.

    Brock et al. 2019 (1809.11096), equation 3: pairs of outputs are kept apart, their lengths are left free. A matrix
    with more rows than columns is computed from W' W, which has the same norm: |W W'|^2 - sum of |w_i|^4.
    """
    with torch.autocast(weight.device.type, enabled=False):
        rows = weight.float().flatten(1)
        if rows.shape[0] <= rows.shape[1]:
            products = rows @ rows.t()
            return (products - products.diagonal().diag()).square().sum()
        return (rows.t() @ rows).square().sum() - rows.square().sum(1).square().sum()


def orthogonal(module: nn.Module, weight: float) -> Tensor:
    """weight * the sum of squares of the products of different filters: a scalar; Brock et al. 2019 (1809.11096), (3).

    For every matrix and kernel W, as rows of filters, the elements of W W^T off its diagonal; their norms are free.
    Embeddings are left out.
    """
    total = torch.zeros((), device=next(module.parameters()).device)
    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    for parameter in module.parameters():
        if parameter.dim() >= 2 and id(parameter) not in tables:
            total = total + off_diagonal(parameter)
    return weight * total


def matched_means(real: Tensor, fake: Tensor, weight: float = 1.0) -> Tensor:
    """weight * |mean feature of real - of generated examples|^2 [B], all equal: Salimans et al. 2016 (1606.03498), 3.1.

    real, fake: features [B, ...] of D; no gradient flows to those of real examples.
    """
    gap = real.detach().float().flatten(1).mean(0) - fake.float().flatten(1).mean(0)
    return (weight * gap.square().sum()).expand(len(fake))


def top(losses: Tensor, logits: Tensor, count: int) -> Tensor:
    """Losses [B] of the `count` examples with the largest logits, times B / count; 0 for the rest.

    Top-k training: Sinha et al. 2020 (2002.06224), section 3: G learns from the fakes that D takes for the most real.
    """
    kept = torch.zeros_like(losses).index_fill(0, logits.topk(count).indices, len(losses) / count)
    return losses * kept


def path_lengths(images: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """|J^T y| of each example [B], in the type of the noise: how far images go for a step of their styles.

    Karras et al. 2020 (1912.04958), section 3.2, equation 4. images [B, C, H, W], made from w [B, layers, w_dim];
    noise y ~ N(0, 1) [B, C, H, W], divided here by sqrt(H W), so that lengths do not depend on the image size. The
    square of the length is averaged over layers. Differentiable where gradients are recorded.
    """
    y = noise / math.sqrt(math.prod(images.shape[2:]))
    (pulled,) = torch.autograd.grad((images * y).sum(), w, create_graph=torch.is_grad_enabled())
    return pulled.to(y.dtype).square().sum(2).mean(1).sqrt()


@torch.no_grad()
def clip_weights(module: nn.Module, limit: float) -> None:
    """Clamp every parameter to [-limit, limit], in place: 1701.07875, algorithm 1."""
    for parameter in module.parameters():
        parameter.clamp_(-limit, limit)
