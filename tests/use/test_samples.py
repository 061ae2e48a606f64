"""Samples of any kind: a domain with `encode` writes them, its options change the generator, bulk work restarts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.cli import main as cli
from ganworks.core.errors import UsageError
from ganworks.core.machine.places import TakenError
from ganworks.core.spec import Spec
from ganworks.files.atomic import replace_file
from ganworks.networks.mlp import MLP
from ganworks.runs.lock import FolderLock
from ganworks.runs.published import save_generator
from ganworks.use.bulk import generate
from ganworks.use.model import Model
from ganworks.use.samples import Samples

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


def test_a_folder_holds_samples_of_one_seed_and_setting(tmp_path):
    out, made = tmp_path / "a", model(Sounds())
    made.sample(4, seed=1).save(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for other, part in (
        (made.sample(2, seed=2), "seed: 1 -> 2"),
        (made.sample(2, seed=1, factor=2), "factor: "),
        (made.sample(2, seed=1, truncation=0.5), "truncation: "),
        (made.decode(torch.zeros(2, 4)), "seed: 1 -> "),
        (made.walk([1, 2], 2), "interpolation: "),
    ):
        with pytest.raises(
            TakenError, match=rf"a was begun with other settings:\n[\s\S]*{part}[\s\S]*or another place"
        ):
            other.save(out)
    with pytest.raises(TakenError, match="marked: True -> False"):
        made.sample(2, seed=1).save(out, mark=False)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    made.sample(2, seed=1).save(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()}["samples.json"] == before["samples.json"]
    made.sample(3, seed=1, start=3).save(out)
    held = json.loads((out / "samples.json").read_text())
    assert [row["index"] for row in held["samples"]] == list(range(6)) and held["count"] == 6
    assert held["indices"] == [0, 5] and len(list(out.glob("*.txt"))) == 6


@pytest.mark.parametrize(
    "text", ["[]", "7", '{"samples": 1}', "[" * 5000, "9" * 6000, '{"samples": [], "seed": "\\ud800"}', "\xff"]
)
def test_a_list_that_is_none_is_told(tmp_path, text):
    out, made = tmp_path / "a", model(Sounds())
    made.sample(2, seed=1).save(out)
    (out / "samples.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(TakenError, match=r"samples\.json is damaged or of another program\. Choose another folder"):
        made.sample(2, seed=1).save(out)
    assert (out / "samples.json").read_bytes() == text.encode("latin-1")


def test_own_latents_never_go_where_others_went(tmp_path):
    made = model(Sounds())
    made.decode(torch.zeros(2, 4)).save(tmp_path / "a")
    with pytest.raises(TakenError, match="latents: your own"):
        made.decode(torch.ones(1, 4)).save(tmp_path / "a")


def test_other_labels_for_the_same_samples_are_refused(tmp_path):
    torch.manual_seed(0)
    spec = Spec("images", (1, 4, 4), ("a", "b"))
    made = Model(MLP(hidden=(4,)).build(spec)["G"], spec, device="cpu")
    made.sample(4, labels="a").save(tmp_path / "a")
    with pytest.raises(TakenError, match="labels: others for the same samples"):
        made.sample(2, labels="b").save(tmp_path / "a")


def test_an_interrupted_folder_goes_on_and_belongs_to_its_settings(tmp_path, monkeypatch):
    made, wrote = model(Sounds()).sample(4, seed=1), []

    def until_the_third(path, content):
        wrote.append(path.name)
        if len(wrote) == 4:
            raise KeyboardInterrupt
        return replace_file(path, content)

    monkeypatch.setattr("ganworks.use.samples.replace_file", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        made.save(tmp_path / "a")
    monkeypatch.undo()
    assert wrote == ["samples.json", "00000000.txt", "00000001.txt", "00000002.txt"]
    with pytest.raises(TakenError, match="seed: 1 -> 2"):
        model(Sounds()).sample(4, seed=2).save(tmp_path / "a")
    made.save(tmp_path / "a")
    assert len(list((tmp_path / "a").glob("*.txt"))) == 4


def test_files_of_others_and_folders_in_use_are_left_alone(tmp_path):
    made = model(Sounds()).sample(2)
    for name in ("00000001.txt", "done.jsonl"):
        folder = tmp_path / name[:4]
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(TakenError, match=f"holds {name} already"):
            made.save(folder)
        assert (folder / name).read_text() == "mine"
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "samples.json").write_text("[]")
    with pytest.raises(TakenError, match="of another program"):
        made.save(tmp_path / "list")
    (tmp_path / "busy").mkdir()
    with FolderLock(tmp_path / "busy"), pytest.raises(TakenError, match=r"Another process is writing to .*busy"):
        made.save(tmp_path / "busy")


def test_without_out_every_setting_gets_a_folder_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    spec = Spec("images", (1, 4, 4), ("a", "b"))
    networks = MLP(hidden=(4,))
    save_generator("g.safetensors", networks.build(spec)["G"], networks, spec, use="sample")
    for words, place in (
        (["4"], "samples"),
        (["4", "seed=1"], "samples-2"),
        (["2", "seed=1"], "samples-2"),
        (["2000", "seed=2"], "samples-3"),
        (["2000", "seed=2"], "samples-3"),
        (["interpolate=1,2"], "samples-4"),
        (["5"], "samples"),
    ):
        assert cli.main(["sample", "g.safetensors", *words]) == 0
        assert capsys.readouterr().out.endswith(f" {'is' if 'interpolate=1,2' in words else 'are'} in {place}.\n")
    with FolderLock(Path("samples")):
        assert cli.main(["sample", "g.safetensors", "4", "seed=1"]) == 0
        assert cli.main(["sample", "g.safetensors", "4", "seed=1", "out=samples"]) == 2
    assert "Another process is writing to samples. Wait" in capsys.readouterr().err
    assert cli.main(["sample", "g.safetensors", "4", "seed=1", "out=samples"]) == 2
    assert "seed: 0 -> 1" in capsys.readouterr().err
    assert len(list(Path("samples").glob("*.png"))) == 5
    for wrong in ("out=", "out=" + "a" * 300):
        assert cli.main(["sample", "g.safetensors", wrong]) == 2


@pytest.mark.parametrize("suffix", [".png", ".gif", ".webp", ".apng", ".npz", ".zip"])
@pytest.mark.parametrize("mark", [True, False], ids=["marked", "unmarked"])
def test_a_file_of_somebody_else_is_not_overwritten(suffix, mark, tmp_path):
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"mine")
    made = [Samples(np.full((2, 3, 8, 8), k, np.uint8), Spec("images", (3, 8, 8)), k, np.arange(2)) for k in (1, 2)]
    with pytest.raises(TakenError, match="is there already, and nothing says that ganworks wrote it"):
        made[0].save(path, mark=mark)
    assert path.read_bytes() == b"mine" and [p.name for p in tmp_path.iterdir()] == [path.name]
    path.unlink()
    for samples in made:
        samples.save(path, mark=mark)
