"""Uploads: the fields and files of a form, read within limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError, nearest, switch
from ganworks.core.machine.memory import spelled
from ganworks.serve.routes.bodies import LARGEST_SEED
from ganworks.serve.routes.errors import ApiError
from ganworks.serve.routes.strict import check_type, plain_values, strict_json
from ganworks.serve.service import service_of

MOST_FILES = 256  # in one form
_MOST_FIELDS = 64
_LONGEST_FIELD = 64 << 10  # bytes of a field that is no file


@dataclass(frozen=True)
class Upload:
    """What a form held. files: (name, content) by field; fields: texts by name."""

    fields: dict[str, str]
    files: dict[str, list[tuple[str, bytes]]]

    def one(self, name: str) -> tuple[str, bytes] | None:
        """The only file of a field, or None. Raises ApiError for several."""
        found = self.files.get(name, [])
        if len(found) > 1:
            raise ApiError(400, f"{name}: give one file, not {len(found)}.", param=name)
        return found[0] if found else None

    def seed(self) -> int:
        """The field `seed`. Raises ApiError."""
        return self.whole("seed", 0, 0, LARGEST_SEED)

    def whole(self, name: str, usual: int, least: int, most: int) -> int:
        """A field as a whole number. Raises ApiError."""
        text = self.fields.get(name, str(usual))
        if not re.fullmatch(r"-?\d{1,20}", text, re.ASCII) or not least <= int(text) <= most:
            raise ApiError(422, f"{name} must be a whole number from {least} to {most}, not {text[:40]!r}.", param=name)
        return int(text)

    def form(self) -> str:
        """The field `format`: a suffix without its dot, or "". Raises ApiError."""
        text = self.fields.get("format", "")
        if not re.fullmatch(r"\.?[A-Za-z0-9]{0,8}", text):
            raise ApiError(422, f"format must be a word such as png, not {text[:40]!r}.", param="format")
        return text.lower().lstrip(".")

    def switch(self, name: str) -> bool:
        """A field as on or off, off where it is missing. Raises UsageError."""
        return switch(name, self.fields.get(name, "off"))

    def options(self) -> dict[str, Any]:
        """The field `options`: a JSON table of plain values. Raises ApiError."""
        text = self.fields.get("options", "{}").encode("utf-8", "replace")
        return plain_values(strict_json(text), "options")


async def read_form(request: Request, fields: tuple[str, ...], files: tuple[str, ...]) -> Upload:
    """The form of a request, of these fields and files alone. Raises ApiError."""
    check_type(request, "multipart/form-data")
    most = service_of(request).limits.upload_bytes
    found = Upload({}, {})
    async with request.form(max_files=MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD) as form:
        for given, value in form.multi_items():
            name = given.removesuffix("[]")
            if isinstance(value, UploadFile):
                if name not in files:
                    raise _unknown(name, (*fields, *files))
                found.files.setdefault(name, []).append((file_name_of(value.filename), await _content(value, most)))
            elif name not in fields:
                raise _unknown(name, (*fields, *files))
            elif name in found.fields:
                raise ApiError(422, f"{name} is given twice.", param=name)
            else:
                found.fields[name] = value
    return found


def _unknown(name: str, known: tuple[str, ...]) -> ApiError:
    said = f'The form has no field "{printable(name[:60])}" of that sort. {nearest(name, known)}'
    return ApiError(422, said, param=printable(name[:60]))


async def _content(file: UploadFile, most: int) -> bytes:
    if file.size is not None and file.size > most:
        raise ApiError(
            413, f"The file has {spelled(file.size)}; this service takes up to {spelled(most)}.", param="file"
        )
    return await file.read()


def file_name_of(given: str | None) -> str:
    """The last part of a file's name, as the client says it; raises UsageError for one without a suffix."""
    name = re.split(r"[/\\]", printable(given or ""))[-1].strip().strip(".")[-120:]
    if "." not in name:
        raise UsageError("The uploaded file needs a name with a suffix, such as photo.png: it says what the file is.")
    return name


def form_schema(files: dict[str, str], fields: dict[str, dict[str, Any]], required: list[str]) -> dict[str, Any]:
    """The entry of a form in the description of the API. files: name -> what it is."""
    kinds = {n: {"type": "string", "format": "binary", "description": text} for n, text in files.items()}
    schema = {
        "type": "object", "properties": {**kinds, **fields}, "required": required, "additionalProperties": False,
    }  # fmt: skip
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


SEED = {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED, "default": 0}
OPTIONS = {
    "type": "string", "contentMediaType": "application/json", "example": "{}",
    "description": "a JSON table of the model's own options",
}  # fmt: skip
