"""Adversarial losses by name: plain functions from logits [B] to per-example losses [B].

`r` are the discriminator's logits on real examples, `f` on generated ones; r[i] and f[i] are a pair.
Every function computes in float32, whatever the dtype of its arguments. No function averages its value over the batch.
Logits of patches [B, 1, h, w] are treated patch by patch: what compares a whole batch does so at each place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganworks.core import registry
from ganworks.core.errors import UsageError, nearest


@dataclass(frozen=True)
class Loss:
    """The losses of both players.

    discriminator(r, f): what D minimises, [B]. generator(r, f): what G minimises, [B]; `r` may be None unless
    `paired` is true, that is, unless the generator's loss compares each fake with a real example.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor | None, Tensor], Tensor]
    paired: bool = False


def minimax_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """-log s(r) - log(1 - s(f)), s the sigmoid: Goodfellow et al. 2014 (1406.2661), equation 1."""
    return softplus(-r.float()) + softplus(f.float())


def minimax_generator(r: Tensor | None, f: Tensor) -> Tensor:
    """log(1 - s(f)): 1406.2661, equation 1. Its gradient vanishes where D rejects the fakes with certainty."""
    return -softplus(f.float())


def non_saturating_generator(r: Tensor | None, f: Tensor) -> Tensor:
    """-log s(f): 1406.2661, section 3, the form that is used in practice."""
    return softplus(-f.float())


def least_squares_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """((r - 1)^2 + f^2) / 2: Mao et al. 2017 (1611.04076), equation 9 (a = 0, b = 1)."""
    return 0.5 * ((r.float() - 1).square() + f.float().square())


def least_squares_generator(r: Tensor | None, f: Tensor) -> Tensor:
    """(f - 1)^2 / 2: 1611.04076, equation 9 (c = 1)."""
    return 0.5 * (f.float() - 1).square()


def hinge_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """max(0, 1 - r) + max(0, 1 + f): Lim and Ye 2017 (1705.02894); Miyato et al. (1802.05957), eq. 16."""
    return relu(1 - r.float()) + relu(1 + f.float())


def wasserstein_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """f - r: Arjovsky et al. 2017 (1701.07875), equation 3. Needs a Lipschitz constraint: gp or clip."""
    return f.float() - r.float()


def negative_logit_generator(r: Tensor | None, f: Tensor) -> Tensor:
    """-f: 1701.07875, section 3 (Wasserstein); 1802.05957, equation 17 (hinge)."""
    return -f.float()


def relativistic_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """softplus(f - r): the paired loss, Jolicoeur-Martineau 2018 (1807.00734), equation 6; Huang et al. 2024
    (2501.05441), equation 2. The loss depends only on the difference of the two logits."""
    return softplus(f.float() - r.float())


def relativistic_generator(r: Tensor | None, f: Tensor) -> Tensor:
    """softplus(r - f): the loss of G, 1807.00734, equation 7. Raises TypeError without `r`."""
    if r is None:
        raise TypeError("The relativistic loss compares each fake with a real example: give real logits too.")
    return softplus(r.float() - f.float())


def _needed(r: Tensor | None) -> Tensor:
    """Real logits in float32. Raises TypeError without them."""
    if r is None:
        raise TypeError("This loss compares fakes with real examples: give real logits too.")
    return r.float()


def relativistic_average(side: Loss) -> Loss:
    """The relativistic average form of a loss, 1807.00734, equations 8 and 9, sections 4.2 and 4.3 and appendix B.

    Each logit is counted from the mean logit of the other kind. G minimises D's loss with real and fake exchanged.
    """

    def discriminator(r: Tensor, f: Tensor) -> Tensor:
        r, f = r.float(), f.float()
        return side.discriminator(r - f.mean(0), f - r.mean(0))

    def generator(r: Tensor | None, f: Tensor) -> Tensor:
        return discriminator(f, _needed(r))

    return Loss(discriminator, generator, paired=True)


def signed_least_squares(r: Tensor, f: Tensor) -> Tensor:
    """(r - 1)^2 + (f + 1)^2: RaLSGAN's targets, 1807.00734, appendix B."""
    return (r.float() - 1).square() + (f.float() + 1).square()


def dual_contrastive_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """log(1 + sum_j e^(f_j - r_i)) + log(1 + sum_j e^(f_i - r_j)): Yu et al. 2021 (2103.14640), equations 3 and 4.

    Each real example is to be found among all fakes, and each fake among all real ones.
    """
    r, f = r.float(), f.float()
    return softplus(f.logsumexp(0) - r) + softplus(f + (-r).logsumexp(0))


def dual_contrastive_generator(r: Tensor | None, f: Tensor) -> Tensor:
    """D's loss with real and fake exchanged, which does not saturate; the paper writes a minimax game."""
    return dual_contrastive_discriminator(f, _needed(r))


def softmax_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """-r_i + log Z, Z the sum of e^logit over real and fake examples: Lin 2017 (1704.06191), equation 1.

    The cross-entropy to a target that is uniform over the real examples of the batch.
    """
    return _log_sum(r, f) - r.float()


def softmax_generator(r: Tensor | None, f: Tensor) -> Tensor:
    """-(r_i + f_i) / 2 + log Z: the target is uniform over real and fake examples; 1704.06191, equation 2."""
    return _log_sum(_needed(r), f) - 0.5 * (_needed(r) + f.float())


def _log_sum(r: Tensor, f: Tensor) -> Tensor:
    return torch.cat([r.float(), f.float()]).logsumexp(0)


def kl_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """-r + e^(f - 1): f-GAN for the Kullback-Leibler divergence, Nowozin et al. 2016 (1606.00709), tables 1 and 6.

    At its optimum the logit is 1 + log(p / q). Above 20 the exponential goes on as its tangent, which stays finite.
    """
    power = f.float() - 1
    near = power.clamp(max=_TANGENT)
    return near.exp() * (1 + power - near) - r.float()


_TANGENT = 20.0

LOSSES: dict[str, Loss] = {
    "minimax": Loss(minimax_discriminator, minimax_generator),
    "non-saturating": Loss(minimax_discriminator, non_saturating_generator),
    "least-squares": Loss(least_squares_discriminator, least_squares_generator),
    "hinge": Loss(hinge_discriminator, negative_logit_generator),
    "wasserstein": Loss(wasserstein_discriminator, negative_logit_generator),
    "relativistic": Loss(relativistic_discriminator, relativistic_generator, paired=True),
    "relativistic-average": relativistic_average(Loss(minimax_discriminator, non_saturating_generator)),
    "relativistic-average-least-squares": relativistic_average(Loss(signed_least_squares, least_squares_generator)),
    "relativistic-average-hinge": relativistic_average(Loss(hinge_discriminator, negative_logit_generator)),
    "dual-contrastive": Loss(dual_contrastive_discriminator, dual_contrastive_generator, paired=True),
    "softmax": Loss(softmax_discriminator, softmax_generator, paired=True),
    "kl": Loss(kl_discriminator, negative_logit_generator),
}


def loss(name: str) -> Loss:
    """The loss called `name` ("_" and "-" are alike, case does not matter), or that of a plugin ("plugin:loss/name").

    "module:name" is a `Loss`, or a pair of functions for D and G, in a module that the program has imported already:
    a configuration cannot make Python import anything. Raises UsageError for an unknown name.
    """
    known = name.strip().lower().replace("_", "-")
    if known in LOSSES:
        return LOSSES[known]
    if ":" in name:
        return _of_others(name)
    raise UsageError(f"There is no loss {name!r}. {nearest(known, [*LOSSES, *registry.named('loss').values()])}")


def unpaired(name: str) -> Loss:
    """The loss called `name`, for data without pairs; UsageError for one that compares an example with its partner."""
    found = loss(name)
    if found.paired:
        raise UsageError(f"game.loss={name} compares pairs; unpaired images have none. Try hinge.")
    return found


def _of_others(name: str) -> Loss:
    """A loss from a plugin, or from a module that is imported already."""
    module, _, attribute = name.partition(":")
    if "/" in attribute:
        found = registry.part(name)
        if found is None:
            raise UsageError(f"The loss {name!r} is of the plugin {module!r}, which is not installed here.")
    elif module in sys.modules:
        found = vars(sys.modules[module]).get(attribute)  # getattr could make a module import something
    else:
        raise UsageError(
            f"The loss {name!r} is in a module that this program has not imported. Import {module} first, or say "
            f"plugin={module} on the command line."
        )
    if isinstance(found, tuple) and len(found) == 2 and all(callable(side) for side in found):
        found = Loss(*found)
    if not isinstance(found, Loss):
        raise UsageError(f"{name!r} must be a ganworks.games.losses.Loss or a pair of functions, for D and for G.")
    return found
