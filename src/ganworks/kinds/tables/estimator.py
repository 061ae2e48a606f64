"""Tables in the manner of scikit-learn: `TableModel(budget="5m").fit(frame).sample(1000, where="income='>50K'")`.

It stands on the same training as `ganworks train table`; what it makes can be used by `ganworks sample` as well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from ganworks.core.errors import UsageError


class TableModel(BaseEstimator):
    """Learns a table, and makes rows like it.

    recipe: "table" or "ctgan". budget: time or rows ("5m", "500k"). seed: of the training. out: the run folder; None: a
    temporary one, which lives as long as this object. settings: anything else, e.g. {"domain.rules": "start <= end"}.
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
        """Train on a DataFrame, or a .csv or .parquet file. y is not used. Raises UsageError for what is no table."""
        import ganworks as gw

        if self.out is None:
            self.temporary_ = tempfile.TemporaryDirectory(prefix="ganworks-")
        folder = Path(self.temporary_.name) / "run" if self.out is None else Path(self.out)
        settings: dict[str, Any] = {"budget": self.budget, "seed": self.seed, **(self.settings or {})}
        for _ in gw.train(self.recipe, X, folder, **settings):
            pass
        self.folder_ = folder
        self.model_: Any = gw.load(folder)
        return self

    def sample(self, n: int, where: str = "", seed: int = 0, start: int = 0) -> Any:
        """A DataFrame of `n` rows with the columns and dtypes of the table that was learnt, all of which keep `where`.

        where: conditions such as "income='>50K' and age >= 30". The same seed gives the same rows; start: the first of
        them. Raises UsageError before `fit`, and for conditions that name no column or that hardly any row keeps.
        """
        if not hasattr(self, "model_"):
            raise UsageError("This TableModel has learnt nothing yet: call fit(frame) first, or TableModel.load(path).")
        options = {"where": where} if where else {}
        return self.model_.sample(n, seed=seed, start=start, **options).items

    def evaluate(self, X: Any) -> Any:
        """The report on the table that was learnt from: likeness, detection, models, privacy; see docs/tables.md."""
        import ganworks as gw

        if not hasattr(self, "folder_"):
            raise UsageError("Only a TableModel that was fitted here can be evaluated; use `ganworks eval RUN`.")
        return gw.evaluate(self.folder_, X)

    def save(self, path: str | Path) -> Path:
        """Write the generator to one file, which `load`, `ganworks sample` and `ganworks.load` take."""
        self.model_.save(path)
        return Path(path)

    @staticmethod
    def load(path: str | Path) -> TableModel:
        """A model that samples, from a file of `save` or from a run folder."""
        import ganworks as gw

        found = TableModel()
        found.model_ = gw.load(path)
        return found
