"""The architectures that a file is compared with; VGG19's has all names of VGG16's, and more."""

from __future__ import annotations

from ganworks.pretrained.architectures.backbone import Backbone
from ganworks.pretrained.architectures.convnext import ConvNeXtTiny
from ganworks.pretrained.architectures.dinov2 import DINOv2Small
from ganworks.pretrained.architectures.efficientnet import EfficientNetB0, EfficientNetLite0
from ganworks.pretrained.architectures.inception import InceptionV3
from ganworks.pretrained.architectures.mobilenet import KerasMobileNetV2, MobileNetV2
from ganworks.pretrained.architectures.plain import VGG16, VGG19, AlexNet, SqueezeNet
from ganworks.pretrained.architectures.resnet import ResNet18, ResNet50

ARCHITECTURES: tuple[type[Backbone], ...] = (
    *(MobileNetV2, VGG19, VGG16, SqueezeNet, AlexNet, ResNet18, ResNet50),
    *(EfficientNetB0, EfficientNetLite0, InceptionV3, ConvNeXtTiny, DINOv2Small),
)
KERAS: dict[type[Backbone], type[Backbone]] = {MobileNetV2: KerasMobileNetV2}  # the same weights in Keras's form


def named() -> dict[str, type[Backbone]]:
    """The architectures by name."""
    return {kind.architecture: kind for kind in ARCHITECTURES}
