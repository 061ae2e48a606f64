"""`eval features=`: evaluators of tasks take a published network beside their scores; others say that they do not."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.metrics.judges.sets import SetJudge, apart
from ganworks.pretrained.architectures.plain import SqueezeNet
from ganworks.pretrained.load import load

SMALL = {"batch": 4, "budget": 8, "train.judge": False, "train.precision": "fp32", "train.threads": 1}


@pytest.fixture
def file(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(SqueezeNet, "size", 36)
    torch.manual_seed(0)
    save_file(SqueezeNet().state_dict(), tmp_path / "net.safetensors")
    return str(tmp_path / "net.safetensors")


def saved(folder, count, height, width):
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for k in range(count):
        small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
        small.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{k:02d}.png")
    return str(folder)


def judged(recipe, data, file, out, **settings):
    """The names of the scores by the network, without its key, in an evaluation with features=."""
    list(gw.train(recipe, data=data, out=out, **{**SMALL, **settings}))
    report = gw.evaluate(out, data, features=file, count=32).to_dict()
    key = load(file).key
    for name, found in report["metrics"].items():
        assert found["value"] is not None, name
    return report, {name.partition("[")[0] for name in report["metrics"] if name.endswith(f"[{key}]")}


def test_pairs(file, tmp_path):
    data = saved(tmp_path / "data", 40, 32, 64)
    small = {"networks.width": 8, "networks.d_width": 8, "size": 32, "domain.held_out": 0.4, "features": file}
    report, found = judged("pix2pix", data, file, tmp_path / "run", **small)
    assert found == {"apart", "kid"} and report["extractor"] == load(file).key
    assert "This judge was the teacher" in report["about"]["judge"]
    assert any("kid[" in name for name in report["baselines"]["mean image"])
    plain = gw.evaluate(tmp_path / "run", data).to_dict()
    assert not any("[" in name for name in plain["metrics"]) and plain["extractor"] == ""


def test_restoration_looks_at_squares_of_the_networks_size(file, tmp_path):
    data = saved(tmp_path / "data", 14, 72, 76)
    small = {"scale": 2, "size": 24, "networks.width": 8, "networks.blocks": 1, "networks.d_width": 8}
    report, found = judged("superres", data, file, tmp_path / "run", **small, **{"domain.held_out": 0.3})
    assert found == {"apart", "kid"}
    assert any("squares of 36 pixels" in line for line in report["protocol"])
    (name,) = (n for n in report["metrics"] if n.startswith("apart"))
    assert report["baselines"]["bicubic"][name] >= 0


def test_inpainting(file, tmp_path):
    data = saved(tmp_path / "data", 16, 44, 40)
    small = {"size": 16, "networks.width": 8, "networks.blocks": 1, "networks.d_width": 8, "domain.held_out": 0.4}
    assert judged("inpaint", data, file, tmp_path / "run", **small)[1] == {"apart", "kid"}


def test_translation_between_classes(file, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (80, 3, 12, 12), np.uint8)
    small = {"networks.width": 4, "networks.blocks": 1, "networks.d_width": 4, "networks.layers": 2}
    data = (x, np.arange(80) % 2)
    found = judged("stargan", data, file, tmp_path / "run", **small, **{"domain.held_out": 0.4})
    assert found[1] == {"kid"} and "kid" not in found[0]["metrics"]


def test_frames_of_clips(file, tmp_path):
    clips = [np.random.default_rng(k).integers(0, 256, (8, 16, 16, 3), np.uint8) for k in range(60)]
    small = {"networks.content": 8, "networks.motion": 8, "networks.sprites": 4, "size": 16, "domain.held_out": 0.4}
    report, found = judged("video", clips, file, tmp_path / "run", **small, **{"domain.length": 6})
    assert found == {"frame_kd"} and "frame_kd" not in report["metrics"] and "fd" in report["metrics"]


def test_what_has_no_pictures_says_so(file, tmp_path):
    list(gw.train("points", data="ring8", out=tmp_path / "run", **{**SMALL, "budget": 128, "batch": 64}))
    with pytest.raises(UsageError, match=r"looks at pictures"):
        gw.evaluate(tmp_path / "run", "ring8", features=file)
    x = np.random.default_rng(0).integers(0, 256, (60, 3, 12, 12), np.uint8), np.arange(60) % 2
    list(gw.train("classify", data=x, out=tmp_path / "c", **{**SMALL, "networks.width": 4}))
    with pytest.raises(UsageError, match="a run of classify is judged in one way only"):
        gw.evaluate(tmp_path / "c", x, features=file)


def test_the_measures_of_sets_by_their_definition(file):
    judge = SetJudge(load(file), Spec("pairs", (3, 20, 20), low=-1.0, high=1.0, dtype="float32"))
    rng = np.random.default_rng(0)
    true = rng.integers(0, 256, (8, 3, 20, 20)).astype(np.float64)
    seen, group = judge.see(true), np.arange(8)
    found = judge.scores(seen, seen, judge.see(255 - true), group)
    assert found[f"apart[{judge.key}]"].value == pytest.approx(0, abs=1e-6)
    kid = found[f"kid[{judge.key}]"]
    assert kid.value == kid.floor
    a, b = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    wanted = [1 - p @ q / np.sqrt((p @ p) * (q @ q)) for p, q in zip(a, b, strict=True)]
    assert apart(a, b) == pytest.approx(wanted)
    large = rng.integers(0, 256, (3, 80, 120)).astype(np.float64)
    tiles = judge.see_tiles(large)
    assert tiles.shape == (6, 512)
    assert np.allclose(tiles[4], judge.see(large[None, :, 36:72, 36:72])[0], atol=1e-5)
    assert judge.see_tiles(large[:, :20]).shape == (6, 512)
