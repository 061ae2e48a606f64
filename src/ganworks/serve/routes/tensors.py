"""Tensors of the Open Inference Protocol v2: as JSON, or as bytes behind it (the binary tensor extension).

A body with bytes has its JSON first, whose length the header Inference-Header-Content-Length says; the bytes of the
tensors follow in their order. Texts (BYTES) are preceded by their lengths, 4 bytes little-endian each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganworks.serve.routes.errors import ApiError
from ganworks.serve.routes.strict import strict_json

LENGTH = "inference-header-content-length"
TYPES: dict[str, str] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_MOST = 1 << 26  # numbers in one tensor


def read(raw: bytes, headers: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(the JSON of a request, its inputs by name). BYTES are arrays of `bytes`. Raises ApiError."""
    length = headers.get(LENGTH)
    if length is not None and not (length.isdecimal() and len(length) < 12 and int(length) <= len(raw)):
        raise ApiError(400, f"{LENGTH} must be the length of the JSON, at most that of the body, not {length[:40]!r}.")
    split = len(raw) if length is None else int(length)
    body, rest = strict_json(raw[:split]), memoryview(raw)[split:]
    if not isinstance(body, dict) or not isinstance(body.get("inputs", []), list):
        raise ApiError(400, "The body must be a JSON table with a list of inputs.")
    found: dict[str, np.ndarray] = {}
    for entry in body.get("inputs", []):
        name, shape, datatype = _head(entry)
        if name in found:
            raise ApiError(400, f"inputs: {name} is given twice.")
        size = (entry.get("parameters") or {}).get("binary_data_size")
        if size is None:
            found[name] = _from_json(name, shape, datatype, entry.get("data"))
            continue
        if type(size) is not int or not 0 <= size <= len(rest):
            raise ApiError(400, f"inputs: {name} says {str(size)[:20]} bytes, and {len(rest)} follow the JSON.")
        found[name], rest = _from_bytes(name, shape, datatype, bytes(rest[:size])), rest[size:]
    if len(rest):
        raise ApiError(400, f"{len(rest)} bytes of the body belong to no input.")
    return body, found


def _head(entry: Any) -> tuple[str, list[int], str]:
    if not isinstance(entry, dict) or not isinstance(entry.get("parameters") or {}, dict):
        raise ApiError(400, "inputs: each must be a table with name, shape, datatype and data.")
    name, shape, datatype = entry.get("name"), entry.get("shape"), entry.get("datatype")
    if not isinstance(name, str) or not 0 < len(name) <= 100:
        raise ApiError(400, "inputs: each needs a name.")
    fits = isinstance(shape, list) and len(shape) <= 5 and all(type(n) is int and 0 < n <= _MOST for n in shape)
    if not fits or math.prod(shape or [1]) > _MOST:
        raise ApiError(400, f"inputs: the shape of {name} must be up to 5 whole numbers, with a product up to {_MOST}.")
    if datatype != "BYTES" and (not isinstance(datatype, str) or datatype not in TYPES):
        raise ApiError(400, f"inputs: the datatype of {name} must be one of BYTES, {', '.join(TYPES)}.")
    return name, shape or [], datatype


def _from_json(name: str, shape: list[int], datatype: str, data: Any) -> np.ndarray:
    flat = list(_flat(data, 0)) if isinstance(data, list) else [data]
    if len(flat) != math.prod(shape):
        raise ApiError(400, f"inputs: {name} has {len(flat)} values for the shape {shape}.")
    if datatype == "BYTES":
        if not all(isinstance(value, str) for value in flat):
            raise ApiError(400, f"inputs: {name} must hold texts.")
        return _texts([value.encode() for value in flat], shape)
    kind = TYPES[datatype][-2] if len(TYPES[datatype]) > 1 else "?"
    right = {"?": bool, "u": int, "i": int, "f": (int, float)}[kind]
    if not all(isinstance(value, right) and (kind == "?" or not isinstance(value, bool)) for value in flat):
        raise ApiError(400, f"inputs: {name} must hold values of {datatype}.")
    try:
        with np.errstate(over="ignore"):
            return np.array(flat, TYPES[datatype]).reshape(shape)
    except (OverflowError, ValueError) as error:
        raise ApiError(400, f"inputs: {name} holds a value that {datatype} cannot.") from error


def _flat(data: list[Any], depth: int) -> Any:
    if depth > 5:
        raise ApiError(400, "inputs: data is nested deeper than a shape can be.")
    for value in data:
        if isinstance(value, list):
            yield from _flat(value, depth + 1)
        else:
            yield value


def _from_bytes(name: str, shape: list[int], datatype: str, raw: bytes) -> np.ndarray:
    if datatype != "BYTES":
        kind = np.dtype(TYPES[datatype])
        if len(raw) != kind.itemsize * math.prod(shape):
            raise ApiError(400, f"inputs: {name} has {len(raw)} bytes for the shape {shape} of {datatype}.")
        return np.frombuffer(raw, kind).reshape(shape)
    texts, place = [], 0
    while place + 4 <= len(raw):
        size = int.from_bytes(raw[place : place + 4], "little")
        texts.append(raw[place + 4 : place + 4 + size])
        place += 4 + size
    if place != len(raw) or len(texts) != math.prod(shape):
        raise ApiError(400, f"inputs: {name} does not hold {math.prod(shape)} texts with their lengths.")
    return _texts(texts, shape)


def _texts(values: list[bytes], shape: list[int]) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found.reshape(shape)


def datatype_of(array: np.ndarray) -> str:
    """The datatype of an array: BYTES for one of `bytes`."""
    return "BYTES" if array.dtype == object else next(n for n, t in TYPES.items() if np.dtype(t) == array.dtype)


def write(head: dict[str, Any], outputs: Mapping[str, np.ndarray], binary: set[str]) -> tuple[bytes, int | None]:
    """(the body of an answer, the length of its JSON where bytes follow it). binary: outputs that are sent as bytes."""
    entries, blobs = [], []
    for name, array in outputs.items():
        entry: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
        if name in binary:
            blobs.append(_to_bytes(array))
            entry["parameters"] = {"binary_data_size": len(blobs[-1])}
        elif array.dtype == object:
            entry["data"] = [value.decode("utf-8", "replace") for value in array.ravel()]
        else:
            entry["data"] = [v if math.isfinite(v) else None for v in array.ravel().tolist()]
        entries.append(entry)
    text = json.dumps({**head, "outputs": entries}).encode()
    return b"".join([text, *blobs]), len(text) if blobs else None


def _to_bytes(array: np.ndarray) -> bytes:
    if array.dtype == object:
        return b"".join(len(value).to_bytes(4, "little") + value for value in array.ravel())
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
