"""Looking at pictures through a published network: what is planted is named, with pictures; other data says no."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from ganworks.cli.main import main
from ganworks.core.errors import UsageError
from ganworks.pretrained.architectures.plain import SqueezeNet
from ganworks.use.look import open_any


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Sixteen pictures of random patches in two classes, the first of them mirrored once more."""
    torch.set_num_threads(1)
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    save_file(SqueezeNet().state_dict(), tmp_path / "net.safetensors")
    rng = np.random.default_rng(0)
    for k in range(16):
        folder = tmp_path / "photos" / ("cats" if k % 2 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
        picture = small.resize((48, 40), Image.Resampling.NEAREST)
        picture.save(folder / f"{k}.png")
        if k == 0:
            picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirrored.png")
    return tmp_path


def test_a_mirrored_picture_is_named_and_drawn(photos, capsys):
    words = ["data", f"{photos}/photos", f"features={photos}/net.safetensors", f"out={photos}/sheet.png"]
    assert main([*words, "size=64"]) == 0
    said = capsys.readouterr().out
    assert "Seen through squeezenet1_1:" in said and "dogs/0.png ~ dogs/mirrored.png (1.00)" in said
    assert "labels that may be wrong:" in said and "outliers: none" in said
    plain = photos / "plain.png"
    assert main(["data", f"{photos}/photos", f"out={plain}", "size=64"]) == 0
    assert Image.open(photos / "sheet.png").height > Image.open(plain).height


def test_other_data_says_that_nothing_is_looked_at(photos):
    with pytest.raises(UsageError, match="look at sets of single pictures; this data is read as points"):
        open_any("ring8", "domain/points", {}, "mobilenet_v2")
    with pytest.raises(UsageError, match="resnet18"):
        open_any(str(photos / "photos"), "domain/images", {}, "resnet18")
