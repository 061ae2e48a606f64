"""The wheel and the sdist: complete, installed elsewhere they train, sample and write their pages."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ganworks"
BUILD = "import setuptools.build_meta as b, sys; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


def built(form: str, source: Path, out: Path) -> Path:
    command = [sys.executable, "-c", BUILD, form, str(out)]
    done = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    """(wheel, sdist), built from a copy, so that nothing is left in the repository."""
    copy, out = tmp_path_factory.mktemp("copy") / "ganworks", tmp_path_factory.mktemp("dist")
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    sdist = built("sdist", copy, out)
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "unpacked", filter="data")
    return built("wheel", next((out / "unpacked").iterdir()), out), sdist


def test_the_wheel_holds_every_file(files):
    """Built from the sdist, so that this holds for both."""
    with zipfile.ZipFile(files[0]) as wheel:
        there = set(wheel.namelist())
    wanted = {f"ganworks/{p.relative_to(SOURCE).as_posix()}" for p in SOURCE.rglob("*") if p.is_file()}
    missing = {name for name in wanted if "__pycache__" not in name} - there
    assert not missing and "ganworks/py.typed" in there


def test_it_works_outside_the_repository(files, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(files[0]) as wheel:  # what pip does with a wheel of pure Python
        wheel.extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site), "GANWORKS_CACHE": str(tmp_path / "cache")}

    def ganworks(*words: str) -> str:
        command = [sys.executable, "-m", "ganworks", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=300
        ).stdout

    where = subprocess.run(
        [sys.executable, "-c", "import ganworks; print(ganworks.__file__)"], env=environment, cwd=tmp_path,
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(site))
    assert "r3gan" in ganworks("recipes")
    ganworks("train", "mlp", "data=digits", "budget=200", "out=run", "train.precision=fp32", "evaluate=off")
    ganworks("sample", "run", "4", "out=grid.png")
    assert (tmp_path / "grid.png").exists() and (tmp_path / "run" / "report.html").stat().st_size > 10_000
