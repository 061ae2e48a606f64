"""What an encoder says of an example: a Gaussian over its codes."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Posterior(NamedTuple):
    """A diagonal Gaussian over codes: mean [B, z_dim], log_variance [B, z_dim], float32."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """mean + deviation * noise [B, z_dim] (Kingma and Welling 2013, 1312.6114, equation 10)."""
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def kl(self) -> Tensor:
        """KL divergence from N(0, 1) of each dimension [B, z_dim], in nats (1312.6114, appendix B)."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance)
