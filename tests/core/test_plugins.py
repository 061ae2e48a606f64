"""Plugins of all sorts, most of them broken: none can stop the rest or take a name of ganworks."""

import sys

import pytest

from ganworks.core import registry
from ganworks.core.config import find_class
from ganworks.core.errors import UsageError
from ganworks.core.plugins import installed

KIND = "from ganworks.core.registry import Kind\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts modules where they are found, with entry points: install({"a": "PARTS = {}"}), or (name, module, source)."""

    def put(*plugins):
        monkeypatch.syspath_prepend(str(tmp_path))
        for number, (name, module, source) in enumerate(plugins):
            if source is not None:
                (tmp_path / f"{module}.py").write_text(source)
            info = tmp_path / f"dist{number}-1.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist{number}\nVersion: 1\n")
            (info / "entry_points.txt").write_text(f"[ganworks]\n{name} = {module}\n")
        registry.forget()

    yield put
    for module in [m for m in sys.modules if m.startswith("plug_")]:
        del sys.modules[module]
    monkeypatch.undo()
    registry.forget()


def test_nothing_slow_is_imported_without_plugins():
    assert installed.scan().modules == {}


def test_a_single_file_is_enough(install):
    install(("tiny", "plug_tiny", "PARTS = {'networks/dcgan': ':Net'}\nclass Net: pass\nRECIPES = {}"))
    assert registry.part("tiny:networks/dcgan").__name__ == "Net"
    assert registry.part_id(registry.part("tiny:networks/dcgan")) == "tiny:networks/dcgan"
    assert registry.part("networks/dcgan").__module__ == "ganworks.networks.dcgan"
    assert registry.named("networks")["dcgan"] == "networks/dcgan"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('out of luck')", "out of luck"),
        ("import nothing_of_this_name", "nothing_of_this_name"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def f(:", "SyntaxError"),
        ("x = 1", "neither KIND nor RECIPES nor PARTS"),
        ("KIND = 'waves'", "KIND"),
        ("PARTS = {'nets/x': 'a:B'}", "nets/x"),
        ("PARTS = {'networks/x': 'a'}", "networks/x"),
        ("PARTS = ['networks/x']", "AttributeError"),
        ("RECIPES = {'x y': ('a:b', 'domain/points')}", "x y"),
        (None, "plug_bad"),
    ],
)
def test_a_broken_plugin_is_a_warning_and_named_where_it_is_needed(install, source, said):
    install(("bad", "plug_bad", source), ("good", "plug_good", "PARTS = {'networks/x': ':X'}\nclass X: pass"))
    with pytest.warns(UserWarning, match="The plugin bad .* was left out"):
        assert "image" in registry.recipes() and registry.part("good:networks/x") is not None
    with pytest.raises(UsageError, match="'bad' is installed here but was left out") as caught:
        find_class("bad:networks/x")
    assert said in str(caught.value)


def test_names_of_ganworks_and_of_others_cannot_be_taken(install):
    recipe = "('plug_{0}_r:f', 'domain/points')"
    first = f"RECIPES = {{'image': {recipe.format('a')}, 'own': {recipe.format('a')}}}"
    second = KIND + f"KIND = Kind('images')\nRECIPES = {{'own': {recipe.format('b')}}}"
    install(
        ("a", "plug_a", first),
        ("b", "plug_b", second),
        ("a", "plug_c", "PARTS = {}"),
        ("ganworks", "plug_d", "PARTS = {}"),
    )
    with pytest.warns(UserWarning) as caught:
        recipes = registry.recipes()
    said = " ".join(str(w.message) for w in caught)
    assert recipes["image"].plugin == "" and registry.kinds()["images"].plugin == "" and recipes["own"].plugin == "a"
    assert "a: its recipe image" in said and "b: its kind images" in said and "b: its recipe own" in said
    assert "another plugin has this name" in said and "cannot be called 'ganworks'" in said


def test_a_part_that_is_gone_or_cannot_be_imported_is_a_sentence(install):
    install(("old", "plug_old", "PARTS = {'networks/x': 'missing:X'}"))
    with pytest.raises(UsageError, match="could not be imported"):
        find_class("old:networks/x")
    with pytest.raises(UsageError, match=r"has no 'networks/y'\. Its parts: old:networks/x"):
        find_class("old:networks/y")


def test_a_recipe_for_a_kind_of_ganworks(install):
    source = "RECIPES = {'mine': (':mine', 'domain/points')}\ndef mine(facts):\n    'Mine.'"
    install(("p", "plug_p", source))
    found = registry.find_recipe("mine")
    assert found.kind.name == "points" and found.domain == "domain/points" and registry.describe("mine") == "Mine."
    assert registry.recipe_function("mine")[0].__name__ == "mine"


def test_a_broken_recogniser_is_left_out(install, tmp_path):
    from ganworks.files.recognise import recognise, rules

    source = KIND + "KIND = Kind('odd', recipes={'odd': (':odd', 'domain/points')}, recognise='nowhere')"
    install(("odd", "plug_odd", source))
    rules.cache_clear()
    (tmp_path / "lines.txt").write_text("one line\nanother line\n" * 20)
    with pytest.warns(UserWarning, match="odd"):
        assert recognise(tmp_path / "lines.txt").recipe == "text"
    rules.cache_clear()
