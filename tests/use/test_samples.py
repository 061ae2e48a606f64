"""Samples of any kind: a domain with `encode` writes them, its options change the generator, bulk work restarts."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.use.bulk import generate
from ganworks.use.model import Model

SPEC = Spec("words", (4,), low=-1.0, high=1.0, dtype="float32")


class Louder(nn.Module):
    def __init__(self, net, factor):
        super().__init__()
        self.net, self.factor, self.z_dim = net, factor, net.z_dim

    def forward(self, z, y=None):
        return self.net(z, y) * self.factor


class Plain(nn.Module):
    z_dim = 4

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, z, y=None):
        return z * self.scale


@dataclass(frozen=True)
class Words:
    """Rows as lines of text."""

    forms: ClassVar[tuple[str, ...]] = (".txt", ".json")
    each: ClassVar[str] = ""
    options: ClassVar[dict[str, str]] = {"factor": "how loud"}

    def prepare(self, net, spec, options):
        return Louder(net, float(options["factor"])) if "factor" in options else net

    def encode(self, samples, suffix, mark):
        lines = self.decode(samples)
        if suffix == ".json":
            return json.dumps({"mark": samples.note() if mark else None, "rows": lines}).encode()
        return "".join(f"{line}\n" for line in lines).encode()

    def decode(self, samples):
        return [" ".join(f"{v:.3f}" for v in row) for row in samples.data]


@dataclass(frozen=True)
class Sounds(Words):
    """Rows as a file each."""

    each: ClassVar[str] = ".txt"


def model(domain):
    return Model(Plain(), SPEC, {"domain": domain, "recipe": "own"}, device="cpu")


def test_the_domain_writes_and_the_mark_tells_the_options(tmp_path):
    loud = model(Words()).sample(3, seed=1, factor="2")
    assert np.allclose(loud.data, 2 * model(Words()).sample(3, seed=1).data)
    (path,) = loud.save(tmp_path / "a.json")
    held = json.loads(path.read_text())
    assert held["rows"] == loud.items and held["mark"]["factor"] == "2" and held["mark"]["generated"]
    assert loud.save(tmp_path / "a.txt")[0].read_text().splitlines() == loud.items
    assert len(loud.save(tmp_path / "b.txt", mark=False)) == 2, "an unmarked file is told beside it"


def test_wrong_use_is_told():
    with pytest.raises(UsageError, match=r'no option "facto".*factor'):
        model(Words()).sample(1, facto=1)
    with pytest.raises(UsageError, match='no option "factor"'):
        Model(Plain(), SPEC, device="cpu").sample(1, factor=1)
    with pytest.raises(UsageError, match=r"belong in one file.*\.txt"):
        model(Words()).sample(1).save("folder")
    with pytest.raises(UsageError, match=r"Cannot write samples as '.wav'"):
        model(Words()).sample(1).save("a.wav")


def test_a_file_each_in_folders_and_zips(tmp_path):
    made = model(Sounds()).sample(3)
    made.save(tmp_path / "a")
    assert [(tmp_path / "a" / f"{k:08d}.txt").read_text().strip() for k in range(3)] == made.items
    generate(model(Sounds()), 5, tmp_path / "b.zip", shard=2)
    generate(model(Sounds()), 3, tmp_path / "c", shard=2)
    assert (tmp_path / "c" / "00000002.txt").read_text().strip() == made.items[2]


def test_bulk_shards_of_the_makers_form_restart(tmp_path):
    words = model(Words())
    assert generate(words, 5, tmp_path / "a", shard=2).made == 5
    names = [f"shard-{k:05d}.txt" for k in range(3)]
    lines = [line for name in names for line in (tmp_path / "a" / name).read_text().splitlines()]
    assert lines == words.sample(5).items
    (tmp_path / "a" / names[1]).write_text("torn")
    again = generate(words, 5, tmp_path / "a", shard=2)
    assert (again.made, again.kept) == (2, 3)
    with pytest.raises(UsageError, match="other settings"):
        generate(words.prepared(factor=2), 5, tmp_path / "a", shard=2)
    with pytest.raises(UsageError, match="'zip' is unknown here"):
        generate(words, 5, tmp_path / "a.zip")
