"""Weights on disk: hostile, damaged and foreign files, atomic replacement, full disks."""

from __future__ import annotations

import json
import math
import multiprocessing
import pickle
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from ganworks.core.errors import GanworksError, UsageError
from ganworks.files import atomic, weights

TENSORS = {
    "f": torch.linspace(-1, 1, 12).reshape(3, 4),
    "h": torch.ones(5, dtype=torch.bfloat16),
    "n": torch.tensor(7),
    "b": torch.tensor([True, False, True]),
    "e": torch.zeros(0, 3),
    "d": torch.ones(2, dtype=torch.float64),
}


def _raw(header: object, data: bytes = b"") -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data


def _entry(shape: list, span: list, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": span}


def test_round_trip_of_types_formats_and_texts(tmp_path):
    path = tmp_path / "a.safetensors"
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    digest = weights.write(path, TENSORS | {"image": image}, {"ganworks": "ü{}"})
    tensors, texts, found, sealed = weights.load(path)
    assert texts == {"ganworks": "ü{}"} == weights.read_texts(path)
    assert digest == atomic.sha256(path) == found and sealed
    assert torch.equal(tensors.pop("image"), image)
    assert all(torch.equal(tensors[n], t) and tensors[n].dtype == t.dtype for n, t in TENSORS.items())
    theirs = safetensors.torch.load_file(path)  # the format is theirs: their reader and ours agree
    assert theirs.keys() == TENSORS.keys() | {"image"} and torch.equal(theirs["f"], TENSORS["f"])
    safetensors.torch.save_file({"x": torch.ones(3)}, tmp_path / "theirs.safetensors")
    assert torch.equal(weights.read(tmp_path / "theirs.safetensors")[0]["x"], torch.ones(3))


class Bomb:
    def __init__(self, probe: Path):
        self.probe = probe

    def __reduce__(self):
        return (Path.write_text, (self.probe, "executed"))


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.pkl", "a.ckpt", "a.safetensors", "plain"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_refused_by_name_and_by_content(tmp_path, name, zipped):
    probe, path = tmp_path / "probe", tmp_path / name
    if zipped:
        torch.save({"x": Bomb(probe)}, path)
    else:
        path.write_bytes(pickle.dumps(Bomb(probe)))
    with pytest.raises(UsageError, match=r"loads only \.safetensors.*convert"):
        weights.read(path)
    assert not probe.exists()


HOSTILE = {
    "huge header": (2**60).to_bytes(8, "little") + b"{" + b" " * 100,
    "header beyond the file": (200).to_bytes(8, "little") + b'{"a":1}',
    "empty": b"",
    "short": b"\x01\x02",
    "overlap": _raw({"a": _entry([2], [0, 8]), "b": _entry([2], [4, 12])}, bytes(12)),
    "gap": _raw({"a": _entry([1], [0, 4]), "b": _entry([1], [8, 12])}, bytes(12)),
    "truncated": _raw({"a": _entry([4], [0, 16])}, bytes(9)),
    "trailing": _raw({"a": _entry([1], [0, 4])}, bytes(5)),
    "shape overflow": _raw({"a": _entry([2**32, 2**32], [0, 4])}, bytes(4)),
    "claims a terabyte": _raw({"a": _entry([2**38], [0, 2**40])}, bytes(4)),
    "negative": _raw({"a": _entry([-1], [0, -4])}, b""),
    "float shape": _raw({"a": _entry([1.0], [0, 4])}, bytes(4)),
    "true as a number": _raw({"a": _entry([True], [0, 4])}, bytes(4)),
    "unknown dtype": _raw({"a": _entry([1], [0, 4], "O32")}, bytes(4)),
    "list as dtype": _raw({"a": {"dtype": [], "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "missing key": _raw({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)),
    "list": _raw(b"{}[]", b""),
    "bad json": _raw(b'{"a": ', b""),
    "not utf-8": _raw(b'{"\xff\xfe": 1}', b""),
    "nested": _raw(b'{"a":' + b"[" * 200_000, b""),
    "digits": _raw(b'{"a": ' + b"9" * 6000 + b"}", b""),
    "twice": _raw(
        b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    ),
    "texts": _raw({"__metadata__": {"a": 1}}),
    "web page": b"<!DOCTYPE html><html>" + b" " * 50,
    "git lfs": b"version https://git-lfs.github.com/spec/v1\n" + b"x" * 50,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers_are_refused_quickly(tmp_path, case):
    path = tmp_path / "a.safetensors"
    path.write_bytes(HOSTILE[case])
    seconds = []
    for _ in range(3):  # the least of three: a garbage collection of the whole test process may fall into one
        begun = time.process_time()
        with pytest.raises(UsageError):
            weights.read(path)
        seconds.append(time.process_time() - begun)
    assert min(seconds) < 0.5


def test_every_flipped_byte_is_seen(tmp_path):
    path = tmp_path / "a.safetensors"
    weights.write(path, {"x": torch.arange(8.0)}, {"classes": "cat dog"})
    good = path.read_bytes()
    name = good.index(b'"sha256"')  # without its digest a file counts as foreign; the manifest sees that
    for position in range(len(good)):
        if good[position] == 0x20 or name <= position < name + 8:  # blanks in the header mean nothing
            continue
        bad = bytearray(good)
        bad[position] ^= 1
        path.write_bytes(bad)
        with pytest.raises(UsageError):
            weights.read(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nonfinite_weights_are_refused_unless_asked_for(tmp_path, value):
    path = tmp_path / "a.safetensors"
    weights.write(path, {"good": torch.ones(2), "bad": torch.tensor([1.0, value])})
    with pytest.raises(UsageError, match=r"NaN or infinite numbers in bad"):
        weights.read(path)
    assert weights.read(path, allow_nonfinite=True)[0].keys() == {"good", "bad"}


def test_folders_and_pipes_are_no_files(tmp_path):
    with pytest.raises(UsageError, match="not a file"):
        weights.read(tmp_path)
    with pytest.raises(UsageError, match="No such file"):
        weights.read(tmp_path / "none.safetensors")


def test_all_differences_in_one_error_and_nothing_half_loaded():
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = {n: t.clone() for n, t in module.state_dict().items()}
    tensors = {n: torch.zeros_like(t) for n, t in before.items()}
    tensors["0.weight"] = torch.zeros(3, 5)
    tensors["1.bias"] = torch.zeros(3, dtype=torch.float64)
    del tensors["1.running_var"]
    tensors["other"] = torch.zeros(1)
    with pytest.raises(UsageError) as caught:
        weights.load_into(module, tensors, "x.safetensors")
    for part in (
        "shape of 0.weight: [3, 5] in the file, [3, 2]",
        "type of 1.bias",
        "missing: 1.running_var",
        "extra: other",
    ):
        assert part in str(caught.value)
    assert all(torch.equal(t, before[n]) for n, t in module.state_dict().items())
    weights.load_into(module, {n: torch.ones_like(t) for n, t in before.items()})
    assert float(module[0].weight.detach().min()) == 1.0


def test_a_failed_replacement_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "a.txt"
    assert atomic.replace_file(path, "old") == atomic.sha256(path)
    with pytest.raises(RuntimeError), atomic.replacing(path) as file:
        file.write(b"half of the ne")
        raise RuntimeError
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_too_little_space_is_said_before_writing(tmp_path, monkeypatch):
    usage = type("usage", (), {"free": 10**6})
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(GanworksError, match=r"needs 4\.0 MB and 1\.0 MB are free in .*" + tmp_path.name):
        weights.write(tmp_path / "a.safetensors", {"x": torch.zeros(10**6)})
    assert not list(tmp_path.iterdir())


def _write_too_much(folder: Path, send) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        weights.write(folder / "a.safetensors", {"x": torch.ones(10**6)})
        send.send("")
    except GanworksError as error:
        send.send(str(error))


def test_running_out_of_space_while_writing(tmp_path):
    """A real limit from the system (EFBIG), in a process of its own."""
    weights.write(tmp_path / "a.safetensors", {"x": torch.zeros(10)})
    receive, send = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_write_too_much, args=(tmp_path, send))
    child.start()
    message = receive.recv()
    child.join()
    assert "no room to write" in message and "4.0 MB" in message
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
    assert float(weights.read(tmp_path / "a.safetensors")[0]["x"].sum()) == 0.0


def test_other_write_errors_are_sentences(tmp_path):
    with pytest.raises(GanworksError, match=r"Cannot write .*none/a\.txt: there is no such file"):
        atomic.replace_file(tmp_path / "none" / "a.txt", "x")


def _write_for_ever(path: Path) -> None:
    torch.set_num_threads(1)
    n = 0
    while True:
        weights.write(path, {"x": torch.full((200_000,), float(n := n + 1))})


def test_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    """SIGKILL while a process replaces one file over and over: what is there always reads."""
    path = tmp_path / "a.safetensors"
    weights.write(path, {"x": torch.zeros(200_000)})
    for pause in np.linspace(0.0, 0.05, 8):
        child = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(path,))
        child.start()
        time.sleep(0.02 + pause)
        child.kill()
        child.join()
        x = weights.read(path)[0]["x"]
        assert torch.equal(x, x[:1].expand(200_000))
    atomic.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_file_of_a_cache_with_a_flipped_bit_is_told_and_not_used(tmp_path):
    path, tensors = tmp_path / "cache" / "a.safetensors", {"x": torch.arange(100.0)}
    assert weights.stored(path) is None
    weights.store(path, tensors, {"about": "b"})
    kept, texts = weights.stored(path)
    assert torch.equal(kept["x"], tensors["x"]) and texts == {"about": "b"}
    content = path.read_bytes()
    for at in (3, 60, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.warns(UserWarning, match=r"a\.safetensors, which was kept .* is damaged\. It is made again"):
            assert weights.stored(path) is None
    path.write_bytes(safetensors.torch.save(tensors))  # as release 0.1 kept it, without a seal
    assert weights.stored(path) is None


def test_a_cache_that_cannot_be_written_does_not_end_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match=r"something of this name already.* The work goes on without it"):
        weights.store(tmp_path / "file" / "a.safetensors", {"x": torch.zeros(1)})
    (tmp_path / "a.safetensors").mkdir()
    with pytest.warns(UserWarning, match=r"a folder of this name.* The work goes on without it"):
        weights.store(tmp_path / "a.safetensors", {"x": torch.zeros(1)})
