"""Encodes columns for networks and decodes them: each column becomes one or two choices of at most 256 codes each.

A choice is a one-hot vector, and its codes are numbered. A category's code is the rank of its value by frequency; more
than 256 values take two digits of the rank, so that 10,000 values cost 200 inputs instead of 10,000. A number with few
distinct values is treated alike. Any other number becomes a cell of equal counts (or one of the values that are
frequent by themselves) and a position within the cell; or, as in CTGAN (Xu et al. 2019, 1907.00503, section 4.2), a
mode of a Gaussian mixture and the distance from its mean. Missing values have a code of their own. `fit` returns plain
JSON, which is sufficient to decode the column.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganworks.core.console.text import counted
from ganworks.files.tables.cells import Reading
from ganworks.files.tables.dates import DateForm
from ganworks.files.tables.numbers import NumberForm
from ganworks.kinds.tables.data.reading import pandas
from ganworks.kinds.tables.data.types import as_numbers, plain, recognise_column

MOST_CODES = 256  # most codes of one choice
DISTINCT = 128  # numbers with at most so many distinct values have one code per value
FREQUENT = 0.01  # smallest share of the rows for which a single number has a code of its own
PER_CELL, COARSE, CELLS = 50, 64, 1024  # rows per cell; most cells of the first choice; most cells
ALL_EDGES = 60_000  # most cell limits in all columns together
KEPT, KEPT_BYTES = 10_000, 2_000_000  # most values of a category; most bytes of all categories' names together
OTHER = "(other)"
MODES, LIGHTEST, MODE_ROWS, REACH = 10, 0.005, 10_000, 4.0


@dataclass(frozen=True)
class ColumnLimits:
    """Limits for one column: cells of a number, bytes of the names of a category."""

    cells: int
    names: int


def column_limits(rows: int, columns: int) -> ColumnLimits:
    """An equal share of the overall limits for each column."""
    cells = max(8, min(CELLS, rows // PER_CELL, ALL_EDGES // columns))
    return ColumnLimits(cells, KEPT_BYTES // columns)


def fit(
    series: Any, name: str, space: ColumnLimits, encoding: str = "cells", found: Reading | None = None
) -> tuple[dict[str, Any], list[str]]:
    """(column as plain JSON, notes), fitted on training values. encoding: "cells" or "modes", for numbers. found: what
    the text of the whole column is taken for.
    """
    column, numbers, notes = recognise_column(series, name, found)
    if column["kind"] in ("constant", "id"):
        return {**column, "sizes": [], "scalar": False, "missing": 0}, notes
    if column["kind"] == "category":
        return _fit_category(column, series, space, notes)
    assert numbers is not None
    gaps = ~np.isfinite(numbers)
    there = numbers[~gaps]
    column |= {"missing": int(gaps.any()), "low": float(there.min()), "high": float(there.max())}
    if column["kind"] == "date":
        column["step"] = next((step for step in (86400, 3600, 60, 1) if not (there % step).any()), 0)
    distinct, counts = np.unique(there, return_counts=True)
    if len(distinct) <= DISTINCT and (encoding == "cells" or len(distinct) <= MODES):
        sizes = [len(distinct) + column["missing"]]
        return {**column, "atoms": distinct.tolist(), "sizes": sizes, "scalar": False}, notes
    if encoding == "modes":
        return {**column, **_modes(there, column["missing"])}, notes
    return {**column, **_cells(there, distinct, counts, space.cells, column)}, notes


def _fit_category(
    column: dict[str, Any], series: Any, space: ColumnLimits, notes: list[str]
) -> tuple[dict[str, Any], list[str]]:
    counts = series.value_counts(dropna=True)
    if column["dtype"] == "category":
        counts = counts[counts > 0]
    order = sorted(
        zip(counts.tolist(), map(str, counts.index), [plain(v) for v in counts.index], strict=True),
        key=lambda item: (-item[0], item[1]),
    )
    sizes = np.cumsum([len(text.encode()) + 4 for _, text, _ in order])
    kept = min(KEPT, int(np.searchsorted(sizes, space.names, "right")))
    values = [value for _, _, value in order[:kept]]
    column |= {"missing": int(series.isna().any()), "values": values, "other": int(kept < len(order))}
    if column["other"]:
        share = sum(n for n, _, _ in order[kept:]) / max(1, counts.sum())
        notes = [
            *notes,
            f"{column['name']}: {counted(len(order), 'value')}; the {kept:,} most frequent are kept, the others "
            f"({share:.1%} of the rows) are made as {OTHER!r}",
        ]
        if column["dtype"].lower().startswith(("int", "uint")):  # which cannot hold OTHER
            column["dtype"] = "object"
    total = len(values) + column["other"] + column["missing"]
    return {**column, "sizes": _digits(total), "scalar": False}, notes


def _digits(total: int) -> list[int]:
    """The sizes of one choice of `total` codes, or of two digits if there are more than MOST_CODES."""
    if total <= MOST_CODES:
        return [total]
    low = int(np.ceil(np.sqrt(total)))
    return [-(-total // low), low]


def _cells(
    there: np.ndarray, distinct: np.ndarray, counts: np.ndarray, cells: int, column: dict[str, Any]
) -> dict[str, Any]:
    """Codes of frequent values, and cells of equal counts for the rest, in one or two digits."""
    heavy = distinct[counts >= FREQUENT * len(there)]
    rest = there[~np.isin(there, heavy)]
    step = _step(column)
    edges = np.unique(np.quantile(rest, np.linspace(0, 1, cells + 1), method="lower"))
    edges[-1] = rest.max() + (step or 0.0)
    edges = np.unique(edges)
    if len(edges) < 2:
        edges = np.array([edges[0], edges[0] + (step or 1.0)])
    fine = -(-(len(edges) - 1) // COARSE)
    first = len(heavy) + -(-(len(edges) - 1) // fine) + column["missing"]
    sizes = [first, fine] if fine > 1 else [first]
    return {"atoms": heavy.tolist(), "edges": edges.tolist(), "sizes": sizes, "scalar": True}


def _step(column: dict[str, Any]) -> float:
    """The spacing of the grid that the column's numbers lie on; 0 for none."""
    if column["kind"] == "date" or column.get("of") == "date":
        return float(column["step"])
    return 0.0 if column["decimals"] is None else 10.0 ** -column["decimals"]


def _modes(there: np.ndarray, missing: int) -> dict[str, Any]:
    """Modes of a Gaussian mixture (1907.00503, section 4.2) with weights from 0.005, fitted on at most 10,000
    values.
    """
    from sklearn.mixture import BayesianGaussianMixture

    rng = np.random.default_rng(0)
    some = there if len(there) <= MODE_ROWS else rng.choice(there, MODE_ROWS, replace=False)
    middle, spread = float(some.mean()), float(some.std()) or 1.0
    mixture = BayesianGaussianMixture(
        n_components=min(MODES, len(np.unique(some))), weight_concentration_prior=1e-3, max_iter=100, random_state=0
    )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mixture that has not converged after 100 iterations is good enough
        mixture.fit(((some - middle) / spread)[:, None])
    kept = mixture.weights_ > LIGHTEST
    means, sds = mixture.means_[kept, 0] * spread + middle, np.sqrt(mixture.covariances_[kept, 0, 0]) * spread
    return {
        "atoms": [],
        "means": means.tolist(),
        "sds": np.maximum(sds, 1e-9 * spread).tolist(),
        "weights": mixture.weights_[kept].tolist(),
        "sizes": [len(means) + missing],
        "scalar": True,
    }


# Values to codes ------------------------------------------------------------------------------------


def encode(column: dict[str, Any], series: Any, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
    """(codes int64 [n, choices], position float32 [n] in [-1, 1] or None). rng: samples the modes of mixtures."""
    if column["kind"] == "category":
        places = {value: k for k, value in enumerate(column["values"])}
        found = series.map(places)
        last = len(places) + column["other"] - 1
        code = np.where(series.isna(), last + 1, np.nan_to_num(found.to_numpy(np.float64, na_value=np.nan), nan=last))
        return _split(column, np.clip(code, 0, int(np.prod(column["sizes"])) - 1).astype(np.int64)), None
    numbers = as_numbers(column, series)
    gaps = ~np.isfinite(numbers)
    if "means" in column:
        code, position = _to_modes(column, np.where(gaps, 0.0, numbers), rng)
    else:
        code, position = _to_cells(column, np.where(gaps, column["low"], numbers))
    code[gaps], position[gaps] = _missing_code(column), 0.0
    return _split(column, code), position.astype(np.float32) if column["scalar"] else None


def _split(column: dict[str, Any], code: np.ndarray) -> np.ndarray:
    sizes = column["sizes"]
    return code[:, None] if len(sizes) == 1 else np.stack([code // sizes[1], code % sizes[1]], 1)


def _missing_code(column: dict[str, Any]) -> int:
    """The combined code of a missing value: the last of the first digit."""
    fine = column["sizes"][1] if len(column["sizes"]) > 1 else 1
    return (column["sizes"][0] - 1) * fine


def _to_cells(column: dict[str, Any], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    atoms, fine = np.array(column["atoms"]), column["sizes"][1] if len(column["sizes"]) > 1 else 1
    place = np.clip(np.searchsorted(atoms, x), 0, max(0, len(atoms) - 1))
    if "edges" not in column:
        left = np.clip(place - 1, 0, None)
        nearer = np.abs(atoms[left] - x) < np.abs(atoms[place] - x)
        return np.where(nearer, left, place), np.zeros(len(x))
    edges, step = np.array(column["edges"]), _step(column)
    cell = np.clip(np.searchsorted(edges, x, "right") - 1, 0, len(edges) - 2)
    width = edges[cell + 1] - edges[cell]
    position = np.clip(2 * (x - edges[cell] + 0.5 * step) / width - 1, -1, 1)
    code = len(atoms) * fine + cell
    if len(atoms):
        exact = atoms[place] == x
        code, position = np.where(exact, place * fine, code), np.where(exact, 0.0, position)
    return code, position


def _to_modes(column: dict[str, Any], x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    means, sds, weights = (np.array(column[k]) for k in ("means", "sds", "weights"))
    away = (x[:, None] - means) / sds
    density = np.log(weights / sds) - 0.5 * away**2
    chance = np.exp(density - density.max(1, keepdims=True))
    total = chance.cumsum(1)
    code = (rng.random((len(x), 1)) * total[:, -1:] > total).sum(1).clip(0, len(means) - 1)
    return code, np.clip(away[np.arange(len(x)), code] / REACH, -1, 1)


# Codes to values ------------------------------------------------------------------------------------


def combined(column: dict[str, Any], codes: np.ndarray) -> np.ndarray:
    """The combined code [n] of the choices [n, 1 or 2] of a column."""
    return codes[:, 0] if codes.shape[1] == 1 else codes[:, 0] * column["sizes"][1] + codes[:, 1]


def numbers_of(column: dict[str, Any], codes: np.ndarray, position: np.ndarray | None) -> np.ndarray:
    """Decode codes [n, choices] and positions [n] to numbers [n] (dates: seconds), NaN if missing."""
    code, fine = combined(column, codes), column["sizes"][1] if len(column["sizes"]) > 1 else 1
    gaps = (codes[:, 0] == column["sizes"][0] - 1) & bool(column["missing"])
    step, atoms = _step(column), np.array(column["atoms"])
    if "means" in column:
        mode = np.clip(code, 0, len(column["means"]) - 1)
        assert position is not None
        x = np.array(column["means"])[mode] + REACH * position * np.array(column["sds"])[mode]
        x = np.clip(x, column["low"], column["high"])
    elif "edges" in column:
        edges = np.array(column["edges"])
        assert position is not None
        cell = np.clip(code - len(atoms) * fine, 0, len(edges) - 2)
        share = np.clip((position.astype(np.float64) + 1) / 2, 0, 1)
        x = edges[cell] + share * (edges[cell + 1] - edges[cell])
        x = np.clip(_floor(x, step), column["low"], column["high"])
        if len(atoms):
            x = np.where(codes[:, 0] < len(atoms), atoms[np.clip(codes[:, 0], 0, len(atoms) - 1)], x)
    else:
        x = atoms[np.clip(code, 0, len(atoms) - 1)]
    return np.where(gaps, np.nan, _round(x, step))


def _floor(x: np.ndarray, step: float) -> np.ndarray:
    return np.floor(x / step + 1e-6) * step if step else x


def _round(x: np.ndarray, step: float) -> np.ndarray:
    """Round to the grid; decimal steps are applied as a division, since 0.1 is not exact in binary."""
    if not step:
        return x
    return np.round(x / step) * step if step >= 1 else np.round(x, round(-np.log10(step)))


def total(column: dict[str, Any], numbers: Callable[[str], np.ndarray]) -> np.ndarray:
    """The values [n] of a computed column from the numbers [n] of its terms; NaN if a term is missing."""
    rule = column["sum"]
    found = rule["constant"] + rule["sign"] * np.sum([numbers(name) for name in rule["terms"]], axis=0)
    return _round(found, _step(column))


def decode(
    column: dict[str, Any], codes: np.ndarray, position: np.ndarray | None, indices: np.ndarray, seed: int | None
) -> Any:
    """Decode codes [n, choices] and positions to a pandas Series in the source's dtype.

    indices [n], seed: identify the rows, from which ids are made.
    """
    pd = pandas()
    if column["kind"] == "id":
        return _restore(column, pd.Series(_ids(column["style"], indices, seed), dtype=object))
    if column["kind"] == "constant":
        return _restore(column, pd.Series([column["value"]] * len(indices), dtype=object))
    if column["kind"] == "category":
        values = np.array([*column["values"], *[OTHER] * column["other"], *[None] * column["missing"]], dtype=object)
        return _restore(column, pd.Series(values[combined(column, codes) % len(values)], dtype=object))
    return from_numbers(column, numbers_of(column, codes, position))


def from_numbers(column: dict[str, Any], x: np.ndarray) -> Any:
    """Numbers [n] (dates: seconds) as a Series in the source's dtype or format."""
    pd = pandas()
    if column["kind"] == "date":
        stamps = pd.Series(pd.to_datetime(np.where(np.isnan(x), 0, x * 1e6).astype(np.int64), unit="us"))
        stamps = stamps.where(~np.isnan(x))
        if "format" in column:
            form = DateForm.of(column)
            return stamps.dt.strftime(column["format"]) if form.simple else _written(form.write, x)
        return (
            stamps.dt.tz_localize("UTC").astype(column["dtype"])
            if "," in column["dtype"]
            else stamps.astype(column["dtype"])
        )
    if "form" in column:
        form = NumberForm(**column["form"])
        return _written(lambda value: form.write(value, column["decimals"]), x)
    if column["decimals"] == 0 and column.get("text") and (column["missing"] or column["dtype"] == "float64"):
        return pd.Series(x).astype("Int64")
    if column["decimals"] == 0 and np.isnan(x).any() and column["dtype"] == "float64":
        return pd.Series(x)
    return _restore(column, pd.Series(x))


def _written(write: Callable[[float], str], x: np.ndarray) -> Any:
    """Numbers [n] as a Series of text, None where missing; each different one is written once."""
    distinct, place = np.unique(x, return_inverse=True)
    texts = np.array([None if np.isnan(v) else write(float(v)) for v in distinct], dtype=object)
    return pandas().Series(texts[place.reshape(-1)], dtype=object)


def _ids(style: dict[str, Any], indices: np.ndarray, seed: int | None) -> list[Any]:
    digest = lambda i: hashlib.blake2b(f"{seed}/{i}".encode(), digest_size=16).hexdigest()  # noqa: E731
    if "hex" in style:
        return [digest(int(i))[: style["hex"]] for i in indices]
    if "between" in style:
        low, high = style["between"]
        return [low + place for place in _places(high - low + 1, indices, int(digest("between"), 16))]
    if "pattern" in style:
        return _patterned(style["pattern"], indices, int(digest("pattern"), 16))
    numbers = [style["start"] + int(i) for i in indices]
    if not style["prefix"] and not style["suffix"] and not style["digits"]:
        return numbers
    return [f"{style['prefix']}{n:0{style['digits']}d}{style['suffix']}" for n in numbers]


def _places(room: int, indices: np.ndarray, start: int) -> list[int]:
    """Numbers below `room` in a scattered order, different for different indices as long as there is room."""
    stride = room * 618_033_988_749 // 10**12 | 1
    while math.gcd(stride, room) > 1:
        stride += 2
    return [(start + int(index) * stride) % room for index in indices]


def _patterned(pattern: str, indices: np.ndarray, start: int) -> list[str]:
    """Ids of a pattern (see `types.pattern_of`), different for different indices as long as it has room for them."""
    sizes = {"9": 10, "A": 26, "a": 26}
    room = math.prod(sizes.get(c, 1) for c in pattern)
    out: list[str] = []
    for number in _places(room, indices, start):
        left, made = number, []
        for c in reversed(pattern):
            left, place = divmod(left, sizes.get(c, 1))
            made.append(chr(ord({"9": "0"}.get(c, c)) + place) if c in sizes else c)
        out.append("".join(reversed(made)))
    return out


def _restore(column: dict[str, Any], series: Any) -> Any:
    """Convert to the source's dtype, or to pandas' nullable one if it cannot hold missing values."""
    pd = pandas()
    kind = column["dtype"]
    if kind == "category":
        dtype = pd.CategoricalDtype([*column["categories"], *[OTHER] * column["other"]], column["ordered"])
        return series.astype(dtype)
    if kind == "object" or (kind == "str" and int(pd.__version__.split(".")[0]) < 3):
        return series
    if (
        (column.get("missing") or series.isna().any())
        and kind.startswith(("int", "uint", "bool"))
        and kind != "boolean"
        and "[" not in kind
    ):
        nullable = {"bool": "boolean"}.get(kind, kind.capitalize().replace("Uint", "UInt"))
        return series.astype(nullable)
    return series.astype(kind)
