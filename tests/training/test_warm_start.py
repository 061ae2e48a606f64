"""`init=`: what fits is taken, and what does not fit is explained by its cause."""

import numpy as np
import pytest
import torch

import ganworks as gw
from ganworks.cli import main as cli
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.files import weights
from ganworks.runs.run import Run
from ganworks.training.warm_start import _causes as causes

SMALL = {"budget": 32, "batch": 16, "train.judge": "off", "train.precision": "fp32", "train.threads": 1,
         "networks.hidden": [8]}  # fmt: skip


def data(side=8, classes=2, channels=1):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (24, channels, side, side)).astype(np.uint8)
    return (x, np.array([f"c{k % classes}" for k in range(24)])) if classes else x


def train(out, given, **settings):
    return list(gw.train("mlp", data=given, out=out, **{**SMALL, **settings}))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warm") / "run"
    train(folder, data())
    return folder


CASES = {
    "classes": ({"classes": 3}, {}, "2 classes there, 3 here"),
    "no classes": ({"classes": 0}, {}, "2 classes there, none here"),
    "pixels": ({"side": 16}, {}, "8 x 8 pixels there, 16 x 16 here"),
    "channels": ({"channels": 3}, {}, "1 channels there, 3 here"),
    "width": ({}, {"networks.hidden": [9]}, r"networks.hidden: \[8\] there, \[9\] here"),
    "networks": ({}, {"networks": "dcgan", "networks.hidden": None}, "networks/mlp there, networks/dcgan here"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("file", ["", "generator.safetensors"], ids=["run", "file"])
def test_the_cause_is_named(name, file, run, tmp_path):
    given, settings, said = CASES[name]
    own = {key: value for key, value in {**SMALL, **settings}.items() if value is not None}
    with pytest.raises(UsageError, match=said) as caught:
        list(gw.train("mlp", data=data(**given), out=tmp_path / "new", init=str(run / file), **own))
    text = str(caught.value)
    assert "param/" not in text and "weight" not in text
    assert name == "networks" or "a warm start takes all or none" in text
    assert not (tmp_path / "new").exists()


def test_averages_of_another_number_are_named(run, tmp_path):
    with pytest.raises(UsageError, match=r"1 averages there, 2 here \(train.ema\)"):
        train(tmp_path / "new", data(), init=str(run), **{"train.ema": [100, 200]})


def test_players_of_the_same_size_but_another_layout_are_refused(run, tmp_path, monkeypatch):
    """The flat vectors would fit, the parameters in them do not."""
    train(tmp_path / "old", data(), **{"networks.hidden": [9]})
    found = Run.open(tmp_path / "old").load_state()
    monkeypatch.setattr(Run, "load_state", lambda self: found)
    with pytest.raises(UsageError, match=r"networks.hidden: \[8\] there, \[9\] here"):
        train(tmp_path / "new", data(), init=str(run), **{"networks.hidden": [9]})


def test_classes_of_other_names_are_told(run, tmp_path):
    x, y = data()
    cats = x, np.where(y == "c0", "cat", "dog")
    events = gw.train("mlp", data=cats, out=tmp_path / "new", init=str(run / "generator.safetensors"), **SMALL)
    assert "The weights were trained for the classes c0, c1; they begin as cat, dog." in str(next(events))
    events.close()


def test_weights_of_unknown_origin(run, tmp_path):
    weights.write(tmp_path / "own.safetensors", {"a": torch.zeros(2)}, {})
    with pytest.raises(UsageError, match="does not say for which data and networks"):
        train(tmp_path / "new", data(), init=str(tmp_path / "own.safetensors"))


def test_it_is_wrong_use(run, tmp_path, capsys):
    x, y = data(classes=3)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    words = [f"{name}={value}" for name, value in SMALL.items()]
    given = f"data={tmp_path / 'x.npz'}"
    assert cli.main(["train", "mlp", given, f"init={run}", f"out={tmp_path / 'new'}", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Wrong use: init=") and "2 classes there, 3 here" in said and "pixels" not in said


def test_facts_and_kinds():
    pairs = Spec("pairs", (3, 8, 8), source=(1, 8, 8), facts={"direction": "AtoB"})
    net = {"is": "networks/a", "width": 8}
    assert causes(pairs, pairs, net, net) == []
    assert causes(pairs, Spec("images", (3, 8, 8)), net, net)[0] == "examples of pairs there, of images here"
    assert causes(pairs, Spec("pairs", (3, 8, 8), source=(3, 8, 8)), net, net) == ["1 channels given there, 3 here"]
    text = [Spec("text", (20,), facts={"vocabulary": {"size": n}}) for n in (9, 8)]
    assert causes(*text, net, net) == ["other facts of the data: vocabulary"]
    assert causes(text[0], Spec("text", (24,)), net, net) == ["shape 20 there, 24 here"]
