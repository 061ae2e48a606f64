"""Hostile words on the command line: exit code 2 and one sentence, before any data is read."""

import pytest

from ganworks.cli.main import main
from ganworks.use import evaluate

DIGITS = "9" * 5000


@pytest.fixture(autouse=True)
def nothing_is_read(monkeypatch, tmp_path):
    """Data that is opened all the same fails the test."""
    from ganworks.kinds.images.domain import Images

    def opened(*_, **__):
        raise AssertionError("the data was read")

    monkeypatch.setattr(Images, "open", opened)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "word",
    [
        "size=2024-13-45",
        f"size={DIGITS}",
        "size=&a [*a]",
        "size=" + "[" * 3000,
        "size=!!bool x",
        "batch={a: 1}",
        "batch=1e999",
        f"batch={DIGITS}",
        "batch=0",
        "batch=010",
        "train.seed=-1",
        f"seed={DIGITS}",
        "g.lr=nan",
        "d.betas=nan,nan",
        "lr=\udcff",
        "train.threads=99999999999999999999",
        "train.ema=-1",
        "budget=1e999",
        "budget=-5m",
        f"budget={DIGITS * 2}h",
        "device=cpu:7",
        "device=cuda:x",
        "g.name=0000-00-00",
        "train.precision=~",
        "evaluate=2024-13-45",
        "train.until=fd<",
        "train.judge=9",
    ],
    ids=lambda word: word[:24].encode("unicode_escape").decode(),
)
def test_a_setting_is_refused_before_the_data_is_read(word, capsys):
    assert main(["train", "image", "data=digits", word]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("Wrong use: ") and "Traceback" not in said.err and len(said.err) < 700


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "nowhere", "3", "seed=-1"],
        ["sample", "nowhere", "0"],
        ["sample", "nowhere", DIGITS],
        ["sample", "nowhere", "3", "truncation=nan"],
        ["sample", "nowhere", "3", f"truncation={DIGITS}"],
        ["apply", "nowhere", "x.png", "seed=-1"],
        ["apply", "nowhere", "x.png", "mark=2024-13-45"],
        ["predict", "nowhere", "x.png", "top=0"],
        ["predict", "nowhere", "x.png", f"top={DIGITS}"],
        ["eval", "nowhere", f"count={DIGITS}"],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_an_option_is_refused_before_the_model_is_looked_for(words, capsys):
    assert main(words) == 2
    said = capsys.readouterr().err
    name = words[-1].partition("=")[0] if "=" in words[-1] else "the count of samples"
    assert "nowhere" not in said and f"{name} must be" in said


def test_an_evaluation_with_a_negative_seed_ends_before_it_begins(capsys, monkeypatch):
    monkeypatch.setattr("ganworks.api.Run.open", lambda path: None)
    monkeypatch.setattr(evaluate, "published", None)
    assert main(["eval", "nowhere", "seed=-1"]) == 2
    assert "seed must be from 0" in capsys.readouterr().err
