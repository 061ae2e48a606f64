"""Parameter counts of the published networks, built on torch's meta device, beside the source that they come from.

A count is that of the authors' code, built and counted, unless its source says otherwise. `dead` are parameters of that
code which cannot change its output, and are left out here: biases in front of a norm that subtracts the mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from published_sources import SOURCES
from torch import nn

from ganworks.core import registry
from ganworks.core.spec import Spec
from ganworks.kinds.images.multidomain.networks import StarNetworks
from ganworks.kinds.images.pairs.pix2pixhd import Pix2PixHD
from ganworks.kinds.images.pairs.spade import SPADENetworks
from ganworks.kinds.images.pairs.unet import Pix2Pix
from ganworks.layers.norms import InstanceNorm

COLOURS = [[k, 0, 0] for k in range(151)]
PAIRS = Spec("pairs", (3, 256, 256), source=(3, 256, 256))
CITYSCAPES = Spec("pairs", (3, 512, 1024), source=(36, 512, 1024))
ADE20K = Spec("pairs", (3, 256, 256), source=(3, 256, 256), facts={"source_palette": COLOURS})
FACES = Spec("multi", (3, 128, 128), tuple("abcde"), source=(3, 128, 128))
STAR = StarNetworks(64, 6, "published", False, "strided", 64, 6)
HD = Pix2PixHD(norm="plain", up="deconv3")


@dataclass(frozen=True)
class Size:
    """What is built, the published count of one player, and where it is from."""

    name: str
    build: Callable[[], dict[str, nn.Module]]
    player: str
    count: int
    source: str
    dead: bool = False


SIZES = (
    Size("pix2pix", lambda: Pix2Pix().build(PAIRS), "G", 54_413_955, "1611.07004, section 6.1, by hand"),
    Size("pix2pix", lambda: Pix2Pix().build(PAIRS), "D", 2_768_705, "1611.07004, section 6.1, by hand"),
    Size("pix2pixhd", lambda: HD.build(CITYSCAPES), "G", 182_546_755, "NVIDIA/pix2pixHD at 14b3b3c, netG=global", True),
    Size("pix2pixhd", lambda: HD.build(CITYSCAPES), "D", 5_603_202, "NVIDIA/pix2pixHD at 14b3b3c, num_D=2", True),
    Size("pix2pixhd, enhancer", lambda: Pix2PixHD(norm="plain", up="deconv3", enhancer=True, downs=4).build(CITYSCAPES),
         "G", 182_857_059, "NVIDIA/pix2pixHD at 14b3b3c, netG=local ngf=32 n_downsample_global=4", True),
    Size("spade", lambda: SPADENetworks(middle=2, g_spectral=True).build(ADE20K), "G", 96_492_483,
         "NVlabs/SPADE at fecacc9, ADE20K without instances"),
    Size("stargan", lambda: STAR.build(FACES), "G", 8_430_528, "yunjey/stargan at 94dd002, c_dim=5"),
    Size("stargan", lambda: STAR.build(FACES), "D", 44_762_048, "yunjey/stargan at 94dd002, c_dim=5, 128 pixels"),
)  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.name} {size.player}")
def test_published_sizes(size: Size):
    with torch.device("meta"):
        net = size.build()[size.player]
    dead = sum(m.channels for m in net.modules() if isinstance(m, InstanceNorm)) if size.dead else 0
    assert sum(p.numel() for p in net.parameters()) == size.count - dead


def test_the_published_constants_of_every_recipe_name_their_source():
    assert set(registry.recipes()) <= set(SOURCES)


@pytest.mark.parametrize("name", registry.recipes())
def test_a_recipe_that_names_a_paper_is_checked_against_that_paper(name: str):
    """The first arXiv number of a source, or a name, stands in the docstring as well."""
    numbers = re.findall(r"\d{4}\.\d{5}", SOURCES[name])
    said = registry.describe(name)
    assert not numbers or any(number in said for number in numbers), f"{numbers} is not in the docstring of {name}"
