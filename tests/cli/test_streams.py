"""Every verb with standard streams that are closed, full or gone ends as it does undisturbed, with the same files."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from standins import publish

import ganworks as gw

HOW = ["well", "closed", "gone", "full" if Path("/dev/full").exists() else "null"]
SMALL = ["batch=16", "device=cpu", "train.threads=1", "train.precision=fp32", "networks.hidden=[16]"]
CODES = {
    "trian": 2, "help": 0, "recipes": 0, "recipes mlp": 0, "recipes mlp format=json": 0, "completion zsh": 0,
    "__complete train dc": 0, "info run": 0, "info nowhere": 2, "compare run run": 0, "report run": 0,
    "data x.npy out=sheet.png": 0, "sample run 8 out=few.npz": 0,
    "apply standin photos out=applied": 0, "apply standin mixed out=mixed-out": 1,
    "predict standin photos out=classes.csv": 0,
}  # fmt: skip
SLOW = {  # each with one kind of streams
    "closed": f"train points data=x.npy out=again budget=64 {' '.join(SMALL)}",
    "gone": "sample run 1001 out=bulk",
    HOW[-1]: "eval run count=64",
}
SLOW_FILES = {"closed": "again/", "gone": "bulk/", HOW[-1]: "run/eval"}


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, dict[str, dict[str, int]]]:
    """(the folders in which the verbs worked, the exit codes by how the streams were and by command line)."""
    root = tmp_path_factory.mktemp("streams")
    first = root / HOW[0]
    small = {"batch": 16, "device": "cpu", "train.threads": 1, "train.precision": "fp32", "networks.hidden": (16,)}
    first.mkdir()
    np.save(first / "x.npy", np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32))
    list(gw.train("points", data=first / "x.npy", out=first / "run", budget=32, **small))
    publish(first / "standin")
    for folder, count in (("photos", 3), ("mixed", 1)):
        (first / folder).mkdir()
        for k in range(count):
            Image.fromarray(np.full((8, 8, 3), 60 * k, np.uint8)).save(first / folder / f"{k}.png")
    (first / "mixed" / "bad.png").write_bytes(b"no picture")
    for how in HOW[1:]:
        shutil.copytree(first, root / how)
    lines = [[how, line.split()] for line in CODES for how in HOW]
    lines += [[how, line.split()] for other, line in SLOW.items() for how in (HOW[0], other)]
    server = Path(__file__).parents[1] / "helpers" / "streams.py"
    env = os.environ | {"OMP_NUM_THREADS": "1", "GANWORKS_CACHE": str(root / "cache"), "COLUMNS": "80"}
    ran = subprocess.run(
        [sys.executable, str(server), str(root)],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        env=env,
        check=True,
    )
    codes: dict[str, dict[str, int]] = {how: {} for how in HOW}
    for how, words, code in map(json.loads, ran.stdout.splitlines()):
        codes[how][" ".join(words)] = code
    return root, codes


def contents(folder: Path) -> dict[str, str]:
    """The digest of each file; "" of those that hold times or paths."""
    timed = (".json", ".jsonl", ".html", ".md", ".yaml", ".owner")
    return {
        str(path.relative_to(folder)): "" if path.suffix in timed else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not (path.parent.name == "state" or path.name.startswith("."))
    }


@pytest.mark.parametrize("how", HOW)
def test_exit_codes_are_those_of_the_work(done, how):
    slow = SLOW.values() if how == HOW[0] else [SLOW[how]]
    assert done[1][how] == CODES | dict.fromkeys(slow, 0)


@pytest.mark.parametrize("how", HOW[1:])
def test_the_files_are_the_same(done, how):
    well, other = contents(done[0] / HOW[0]), contents(done[0] / how)
    of_others = tuple(SLOW_FILES[name] for name in SLOW if name != how)
    assert other == {name: digest for name, digest in well.items() if not name.startswith(of_others)}
    assert any(name.startswith(SLOW_FILES[how]) for name in other)


@pytest.mark.parametrize(
    ("line", "code"),
    [("info run | head -n 1", 0), ("recipes | true", 0), ("info run >&- 2>&- <&-", 0), ("trian 2>&-", 2),
     ("info run >/dev/full", 0), ("trian 2>/dev/full", 2)],
)  # fmt: skip
def test_a_process_of_its_own(done, line, code):
    script = f'"$0" -m ganworks {line}; exit ${{PIPESTATUS[0]}}'
    ran = subprocess.run(["bash", "-c", script, sys.executable], cwd=done[0] / HOW[0], capture_output=True, check=False)
    assert ran.returncode == code and b"rror" not in ran.stderr
