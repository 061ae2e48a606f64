"""What a command loads before it begins: nothing of torch's compiler, as nothing is compiled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ganworks as gw

NEVER = ("torch._dynamo", "torch._inductor", "sympy", "sklearn")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("startup") / "run"
    small = {"batch": 16, "device": "cpu", "train.threads": 1, "train.precision": "fp32", "train.judge": False}
    list(gw.train("image", data="digits", out=folder, budget=32, **small))
    return folder


def loaded(line: list[str], folder: Path) -> set[str]:
    """The modules of `NEVER` that a fresh process has loaded when this command is done."""
    code = "import sys; from ganworks.cli.main import main; assert main(sys.argv[2:]) in (None, 0)\n"
    code += "print('loaded:', *(name for name in sys.argv[1].split(',') if name in sys.modules))"
    command = [sys.executable, "-c", code, ",".join(NEVER), *line]
    done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_sampling_loads_no_compiler(run, tmp_path):
    assert not loaded(["sample", str(run), "64", "out=a.png", "device=cpu"], tmp_path)
    assert (tmp_path / "a.png").exists()


def test_training_and_evaluation_load_no_compiler(run, tmp_path):
    settings = ["batch=16", "device=cpu", "train.threads=1", "train.precision=fp32", "train.judge=false"]
    assert not loaded(["train", "image", "data=digits", "out=again", "budget=32", *settings], tmp_path) - {"sklearn"}
    assert not loaded(["eval", str(run), "count=100"], tmp_path) - {"sklearn"}
    assert (run / "eval.json").exists()
