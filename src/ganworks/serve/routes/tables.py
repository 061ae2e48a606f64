"""Rows of tables, as those who know SDV ask for them: with conditions, or to complete rows that are known in part."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field

from ganworks.files.tables.write import arrow
from ganworks.serve.about import About
from ganworks.serve.asks import SampleAsk
from ganworks.serve.forms import Form, encode, file_name, head_of, lines_of, media_of
from ganworks.serve.routes.bodies import Body, Flag, Number, Seed, Text, Whole, Word, example
from ganworks.serve.routes.errors import ApiError, described
from ganworks.serve.routes.native import FILES, deadline_of, headers_of
from ganworks.serve.routes.strict import StrictRoute, while_there
from ganworks.serve.service import Service, in_thread, service_of
from ganworks.use.samples import Samples

router = APIRouter(prefix="/v1/tables", tags=["tables"], route_class=StrictRoute, responses=described())
_MOST_CONDITIONS = 100
_FORMS = {"csv": ".csv", "parquet": ".parquet", "jsonl": ".jsonl", "json": ".json", "arrow": ".arrow"}

Cell = Text | Whole | Number | Flag | None
Row = Annotated[dict[Word, Cell], Field(min_length=1, max_length=2000)]


class Condition(Body):
    """So many rows with these values."""

    n: Annotated[int, Field(ge=1, le=100_000)] = 1
    values: Row


class TableBody(Body):
    """Rows of a table: n of them, with `where`; or those of `conditions`; or one for each of `known`."""

    model_config = example(n=5, where="age >= 30", seed=3, output_format="json")
    model: Word | None = Field(None, description="by default the only model of tables")
    n: Annotated[int, Field(ge=1, le=100_000)] | None = None
    where: Text | None = Field(None, description="conditions that every row meets: income='>50K' and age>=30")
    conditions: Annotated[list[Condition], Field(min_length=1, max_length=_MOST_CONDITIONS)] | None = None
    known: Annotated[list[Row], Field(min_length=1, max_length=_MOST_CONDITIONS)] | None = Field(
        None, description="rows of which some columns are known, each of which is completed"
    )
    seed: Seed = 0
    start: Annotated[int, Field(ge=0, le=2**53)] = 0
    output_format: Literal["csv", "parquet", "json", "jsonl", "arrow"] = "csv"

    def wishes(self) -> list[tuple[int, str]]:
        """(count, where) of each part of the table. Raises ApiError when two ways of asking are mixed."""
        ways = [name for name in ("conditions", "known") if getattr(self, name) is not None]
        if len(ways) == 2 or (ways and (self.n is not None or self.where is not None)):
            raise ApiError(422, "Give n and where, or conditions, or known: one of the three.", param=ways[0])
        if self.conditions is not None:
            return [(wish.n, said(wish.values)) for wish in self.conditions]
        if self.known is not None:
            return [(1, said(row)) for row in self.known]
        return [(self.n or 1, self.where or "")]


def said(values: dict[str, Any]) -> str:
    """Values of columns as a condition in words: age=30 and city='Rome' and income is missing."""
    return " and ".join(
        f"{_quoted(name, '`')} is missing" if value is None else f"{_quoted(name, '`')}={_quoted(value, _mark(value))}"
        for name, value in values.items()
    )


def _mark(value: Any) -> str:
    return '"' if "'" in str(value) else "'"


def _quoted(value: Any, mark: str) -> str:
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    if mark in text:
        raise ApiError(422, f"{text[:60]!r} holds quotes of both sorts, which conditions cannot.", param="values")
    return f"{mark}{text}{mark}"


@router.post("/generations", openapi_extra={"x-scope": "sample"}, response_class=Response, responses=FILES)
async def generations(body: TableBody, request: Request) -> Response:
    """Rows of a table; 422, with the share of rows that met the conditions, when hardly any does."""
    service = service_of(request)
    about = pick_table(service, body.model)
    wishes, deadline = body.wishes(), deadline_of(request)
    if sum(count for count, _ in wishes) > service.limits.at_once:
        raise ApiError(413, f"One answer holds up to {service.limits.at_once:,} rows.", param="n")

    async def work() -> list[Samples]:
        made, start = [], body.start
        for count, where in wishes:
            options = {"where": where} if where else {}
            made.append(await service.sample(
                SampleAsk(about.name, count, body.seed, start, None, 1.0, options, deadline)
            ))  # fmt: skip
            start += count
        return made

    made = await while_there(request, work())
    suffix = _FORMS[body.output_format]
    content = await in_thread(_together, made, suffix)
    title = file_name(about.name, "seed", body.seed, suffix=suffix)
    headers = headers_of(made[0], Form(".csv"), title, body.seed, sum(map(len, made)))
    return Response(content, headers=headers, media_type=media_of(suffix))


def pick_table(service: Service, name: str | None) -> About:
    """The model of tables of that name, or the only one. Raises ApiError."""
    known = [n for n in service.engine.names if _is_table(service.about(n))]
    if name is None and len(known) != 1:
        raise ApiError(
            400, f"model: name one of the models of tables: {', '.join(known) or 'there is none'}.", param="model"
        )
    about = service.about(name or known[0], "sample")
    if about.name not in known:
        raise ApiError(400, f'"{name}" makes no tables; use /v1/models/{name}/sample.', param="model")
    return about


def _is_table(about: About) -> bool:
    return "sample" in about.uses and "where" in about.options("sample")


def _together(made: list[Samples], suffix: str) -> bytes:
    """Parts of one table as one file, the same bytes as those of a single part."""
    if suffix == ".jsonl":
        return b"".join(lines_of(part) for part in made)
    if suffix == ".json":
        lines = b",".join(line for part in made for line in lines_of(part).splitlines())
        return b'{"object":"table","data":[' + lines + b"]}"
    if suffix == ".arrow":
        return _arrow(made)
    if len(made) == 1:
        return encode(made[0], Form(suffix))
    if suffix == ".csv":
        parts = [encode(part, Form(suffix)) for part in made]
        head = head_of(parts[0], Form(suffix))
        return b"".join([parts[0], *(part.removeprefix(head) for part in parts[1:])])
    return encode(_joined(made), Form(suffix))


def _joined(made: list[Samples]) -> Samples:
    """Parts as one; of what is said about them, that which is said of all."""
    first = made[0]
    facts = {name: value for name, value in first.facts.items() if all(p.facts.get(name) == value for p in made)}
    data, indices = (np.concatenate([getattr(part, name) for part in made]) for name in ("data", "indices"))
    return replace(first, data=data, indices=indices, facts=facts)


def _arrow(made: list[Samples]) -> bytes:
    """Parts as one Arrow IPC stream, with the note of provenance in its metadata."""
    pyarrow, _ = arrow()
    whole = _joined(made)
    frame = whole.items
    frame.columns = [str(name) for name in frame.columns]
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    note = json.dumps(whole.note(), default=str).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"ganworks": note})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()
