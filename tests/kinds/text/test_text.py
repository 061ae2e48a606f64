"""Texts from the command line to files: training, resuming, sampling, judging, for every recipe and for Chinese."""

import json
import time

import numpy as np
import pytest
from recipe_checks import check_recipe
from text_data import CHINESE

import ganworks as gw
from ganworks.cli import main as cli
from ganworks.core.errors import UsageError
from ganworks.kinds.text.data.reading import read_lines
from ganworks.kinds.text.metrics.evaluator import OURS, WARM, at
from ganworks.runs.published import published
from ganworks.use.model import Model

WHO, DOES = ("a man", "a woman", "the dog", "two cats"), ("sits on", "looks at", "runs to")
WHERE = ("a bench", "the bus", "a tree", "the old house", "a table")
ENGLISH = [f"{a} {b} {c}." for a in WHO for b in DOES for c in WHERE]
TINY = {
    "networks.embed": 16,
    "networks.hidden": 24,
    "networks.d_embed": 8,
    "networks.d_maps": 8,
    "networks.head_size": 8,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short training with labels, judged."""
    folder = tmp_path_factory.mktemp("text") / "run"
    data = (ENGLISH * 3, ["people" if t[:3] in ("a m", "a w") else "animals" for t in ENGLISH * 3])
    settings = {**TINY, "networks.candidates": 2, "budget": 5000, "batch": 20, "domain.held_out": 0.4, "g.lr": 0.01}
    list(gw.train("text", data, out=folder, **settings, **{"train.threads": 1, "train.precision": "fp32"}))
    return folder, data


@pytest.mark.parametrize("name", ["text", "seqgan", "relgan"])
def test_every_recipe_trains_and_resumes(name, tmp_path):
    settings = {**TINY, "game.critic_from": 0.3, "game.adversarial_from": 0.6}
    more = {"networks.candidates": 2} if name == "text" else {"networks.d_views": 4} if name == "relgan" else {}
    found = check_recipe(
        name, ENGLISH, tmp_path, **settings, **more, **({"game.rollouts": 1} if name == "seqgan" else {})
    )
    assert set(found) == {"G", "G_warm"}


def test_chinese_trains_with_no_option_changed(tmp_path):
    path = tmp_path / "句子.txt"
    path.write_text("\n".join(CHINESE), encoding="utf-8")
    out = tmp_path / "run"
    begun = time.process_time()
    assert cli.main(["train", "text", str(path), f"out={out}", "budget=6000", "train.threads=1"]) == 0
    assert cli.main(["sample", str(out), "20", f"out={tmp_path / 'lines.txt'}"]) == 0
    lines = read_lines(tmp_path / "lines.txt").texts
    known = set("".join(CHINESE))
    assert len(lines) == 20 and set("".join(lines)) <= known and " " not in "".join(lines)
    pairs = {text[k : k + 2] for text in CHINESE for k in range(len(text) - 1)}
    made = [line[k : k + 2] for line in lines for k in range(len(line) - 1)]
    assert np.mean([pair in pairs for pair in made]) > 0.5, "neighbours as in the texts"
    assert time.process_time() - begun < 60


def test_texts_come_out_readable_and_marked(run, tmp_path):
    model = Model.load(run[0])
    samples = model.sample(6, labels="people")
    assert all(isinstance(text, str) and text for text in samples.items)
    assert samples.items == model.sample(6, labels="people").items
    path, mark = samples.save(tmp_path / "a.txt")
    rows = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(mark.read_text(encoding="utf-8"))["generated"] and mark.name == "a.txt.mark.json"
    assert rows == [f"people\t{text}" for text in samples.items]
    again = read_lines(path)
    assert again.texts == samples.items
    held = json.loads(samples.save(tmp_path / "a.json")[0].read_text(encoding="utf-8"))
    assert held["mark"]["generated"] and held["samples"][0] == {"text": samples.items[0], "label": "people"}
    plain = samples.save(tmp_path / "b.txt", mark=False)
    assert plain[0].read_text(encoding="utf-8").splitlines() == rows and len(plain) == 2
    assert np.load(samples.save(tmp_path / "c.npz")[0])["x"].shape == (6, *model.spec.shape)


def test_options_of_sampling(run):
    model = Model.load(run[0])
    cold, hot = (model.sample(60, temperature=t).items for t in ("0.1", "2"))
    assert len(set(cold)) < len(set(hot))
    assert model.sample(8, candidates=1).items != model.sample(8).items
    assert model.sample(8).items == Model.load(run[0]).sample(8).items, "options leave the model as it was"
    for wrong in ({"temperature": 0}, {"temperature": "warm"}, {"candidates": 100}, {"temperatur": 1}):
        with pytest.raises(UsageError, match=r"temperature|candidates"):
            model.sample(1, **wrong)


def test_asked_classes_are_written(run):
    labels = Model.load(run[0]).sample(100, labels="animals").items
    assert np.mean([("dog" in text) or ("cats" in text) for text in labels]) > 0.7


def test_the_report_says_whether_adversarial_training_helped(run):
    folder, data = run
    report = gw.evaluate(folder, data, count=200)
    assert {"bleu_4", "self_bleu_4", "backward_bleu_4", "bleu_f", "reverse_perplexity", "agreement"} <= set(
        report.metrics
    )
    assert {WARM, "trigram model", "real"} <= set(report.baselines)
    said = report.protocol[0]
    assert said.startswith("Adversarial training ") and ("helped" in said or "help" in said or "no difference" in said)
    assert {row[0] for row in report.tables[0]["rows"]} == {OURS, WARM} and len(report.tables[0]["rows"]) == 10
    assert (folder / "eval" / "curve.png").exists() and "# adversarial" in (folder / "eval" / "texts.txt").read_text()
    assert report.metrics["bleu_4"].floor == report.baselines["real"]["bleu_4"]


def test_the_published_snapshot_is_the_best_by_the_objective(run):
    scored = [json.loads(line) for line in (run[0] / "metrics.jsonl").read_text().splitlines() if '"scored"' in line]
    best = max(entry["scores"]["balance"] for entry in scored)
    kept = [entry for entry in scored if entry["best"]][-1]
    assert kept["scores"]["balance"] >= best - 0.005
    assert published(run[0])["G"].card["seen"] == kept["seen"]


def test_curves_are_compared_at_equal_diversity():
    line = [(0.8, 0.4, 0.5), (1.0, 0.3, 0.4)]
    assert at(line, 0.35) == pytest.approx(0.45) and at(line, 0.5) is None
