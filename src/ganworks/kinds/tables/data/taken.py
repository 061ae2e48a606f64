"""What the columns of a table are taken for, in lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganworks.files.tables.cells import Reading
from ganworks.files.tables.dates import DateForm
from ganworks.files.tables.numbers import NumberForm

NAMED = 30  # most columns that a line names


def taken(columns: Sequence[dict[str, Any]]) -> list[str]:
    """One line for each kind of column, with their names; columns whose values will be made up come first."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        groups.setdefault(_kind(column), []).append(_named(column))
    ranked = sorted(groups.items(), key=lambda item: not item[0].startswith("ids"))
    return [f"{kind}: {_listed(names)}" for kind, names in ranked]


def _kind(column: dict[str, Any]) -> str:
    kind = column.get("of", column["kind"])
    if kind == "id":
        return "ids (NEW ONES ARE MADE UP, not learnt)"
    if kind == "constant":
        return "always the same"
    if kind == "category":
        return "words and other categories"
    if kind == "date":
        form = DateForm.of(column) if "format" in column else None
        return Reading("time" if form and form.daily else "date", date=form).text + "s" * (form is None)
    whole = "whole numbers" if column["decimals"] == 0 else "numbers"
    form = NumberForm(**column["form"]) if "form" in column else NumberForm()
    return whole + Reading("number", form).text.removeprefix("number")


def _named(column: dict[str, Any]) -> str:
    """The name, with the number of values of a category."""
    many = f" ({len(column['values'])})" if column["kind"] == "category" else ""
    return f"{column['name']}{many}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
