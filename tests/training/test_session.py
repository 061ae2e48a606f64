"""Scores, targets, warm starts, the plan of a budget, the watch, and what a caller may do with the events."""

import json
import math

import numpy as np
import pytest
import torch
import toys
from torch import nn

import ganworks as gw
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.events import Alarm, Finished, Round, Saved, Scored, Shown, Started
from ganworks.core.settings import Budget
from ganworks.runs.run import Run
from ganworks.training import calibration
from ganworks.training.health import Watch, spread
from ganworks.use import sample_evaluator as sampling
from ganworks.use.model import Model

SETTINGS = {"budget": "1k", "batch": 50, "train.precision": "fp32", "networks.hidden": [16], "train.threads": 1}


def train(out, recipe="mlp", **more) -> list:
    return list(gw.train(recipe, data="digits", out=out, **(SETTINGS | more)))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    out = tmp_path_factory.mktemp("judged") / "run"
    return out, train(out, **{"train.score": 250, "train.show": 500})


def test_the_stream_of_events(judged):
    out, events = judged
    assert isinstance(events[0], Started) and events[0].total == 1000 and isinstance(events[-1], Finished)
    assert [e.seen for e in events if isinstance(e, Scored)] == [250, 500, 750, 1000]
    assert [e.seen for e in events if isinstance(e, Shown)] == [500, 1000]
    assert [e.seen for e in events if isinstance(e, Saved)] == [0, 1000]
    rounds = [e for e in events if isinstance(e, Round)]
    assert all(math.isfinite(v) for e in rounds for v in e.losses.values()) and {
        "d_loss",
        "g_loss",
        "real",
        "fake",
    } <= set(rounds[0].losses)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [x["event"] for x in lines] == [type(e).__name__.lower() for e in events]
    assert {"report.html", "README.md", "generator.safetensors"} <= {p.name for p in out.iterdir()}


def test_the_best_snapshot_is_the_one_that_is_kept(judged):
    out, events = judged
    scored = [e for e in events if isinstance(e, Scored)]
    assert Model.load(out).info["seen"] == [e for e in scored if e.best][-1].seen
    values = [e.scores["fd"] for e in scored]
    assert [e.best for e in scored] == [k == 0 or v < 1.1 * min(values[:k]) for k, v in enumerate(values)]


def test_a_worse_snapshot_does_not_replace_a_better_one(tmp_path, monkeypatch):
    """Scores 5, 2, 2.1, 9: the third is within the noise of the best and longer trained; the fourth is not."""
    values = iter([5.0, 2.0, 2.1, 9.0])
    monkeypatch.setattr(sampling, "score", lambda *args, **kwargs: ({"fd": next(values)}, {"fd": 1.0}))
    events = train(tmp_path / "run", **{"train.score": 250, "train.show": 10_000})
    assert [e.best for e in events if isinstance(e, Scored)] == [True, True, True, False]
    assert Model.load(tmp_path / "run").info["seen"] == 750
    assert Run.open(tmp_path / "run").load_state()[1]["best"] == 2.0


def test_scores_do_not_touch_the_training(judged, tmp_path):
    """Judged often or never: the same weights to the last bit."""
    train(tmp_path / "run", **{"train.judge": False, "train.show": 10_000})
    a, b = (Run.open(p).load_state()[0] for p in (judged[0], tmp_path / "run"))
    assert all(torch.equal(v, b[k]) for k, v in a.items())


def test_a_target_ends_the_training(tmp_path):
    events = train(tmp_path / "run", until="fd>0", **{"train.score": 250})
    assert events[-1].reason == "target" and events[-1].seen == 250
    again = train(tmp_path / "run", until="fd>0", **{"train.score": 250})
    assert again[-1].reason == "target" and again[-1].seen == 250 and not any(isinstance(e, Scored) for e in again)


def test_an_unknown_target_is_a_sentence(tmp_path):
    with pytest.raises(GanworksError, match="fid"):
        train(tmp_path / "run", until="fid<3", **{"train.score": 250})


def test_a_score_that_fails_is_missing_and_the_training_goes_on(judged, tmp_path, monkeypatch):

    def broken(*args, **kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(sampling, "score", broken)
    events = train(tmp_path / "run", **{"train.score": 250, "train.show": 500})
    assert [e.kind for e in events if isinstance(e, Alarm)].count("score") == 4 and events[-1].reason == "budget"
    a, b = (Run.open(p).load_state()[0] for p in (judged[0], tmp_path / "run"))
    assert all(torch.equal(v, b[k]) for k, v in a.items())


def test_warm_start_from_a_run_and_from_a_generator(judged, tmp_path):
    source = Run.open(judged[0]).load_state()[0]
    for name, init in (("run", judged[0]), ("file", judged[0] / "generator.safetensors")):
        events = gw.train("mlp", data="digits", out=tmp_path / name, init=str(init), **SETTINGS)
        next(events)
        events.close()
        begun, counters, _ = Run.open(tmp_path / name).load_state()
        assert counters["steps"] == 0
        assert torch.equal(begun["param/D"], source["param/D"]) == (name == "run")
        if name == "run":
            assert torch.equal(begun["param/G"], source["param/G"])
        else:
            assert not torch.equal(begun["param/G"], source["param/G"])  # the averaged weights
            assert torch.equal(begun["param/G"], begun["ema/G/0"])


def test_a_warm_start_from_other_networks_is_refused(judged, tmp_path):
    with pytest.raises(GanworksError, match="does not fit"):
        train(tmp_path / "run", init=str(judged[0]), **{"networks.hidden": [8]})
    assert not (tmp_path / "run").exists()


class OwnD(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))

    def forward(self, x, y=None):
        return self.body(x)[:, 0].float()


def test_a_module_in_place_of_a_name(tmp_path):
    events = train(tmp_path / "run", labels=False, D=OwnD(), **{"train.judge": False})
    assert isinstance(events[-1], Finished)
    assert Run.open(tmp_path / "run").load_state()[0]["param/D"].numel() == 80  # 64 + 1, each on its own cache line
    with pytest.raises(UsageError, match="X"):
        train(tmp_path / "other", labels=False, X=OwnD())


def test_an_array_as_data_and_few_examples(tmp_path):
    """Fewer examples than a batch, dark, no labels, odd size: it trains, says what is wrong with them, and samples."""
    x = np.random.default_rng(0).integers(0, 20, (20, 9, 7), np.uint8)
    out = tmp_path / "run"
    events = list(gw.train("mlp", data=x, out=out, **SETTINGS))
    assert any("too few" in note for note in events[0].notes) and not any(isinstance(e, Scored) for e in events)
    assert any("less than a tenth of the range" in note for note in events[0].notes)
    assert gw.load(out, device="cpu").sample(3).numpy().shape == (3, 1, 9, 7)


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(UsageError, match="data="):
        list(gw.train("mlp"))
    with pytest.raises(UsageError):
        list(gw.train("mlp", data=np.zeros((0, 8, 8), np.uint8), out=tmp_path / "run"))


def test_an_example_budget_is_kept_and_a_time_budget_becomes_one():
    pace = calibration.Pace(False, 1000.0)
    fixed = calibration.plan(Budget(examples=10_000), pace, 64, 1.0, 0.1, 2)
    assert abs(fixed.total - 10_000) < 64 and fixed.total % 64 == 0
    timed = calibration.plan(Budget(seconds=100), pace, 64, scoring=1.0, showing=0.1, lives=1)
    looking = (timed.total / timed.score) * 1.0 + (timed.total / timed.show) * 0.1
    assert 88 < timed.total / 1000 + looking < 95 and timed.total % 64 == 0
    slow = calibration.plan(Budget(seconds=10), pace, 64, scoring=5.0, showing=0.0, lives=1)
    assert slow.score >= slow.total  # one score, at the end


def test_the_watch_tells_a_bad_moment_from_a_bad_trend():
    real = torch.tensor([[0.5], [-0.5]])  # of spread 1
    watch, good = Watch(real, toys.engine().config, patience=3), torch.tensor([0.5, -0.2, 1.0])
    won = torch.full((3,), 9.0), torch.full((3,), -9.0)
    assert [len(watch.logits(n, 0.5, *won)) for n in range(5)] == [0, 0, 1, 0, 0]
    assert watch.logits(6, 0.5, good, good) == []
    assert [len(watch.logits(n, 0.5, *won)) for n in range(3)] == [0, 0, 1]
    assert watch.logits(9, 0.01, *won) == []  # early, D is often ahead
    huge = torch.full((3,), 1e5)
    kinds = [a.kind for n in range(3) for a in watch.logits(n, 0.5, huge, huge)]
    assert kinds == ["divergence"]
    assert [len(watch.samples(n, torch.zeros(4, 2))) for n in range(3)] == [0, 1, 0]
    assert watch.samples(9, torch.randn(50, 2)) == []


def test_spread_is_the_mean_squared_distance():
    x = torch.randn(30, 4, dtype=torch.float64)
    pairs = ((x[:, None] - x[None]) ** 2).mean(2)
    assert spread(x) == pytest.approx(float(pairs.sum() / (30 * 29)))


def test_an_unconditional_generator_is_judged_by_the_labels_that_it_does_not_use(tmp_path):
    events = train(tmp_path / "run", labels=False)
    scored = [e for e in events if isinstance(e, Scored)]
    assert scored and scored[0].extractor.startswith("clf-") and "agreement" not in scored[0].scores
    assert Model.load(tmp_path / "run").classes == ()
