"""The example that uses the parts without the engine: short, and it learns."""

import importlib.util
from pathlib import Path

PATH = Path(__file__).parents[1] / "examples" / "own_loop.py"


def test_own_loop_is_short_and_finds_the_modes():
    assert len(PATH.read_text().splitlines()) < 80
    spec = importlib.util.spec_from_file_location("own_loop", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.main(steps=600, batch=128)
    assert found["modes"] == 8 and found["high_quality"] > 20
