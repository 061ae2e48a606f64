"""The examples run, are short, and do what they say."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))


def load(name: str, monkeypatch) -> ModuleType:
    """An example as a module, under its own name: its classes are found again by it."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", SCRIPTS)
def test_examples_are_short_and_say_how_to_run_them(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 110 and f"python examples/{name}.py" in text and f"def test_{name}(" in THIS


THIS = Path(__file__).read_text()


def test_own_loop(monkeypatch):
    found = load("own_loop", monkeypatch).main(steps=600, batch=128)
    assert found["modes"] == 8 and found["high_quality"] > 20


def test_first_run(monkeypatch, tmp_path):
    found = load("first_run", monkeypatch).main("512", str(tmp_path / "run"))
    assert found["fd"] > 0 and {"grid.png", "threes.png", "walk.gif"} <= {p.name for p in (tmp_path / "run").iterdir()}


def test_own_parts(monkeypatch, tmp_path):
    assert load("own_parts", monkeypatch).main("2k", str(tmp_path / "run")) == (16, 1, 8, 8)


def test_table_rows(monkeypatch):
    found = load("table_rows", monkeypatch).main("4k")
    assert found["rows"] == 200 and found["youngest"] >= 60 and found["fees"]
