"""Made pictures beside their targets and beside real pictures, in the features of a published network.

`apart` compares each picture with its own target. `kid` compares the set of them with real pictures of the training,
not with the targets: the distance is one of independent sets, and a picture and its target are not independent.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np

from ganworks.core.spec import Spec
from ganworks.metrics.judges.pictures import PublishedFeatures
from ganworks.metrics.kernel import kernel_distance
from ganworks.metrics.scoring import Measurement
from ganworks.metrics.tasks import clustered, metric

MOST = 400  # real pictures that a set is compared with
FEWEST = 4  # pictures on each side of a kernel distance
MEANING = {
    "apart": "1 - cosine of the network's features of a picture and of its target: 0 is the same to it.",
    "kid": "Kernel distance to real pictures of the training; the floor is that of the targets.",
}
PROTOCOL = (
    "apart[{key}]: each picture beside its target, by the pooled features of the network. kid[{key}]: the set beside "
    "{seen} real pictures of the training, as the targets are for the floor."
)


class JudgedByNetworks:
    """An evaluator without features of its own, which takes those of a published network: `eval RUN features=NAME`."""

    _judge: Any = None  # a `pretrained.load.Loaded` that was asked for

    @property
    def extractors(self) -> tuple[str, ...]:
        """None: by default pictures are compared with their targets as they are."""
        return ()

    def with_extractor(self, name: str) -> Self:
        """This evaluator, and the published network of that name or file beside its own scores. UsageError."""
        from ganworks.pretrained.store import named

        other = copy(self)
        other._judge = named(name, self.extractors)
        return other


class SetJudge:
    """A published network that looks at pictures of any size on the scale 0..255, with the channels of a spec."""

    def __init__(self, judge: Any, spec: Spec):
        self.see_some = PublishedFeatures(replace(spec, low=0.0, high=255.0), judge)
        self.key, self.side = judge.key, judge.net.size

    def see(self, pictures: np.ndarray) -> np.ndarray:
        """Features [n, d] of pictures [n, C, H, W] in 0..255."""
        return self.see_some(pictures)

    def see_tiles(self, picture: np.ndarray) -> np.ndarray:
        """Features [n, d] of the squares of the network's own size in a picture [C, H, W], so that detail counts.

        A picture with a shorter side below that is looked at as a whole.
        """
        side = min(self.side, *picture.shape[1:])
        rows, columns = (n // side for n in picture.shape[1:])
        squares = [
            picture[:, side * i : side * (i + 1), side * j : side * (j + 1)]
            for i in range(rows)
            for j in range(columns)
        ]
        return self.see(np.stack(squares))

    def apart(self, made: np.ndarray, true: np.ndarray, group: np.ndarray) -> Measurement:
        """`apart` of features [n, d] and those of the targets; its interval is over groups [n] of pictures."""
        return metric(clustered(apart(made, true), group), 0.0, meaning=MEANING["apart"])

    def scores(self, made: np.ndarray, true: np.ndarray, seen: np.ndarray, group: np.ndarray) -> dict[str, Measurement]:
        """Both measures by name, from features of pictures, of their targets, and of real pictures of the training."""
        found = {f"apart[{self.key}]": self.apart(made, true, group)}
        if min(len(made), len(seen)) >= FEWEST:
            value, floor = (kernel_distance(each, seen) for each in (made, true))
            found[f"kid[{self.key}]"] = metric(value, floor, meaning=MEANING["kid"])
        return found

    def values(self, made: np.ndarray, true: np.ndarray, seen: np.ndarray) -> dict[str, float]:
        """The same as plain numbers, for simple methods."""
        return {name: m.value for name, m in self.scores(made, true, seen, np.arange(len(made))).items()}

    def protocol(self, seen: int) -> str:
        """How it was measured, in a sentence. seen: real pictures that sets were compared with."""
        return PROTOCOL.format(key=self.key, seen=f"{seen:,}")


def apart(made: np.ndarray, true: np.ndarray) -> np.ndarray:
    """1 - cosine of rows [n, d] and [n, d]: float64 [n]."""
    a, b = (np.asarray(x, np.float64) for x in (made, true))
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return 1 - (a * b).sum(1) / np.maximum(sizes, 1e-12)
