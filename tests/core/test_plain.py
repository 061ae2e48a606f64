"""Words, YAML and JSON that anybody may have written become plain values or a sentence, never a traceback."""

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import configuration, given, settings
from hypothesis import strategies as st

from ganworks.core import config as c
from ganworks.core.errors import UsageError, show
from ganworks.core.machine.devices import pick_device
from ganworks.core.schema.plain import parse, read_json, read_yaml, shaped
from ganworks.core.settings import Config, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.networks.mlp import MLP
from ganworks.runs.shapes import Plan

DIGITS = "9" * 5000  # more than Python turns into a number
HOSTILE = (
    "2024-13-45",
    "2024-02-30",
    "0000-00-00",
    "2024-01-01T99:99:99",
    DIGITS,
    f"-{DIGITS}",
    f"1e{DIGITS}",
    "1e999",
    "-inf",
    ".nan",
    "nan",
    "1:99:30",
    "[" * 3000,
    "[" * 300 + "]" * 300,
    "- " * 500,
    "{a: " * 300 + "}" * 300,
    "&a [*a]",
    "*a",
    "!!timestamp 2024-99-99",
    "!!bool x",
    "!!int x",
    "!!binary x",
    "!!python/name:os.system",
    "{[1]: 2}",
    "{<<: 1}",
    '"\\ud800"',
    '"\\U00110000"',
    "\udcff",
    "\x1b[31m",
    "a\tb",
    "---\n---",
    "%YAML 9.9",
    "٣",
    "9" * 400,
)


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("key", ["train.batch", "g.lr", "g.betas", "networks.hidden", "game", "train.judge", "g.name"])
def test_a_hostile_word_is_refused_in_one_short_sentence(word, key):
    config = Config("mlp", None, MLP(hidden=(8,)), Adversarial())
    with pytest.raises(UsageError) as caught:
        c.refuse_incomplete(c.override(config, {key: word}), "config")
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("0o10", "0o10"),
        ("5_000", 5000),
        ("-3", -3),
        ("1e-4", 1e-4),
        ("0.5", 0.5),
        (".5", 0.5),
        ("off", False),
        ("null", None),
        ("", None),
        ("[64, 32]", [64, 32]),
        ("&a [1]", [1]),
        ("{a: 1}", {"a": 1}),
        ("<<", "<<"),
        ("=", "="),
        (DIGITS, DIGITS),
        ("&a [*a]", "&a [*a]"),
    ],
)
def test_numbers_are_decimal_and_nothing_is_a_date(word, value):
    assert parse(word) == value and type(parse(word)) is type(value)


def test_what_yaml_writes_is_read_as_it_was():
    held = {
        "a": ["2024-01-01", "1:30", "010", "off", "~", "=", "<<", "1e5", ""],
        "b": [1e-5, 1e22, float("inf"), -3, None],
    }
    assert read_yaml(c.dump_yaml(held), "it") == held


@pytest.mark.parametrize(
    "raw",
    [
        "[" * 2000,
        "- " * 2000,
        "a: &a [x]\nb: *a",
        "&a [*a]",
        "!!python/name:os.system",
        "!x 1",
        f"a: {DIGITS}",
        b"a: \xe9",
        "a: 1".encode("utf-16"),
        bytes(9),
        "{[1]: 2}",
        "a: [1",
    ],
)
def test_yaml_is_refused_with_its_name(raw):
    with pytest.raises(UsageError, match=r"config.yaml is not valid YAML: "):
        read_yaml(raw, "config.yaml")


@pytest.mark.parametrize(
    "raw", ["[" * 5000, '{"a":' * 5000, DIGITS, b'{"a": "\xe9"}', b"\xff\xfe{\0", '"\\ud800"', "", "{'a': 1}", "\x00"]
)
def test_json_is_refused_with_its_name(raw):
    with pytest.raises(UsageError, match=r"plan.json is not valid JSON: "):
        read_json(raw, "plan.json")


def test_json_may_hold_pairs_of_surrogates():
    assert read_json('"\\ud83d\\ude00"', "it") == "😀"


PLAN = {"notes": [], "total": 9, "given": {}, "bf16": False, "data": {"fingerprint": "x"}, "versions": {"torch": "2"}}


@pytest.mark.parametrize("key", PLAN)
@pytest.mark.parametrize("value", [None, [1], 1.5, {"x": 1}, "2"], ids=str)
def test_a_wrong_type_is_named_with_its_place(key, value):
    if (key, value) in (("given", {"x": 1}), ("notes", [])):
        return
    with pytest.raises(UsageError, match=rf"plan.json is damaged: .*\$\.{key}|plan.json is damaged: .*lacks|missing"):
        shaped(Plan, json.loads(json.dumps({**PLAN, key: value})), "plan.json")


def test_more_keys_than_declared_are_kept():
    assert shaped(Plan, {**PLAN, "more": 1}, "plan.json")["more"] == 1


@pytest.mark.parametrize("value", [10**5000, "x" * 10**6, [[0] * 10**4]], ids=range(3))
def test_what_is_shown_is_short(value):
    assert len(show(value)) <= 60


@pytest.mark.parametrize(
    "name", ["cpu:1", "cpu:x", "cpu:-1", "cpu:", "cuda:99", "cpu:٣", "meta", "xla:0", "", "x" * 5000], ids=range(10)
)
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(UsageError) as caught:
        pick_device(name)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("settings", "name"), [(Train, "seed"), (Train, "threads"), (Train, "score"), (Optimizer, "lr")]
)
def test_no_number_is_beyond_64_bits(settings, name):
    with pytest.raises(UsageError, match=name):
        c.override(settings(), {name: 10**30})


@pytest.mark.parametrize("part", ["domain", "networks", "game"])
@pytest.mark.parametrize("value", [5, "x", {"a": 1}, Adversarial(), None], ids=str)
def test_a_configuration_holds_parts_that_can_do_the_work(part, value):
    from ganworks.kinds.images.domain import Images

    whole = {"domain": Images(), "networks": MLP(), "game": Adversarial()}
    c.refuse_incomplete(Config("x", **whole), "it")
    if part == "game" and isinstance(value, Adversarial):
        return
    with pytest.raises(UsageError, match=f"it: {part} must be one of"):
        c.refuse_incomplete(Config("x", **{**whole, part: value}), "it")


configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "ganworks-hypothesis")  # not into the checkout
PIECES = (
    "a",
    "e",
    "1",
    "0",
    "-",
    ".",
    ":",
    "[",
    "]",
    "{",
    "}",
    ",",
    " ",
    "\n",
    "&",
    "*",
    "!",
    "!!int ",
    "'",
    '"',
    "<<",
    "2024-13-4",
)
WORDS = st.one_of(st.text(max_size=20), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


@settings(max_examples=400, derandomize=True, database=None, deadline=None)
@given(
    WORDS,
    st.sampled_from(
        ["train.batch", "train.save", "g.betas", "networks.hidden", "train.until", "networks", "game.loss"]
    ),
)
def test_any_word_is_taken_or_refused(word, key):
    config = Config("mlp", None, MLP(hidden=(8,)), Adversarial())
    try:
        made = c.override(config, {key: word})
        read_yaml(c.dump_yaml(made.train), "it")
    except UsageError as error:
        assert 0 < len(str(error)) < 600
        return
    assert made.train.batch > 0 and math.isfinite(made.train.save)
