"""A scikit-learn estimator for tables: `TableModel(budget="5m").fit(frame).sample(1000, where="income='>50K'")`.

It trains as `ganworks train table` does, and `ganworks sample` can use its models.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from ganworks.core.errors import UsageError


class TableModel(BaseEstimator):
    """Learns a table and samples similar rows.

    recipe: "table" or "ctgan". budget: time or rows ("5m", "500k"). seed: of the training. out: the run folder; None: a
    temporary one, which is deleted with this object. settings: further settings, e.g. {"domain.rules": "start <= end"}.
    After `fit`: model_, a `ganworks.use.model.Model`, and folder_, the run folder with its report.
    """

    def __init__(
        self,
        recipe: str = "table",
        budget: str = "5m",
        seed: int = 0,
        out: str | Path | None = None,
        settings: dict[str, Any] | None = None,
    ):
        self.recipe, self.budget, self.seed, self.out, self.settings = recipe, budget, seed, out, settings

    def fit(self, X: Any, y: Any = None) -> TableModel:
        """Train on a DataFrame, or on a .csv or .parquet file. y is ignored. Raises UsageError if X is not a table."""
        import ganworks as gw

        if self.out is None:
            self.temporary_ = tempfile.mkdtemp(prefix="ganworks-")
            weakref.finalize(self, shutil.rmtree, self.temporary_, ignore_errors=True)
        folder = Path(self.temporary_) / "run" if self.out is None else Path(self.out)
        settings: dict[str, Any] = {"budget": self.budget, "seed": self.seed, **(self.settings or {})}
        for _ in gw.train(self.recipe, X, folder, **settings):
            pass
        self.folder_ = folder
        self.model_: Any = gw.load(folder)
        return self

    def sample(self, n: int, where: str = "", seed: int = 0, start: int = 0) -> Any:
        """A DataFrame of `n` rows that meet `where`, with the columns and dtypes of the training table.

        where: conditions such as "income='>50K' and age >= 30". start: index of the first row; the same seed and start
        give the same rows. Raises UsageError before `fit`, and for conditions that name no column or that hardly any
        row meets.
        """
        if not hasattr(self, "model_"):
            raise UsageError("This TableModel has learnt nothing yet: call fit(frame) first, or TableModel.load(path).")
        options = {"where": where} if where else {}
        return self.model_.sample(n, seed=seed, start=start, **options).items

    def evaluate(self, X: Any) -> Any:
        """The report on the training table X: similarity, detection, models, privacy; see `ganworks help tables`."""
        import ganworks as gw

        if not hasattr(self, "folder_"):
            raise UsageError("Only a TableModel that was fitted here can be evaluated; use `ganworks eval RUN`.")
        return gw.evaluate(self.folder_, X)

    def save(self, path: str | Path) -> Path:
        """Write the generator to one file, which `TableModel.load`, `ganworks sample` and `ganworks.load` read."""
        self.model_.save(path)
        return Path(path)

    @staticmethod
    def load(path: str | Path) -> TableModel:
        """A model that can sample, from a file written by `save` or from a run folder."""
        import ganworks as gw

        found = TableModel()
        found.model_ = gw.load(path)
        return found
