"""Optional hooks for audits of a run: how examples are compared, and records of persons. Others: `core.contracts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ganworks.core.contracts import Nets
    from ganworks.core.spec import Batch


@runtime_checkable
class ComparesExamples(Protocol):
    """A domain that says where its examples lie, so that a Euclidean distance between two of them has a meaning.

    Examples of other domains are compared by their pixels, or by their numbers.
    """

    @property
    def compared_by(self) -> str:
        """What the points are, in a few words: "spectra"."""

    def points(self, data: Any, examples: np.ndarray) -> np.ndarray:
        """Examples [n, *spec.shape] as `raw` of the data set and a generator give them -> points [n, D].

        data: opened; what is fitted to it, such as scales, is fitted to training examples alone.
        """


@runtime_checkable
class HoldsRecords(Protocol):
    """A domain whose examples are records of several fields, about persons for instance."""

    def records(self, data: Any, rows: np.ndarray) -> Any:
        """A DataFrame with the learnt fields of these examples: of the indices int64 [n] of real ones, or of generated
        ones [n, *spec.shape].

        Numbers and dates are float64 with NaN where they are missing; all else is text.
        """


@runtime_checkable
class KnowsLikelihood(Protocol):
    """A game whose generator may know the likelihood of examples."""

    def likelihood_of(self, nets: Nets, batch: Batch) -> Tensor | None:
        """An estimate of the log-likelihood of each example, up to a factor, [B]; None: these networks know none."""
