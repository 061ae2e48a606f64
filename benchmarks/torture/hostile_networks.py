"""Pickles, safetensors whose headers lie, and sound ones that describe hostile networks."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from torture.fuzz.hostile import PICKLE, Files, Made, tensors

NAME = "hostile-networks"


def _one(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


def weights() -> Iterator[Made]:
    """Pickles, other formats under the name of safetensors, and safetensors whose headers lie."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", PICKLE)
    foreign = {
        "model.pt": zipped.getvalue(),
        "model.pth": PICKLE,
        "model.pkl": PICKLE,
        "model.ckpt": zipped.getvalue(),
        "model.bin": PICKLE,
        "model.joblib": PICKLE,
        "model.h5": b"\x89HDF\r\n\x1a\n" + bytes(64),
        "model.tar": bytes(1024),
        "pickle.safetensors": PICKLE,
        "zip.safetensors": zipped.getvalue(),
        "gzip.safetensors": gzip.compress(PICKLE),
        "page.safetensors": b"<!DOCTYPE html>",
        "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\n",
        "program.safetensors": b"\x7fELF" + bytes(64),
        "picture.safetensors": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "empty.safetensors": b"",
        "short.safetensors": b"\x08\0\0",
        "nothing.safetensors": tensors({}),
    }
    headers = {
        "huge": tensors(b"{}", length=2**62),
        "full": tensors(b"{}", length=2**64 - 1),
        "cut": tensors(_one(), b"\0" * 4),
        "trailing": tensors(_one(), bytes(9)),
        "overlap": tensors({**_one(), "b": _one()["a"]}, bytes(8)),
        "gap": tensors(_one(data_offsets=[8, 16]), bytes(16)),
        "backwards": tensors(_one(data_offsets=[8, 0]), bytes(8)),
        "overflow": tensors(_one(shape=[2**62, 2**62]), bytes(8)),
        "negative": tensors(_one(shape=[-2, -1]), bytes(8)),
        "floats": tensors(_one(shape=[2.0]), bytes(8)),
        "words": tensors(_one(shape=["2"]), bytes(8)),
        "dimensions": tensors(_one(shape=[1] * 5000 + [2]), bytes(8)),
        "dtype": tensors(_one(dtype="Q7"), bytes(8)),
        "none": tensors(_one(dtype=None), bytes(8)),
        "extra": tensors(_one(code="x"), bytes(8)),
        "list": tensors([]),
        "twice": tensors(b'{"a":{},"a":{}}'),
        "nested": tensors(b'{"a":' * 3000 + b"1" + b"}" * 3000),
        "latin": tensors(b'{"\xe9":1}'),
        "nulls": tensors(bytes(64)),
        "digits": tensors(b'{"a":' + b"9" * 6000 + b"}"),
        "metadata": tensors({"__metadata__": {"a": 1}}),
        "text": tensors({"__metadata__": "x"}),
        "json": tensors(b"{'a': 1}"),
        "open": tensors(b'{"a": ['),
        "card": tensors({"__metadata__": {"ganworks": "["}}),
    }
    for name, content in foreign.items():
        yield "weights", name, content, "sample {}", True
    for name, content in headers.items():
        yield "weights", f"{name}.safetensors", content, "sample {}", True
    for verb in (
        "apply {} files/picture.png out=made.png",
        "predict {} kinds",
        "train mlp data=photos init={} evaluate=off",
    ):
        for name in ("model.pt", "pickle.safetensors"):
            yield "weights", name, foreign[name], verb, True
        for name in ("huge", "overflow", "nested"):
            yield "weights", f"{name}.safetensors", headers[name], verb, True


def cards() -> Iterator[Made]:
    """Sound safetensors files that describe hostile networks, and weights that are none."""
    yield "cards", "not-finite.safetensors", _altered(lambda card: card, np.nan), "sample {} out=made", True
    yield "cards", "infinite.safetensors", _altered(lambda card: card, np.inf), "sample {} out=made", True

    def changed(**changes: Any) -> Callable[[Any], Any]:
        return lambda card: {**card, **changes}

    def deep(part: str, **changes: Any) -> Callable[[Any], Any]:
        return lambda card: {**card, part: {**card[part], **changes}}

    for name, change in {
        "imports": changed(networks={"is": "os.system"}),
        "module": changed(networks={"is": "antigravity.X"}),
        "popen": changed(domain={"is": "subprocess.Popen"}),
        "no-networks": changed(networks=None),
        "game": changed(networks={"is": "game/adversarial"}),
        "wide": deep("networks", hidden=[65536, 65536, 65536]),
        "wider": deep("networks", hidden=[10**30]),
        "negative": deep("networks", z_dim=-1),
        "word": deep("networks", z_dim="x"),
        "unknown": deep("networks", code="x"),
        "many": deep("networks", hidden=[1] * 20_000),
        "shape": deep("spec", shape=[-1, 2, 3]),
        "large": deep("spec", shape=[65536, 65536, 65536]),
        "scalar": deep("spec", shape=3),
        "classes": deep("spec", classes=5),
        "dtype": deep("spec", dtype="object"),
        "range": deep("spec", low=float("nan")),
        "facts": deep("spec", facts=[1]),
        "player": changed(player="D"),
        "use": changed(use="run"),
        "format": changed(format=2),
        "version": changed(format="1"),
        "number": lambda card: 5,
        "text": lambda card: "x",
        "nothing": lambda card: None,
        "half": changed(recipe="\ud800"),
    }.items():
        yield "cards", f"{name}.safetensors", _altered(change), "sample {} out=made", name not in ("range", "popen")


def _altered(change: Callable[[Any], Any], fill: float | None = None) -> Callable[[Path], None]:
    """Makes the published network of the run of points with another card, without the digest that it carried."""

    def make(path: Path) -> None:
        raw = Path("runs/mlp/generator.safetensors").read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        texts = header["__metadata__"]
        texts.pop("sha256", None)
        texts["ganworks"] = json.dumps(change(json.loads(texts["ganworks"])))
        data = bytearray(raw[8 + length :])
        if fill is not None:
            data[:4] = struct.pack("<f", fill)
        path.write_bytes(tensors(header, bytes(data)))

    return make


_FILES = Files(weights, cards)
tries, run = _FILES.tries, _FILES.run
