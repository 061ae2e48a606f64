"""The domain of tables: columns of numbers, words and dates from CSV, Parquet or pandas, encoded for networks and
back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from ganworks.audit.evidence import Evidence, refuse_features
from ganworks.core.contracts import Work
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import HeldOut, check
from ganworks.core.spec import Draw, Spec
from ganworks.files.packing.exclusions import read_exclusions
from ganworks.files.tables.write import arrow, frame_csv, parquet_bytes
from ganworks.kinds.tables.data import layout as table_layout
from ganworks.kinds.tables.data import reading as table_read
from ganworks.kinds.tables.data import rules as table_rules
from ganworks.kinds.tables.data.conditions import ConditionedGenerator
from ganworks.kinds.tables.data.dataset import TableSet
from ganworks.kinds.tables.data.evidence import cells_of, row_digest, row_name
from ganworks.kinds.tables.metrics.comparing import comparison_of, records
from ganworks.kinds.tables.metrics.evaluator import TableEvaluator


@dataclass(frozen=True)
class Table:
    """How a table is encoded as rows of numbers, and decoded.

    held_out: share of rows that is never trained on (at most 10,000 rows).
    header: whether the first line names the columns: "auto", "on" or "off".
    encoding: encoding of CSV files.
    numbers: how numbers are coded: "cells" of equal counts, or "modes" of a Gaussian mixture (CTGAN).
    ids: columns (a,b) of ids, for which new unique values are made.
    categories: columns of numbers that are categories.
    rules: what every row must meet: "age >= 18; start <= end; a + b = 100; city follows station"; "found": the orders,
        sums and dependences that every row of the table keeps.
    target: the column that models predict in the evaluation; default: the last one with few values.
    exclude: a list of rows to leave out, as `ganworks audit` writes it (exclude.csv); "" for none.
    balanced: whether training rows are chosen by value, rare values more often (CTGAN).
    """

    held_out: HeldOut = 0.1
    header: Literal["auto", "on", "off"] = "auto"
    encoding: str = "utf-8"
    numbers: Literal["cells", "modes"] = "cells"
    ids: str = ""
    categories: str = ""
    rules: str = ""
    target: str = ""
    balanced: bool = False
    exclude: str = ""

    forms: ClassVar[tuple[str, ...]] = (".csv", ".parquet")
    plain: ClassVar[tuple[str, ...]] = (".csv",)
    each: ClassVar[str] = ""
    options: ClassVar[dict[str, str]] = {"where": "conditions that every row meets: \"income='>50K' and age>=30\""}

    def __post_init__(self) -> None:
        check(self)

    def open(
        self, path: Any, cache: str | Path | None = None, on_progress: Callable[[int, int], None] | None = None
    ) -> TableSet:
        """The table in a .csv, .csv.gz, .tsv or .parquet file, or a DataFrame.

        Raises UsageError for files that are not tables, infinite numbers, duplicate column names, fewer than 20 rows,
        more than 2,000 columns or 200 million cells, and rows that break `rules`.
        """
        frame, facts = table_read.read(path, self.encoding, self.header)
        if self.exclude:
            cells = cells_of(frame)
            given = read_exclusions(self.exclude)
            kept, said = given.kept(len(frame), row_name, lambda row: row_digest(cells, row))
            frame, facts = frame.iloc[kept].reset_index(drop=True), {**facts, "notes": [*facts["notes"], said]}
        if on_progress is not None:
            on_progress(len(frame), len(frame))
        ids, words = ([n.strip() for n in text.split(",") if n.strip()] for text in (self.ids, self.categories))
        return TableSet(frame, facts, self.held_out, self.numbers, ids, words, self.rules, self.target)

    def evidence(self, path: Any, features: str, work: Work) -> Evidence:
        """What an audit may look at: cells, copies of rows, the target as labels. Raises UsageError for features."""
        refuse_features(features, "tables")
        from ganworks.kinds.tables.data.evidence import evidence_of

        return evidence_of(self.open(path, on_progress=lambda done, total: work("Reading the data", done, total)))

    @property
    def draws(self) -> str:
        """Whether rows are drawn by value."""
        return "rows are drawn by value: say domain.balanced=off." if self.balanced else ""

    def batch(self, data: TableSet, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x [B, D]. If balanced, the rows are drawn by value, and `asked` int64 [B, 2] holds (choice, code)."""
        if not self.balanced:
            return {"x": data.rows(indices)}
        asked, rows = data.by_value(draw)
        return {"x": data.rows(rows if data.conditions else indices), "asked": asked}

    def evaluator(self, data: TableSet, source: Any, config: Any, work: Any) -> TableEvaluator:
        """Evaluates tables by columns, pairs of columns, a detector, models trained on them, and near copies."""
        return TableEvaluator(data, config, work, self.prepare)

    @property
    def compared_by(self) -> str:
        """What `points` are."""
        return "ranks of numbers, and whether categories are the same"

    def points(self, data: TableSet, examples: np.ndarray) -> np.ndarray:
        """Encoded rows [n, D] as points [n, d], between which an audit takes distances."""
        return comparison_of(data)(examples)

    def records(self, data: TableSet, rows: np.ndarray) -> Any:
        """The learnt columns of rows, real ones by their indices [n] or encoded ones [n, D], as numbers and texts."""
        return records(data, rows)

    def prepare(self, net: nn.Module, spec: Spec, options: dict[str, Any]) -> nn.Module:
        """The generator, restricted to rows that meet the rules and `where`."""
        columns = spec.facts["columns"]
        rules = table_rules.rules(spec.facts.get("rules", ""), columns)
        where = options.get("where") or ""
        if not isinstance(where, str):
            raise UsageError(f"where is a text such as \"income='>50K' and age>=30\", not {type(where).__name__}.")
        keeps = table_rules.RowFilter(columns, [*rules.asked, *table_rules.conditions(where, columns)], rules.orders)
        return ConditionedGenerator(net, keeps) if keeps else net

    def decode(self, samples: Any) -> Any:
        """A DataFrame with the source's columns and dtypes; ids are made from the samples' indices."""
        frame = table_layout.to_frame(samples.spec, samples.data, samples.indices, samples.seed)
        whole = {c["name"]: int(c["name"]) for c in samples.spec.facts["columns"] if c.get("numbered")}
        return frame.rename(columns=whole)

    def encode(self, samples: Any, suffix: str, mark: bool) -> bytes:
        """The table as a plain .csv (its note of provenance lies beside it), or as .parquet with the note.

        In the .csv, cells that a spreadsheet would run as a formula begin with an apostrophe.
        """
        frame = self.decode(samples)
        if suffix == ".parquet":
            note = json.dumps(samples.note(), default=str) if mark else ""
            frame.columns = [str(name) for name in frame.columns]
            return parquet_bytes(arrow()[0].Table.from_pandas(frame, preserve_index=False), note)
        return frame_csv(frame).encode("utf-8")


@dataclass(frozen=True)
class ModesTable(Table):
    """Tables as in CTGAN: numbers as modes of a Gaussian mixture, training rows chosen by value."""

    numbers: Literal["cells", "modes"] = "modes"
    balanced: bool = True
