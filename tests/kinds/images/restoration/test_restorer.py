"""Restoring networks: published sizes, what they see, what they add to; VGG19 features by path."""

import pytest
import torch
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.images.restoration.networks import EDSR, Restorer, RRDBNet, UNetD


def count(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def spec(scale: int = 4, given: int = 3, made: int = 3, side: int = 48) -> Spec:
    facts = {"scale": scale}
    return Spec("restore", (made, side, side), source=(given, side // scale, side // scale), facts=facts)


def test_the_published_sizes():
    """ESRGAN's RRDB with 23 blocks (16.70 M) and Real-ESRGAN's discriminator (4.38 M), term by term."""

    def conv(a, b):
        return 9 * a * b + b

    dense = sum(conv(64 + 32 * k, 32) for k in range(4)) + conv(64 + 32 * 4, 64)
    wanted = conv(3, 64) + 23 * 3 * dense + conv(64, 64) * 4 + conv(64, 3)
    with torch.device("meta"):
        nets = Restorer("rrdb", 64, 23).build(spec())
        assert count(nets["G"]) == wanted == 16_697_987
        assert count(UNetD(3, 64)) == 4_376_897
        blocks = Restorer(width=64, blocks=16).build(spec())["G"].blocks
    assert count(blocks) == 16 * 2 * conv(64, 64)


@pytest.mark.parametrize("trunk", ["edsr", "rrdb"])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_shapes_at_every_size(trunk, scale):
    net = Restorer(trunk, width=8, blocks=2, growth=4).build(spec(scale))["G"].eval()
    for height, width in ((9, 13), (8, 8), (1, 5)):
        assert net(torch.zeros(2, 3, height, width)).shape == (2, 3, scale * height, scale * width)


def test_grey_in_colour_out():
    net = Restorer(width=8, blocks=1).build(spec(1, given=1))["G"]
    assert net(torch.zeros(1, 1, 12, 12)).shape == (1, 3, 12, 12)
    with pytest.raises(UsageError, match="images in and out"):
        Restorer().build(spec(1, given=2))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_adds_to_pillows_bicubic(scale):
    net = EDSR(1, 1, scale, 8, 1, 1)
    torch.nn.init.zeros_(net.last.weight)
    pixels = torch.randint(90, 166, (13, 17), dtype=torch.uint8)  # Pillow clips between its two passes
    image = Image.fromarray(pixels.numpy()).resize((17 * scale, 13 * scale), Image.BICUBIC)
    made = (net(pixels[None, None] / 127.5 - 1) + 1) * 127.5
    wanted = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(13 * scale, 17 * scale)
    inside = made[0, 0].detach().clamp(0, 255)
    assert (inside - wanted).abs().max() < 1.5  # and rounds


def grid_of(net: torch.nn.Module, scale: int) -> float:
    """How far the places within an enlarged pixel differ on plain ground, away from the borders."""
    with torch.no_grad():
        made = net(torch.full((1, 3, 24, 24), 0.3))[:, :, 8 * scale : -8 * scale, 8 * scale : -8 * scale]
    places = torch.nn.functional.pixel_unshuffle(made, scale).mean((2, 3)).view(3, scale**2)
    return float((places - places.mean(1, keepdim=True)).abs().max())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_plain_ground_gets_no_grid_whatever_is_learned(scale):
    """Weights and biases as an adversarial stage could leave them; a free pixel shuffle draws a grid with them."""
    torch.manual_seed(0)
    net = EDSR(3, 3, scale, 8, 1, 1)
    for parameter in net.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    assert grid_of(net, scale) < 1e-4
    for up in net.ups:
        up._shared = lambda values: values
    assert grid_of(net, scale) > 0.05


@pytest.mark.parametrize(
    "net", [EDSR(3, 3, 2, 4, 3, 1), EDSR(3, 3, 1, 4, 2, 2), RRDBNet(3, 3, 4, 4, 4, 1, 1), RRDBNet(1, 3, 1, 4, 4, 1, 2)]
)
def test_reach_is_what_an_output_pixel_sees(net):
    side = 2 * (2 * net.reach // 2) + 9
    for p in net.parameters():  # positive weights: nothing cancels
        p.data = p.data.abs() + 0.01
    x = torch.rand(1, net.inputs, side, side, requires_grad=True)
    middle = side // 2
    net(x)[0, 0, middle * net.scale, middle * net.scale].backward()
    seen = x.grad.abs().sum((0, 1)).nonzero() - middle
    assert net.reach - 4 - 2 * net.shrink <= seen.abs().max() <= net.reach


def test_the_result_is_float32_under_autocast():
    for trunk in ("edsr", "rrdb"):
        net = Restorer(trunk, width=8, blocks=1, growth=4).build(spec())["G"]
        with torch.autocast("cpu", torch.bfloat16):
            assert net(torch.rand(1, 3, 8, 8)).dtype == torch.float32


@pytest.mark.parametrize("kind", ["patch", "unet"])
def test_discriminators(kind):
    D = Restorer(discriminator=kind, d_width=8).build(spec())["D"]
    x = torch.rand(2, 3, 48, 44, requires_grad=True)
    maps = D.features(x)
    assert maps[-1].shape[:2] == (2, 1)
    assert maps[-1].dtype == torch.float32
    assert kind == "patch" or maps[-1].shape[2:] == (48, 44)
    D.eval()
    D(x).sum().backward()
    assert x.grad.abs().sum() > 0
    first = D(x)[:1]
    torch.testing.assert_close(D(x[:1]), first)  # examples are kept apart


def test_spectral_norm_bounds_the_discriminators_convolutions():
    D = UNetD(3, 8)
    D.down[0].parametrizations.weight.original.data.mul_(50)
    for _ in range(30):
        D(torch.rand(1, 3, 16, 16))
    top = torch.linalg.matrix_norm(D.down[0].weight.flatten(1), 2)
    assert abs(float(top.detach()) - 1) < 0.05


@pytest.mark.parametrize("settings", [{"trunk": "unet"}, {"width": 0}, {"shrink": 3}, {"discriminator": "none"}])
def test_settings_out_of_range(settings):
    with pytest.raises(UsageError):
        Restorer(**settings)
