"""One thread: the suite runs in parallel processes, and results must not depend on the machine's load."""

import os
import signal

import pytest
import torch

from ganworks.metrics import reference
from ganworks.use.evaluate import evaluate_run

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
assert evaluate_run.__kwdefaults__
evaluate_run.__kwdefaults__["count"] = 200  # samples that are judged at the end of a training, else 10,000
reference.LIMIT, reference.HELD_LIMIT = 8000, 1000  # real examples that they are compared with, else 100,000 and 10,000
for _number in (signal.SIGTERM, signal.SIGHUP):  # as in a terminal, also where `nohup` or a shell's `&` ignores them
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Packed data and judges are cached for the whole test process, never in the user's home."""
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
