"""Classifiers on frozen features: what moves and what does not, and a run that predicts without the file."""

import numpy as np
import pytest
import torch
from recipe_checks import check_recipe
from safetensors.torch import save_file

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.images.classification.probe import LENGTH, Probe, ProbeClassifier
from ganworks.pretrained.architectures.mobilenet import KerasMobileNetV2
from ganworks.pretrained.architectures.plain import SqueezeNet
from ganworks.runs.published import load_net
from ganworks.runs.run import Run

SPEC = Spec("images", (3, 12, 12), ("a", "b"))


@pytest.fixture
def file(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(SqueezeNet, "size", 40)
    torch.manual_seed(0)
    save_file(SqueezeNet().state_dict(), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def pictures():
    """Sixty pictures in two classes, red and blue."""
    x = np.random.default_rng(0).integers(0, 120, (60, 3, 12, 12), np.uint8)
    y = np.arange(60) % 2
    x[np.arange(60), 2 * y] += 120
    return x, y


def test_only_the_linear_layer_learns():
    torch.manual_seed(0)
    net = ProbeClassifier(SqueezeNet(), SPEC).train()
    assert [name for name, _ in net.named_parameters()] == ["head.weight", "head.bias"]
    x = torch.rand(5, 3, 12, 12) * 2 - 1
    before = {k: v.clone() for k, v in net.state_dict().items() if k.startswith("net.")}
    logits, z = net.both(x)
    assert logits.shape == (5, 2) and torch.allclose(z.norm(dim=1), torch.full((5,), LENGTH), rtol=1e-4)
    logits.sum().backward()
    assert net.head.weight.grad is not None and all(torch.equal(net.state_dict()[k], v) for k, v in before.items())
    assert not net.net.training


def test_the_centre_is_a_mean_and_stays_in_use():
    torch.manual_seed(0)
    net = ProbeClassifier(SqueezeNet(), SPEC).train()
    parts = torch.rand(3, 4, 3, 12, 12) * 2 - 1
    for part in parts:
        net(part)
    with torch.no_grad():
        seen = net.net(net.net.prepare(parts.flatten(0, 1) / 2 + 0.5)).mean(0)
    torch.testing.assert_close(net.centre, seen, rtol=1e-4, atol=1e-5)
    net.eval()(parts[0])
    torch.testing.assert_close(net.centre, seen, rtol=1e-4, atol=1e-5)


def test_the_form_of_the_network_is_rebuilt():
    assert type(Probe.of(KerasMobileNetV2()).build(SPEC)["C"].net) is KerasMobileNetV2
    with pytest.raises(UsageError, match="mobilenet_v2"):
        Probe("mobilenet_v3")


def test_it_trains_resumes_and_predicts_without_the_file(file, tmp_path):
    settings = {"features": str(file), "per_class": 5, "budget": 96, "batch": 16, "domain.held_out": 0.3, "lr": 1e-2}
    found = check_recipe("classify", pictures(), tmp_path, **settings)
    plan = Run.open(tmp_path / "classify-run").plan()
    (key,) = plan["teachers"]
    assert key.startswith("squeezenet1_1:") and any("published with the result" in note for note in plan["notes"])
    report = gw.evaluate(tmp_path / "classify-run", pictures()).to_dict()
    assert "nearest labelled image by the same features" in report["baselines"]
    assert report["metrics"]["accuracy"]["value"] > 0.8
    file.unlink()
    x, y = pictures()
    answers = gw.load(tmp_path / "classify-run", device="cpu").predict(x)
    assert float((np.asarray(answers.probabilities).argmax(1) == y).mean()) > 0.8
    assert isinstance(load_net(tmp_path / "classify-run", "classifier.safetensors").net, ProbeClassifier)
    assert found["C"].card["teachers"] == [key]


def test_what_does_not_fit_is_said(file):
    with pytest.raises(UsageError, match="takes no generator"):
        list(gw.train("classify", data=pictures(), budget=16, features=str(file), **{"game.variant": "gan"}))
    with pytest.raises(UsageError, match="one"):
        list(gw.train("classify", data=pictures(), budget=16, features=f"{file},{file}"))
