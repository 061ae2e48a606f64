"""Every recipe on an odd little data set: it trains, resumes exactly, publishes a generator that samples alone."""

from pathlib import Path

import numpy as np
import pytest
from recipe_checks import check_recipe
from safetensors.torch import save_file

import ganworks as gw
from ganworks.core import registry
from ganworks.core.errors import UsageError
from ganworks.kinds.images.residual import networks as residual
from ganworks.pretrained.architectures.plain import SqueezeNet

RESIDUAL = ("sngan", "sagan", "biggan", "biggan-deep")  # their width is a unit, of which layers have four or more
OF_A_FAMILY = ("vae", "vae-gan", "aae", "bigan", "infogan", "began")  # their networks are made of others
IMAGES = [name for name, entry in registry.recipes().items() if entry.domain == "domain/images"]


def data(classes: int):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 255, (40, 3, 12, 9), np.uint8)
    return x if not classes else (x, np.arange(40) % classes)


def narrow(name: str, folder: Path) -> dict:
    """The recipe's own networks, small enough for a test; a made-up network in a file where it needs one."""
    if name == "projected":
        save_file(SqueezeNet().state_dict(), folder / "net.safetensors")
        return {"networks.width": 8, "features": str(folder / "net.safetensors"), "game.side": 32}
    if name in OF_A_FAMILY:
        return {"networks.body.width": 8}
    if name == "mlp":
        return {"networks.hidden": [16]}
    return {"networks.width": 16 if name == "r3gan" else 2 if name in RESIDUAL else 8}


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", IMAGES)
def test_image_recipes(name, classes, tmp_path, monkeypatch):
    monkeypatch.setattr(residual, "STATISTICS", (2, 16))
    check_recipe(name, data(classes), tmp_path, resumes=bool(classes), **narrow(name, tmp_path))
    samples = gw.load(tmp_path / "generator.safetensors", device="cpu").sample(5, seed=1)
    assert samples.numpy().shape == (5, 3, 12, 9) and samples.numpy().dtype == np.uint8


def test_the_points_recipe(tmp_path):
    list(gw.train("points", data="ring8", out=tmp_path / "run", budget=512, batch=128))
    assert gw.load(tmp_path / "run", device="cpu").sample(7).numpy().shape == (7, 2)


@pytest.mark.parametrize("name", registry.recipes())
def test_docstrings_are_claims(name):
    text = registry.describe(name)
    assert "arXiv" in text and len(text.splitlines()[0]) > 30


def test_image_says_why(tmp_path):
    events = gw.train("image", data=data(0), out=tmp_path / "run", budget=8, batch=8, **{"train.judge": False})
    notes = " ".join(next(events).notes)
    events.close()
    assert all(word in notes for word in ("Width", "Learning rate", "Gamma", "examples/s"))


def test_an_unknown_recipe():
    with pytest.raises(UsageError, match="dcgan"):
        registry.find_recipe("dcgna")
