"""The 20-second form of benchmarks/torture/soak.py: commands beside a training that saves all the time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "benchmarks" / "torture" / "soak.py"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_commands_beside_a_training_change_nothing_in_it(tmp_path):
    told = tmp_path / "soak.json"
    command = [sys.executable, str(SOAK), "--minutes", "0.15", "--out", str(told)]
    subprocess.run(command, check=False, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=600)
    found = json.loads(told.read_text())
    assert found["fault"] is None, found
    assert found["bit-identical"] and found["saves"] > 2 and found["commands"] > 0 and found["examples"] > 64
