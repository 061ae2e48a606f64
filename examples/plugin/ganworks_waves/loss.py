"""A loss: two functions from logits [B] of real and of generated examples to one value for each, [B]."""

from torch.nn.functional import softplus

from ganworks.games.losses import Loss

_SURE = 0.05  # weight of the penalty on large logits


def discriminator(r, f):
    return softplus(-r) + softplus(f) + _SURE * (r.square() + f.square())


def generator(r, f):
    return softplus(-f)


SOFTENED = Loss(discriminator, generator)
