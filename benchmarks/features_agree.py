"""Do the published architectures compute what others' code computes? The same random weights in both, the same input.

    python benchmarks/features_agree.py

Compared with timm, transformers and pytorchcv, where they are installed; none is needed otherwise. torchvision, which
they import, is replaced by empty classes. Weights are random in all layers, batch norms included, so that no layer is
without effect. Prints the largest difference, as a share of the largest feature.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganworks.pretrained.architectures.backbone import Backbone, ready
from ganworks.pretrained.architectures.convnext import ConvNeXtTiny
from ganworks.pretrained.architectures.dinov2 import DINOv2Small
from ganworks.pretrained.architectures.efficientnet import EfficientNetB0, EfficientNetLite0
from ganworks.pretrained.architectures.inception import InceptionV3
from ganworks.pretrained.architectures.mobilenet import KerasMobileNetV2, MobileNetV2
from ganworks.pretrained.architectures.plain import VGG16, AlexNet, SqueezeNet
from ganworks.pretrained.architectures.resnet import ResNet18, ResNet50

Features = Callable[[Tensor], Tensor]


class _Empty(type):
    """Classes whose members are their own names."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Nothing(types.ModuleType):
    """A module that has every class, each of them empty."""

    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Empty(name, (), {"__init__": lambda self, *_, **__: None})


class _NoTorchvision:
    """An importer that gives empty modules for torchvision."""

    def find_spec(self, name: str, *_: Any) -> Any:
        if name.partition(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Nothing(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


@contextmanager
def no_torchvision() -> Iterator[None]:
    """Imports of torchvision give empty modules inside this block."""
    finder: Any = _NoTorchvision()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@torch.no_grad()
def randomise(net: nn.Module, seed: int = 0) -> None:
    """Random weights whose outputs neither vanish nor grow from layer to layer."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in net.state_dict().items():
        if not value.is_floating_point():
            continue
        drawn = torch.rand(value.shape, generator=generator)
        if value.ndim == 1:
            value.copy_(drawn * 0.2 - 0.1 if name.endswith(("bias", "mean")) else 0.75 + 0.5 * drawn)
        else:
            value.copy_((drawn - 0.5) * 3.0 / max(value[0].numel(), 1) ** 0.5)


def same_weights(ours: Backbone, theirs: nn.Module) -> None:
    """Copy the weights of theirs into ours, in the order in which both name them; those of heads stay behind."""
    given = [v for n, v in theirs.state_dict().items() if v.is_floating_point() and "AuxLogits" not in n]
    wanted = [(n, v) for n, v in ours.state_dict().items() if v.is_floating_point()]
    for (name, value), other in zip(wanted, given, strict=False):
        assert value.numel() == other.numel(), (name, value.shape, other.shape)
        value.copy_(other.reshape(value.shape))


def from_timm(name: str, **options: Any) -> tuple[nn.Module, Features]:
    with no_torchvision():
        import timm

    net = timm.create_model(name, num_classes=0, **options).eval()
    return net, net


def inception() -> tuple[nn.Module, Features]:
    """timm's Inception v3, with the pooling of the network of 2015 put in from outside."""
    net, features = from_timm("inception_v3")
    average, last = F.avg_pool2d, net.Mixed_7c
    inside = [False]

    def pool(x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, **_: Any) -> Tensor:
        if inside[0]:
            return F.max_pool2d(x, kernel_size, stride, padding)
        return average(x, kernel_size, stride, padding, count_include_pad=False)

    last.register_forward_pre_hook(lambda *_: inside.__setitem__(0, True))
    last.register_forward_hook(lambda *_: inside.__setitem__(0, False))

    def run(x: Tensor) -> Tensor:
        F.avg_pool2d = pool
        try:
            return features(x)
        finally:
            F.avg_pool2d = average

    return net, run


def keras_form() -> tuple[nn.Module, Features]:
    """MobileNetV2 of transformers, with TensorFlow's padding and epsilon."""
    from transformers import MobileNetV2Config, MobileNetV2Model

    config = MobileNetV2Config(tf_padding=True, layer_norm_eps=1e-3, hidden_act="relu6", finegrained_output=True)
    net = MobileNetV2Model(config).eval()
    return net, lambda x: net(x).pooler_output


def alexnet() -> tuple[nn.Module, Features]:
    """AlexNet of pytorchcv, up to the activation of its last convolution."""
    with no_torchvision():
        from pytorchcv.model_provider import get_model

    net = get_model("alexnetb").eval()
    parts = [part for stage in net.features for part in (stage if isinstance(stage, nn.Sequential) else [stage])]
    return net, lambda x: nn.Sequential(*parts[:-1])(x).mean((2, 3))


def vgg_maps() -> tuple[nn.Module, Features]:
    net, _ = from_timm("vgg16")
    return net, lambda x: net.features[:30](x).mean((2, 3))


def squeezenet() -> tuple[nn.Module, Features]:
    """SqueezeNet 1.1 of pytorchcv."""
    with no_torchvision():
        from pytorchcv.model_provider import get_model

    net = get_model("squeezenet_v1_1").eval()
    return net, lambda x: net.features[:-1](x).mean((2, 3))


def cases() -> Iterator[tuple[type[Backbone], int, Callable[[], tuple[nn.Module, Features]]]]:
    """(ours, side of the input, theirs)."""
    yield KerasMobileNetV2, 160, keras_form
    yield KerasMobileNetV2, 97, keras_form
    yield SqueezeNet, 97, squeezenet
    yield MobileNetV2, 97, lambda: from_timm("mobilenetv2_100")
    yield VGG16, 64, vgg_maps
    yield AlexNet, 96, alexnet
    yield ResNet18, 97, lambda: from_timm("resnet18")
    yield ResNet50, 97, lambda: from_timm("resnet50")
    yield EfficientNetB0, 97, lambda: from_timm("efficientnet_b0")
    yield EfficientNetLite0, 97, lambda: from_timm("tf_efficientnet_lite0")
    yield EfficientNetLite0, 128, lambda: from_timm("tf_efficientnet_lite0")
    yield InceptionV3, 139, inception
    yield ConvNeXtTiny, 96, lambda: from_timm("convnext_tiny")
    yield DINOv2Small, 518, lambda: from_timm("vit_small_patch14_dinov2", global_pool="token")


@torch.no_grad()
def difference(kind: type[Backbone], side: int, make: Callable[[], tuple[nn.Module, Features]]) -> tuple[float, float]:
    """Largest difference, as a share of the largest feature: as trained, and folded."""
    theirs, features = make()
    randomise(theirs)
    ours, x = kind().eval(), torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1
    same_weights(ours, theirs)
    wanted = features(x)
    plain = ours(x)
    ready(ours)
    folded = ours(x.contiguous(memory_format=torch.channels_last))
    top = float(wanted.abs().max())
    assert float(wanted.std()) > 1e-3 * top, "features that do not vary show nothing"
    return tuple(float((found - wanted).abs().max()) / top for found in (plain, folded))  # type: ignore[return-value]


def main() -> None:
    print(f"{'network':22} {'side':>4}  difference  folded")
    for kind, side, make in cases():
        try:
            plain, folded = difference(kind, side, make)
        except (ImportError, RuntimeError) as error:
            print(f"{kind.__name__:22} {side:4}  not compared: {error}")
            continue
        print(f"{kind.__name__:22} {side:4}  {plain:10.1e}  {folded:.1e}")


if __name__ == "__main__":
    main()
