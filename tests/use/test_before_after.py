"""Pairs of before and after are of held-out pictures, are drawn anew, and leave a judge's own pairs alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from standins import Shifting, publish

from ganworks.runs.published import load_net
from ganworks.use.before_after import draw_pairs


class Data:
    """Ten flat pictures; the value of each is ten times its index."""

    held = np.array([2, 5, 7])
    asked: list[int]

    def batch(self, data: Data, indices: np.ndarray, draw: object) -> dict[str, torch.Tensor]:
        self.asked = indices.tolist()
        x = (torch.tensor(indices, dtype=torch.float32) * 10).view(-1, 1, 1, 1).expand(-1, 3, 8, 8) / 127.5 - 1
        return {"src": x, "x": -x}


class Domain(Shifting):
    """`Shifting` with the batches of `Data`."""

    def batch(self, data: Data, indices: np.ndarray, draw: object) -> dict[str, torch.Tensor]:
        return data.batch(data, indices, draw)


class Sides(Data):
    """As the sets of an unpaired training: what was not seen comes from a method of its own."""

    def unseen(self, which: str, count: int) -> np.ndarray:
        assert which == "source"
        return np.full((count, 3, 8, 8), 90, np.uint8)


def value(path: Path) -> int:
    with Image.open(path) as image:
        assert image.size == (8, 8)
        return int(np.asarray(image)[0, 0, 0])


def test_pairs_are_of_held_out_pictures(tmp_path):
    found, data, out = load_net(publish(tmp_path / "run", shift=20 / 127.5)), Data(), tmp_path / "eval"
    files = draw_pairs(found, Domain(), data, out)
    assert data.asked == [2, 5, 7] and len(files) == 7 and files[-1].name == "before-after.png"
    assert [value(out / f"held-out-{k}-before.png") for k in (1, 2, 3)] == [20, 50, 70]
    assert [value(out / f"held-out-{k}-after.png") for k in (1, 2, 3)] == [40, 70, 90]
    again = load_net(publish(tmp_path / "other", shift=40 / 127.5))
    assert draw_pairs(again, Domain(), data, out) and value(out / "held-out-1-after.png") == 60  # drawn anew


def test_unpaired_sets_show_what_was_not_seen(tmp_path):
    found = load_net(publish(tmp_path / "run"))
    draw_pairs(found, Domain(), Sides(), tmp_path / "eval")
    assert value(tmp_path / "eval" / "held-out-3-before.png") == 90


def test_pairs_of_a_judge_stay(tmp_path):
    found, own = load_net(publish(tmp_path / "run")), tmp_path / "eval" / "mine-before.png"
    own.parent.mkdir()
    own.write_bytes(b"")
    assert draw_pairs(found, Domain(), Data(), own.parent) == [] and [*own.parent.iterdir()] == [own]
    none = Data()
    none.held = np.zeros(0, np.int64)
    assert draw_pairs(found, Domain(), none, tmp_path / "none") == []
