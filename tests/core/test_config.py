"""Configuration trees: round trips, nearest names, types, and nothing imported on a file's word."""

import sys

import pytest

from ganworks.core import config as c
from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_yaml
from ganworks.core.settings import Budget, Config, Optimizer, Train, half_cosine
from ganworks.games.adversarial import Adversarial
from ganworks.networks.mlp import MLP


def sample() -> Config:
    return Config(
        "mlp", None, MLP(hidden=(32, 16)), Adversarial(loss="hinge"), g=Optimizer(lr=1e-4), notes=("because",)
    )


def test_round_trip_through_yaml():
    text = c.dump_yaml(sample())
    assert c.from_dict(Config, read_yaml(text, "t")) == sample()


def test_override_reads_strings_and_reaches_down():
    made = c.override(sample(), {"g.lr": "1e-3", "networks.hidden": "[8, 8]", "game.n_critic": "5", "train.batch": 128})
    assert (made.g.lr, made.networks.hidden, made.game.n_critic, made.train.batch) == (1e-3, (8, 8), 5, 128)
    assert made.d == sample().d


def test_tuples_need_no_brackets():
    made = c.override(sample(), {"networks.hidden": "8,16", "g.betas": "0,0.9"})
    assert made.networks.hidden == (8, 16) and made.g.betas == (0.0, 0.9)


def test_a_word_that_yaml_reads_as_something_else_stays_a_word():
    texts = {"": "", "off": "off", "on": "on", "1e3": "1000.0", "color": "color"}
    for text, wanted in texts.items():
        assert c.override(Config("x", None, None, None), {"recipe": text}).recipe == wanted


def test_zero_becomes_a_float():
    """Adam refuses betas of mixed types; 0 is the commonest GAN setting."""
    made = c.override(Optimizer(), {"betas": "[0, 0.9]"})
    assert [type(b) for b in made.betas] == [float, float]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"g.lrr": 1}, ('"g.lrr"', '"lr"')),
        ({"networks.hiden": 1}, ('"hidden"',)),
        ({"train.batch": "many"}, ("train.batch", "whole number", "many")),
        ({"g.lr": ".nan"}, ("g.lr", "finite")),
        ({"train.batch": True}, ("train.batch",)),
        ({"g.lr.deep": 1}, ("too deep",)),
        ({"train.precision": "bf17"}, ('"bf16"',)),
        ({"g.betas": [0.5]}, ("2 values",)),
        ({"g.betas": [0.5, 1.5]}, ("betas",)),
        ({"train.until": "fd=3"}, ("until",)),
        ({"train.judge": False, "train.until": "fd<3"}, ("until", "judge")),
    ],
)
def test_wrong_settings_name_the_key_and_the_value(settings, words):
    with pytest.raises(UsageError) as caught:
        c.override(sample(), settings)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system ['true']", "a: [1", "!!python/name:os.system"])
def test_yaml_is_safe(text):
    with pytest.raises(UsageError):
        read_yaml(text, "config.yaml")


@pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "antigravity.X", "config.load_yaml", "..x.Y", ""])
def test_a_config_cannot_import_or_call_anything(path):
    with pytest.raises(UsageError):
        c.from_dict(Config, {"recipe": "x", "domain": None, "networks": {"is": path}, "game": None})
    assert "antigravity" not in sys.modules


def test_difference_lists_changed_leaves_only():
    assert c.difference({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 5}, "e": 1}) == [
        "b.c: 2 -> 5",
        "b.d: 3 -> None",
        "e: None -> 1",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90s", Budget(seconds=90)),
        ("10m", Budget(seconds=600)),
        ("2h", Budget(seconds=7200)),
        ("200k", Budget(examples=200_000)),
        ("1M", Budget(examples=10**6)),
        ("5000", Budget(examples=5000)),
        ("1.5min", Budget(seconds=90)),
    ],
)
def test_budgets(text, wanted):
    assert Budget.parse(text) == wanted


@pytest.mark.parametrize("text", ["", "fast", "-5", "0", "10 weeks", "1e3"])
def test_wrong_budgets(text):
    with pytest.raises(UsageError):
        Train(budget=text)


def test_schedules():
    adam = Optimizer(lr=1.0, lr_end=0.1, burn_in=0.5, warmup=0.1)
    assert adam.lr_at(0.75) == pytest.approx(0.1)
    assert adam.lr_at(0.25) == pytest.approx(0.55)
    assert adam.lr_at(0.0) < 0.02
    assert half_cosine(2, 2, 0.3) == 2


@pytest.mark.parametrize("wrong", [{"threads": 10**9}, {"threads": -1}, {"ema": (1.0,) * 1000}, {"ema": ()}])
def test_threads_and_averages_of_absurd_number_are_refused(wrong):
    with pytest.raises(UsageError, match=r"threads must lie between 0 and 1,024|ema needs at least one half-life, and"):
        Train(**wrong)
