"""An encoder that a run has published: pictures through it, held-out pictures beside it, and its scores."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import ganworks as gw
from ganworks.cli.main import main
from ganworks.core.errors import UsageError
from ganworks.runs.published import load_net
from ganworks.use.applier import Applier
from ganworks.use.model import Model

QUICK = {"batch": 16, "budget": 160, "train.precision": "fp32", "train.threads": 1, "networks.body.width": 4,
         "domain.held_out": 0.2, "train.judge": False}  # fmt: skip


def data(classes=2):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 255, (120, 3, 12, 9), np.uint8)
    return (x, np.arange(120) % classes) if classes else x


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "vae"
    list(gw.train("vae", data=data(), out=path, **QUICK))
    return path


def test_a_picture_is_encoded_and_decoded_by_both_networks(run):
    model = Applier.load(run, device="cpu")
    x = torch.rand(1, 3, 12, 9, generator=torch.Generator().manual_seed(0)) * 2 - 1
    E, G = (load_net(run, name).net.eval() for name in ("encoder.safetensors", "generator.safetensors"))
    with torch.no_grad():
        by_hand = {k: G(E(x, torch.tensor([k])).mean, torch.tensor([k])) for k in (0, 1)}
    for k, label in ((0, "0"), (1, "1")):
        assert torch.allclose(model.run(x, label=label), by_hand[k], atol=1e-6)
    nearest = min(by_hand.values(), key=lambda made: float((made - x).square().sum()))
    assert torch.allclose(model.run(x), nearest, atol=1e-6)
    assert torch.equal(model.run(x), model.run(x, seed=7)), "nothing is drawn"


def test_apply_takes_a_picture_of_any_size(run, tmp_path, capsys):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)).save(tmp_path / "in.png")
    assert main(["apply", str(run), str(tmp_path / "in.png"), f"out={tmp_path / 'out.png'}", "label=1"]) == 0
    assert Image.open(tmp_path / "out.png").size == (9, 12)
    assert main(["apply", str(run), str(tmp_path / "in.png"), f"out={tmp_path / 'b.png'}", "label=7"]) == 2
    assert "no class" in capsys.readouterr().err


def test_the_run_still_samples(run):
    assert isinstance(gw.load(run, device="cpu"), Model)
    assert gw.load(run, device="cpu").sample(3).numpy().shape == (3, 3, 12, 9)
    assert isinstance(gw.load(run, device="cpu", returns=Applier), Applier)


def test_an_encoder_needs_the_generator_beside_it(run, tmp_path):
    shutil.copy(run / "encoder.safetensors", tmp_path)
    with pytest.raises(UsageError, match=r"generator\.safetensors"):
        Applier.load(tmp_path / "encoder.safetensors", device="cpu")
    shutil.copy(run / "generator.safetensors", tmp_path)
    x = torch.zeros(1, 3, 12, 9)
    assert torch.equal(
        Applier.load(tmp_path / "encoder.safetensors", device="cpu").run(x), Applier.load(run, device="cpu").run(x)
    )
    with pytest.raises(UsageError, match="ganworks sample"):
        Applier.load(tmp_path / "generator.safetensors", device="cpu")


def test_scores_of_held_out_examples_and_the_sheet_of_them(run):
    found = gw.evaluate(run, data(), count=40)
    assert {"elbo", "kl", "reconstruction_error"} < set(found.metrics)
    elbo, error = found.metrics["elbo"], found.metrics["reconstruction_error"]
    assert elbo.low < elbo.value < elbo.high and elbo.better == "higher" and "likelihood" in elbo.meaning
    assert 0.2 < error.value < 0.4, "noise from 0 to 1 has a deviation of 0.29"
    assert Image.open(run / "eval" / "reconstructions.png").width > 400
    page = (run / "report.html").read_text("utf-8")
    assert (
        "ganworks apply" in page
        and "Held-out examples, above what became of them" in page
        and "Bound on the log-likelihood" in page
    )


@pytest.mark.parametrize("recipe", ["vae", "infogan"])
def test_labels_and_codes_that_a_model_does_not_have_are_refused(recipe, tmp_path):
    list(gw.train(recipe, data=data(0), out=tmp_path / "run", **(QUICK | {"budget": 32})))
    if recipe == "infogan":
        model = gw.load(tmp_path / "run", device="cpu")
        same = model.sample(4, seed=1, category=2, c1=0.5, c2=-0.5).numpy()
        assert same.shape == (4, 3, 12, 9) and not np.array_equal(same, model.sample(4, seed=1).numpy())
        with pytest.raises(UsageError, match="category"):
            model.sample(1, category=10)
        with pytest.raises(UsageError, match="translator"):
            Applier.load(tmp_path / "run", device="cpu")
        return
    with pytest.raises(UsageError, match="without labels"):
        Applier.load(tmp_path / "run", device="cpu").run(torch.zeros(1, 3, 12, 9), label="1")
    with pytest.raises(UsageError, match="no option"):
        gw.load(tmp_path / "run", device="cpu").sample(1, category=1)
