"""`ganworks eval features=`: other features on request, named beside every number, or a refusal in a sentence."""

import errno
import json
import os
import tempfile
from pathlib import Path

import pytest
import torch

import ganworks as gw
from ganworks.cli.main import main
from ganworks.core.errors import UsageError
from ganworks.metrics.scoring import MEANING
from ganworks.pretrained.architectures.plain import SqueezeNet
from ganworks.report.words import from_report
from ganworks.use import evaluate

SMALL = {"batch": 64, "train.judge": False, "train.precision": "fp32", "train.threads": 1, "networks.width": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    list(gw.train("image", data="digits", out=folder, budget=256, labels=False, **SMALL))
    return folder


def test_two_extractors_give_their_own_numbers_and_names(run, capsys):
    found = {}
    for name in ("random", "identity"):
        assert main(["eval", str(run), "count=200", f"features={name}"]) == 0
        found[name] = json.loads((run / "eval.json").read_text())
        assert f"Judged by {found[name]['extractor']} on 200" in capsys.readouterr().out
        assert found[name]["extractor"] in (run / "report.html").read_text(), "the page says which"
    one, two = found.values()
    assert one["extractor"].startswith("randconv") and two["extractor"].startswith("identity@")
    assert one["extractor_sha256"][:8] == one["extractor"].partition("@")[2] != two["extractor_sha256"][:8]
    assert one["metrics"]["fd"]["value"] != two["metrics"]["fd"]["value"]


def test_an_unknown_extractor_is_refused_with_the_nearest(run, capsys):
    assert main(["eval", str(run), "count=200", "extractor=randm"]) == 2
    assert 'Did you mean "random"' in capsys.readouterr().err


def test_a_kind_without_a_choice_says_so(tmp_path, monkeypatch):
    settings = {"budget": 64, "batch": 32, "train.precision": "fp32", "networks.hidden": [8], "train.judge": False}
    list(gw.train("points", data="ring8", out=tmp_path / "run", **settings))
    assert gw.evaluate(tmp_path / "run", count=100, extractor="identity").extractor.startswith("identity@")
    with pytest.raises(UsageError, match=r'no features "random" for this data.*They are for images'):
        gw.evaluate(tmp_path / "run", count=100, extractor="random")
    monkeypatch.setattr("ganworks.kinds.points.domain.Points.evaluator", lambda *_: object())
    with pytest.raises(UsageError, match="points is judged in one way only"):
        gw.evaluate(tmp_path / "run", count=100, extractor="identity")


def test_what_is_asked_for_comes_back(run):
    assert isinstance(gw.load(run, returns=gw.Model), gw.Model)
    with pytest.raises(UsageError, match="is no translator or restorer"):
        gw.load(run, returns=gw.Applier)
    with pytest.raises(UsageError, match="returns must be one of Model, Applier, Predictor"):
        gw.load(run, returns=int)


def test_a_training_that_cannot_give_what_is_asked_for_is_refused_at_once(tmp_path):
    with pytest.raises(UsageError, match="returns=Predictor: image trains no such model, but Model"):
        gw.fit("image", data="digits", out=tmp_path / "run", budget=64, returns=gw.Predictor, **SMALL)


def test_a_workplace_that_cannot_be_removed_stays_without_an_error(tmp_path, monkeypatch):
    """`tempfile.TemporaryDirectory` of Python 3.11 recurses until the stack is full here."""
    real = os.open

    def refusing(path, *rest, **more):
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with evaluate.workplace() as folder:
        (folder / "picture.png").write_bytes(b"drawn")
        monkeypatch.setattr(os, "open", refusing)
    monkeypatch.undo()
    assert folder.exists()


def test_a_published_network_names_every_number(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(SqueezeNet, "size", 32)
    torch.manual_seed(0)
    torch.save(SqueezeNet().state_dict(), tmp_path / "mine.pth")
    assert main(["eval", str(run), "count=100", f"features={tmp_path / 'mine.pth'}"]) == 0
    found, said = json.loads((run / "eval.json").read_text()), capsys.readouterr().out
    key = f"squeezenet1_1:{found['extractor_sha256'][:8]}"
    assert found["extractor"] == key and f"Judged by {key} on 100" in said and f"kid[{key}]" in said
    assert set(found["metrics"]) == {f"{name}[{key}]" for name in MEANING if name != "agreement"}
    scores = from_report(found)
    assert {s.extractor for s in scores} == {key} and "frechet" in {s.metric.name for s in scores}
    assert main(["eval", str(run), "count=100", "features=random", "extractor=random"]) == 2
    assert "two words for the same" in capsys.readouterr().err
