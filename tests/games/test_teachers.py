"""Published networks as teachers: distances by their definition, frozen, and a run that is held to its file."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.teachers import ESRGAN, Taught, apart, esrgan_distance, load_all, maps
from ganworks.pretrained.architectures.backbone import ready
from ganworks.pretrained.architectures.mobilenet import MobileNetV2
from ganworks.pretrained.architectures.plain import VGG19, SqueezeNet
from ganworks.pretrained.architectures.resnet import ResNet18
from ganworks.pretrained.architectures.table import ARCHITECTURES
from ganworks.runs.run import Run

SPEC = Spec("images", (3, 32, 32))


@pytest.fixture(autouse=True)
def one_thread(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))


def kept(path, kind=SqueezeNet, seed=0):
    torch.manual_seed(seed)
    save_file(kind().state_dict(), path)
    return str(path)


def pair(side=32, count=2):
    torch.manual_seed(1)
    return torch.rand(2, count, 3, side, side) * 2 - 1


def batch_of(count):
    return Batch(dict, Draw(0, count, slice(None)), size=count)


@pytest.mark.parametrize("kind", ARCHITECTURES, ids=lambda kind: kind.architecture)
def test_any_architecture_tells_pictures_apart_and_teaches_g_alone(kind):
    torch.manual_seed(0)
    net = ready(kind())
    made, real = pair(32, 1)
    made, real = made.requires_grad_(), real.requires_grad_()
    every = tuple(range(len(net.names)))
    apart(net, made, real, every).sum().backward()
    assert made.grad.isfinite().all() and made.grad.abs().sum() > 0 and real.grad is None
    assert all(p.grad is None for p in net.parameters())
    assert apart(net, real.detach(), real, every).abs().max() == 0


def test_the_distance_is_a_mean_of_shares():
    """In float64, for each picture and stage: the mean difference over the mean size of the real one's features."""
    net = ready(SqueezeNet())
    made, real = pair()
    found = apart(net, made, real, (1, 3))
    exact = SqueezeNet().double()
    exact.load_state_dict(net.state_dict())
    mean, deviation = (torch.tensor(part, dtype=torch.float64)[:, None, None] for part in net.colours)
    seen = [exact.stages((x.double() / 2 + 0.5 - mean) / deviation) for x in (made, real)]
    wanted = []
    for example in range(2):
        shares = []
        for stage in (1, 3):
            a, b = (stages[stage][example].detach() for stages in seen)
            shares.append(float((a - b).abs().mean() / (b.abs().mean() + 1e-3)))
        wanted.append(sum(shares) / 2)
    assert found.tolist() == pytest.approx(wanted, rel=1e-4)


def test_teachers_stay_in_float32_under_autocast():
    net = ready(SqueezeNet())
    made, real = pair()
    with torch.autocast("cpu", torch.bfloat16):
        inside = maps(net, made.bfloat16().float())
        distance = apart(net, made, real, (0,))
    assert all(stage.dtype == torch.float32 for stage in inside)
    assert torch.equal(distance, apart(net, made, real, (0,)))


def test_the_distance_of_real_esrgan_by_its_definition():
    """Layers conv1_2 to conv5_4 before their ReLU, counted by hand, in the order of configuration E."""
    torch.manual_seed(0)
    net, (made, real) = VGG19(), pair(16)
    chain: list[nn.Module] = []
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512):
        inputs = next((m.out_channels for m in reversed(chain) if isinstance(m, nn.Conv2d)), 3)
        chain += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()] if width else [nn.MaxPool2d(2)]
    nn.Sequential(*chain).load_state_dict(net.features.state_dict())
    mean, deviation = (torch.tensor(p)[:, None, None] for p in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x, total = (torch.cat([made, real]) / 2 + 0.5 - mean) / deviation, torch.zeros(2)
    weights, convs, block = {"12": 0.1, "22": 0.1, "34": 1.0, "44": 1.0, "54": 1.0}, 0, 1
    with torch.no_grad():
        for layer in chain:
            if isinstance(layer, nn.MaxPool2d):
                block, convs = block + 1, 0
            x = layer(x)
            convs += isinstance(layer, nn.Conv2d)
            if isinstance(layer, nn.Conv2d) and f"{block}{convs}" in weights:
                total += weights[f"{block}{convs}"] * (x[:2] - x[2:]).abs().flatten(1).mean(1)
    torch.testing.assert_close(esrgan_distance(ready(net), made, real), total, rtol=1e-3, atol=1e-4)
    assert len(ESRGAN) == 5


def test_words_name_networks_and_stages(tmp_path):
    one, two = kept(tmp_path / "a.safetensors"), kept(tmp_path / "b.safetensors", ResNet18)
    taught = Taught(f"{one}, {two}", "fire4,layer2")
    assert [key.split(":")[0] for key in taught.taught_by(SPEC)] == ["squeezenet1_1", "resnet18"]
    assert taught._chosen == [(1,), (2,)]
    with pytest.raises(UsageError, match='no stage "layr2"'):
        Taught(two, "layr2").taught_by(SPEC)
    with pytest.raises(UsageError, match="names no stage of squeezenet1_1"):
        Taught(f"{one},{two}", "layer2").taught_by(SPEC)
    with pytest.raises(UsageError, match="shape \\[2, 32, 32\\]"):
        Taught(one).taught_by(Spec("images", (2, 32, 32)))
    assert Taught().taught_by(SPEC) == {} and Taught().perceptual_terms(*pair(), batch_of(2)) == {}


def test_grey_is_seen_as_grey_colours(tmp_path):
    taught = Taught(kept(tmp_path / "a.safetensors"))
    made, real = pair()
    grey = taught.perceptual_terms(made[:, :1], real[:, :1], batch_of(2))["perceptual"]
    colour = taught.perceptual_terms(made[:, :1].expand(-1, 3, -1, -1), real[:, :1].expand(-1, 3, -1, -1), batch_of(2))
    torch.testing.assert_close(grey, colour["perceptual"])


@pytest.fixture(scope="module")
def facing(tmp_path_factory):
    """Twenty pairs of pictures side by side."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    from PIL import Image

    for k in range(20):
        small = Image.fromarray(rng.integers(0, 256, (4, 8, 3), np.uint8))
        small.resize((64, 32), Image.Resampling.NEAREST).save(folder / f"{k}.png")
    return folder


def test_a_run_says_who_taught_it_and_is_held_to_that_file(facing, tmp_path):
    file, out = kept(tmp_path / "net.safetensors", MobileNetV2), tmp_path / "run"
    settings = {"budget": 16, "batch": 4, "features": file, "networks.width": 8, "networks.d_width": 8}
    settings |= {"train.judge": False, "train.precision": "fp32", "size": 32, "game.gan": 1.0, "game.ce": 0.0}
    training = gw.train("pix2pix", data=facing, out=out, **settings)
    notes = next(training).notes
    training.close()
    (key,) = Run.open(out).plan()["teachers"]
    assert key == load_all(file)[0].key and any(key in note and "do not become part" in note for note in notes)
    list(gw.train("pix2pix", data=facing, out=out, **settings))
    state = Run.open(out).load_state()[0]
    assert sum(v.numel() for k, v in state.items() if k.startswith("param/")) < 300_000, "the teacher is in the run"
    assert key not in str(sorted(state)) and not any("features" in name for name in state)
    assert json.loads((out / "plan.json").read_text())["teachers"][key] == load_all(file)[0].sha256
    kept(tmp_path / "net.safetensors", MobileNetV2, seed=5)
    with pytest.raises(UsageError, match=f"learns from {key}; what it names now is mobilenet_v2:"):
        list(gw.train("pix2pix", data=facing, out=out, **settings))
    (tmp_path / "net.safetensors").unlink()
    with pytest.raises(UsageError, match=f"learns from {key}, and cannot go on without.*net.safetensors"):
        list(gw.train("pix2pix", data=facing, out=out, **settings))
