"""Adversarial losses by name: plain functions from logits [B] to per-example losses [B].

`r` are the discriminator's logits on real examples, `f` on generated ones; r[i] and f[i] are a pair.
Every function computes in float32, whatever the dtype of its arguments. No function averages over the batch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

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


LOSSES: dict[str, Loss] = {
    "minimax": Loss(minimax_discriminator, minimax_generator),
    "non-saturating": Loss(minimax_discriminator, non_saturating_generator),
    "least-squares": Loss(least_squares_discriminator, least_squares_generator),
    "hinge": Loss(hinge_discriminator, negative_logit_generator),
    "wasserstein": Loss(wasserstein_discriminator, negative_logit_generator),
    "relativistic": Loss(relativistic_discriminator, relativistic_generator, paired=True),
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
