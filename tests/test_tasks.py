"""What the engine offers to tasks: several published players, their own judges, phases, keyed batches, reports."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from recipe_checks import check_recipe
from torch import Tensor, nn
from toys import engine

import ganworks as gw
from ganworks.core import registry
from ganworks.core.errors import UsageError
from ganworks.core.events import Scored
from ganworks.core.spec import Batch, Spec
from ganworks.files import weights
from ganworks.kinds.points.recipes import points
from ganworks.metrics.tasks import TaskReport, interval, metric
from ganworks.runs.published import file_of, load_net, published
from ganworks.training import calibration
from ganworks.training.engine import Engine
from ganworks.use.model import Model


class Scale(nn.Module):
    """x -> factor * x."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.randn(()))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.factor * x


@dataclass(frozen=True)
class Pair:
    """Two players, there and back, both of use."""

    makes: ClassVar[dict[str, str]] = {"G": "apply", "G_back": "apply"}

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        return {"G": Scale(), "G_back": Scale()}


@dataclass(frozen=True)
class There:
    """G is to double, G_back to halve."""

    def turns(self, step: int, progress: float) -> Iterator[Any]:
        yield ("G", "G_back"), self.loss

    def loss(self, nets: dict[str, Any], batch: Batch) -> dict[str, Tensor]:
        there, back = nets["G"](batch["x"]), nets["G_back"](2 * batch["x"])
        return {"there": (there - 2 * batch["x"]).square().mean(1), "back": (back - batch["x"]).square().mean(1)}


class Teacher:
    """Scores that stand in a list; what it was shown is remembered."""

    objective, noise, ready = "-quality", 0.5, True
    values: ClassVar[list[float]] = []
    seen: ClassVar[list[set[str]]] = []

    def examples(self) -> None:
        return None

    def sample(self, nets: Any) -> None:
        return None

    def show(self, nets: Any) -> Image.Image:
        return Image.new("L", (4, 4))

    def score(self, nets: Any) -> tuple[dict[str, float], dict[str, float], str]:
        self.seen.append(set(nets))
        assert not any(net.training for net in nets.values())
        return {"quality": self.values[len(self.seen) - 1]}, {}, ""

    def costs(self, nets: Any) -> tuple[float, float]:
        return 0.0, 0.0

    def evaluate(self, nets: Any, *, count: int, **_: Any) -> TaskReport:
        return TaskReport({"factor": metric(float(nets["G"].factor), 2.0)}, count)


@pytest.fixture
def recipe(monkeypatch):
    """A recipe `points` whose networks, game and evaluator are those above."""

    def made(facts: Any) -> Any:
        return replace(points(facts), networks=Pair(), game=There())

    monkeypatch.setattr(registry, "recipe_function", lambda name: (made, "domain/points"))
    monkeypatch.setattr("ganworks.kinds.points.domain.Points.evaluator", lambda *args: Teacher())
    monkeypatch.setattr(Teacher, "seen", [])
    return "points"


SETTINGS = {"budget": 400, "batch": 50, "train.precision": "fp32", "train.threads": 1}
SETTINGS |= {"train.score": 100, "train.judge": True}


def test_every_player_of_use_is_published_and_the_best_by_its_own_measure(recipe, tmp_path, monkeypatch):
    """Higher is better, 0.5 is noise: of 20, 25, 24.8 and 24 the third is kept."""
    monkeypatch.setattr(Teacher, "values", [20.0, 25.0, 24.8, 24.0])
    events = list(gw.train(recipe, data="ring8", out=tmp_path / "run", **SETTINGS))
    assert [e.best for e in events if isinstance(e, Scored)] == [True, True, True, False]
    assert Teacher.seen == [{"G", "G_back"}] * 4
    found = published(tmp_path / "run")
    assert {name: (entry.file.name, entry.use, entry.card["seen"]) for name, entry in found.items()} == {
        "G": ("generator.safetensors", "apply", 300),
        "G_back": ("generator-back.safetensors", "apply", 300),
    }
    assert not torch.equal(found["G"].net.factor, found["G_back"].net.factor)
    assert gw.evaluate(tmp_path / "run").metrics["factor"].value == float(found["G"].net.factor.detach())
    assert json.loads((tmp_path / "run" / "eval.json").read_text())["metrics"]["factor"]["floor"] == 2.0


def test_no_measure_keeps_the_newest(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(Teacher, "values", [4.0, 3.0, 2.0, 1.0])
    monkeypatch.setattr(Teacher, "objective", "")
    events = list(gw.train(recipe, data="ring8", out=tmp_path / "run", **SETTINGS))
    assert [e.best for e in events if isinstance(e, Scored)] == [True] * 4
    assert load_net(tmp_path / "run").card["seen"] == 400


def test_two_players_in_one_turn_resume(recipe, tmp_path):
    check_recipe(recipe, "ring8", tmp_path)


def test_a_translator_does_not_sample(recipe, tmp_path):
    list(gw.train(recipe, data="ring8", out=tmp_path / "run", **{**SETTINGS, "train.judge": False}))
    with pytest.raises(UsageError, match="ganworks apply"):
        Model.load(tmp_path / "run")


def test_a_warm_start_of_one_player(recipe, tmp_path):
    """G_back alone is taken from its file, its averages with it; a player that the game lacks is refused."""
    settings = {**SETTINGS, "train.judge": False}
    list(gw.train(recipe, data="ring8", out=tmp_path / "a", **settings))
    file = tmp_path / "a" / "generator-back.safetensors"
    list(gw.train(recipe, data="ring8", out=tmp_path / "b", **{**settings, "init": str(file), "lr": 1e-9}))
    a, b = (published(tmp_path / name) for name in "ab")
    assert torch.allclose(a["G_back"].net.factor, b["G_back"].net.factor, atol=1e-6)
    assert not torch.allclose(a["G"].net.factor, b["G"].net.factor, atol=1e-3)
    other = tmp_path / "other.safetensors"
    card = json.loads(weights.read_texts(file)["ganworks"]) | {"player": "C"}
    weights.write(other, {"factor": torch.ones(())}, {"ganworks": json.dumps(card)})
    with pytest.raises(UsageError, match="holds C"):
        list(gw.train(recipe, data="ring8", out=tmp_path / "c", **{**settings, "init": str(other)}))


def test_where_players_are_published():
    names = {"G": "generator", "C": "classifier", "G_back": "generator-back"}
    assert {player: file_of(player) for player in names} == {p: f"{n}.safetensors" for p, n in names.items()}


def test_a_card_that_names_no_player_is_refused(recipe, tmp_path):
    list(gw.train(recipe, data="ring8", out=tmp_path / "run", **{**SETTINGS, "train.judge": False}))
    tensors, texts = weights.read(tmp_path / "run" / "generator.safetensors")
    card = json.loads(texts["ganworks"])
    weights.write(tmp_path / "lie.safetensors", tensors, {"ganworks": json.dumps({**card, "player": "X" * 500})})
    with pytest.raises(UsageError, match="no player 'XXXX"):
        load_net(tmp_path / "lie.safetensors")


@dataclass(frozen=True)
class Stages:
    """Slow in the last quarter of the budget."""

    phases: ClassVar[tuple[float, ...]] = (0.0, 0.75)

    def turns(self, step: int, progress: float) -> Iterator[Any]:
        yield ("G",), self.slow if progress >= 0.75 else self.quick

    def quick(self, nets: Any, batch: Batch) -> dict[str, Tensor]:
        time.sleep(0.002)
        return {"g": nets["G"](batch.draw.normal(4), None).square().mean(1)}

    def slow(self, nets: Any, batch: Batch) -> dict[str, Tensor]:
        time.sleep(0.03)
        return self.quick(nets, batch)


def test_the_pace_is_measured_in_each_phase():
    """A quarter of the steps costs about 32 ms more than the others: the mean is far from both."""
    pace = calibration.measure(engine(Stages(), total=10**9), threads=1, seconds=0.2)
    per_step = 32 / pace.speed
    assert 0.0095 < per_step < 0.025, per_step


def test_progress_reaches_the_game():
    asked = []

    @dataclass(frozen=True)
    class Asking(Stages):
        def turns(self, step: int, progress: float) -> Iterator[Any]:
            asked.append((step, progress))
            yield ("G",), self.quick

    toy: Engine = engine(Asking(), total=128)
    for _ in range(4):
        toy.step()
    assert asked == [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75)]


def test_a_spec_with_a_source_and_facts():
    spec = Spec("pairs", (3, 8, 8), source=(1, 8, 8), facts={"palette": [[0, 0, 1]]})
    assert Spec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert "facts" not in Spec("images", (1, 8, 8)).to_dict()
    for lie in ({"source": [0, 3]}, {"source": "x"}, {"facts": 3}, {"facts": {"a": "x" * 5_000_000}}):
        with pytest.raises(UsageError, match="damaged"):
            Spec.from_dict({**spec.to_dict(), **lie})


def test_an_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [low < 1 < high for low, high in (interval(rng.exponential(1.0, 60)) for _ in range(200))]
    assert 0.87 < np.mean(hits) < 0.99
    one = metric([1.0, 3.0], 4.0, better="higher", meaning="m")
    assert (one.value, one.ratio, one.floor, one.better) == (2.0, 0.5, 4.0, "higher")
    assert math.isnan(metric(0.5).low) and TaskReport({"a": metric(0.5)}, 1).to_dict()["metrics"]["a"]["low"] is None


def test_images_come_with_their_path(tmp_path: Path):
    """`batch` of the image domain: x and y of the asked indices, keyed augmentation included."""
    from ganworks.core.spec import Draw
    from ganworks.kinds.images.domain import Images

    x = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
    domain = Images(flip=True)
    data = domain.open((x, np.array([0, 1, 0, 1, 0, 1])), cache=tmp_path)
    first, second = (domain.batch(data, np.array([3, 1]), Draw(7, 2, slice(None))) for _ in range(2))
    assert torch.equal(first["x"], second["x"]) and first["y"].tolist() == [1, 1]
    plain = data.fetch(np.array([3, 1]))["x"]
    assert all(torch.equal(a, b) or torch.equal(a, b.flip(-1)) for a, b in zip(first["x"], plain, strict=True))


def test_a_recipe_of_ones_own_needs_its_domain(tmp_path):
    with pytest.raises(UsageError, match="domain=MyDomain"):
        list(gw.train(points, data="ring8", out=tmp_path / "run", budget=100))
