"""A table in memory: encoded columns, the split, and training by sampling (rows chosen by value)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, Spec
from ganworks.files.packing.packed import split
from ganworks.kinds.tables.data import columns as table_columns
from ganworks.kinds.tables.data import dependence
from ganworks.kinds.tables.data import rules as table_rules
from ganworks.kinds.tables.data import taken as table_taken
from ganworks.kinds.tables.data.layout import TableLayout
from ganworks.kinds.tables.data.proposals import proposals
from ganworks.kinds.tables.data.reading import pandas
from ganworks.kinds.tables.data.types import id_column, reading_of, settle, writes_commas

FOUND = "found"  # as `rules`: those that every row keeps
LIKELY_TWICE = 0.7  # equals of a row expected by chance from which half of the rows come twice: 1 - exp(-0.7) = 0.5


class TableSet:
    """The data set on which tables are trained, with the attributes of `ganworks.files.packing.packed.Packed`.

    frame: the table as read. columns: as fitted by `columns.fit` on training rows alone. labels is None: conditions on
    any column are given by `where`.
    """

    labels: np.ndarray | None = None

    def __init__(
        self,
        frame: Any,
        facts: dict[str, Any],
        held_out: float,
        numbers: str,
        ids: Sequence[str],
        categories: Sequence[str],
        rules: str,
        target: str,
    ):
        frame = frame.__class__({name: settle(frame[name], name) for name in frame.columns})
        self.frame = frame
        self.facts = {**facts, "notes": list(facts["notes"])}
        self.hashes, repeated = _hashes(frame), repeats_by_nature(frame)
        hashes = self.hashes
        self.train, self.held, _, notes = split(_row_by_row(hashes) if repeated else hashes, held_out)
        self.duplicates = len(frame) - len(np.unique(hashes, axis=0))
        if repeated:
            different = len(frame) - self.duplicates
            notes.append(f"images repeat by nature ({different:,} different ones): they are held out one by one")
        self.facts["notes"] += [n.replace("images", "rows") for n in notes]
        columns = self._fit(numbers, ids, categories)
        rules = self._rules(columns, rules)
        wanted = table_rules.rules(rules, columns)
        self._check_rules(columns, wanted, rules)
        for k, terms in wanted.sums.items():
            whole = {"kind": "sum", "of": columns[k]["kind"], "sum": terms, "sizes": [], "scalar": False}
            columns[k] = {**columns[k], **whole}
        for column in columns:
            if column["name"] in facts.get("numbered", ()):
                column["numbered"] = True
        self.columns = columns
        if not any(column["sizes"] for column in columns):
            raise UsageError(f"{facts['source']}: all columns are constant or ids; there is nothing to learn.")
        self.layout = TableLayout.of_columns(columns)
        if self.layout.width > 65536:
            raise UsageError(
                f"{facts['source']} becomes {self.layout.width:,} inputs, more than 65,536. Leave columns out."
            )
        said = {"columns": columns, "rules": rules, "target": target_of(columns, target)}
        self.spec = Spec("table", (self.layout.width,), (), -1.0, 1.0, "float32", facts=said)
        rng = np.random.default_rng(0)
        found = [table_columns.encode(c, frame[c["name"]], rng) for c in columns if c["sizes"]]
        self.codes = torch.from_numpy(np.concatenate([codes for codes, _ in found], 1).astype(np.int16))
        places = [p for _, p in found if p is not None]
        self.places = torch.from_numpy(np.stack(places, 1) if places else np.zeros((len(frame), 0), np.float32))
        self._starts = torch.tensor(self.layout.starts)
        digest = hashlib.sha256(json.dumps(self.spec.to_dict(), sort_keys=True).encode())
        digest.update(self.codes.numpy().tobytes() + self.places.numpy().tobytes())
        self.fingerprint = digest.hexdigest()

    def _fit(self, numbers: str, ids: Sequence[str], categories: Sequence[str]) -> list[dict[str, Any]]:
        names = list(self.frame.columns)
        wanted = {table_rules.find(n, [{"name": c} for c in names]) for n in ids}
        words = {table_rules.find(n, [{"name": c} for c in names]) for n in categories}
        space = table_columns.column_limits(len(self.train), len(names))
        columns, commas = [], writes_commas(self.frame)
        for k, name in enumerate(names):
            series = self.frame[name].iloc[self.train]
            if k in words:
                self.frame = self.frame.assign(**{name: self.frame[name].astype("str").where(self.frame[name].notna())})
                series = self.frame[name].iloc[self.train].astype("category")
            if k in wanted:
                columns.append(id_column(series, name))
                continue
            found = None if k in words else reading_of(self.frame[name], name, commas)
            column, notes = table_columns.fit(series, name, space, numbers, found)
            if k in words:
                column["dtype"] = "str"
            columns.append(column)
            self.facts["notes"] += notes
        for k, column in enumerate(columns):
            if column["kind"] == "category" and len(column["sizes"]) == 1:
                column["shares"] = _shares(column, self.frame[names[k]].iloc[self.train])
        return columns

    def _rules(self, columns: list[dict[str, Any]], given: str) -> str:
        """The rules given; for "found" those that every row keeps. What is found is noted."""
        if given not in ("", FOUND):
            return given
        kept = "; ".join(proposals(self.frame, columns))
        if given:
            self.facts["notes"].append(f"generated rows keep {kept}" if kept else "no rules were found")
        elif kept:
            self.facts["notes"].append(f"every row keeps {kept}; so do generated ones with domain.rules={FOUND}")
        return kept if given else ""

    def _check_rules(self, columns: list[dict[str, Any]], rules: table_rules.Rules, text: str) -> None:
        """Raise UsageError if rows of the table itself break a rule; columns that follow from others get "follows"."""
        table_rules.allowed(rules.asked, columns)

        def numbers(k: int) -> np.ndarray:
            return table_columns.as_numbers(columns[k], self.frame[columns[k]["name"]])

        good = np.ones(len(self.frame), bool)
        for condition in rules.asked:
            column = columns[condition.column]
            if column["kind"] != "category":
                good &= table_rules.compare(numbers(condition.column), condition)
        for order in rules.orders:
            good &= table_rules.ordered(numbers(order.left), order.how, numbers(order.right))
        for k, terms in rules.sums.items():
            made = table_columns.total({**columns[k], "sum": terms}, lambda n: numbers(table_rules.find(n, columns)))
            away = np.abs(made - numbers(k))
            good &= np.isnan(away) | (away <= table_rules.SLACK * max(1.0, abs(columns[k]["high"])) + 1e-9)
        for k, of in rules.follows.items():
            x, y = (dependence.codes_of(columns[j], self.frame[columns[j]["name"]]) for j in (of, k))
            aim = dependence.usual(x, y, int(np.prod(columns[of]["sizes"])))
            good &= (x < 0) | (y < 0) | (aim[x] == y)
            columns[k]["follows"] = {"column": columns[of]["name"], "codes": aim.tolist()}
        if not good.all():
            raise UsageError(
                f"rules={text!r}: {int((~good).sum()):,} of "
                f"{counted(len(good), 'row of the table breaks', 'rows of the table break')} them, first row "
                f"{int((~good).argmax())} (counted from 0). Correct the rows, or the rule."
            )

    def __len__(self) -> int:
        return len(self.frame)

    def rows(self, indices: Any) -> Tensor:
        """Rows [n, D] float32 of these indices."""
        index = torch.as_tensor(indices)
        x = torch.zeros(len(index), self.layout.width)
        x.scatter_(1, self.codes[index].long() + self._starts, 1.0)
        x[:, self.layout.codes :] = self.places[index]
        return x

    def raw(self, indices: Any) -> np.ndarray:
        """The same as a NumPy array."""
        return self.rows(indices).numpy()

    def by_value(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Training by sampling (1907.00503, section 4.3): (int64 [B, 2] of (choice, code), rows [B, D] that have this
        code).

        A category column is drawn at random, then one of its values in proportion to the logarithm of its count, then a
        row with this value.
        """
        which, value, row = (
            draw.integers(max(1, len(self._lists)), 1)[:, 0],
            draw.uniform(1)[:, 0],
            draw.uniform(1)[:, 0],
        )
        asked, rows = torch.zeros(len(which), 2, dtype=torch.long), torch.zeros(len(which), dtype=torch.long)
        for k, (block, order, first, count) in enumerate(self._lists):
            weight = torch.log1p(count.double()).cumsum(0)
            code = torch.searchsorted(weight, value.double() * weight[-1], right=True).clamp_max(len(count) - 1)
            place = first[code] + (row.double() * count[code]).long().clamp_max(count[code] - 1)
            mine = which == k
            asked[mine] = torch.stack([torch.full_like(code, block), code], 1)[mine]
            rows[mine] = order[place][mine]
        return asked, rows

    @property
    def conditions(self) -> bool:
        """Whether there is a category by which rows can be chosen."""
        return bool(self._lists)

    @property
    def _lists(self) -> list[tuple[int, Tensor, Tensor, Tensor]]:
        """For each category of one choice: the choice, training rows sorted by code, the first row of each code,
        counts.
        """
        if not hasattr(self, "_kept_lists"):
            self._kept_lists = []
            for k, column in enumerate(self.columns):
                if "shares" in column:
                    block = self.layout.blocks(k)[0]
                    code = self.codes[self.train, block].long()
                    count = torch.bincount(code, minlength=self.layout.sizes[block])
                    order = torch.from_numpy(self.train)[code.argsort(stable=True)]
                    self._kept_lists.append((block, order, count.cumsum(0) - count, count))
        return self._kept_lists

    @property
    def summary(self) -> dict[str, Any]:
        """Facts for run.json and `ganworks data`: what was found and how it is split."""
        kinds: dict[str, int] = {}
        for column in self.columns:
            kinds[column["kind"]] = kinds.get(column["kind"], 0) + 1
        return {
            **{name: fact for name, fact in self.facts.items() if name != "numbered"},
            "count": len(self),
            "taken": table_taken.taken(self.columns),
            "columns": len(self.columns),
            "kinds": kinds,
            "classes": {},
            "inputs": self.layout.width,
            "dtype": "float32",
            "train": len(self.train),
            "held": len(self.held),
            "duplicates": self.duplicates,
            "fingerprint": self.fingerprint,
        }


def _hashes(frame: Any) -> np.ndarray:
    """A 128-bit hash, uint64 [N, 2], of each row's content."""
    pd = pandas()
    plain = frame.copy(deep=False)
    for name in plain.columns:
        if plain[name].dtype == object:
            plain[name] = plain[name].astype(str)
    try:
        return np.stack(
            [
                pd.util.hash_pandas_object(plain, index=False, hash_key=k).to_numpy()
                for k in ("ganworks-table-0", "ganworks-table-1")
            ],
            1,
        )
    except TypeError as error:
        raise UsageError(f"A cell of the table holds something that is not a number, word or date: {error}.") from error


def repeats_by_nature(frame: Any) -> bool:
    """Whether so few rows are possible that most would come twice even if the columns had nothing to do with each
    other. Equal rows of other tables are copies, which have to stay on one side of the split.
    """
    alike = float(len(frame))  # rows expected to equal a given one
    for name in frame.columns:
        share = frame[name].value_counts(normalize=True, dropna=False).to_numpy(np.float64)
        alike *= float((share**2).sum())
        if alike < LIKELY_TWICE:
            return False
    return True


def _row_by_row(hashes: np.ndarray) -> np.ndarray:
    """Hashes uint64 [N, 2] that differ between equal rows, by the number of the row among its equals."""
    place = np.unique(hashes, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], place[order])
    number = np.empty(len(place), np.uint64)
    number[order] = (np.arange(len(place)) - first).astype(np.uint64)
    mixed = (hashes + number[:, None]) * np.uint64(0x9E3779B97F4A7C15)
    return np.stack([pandas().util.hash_array(mixed[:, k]) for k in range(2)], 1)


def _shares(column: dict[str, Any], series: Any) -> list[float]:
    """The frequency of each code in the training rows."""
    code = table_columns.encode(column, series, np.random.default_rng(0))[0][:, 0]
    count = np.bincount(code, minlength=column["sizes"][0])
    return [round(float(v), 7) for v in count / count.sum()]


def target_of(columns: list[dict[str, Any]], wanted: str = "") -> str:
    """The column that models predict in the evaluation: `wanted`, else the last one of few values; "" for none. Raises
    UsageError.
    """
    if wanted:
        k = table_rules.find(wanted, columns)
        if columns[k]["kind"] not in ("category", "number"):
            raise UsageError(f'target="{wanted}" is {columns[k]["kind"]}; it has to be a category or a number.')
        return columns[k]["name"]
    few = [
        c["name"]
        for c in columns
        if c["kind"] in ("category", "number") and len(c["sizes"]) == 1 and not c["scalar"] and 2 <= c["sizes"][0] <= 20
    ]
    return few[-1] if few else ""
