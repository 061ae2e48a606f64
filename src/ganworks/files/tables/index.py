"""The index of a data frame: time, names of series, or mere numbers of rows."""

from __future__ import annotations

from typing import Any


def indexed(data: Any) -> tuple[Any, str]:
    """(the data frame with its index as columns, the column that tells series apart or ""): dates and numbers of an
    index are the time, other levels of it name the series. An index that only numbers the rows is dropped.
    """
    if not hasattr(data, "reset_index"):
        return data, ""
    index = data.index
    levels = [index] if index.nlevels == 1 else [index.get_level_values(k) for k in range(index.nlevels)]
    if index.nlevels == 1 and index.name is None and not str(index.dtype).startswith(("datetime", "period")):
        return data, ""
    dated = [str(level.dtype).startswith(("datetime", "period")) for level in levels]
    out, apart = data.reset_index(drop=True), [k for k in range(len(levels)) if not dated[k]]
    if len(apart) == len(levels):
        apart = apart[:-1]  # the last of several levels counts the steps
    names = [
        str(level.name if level.name is not None else "date" if dated[k] else f"level {k}")
        for k, level in enumerate(levels)
    ]
    for k in range(len(levels)):
        if k not in apart:
            stamps = levels[k].to_timestamp() if str(levels[k].dtype).startswith("period") else levels[k]
            out.insert(0, names[k], stamps, allow_duplicates=True)
    if not apart:
        return out, ""
    series = "/".join(names[k] for k in apart)
    out.insert(0, series, ["/".join(map(str, row)) for row in zip(*(levels[k] for k in apart), strict=True)], True)
    return out, series
