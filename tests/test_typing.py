"""Types that a checker can follow: tests/typing/public.py is right, and wrong uses are found."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYREFLY = Path(sys.executable).with_name("pyrefly")
pytestmark = pytest.mark.skipif(not PYREFLY.exists(), reason="pyrefly is not installed")


def checked(*paths: Path) -> str:
    """What pyrefly says about these files, "" for nothing."""
    command = [PYREFLY, "check", "--config", ROOT / "pyproject.toml", "--output-format", "min-text", *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stdout if done.returncode else ""


def test_right_uses_pass_and_wrong_ones_are_found(tmp_path):
    lines = (
        'gw.load("run").sample(4)',
        'gw.load("run", returns=gw.Predictor).sample(4)',
        'gw.fit("image", data="digits", returns=int)',
        'gw.load("run", returns=gw.Model).sampel(4)',
        "gw.fitt()",
    )
    files = [tmp_path / f"wrong{number}.py" for number in range(len(lines))]
    for file, line in zip(files, lines, strict=True):
        file.write_text(f"import ganworks as gw\n\n{line}\n")
    said = checked(*files, ROOT / "tests" / "typing" / "public.py")
    assert all(f"{file.name}:3" in said for file in files), said
    assert "public.py" not in said, said


def test_types_travel_with_the_package():
    found = importlib.util.find_spec("ganworks")
    assert found is not None and found.origin is not None and (Path(found.origin).parent / "py.typed").exists()
    assert '"py.typed"' in (ROOT / "pyproject.toml").read_text(), "the wheel has it"
