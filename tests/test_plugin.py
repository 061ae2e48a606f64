"""The example plugin, installed as any package is: listed, trained, sampled, loaded; refused where it is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SMALL = ["budget=256", "train.precision=fp32", "train.threads=1", "train.judge=off"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the plugin installed in `packages`, a file of waves, and a run of each sort."""
    folder = tmp_path_factory.mktemp("plugin")
    copy = shutil.copytree(ROOT / "examples" / "plugin", folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "packages"), str(copy)], check=True, capture_output=True)
    time, rng = np.linspace(0, 6, 16), np.random.default_rng(0)
    waves = np.stack([np.sin(time * a + b) for a, b in rng.uniform(0.5, 2, (200, 2))])
    np.savetxt(folder / "tides.waves", waves, fmt="%.4f")
    assert run(folder, ["train", "tides.waves", "out=run", *SMALL]).returncode == 0
    words = ["train", "points", "ring8", "networks=plain", "networks.width=16", "loss=softened", "domain.count=500"]
    assert run(folder, [*words, "out=other", *SMALL]).returncode == 0
    return folder


def run(folder, words, *, installed=True, code=None):
    """One command, or one line of Python, in a process of its own."""
    paths = [str(ROOT / "src"), *([str(folder / "packages")] if installed else [])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = ["-c", code] if code else ["-m", "ganworks", *words]
    return subprocess.run([sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_it_is_listed_with_its_name(place):
    code = (
        "import sys; from ganworks.cli.main import main; main(['recipes']); main(['train', '--help']);"
        "main(['help', 'waves']); assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    said = run(place, [], code=code)
    assert said.returncode == 0, said.stderr
    assert "(plugin waves)" in next(line for line in said.stdout.splitlines() if line.startswith("  waves "))
    assert "waves: waves (plugin waves)" in said.stdout and "waves: a .waves file" in said.stdout
    assert "-least-squares), softened" in said.stdout and "ganworks sample runs/tides-waves-1" in said.stdout
    assert "(plugin" not in run(place, ["recipes"], installed=False).stdout


def test_runs_name_its_parts_by_ids(place):
    first, second = ((place / name / "config.yaml").read_text() for name in ("run", "other"))
    assert "is: waves:networks/plain" in first and "is: waves:domain/waves" in first
    assert "loss: waves:loss/softened" in first
    assert "is: waves:networks/plain" in second and "width: 16" in second and "loss: waves:loss/softened" in second


def test_it_is_used_as_everything_else(place):
    assert run(place, ["sample", "run", "5", "out=more.waves"]).returncode == 0
    assert np.loadtxt(place / "more.waves").shape == (5, 16)
    loaded = run(place, [], code="import ganworks as gw; print(len(gw.load('run').sample(3).items))")
    assert loaded.stdout == "3\n", loaded.stderr
    for words in (["info", "other"], ["data", "tides.waves"]):
        assert run(place, words).returncode == 0
    assert "plain" in run(place, ["__complete", "train", "waves", "networks="]).stdout
    assert "networks.z_dim=\n" in run(place, ["__complete", "train", "waves", "networks."]).stdout


@pytest.mark.parametrize("words", [["sample", "run", "5"], ["eval", "other"]])
def test_without_it_a_run_is_refused_with_its_name(place, words):
    said = run(place, words, installed=False)
    assert said.returncode == 2 and "Traceback" not in said.stderr
    assert "plugin 'waves', which is not installed here" in said.stderr
