"""Declared ranges hold wherever settings are made, and every recipe's settings have a JSON Schema."""

import json
from dataclasses import dataclass, fields
from typing import Annotated, Literal

import pytest

from ganworks.cli.main import main
from ganworks.core import registry
from ganworks.core.config import from_dict, override, to_dict
from ganworks.core.errors import UsageError, switch, whole
from ganworks.core.schema.convert import convert
from ganworks.core.schema.declare import check, within
from ganworks.core.schema.document import example, schema_of, sentences
from ganworks.core.schema.words import expand
from ganworks.core.settings import Optimizer, Train
from ganworks.kinds.images.domain import Images

jsonschema = pytest.importorskip("jsonschema")


@dataclass(frozen=True)
class Inner:
    """Something within.

    depth: how deep it lies.
    """

    depth: Annotated[int, within(1, 4, unit="layers")] = 2


@dataclass(frozen=True)
class Settings:
    """Settings of a toy.

    size: side, or (height, width), of
        an image.
    low, high: ends of the band.
    inner: what lies within.

    Other text. mode: of the toy.
    """

    size: Annotated[int, within(1, 64, unit="pixels")] | tuple[int, int] | None = None
    low: Annotated[float, within(0)] = 0.0
    high: Annotated[float, within(above=0, below=1)] = 0.5
    shares: tuple[Annotated[float, within(0, 1)], ...] = (0.5,)
    inner: Inner | None = None
    mode: Literal["auto", "off"] = "auto"

    def __post_init__(self) -> None:
        check(self, "toy.")


def test_a_sentence_is_read_from_the_docstring():
    found = sentences(Settings)
    assert found["size"] == "Side, or (height, width), of an image."
    assert found["low"] == found["high"] == "Ends of the band."
    assert found["mode"] == "Of the toy." and "shares" not in found


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": 65}, r"toy\.size must lie between 1 and 64 \(pixels\), not 65"),
        ({"low": -1}, r"toy\.low must be 0 or more, not -1"),
        ({"high": 1}, r"toy\.high must lie in \(0, 1\), not 1"),
        ({"high": float("nan")}, "high"),
        ({"shares": (0.2, 1.5)}, r"toy\.shares must lie between 0 and 1, not 1\.5"),
        ({"mode": "of"}, r'cannot be \'of\'\. Did you mean "off"\?'),
    ],
)
def test_ranges_hold_where_settings_are_made_in_python(values, said):
    with pytest.raises(UsageError, match=said):
        Settings(**values)


def test_bounds_belong_to_the_range_or_not():
    Settings(size=1, low=0, shares=(0, 1)), Settings(size=64)
    assert Settings(size=(500, 2)).size == (500, 2)  # the range is that of a single number


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"size": 65}, r"here\.size must lie between 1 and 64"),
        ({"size": [1, 2, 3]}, r"here\.size needs 2 values, not \[1, 2, 3\]"),
        ({"size": "many"}, r"here\.size must be a whole number or a list, not 'many'"),
        ({"low": True}, r"here\.low must be a finite number, not True"),
        ({"low": "inf"}, "finite"),
        ({"inner": {"deph": 1}}, 'Unknown key "deph" in here.inner. Did you mean "depth"'),
        ({"inner": {"depth": 9}}, r"here\.inner\.depth must lie between 1 and 4"),
        ({"mode": "autp"}, 'Did you mean "auto"'),
    ],
)
def test_plain_types_are_refused_in_a_sentence_with_the_whole_key(raw, said):
    with pytest.raises(UsageError, match=said):
        from_dict(Settings, raw, "here")


def test_plain_types_are_converted():
    made = from_dict(Settings, {"size": "8,16", "low": "1e-4", "shares": 1, "inner": {"depth": 3.0}, "mode": False})
    assert made == Settings((8, 16), 1e-4, 0.5, (1.0,), Inner(3), "off")
    assert [type(made.inner.depth), type(made.shares[0])] == [int, float]
    assert override(made, {"size": "32"}).size == 32 and override(made, {"size": None}).size is None


@pytest.mark.parametrize(
    ("declared", "raw", "wanted"),
    [(bool | str, "on", "on"), (bool | str, True, True), (bool | str, 2020, "2020"), (int | bool | str, "7", "7"),
     (str, None, ""), (float | None, None, None), (tuple[str, ...], "a,b", ("a", "b")), (int, 1e3, 1000)],
)  # fmt: skip
def test_words_of_people(declared, raw, wanted):
    made = convert(declared, raw, "x")
    assert made == wanted and type(made) is type(wanted)


@pytest.mark.parametrize(("declared", "raw"), [(bool, 1), (int, True), (int, 0.5), (float, 10**400), (str, [1])])
def test_wrong_types_are_refused(declared, raw):
    with pytest.raises(UsageError, match=r"^x must be"):
        convert(declared, raw, "x")


def test_optimizers_and_trainings_are_held_to_their_ranges():
    for wrong in ({"lr": 0}, {"lr": 11}, {"betas": (0.5, 1)}, {"burn_in": 0}, {"warmup": 1}, {"noise": 1}):
        with pytest.raises(UsageError):
            Optimizer(**wrong)
    for wrong in ({"batch": 0}, {"batch": 3, "accumulate": 2}, {"seed": -1}, {"ema": ()}, {"ema": (-1,)}):
        with pytest.raises(UsageError):
            Train(**wrong)


def test_on_and_off_are_read_in_one_way():
    assert [switch("x", word) for word in ("on", "Yes", "1", True, "off", "no", "0", False)] == [True] * 4 + [False] * 4
    for word in ("", "maybe", 2, None):
        with pytest.raises(UsageError, match="x must be on or off"):
            switch("x", word)
    assert whole("x", "12", 0, 12) == 12
    for word in ("13", "-1", "x", None, "1.5", float("inf")):
        with pytest.raises(UsageError, match="x must be a whole number from 0 to 12"):
            whole("x", word, 0, 12)


# JSON Schema ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", registry.parts())
def test_every_field_has_a_sentence(id_):
    cls = registry.part(id_)
    assert not {f.name for f in fields(cls) if f.init} - sentences(cls).keys()


@pytest.mark.parametrize("recipe", registry.recipes())
def test_every_recipe_has_a_schema_that_its_own_settings_follow(recipe):
    schema = schema_of(recipe)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == json.loads(json.dumps(schema, sort_keys=True))
    for definition in (schema, *schema["$defs"].values()):
        for name, field in definition["properties"].items():
            assert field["description"].endswith("."), name
            assert "default" in field or "const" in field or name in definition["required"], name
    plain = json.loads(json.dumps(to_dict(example(recipe))))
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(plain)
    for wrong in ({"train": {"batch": 0}}, {"g": {"lr": 11}}, {"g": {"lrr": 1}}, {"recipe": "other"}):
        assert not validator.is_valid({**plain, **wrong})


def test_ranges_units_and_defaults_are_those_of_the_fields():
    schema = schema_of("dcgan")
    train = schema["$defs"]["Train"]["properties"]
    assert train["batch"] | {"description": ""} == {
        "type": "integer", "minimum": 1, "default": 64, "unit": "examples", "description": ""}  # fmt: skip
    assert train["ema"]["unit"] == "examples"
    assert schema["$defs"]["Optimizer"]["properties"]["lr"]["exclusiveMinimum"] == 0
    assert schema["properties"]["networks"]["$ref"] == "#/$defs/DCGAN"
    assert schema["$defs"]["DCGAN"]["properties"]["is"]["const"] == "networks/dcgan"
    assert schema["properties"]["g"]["default"]["betas"] == [0.5, 0.999]


def test_the_command_prints_it(capsys):
    assert main(["recipes", "mlp", "format=json"]) == 0
    assert json.loads(capsys.readouterr().out) == schema_of("mlp")
    assert main(["recipes", "mlp", "format=yaml"]) == 2
    assert main(["recipes", "mpl", "format=json"]) == 2
    assert 'Did you mean "mlp"' in capsys.readouterr().err


def test_an_unknown_setting_lists_each_known_one_once():
    with pytest.raises(UsageError) as caught:
        expand({"xyzzy": "1"}, Images)
    known = str(caught.value).partition("Known: ")[2].rstrip(".").split(", ")
    assert "lr" in known and len(known) == len(set(known))
