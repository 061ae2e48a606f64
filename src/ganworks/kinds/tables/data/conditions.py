"""A generator of tables whose rows meet conditions and rules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganworks.core.errors import UnmetError
from ganworks.kinds.tables.data.rules import RowFilter

MOST_DRAWS = 2000  # rows generated per requested row before giving up


class ConditionedGenerator(nn.Module):
    """A generator whose rows meet conditions: codes are restricted where possible, and other rows are drawn again.

    Raises UnmetError, a UsageError, if fewer than one row in 2,000 meets them.
    """

    def __init__(self, net: Any, keeps: RowFilter):
        super().__init__()
        self.net, self.keeps, self.z_dim = net, keeps, net.z_dim
        self.allowed = {k: torch.from_numpy(may) for k, may in keeps.codes.items()}

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """[B, z_dim] -> rows [B, D], all of which meet the conditions."""
        torch.rand(1)  # marks this module as one that draws, whether or not rows are redrawn
        x = self.net.rows(z, self.allowed)
        bad = torch.from_numpy(~self.keeps(x.float().cpu().numpy()))
        drawn, kept, most = 0, 0, MOST_DRAWS * int(bad.sum())
        while bad.any():
            if drawn >= most:
                raise UnmetError(
                    f"where: fewer than one made row in {MOST_DRAWS:,} meets all conditions and rules at "
                    "once. Give fewer conditions, or wider ranges.",
                    kept / drawn,
                )
            places = bad.nonzero()[:, 0]
            tries = max(64, min(4096, 2 * len(places)))
            more = self.net.rows(torch.randn(tries, self.z_dim).to(z.device), self.allowed)
            good = torch.from_numpy(self.keeps(more.float().cpu().numpy())).nonzero()[:, 0]
            kept, good = kept + len(good), good[: len(places)]
            x[places[: len(good)].to(z.device)] = more[good.to(z.device)]
            bad[places[: len(good)]] = False
            drawn += tries
        return x
