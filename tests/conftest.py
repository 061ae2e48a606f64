"""One thread: the suite runs in parallel processes, and results must not depend on the machine's load."""

import signal

import pytest
import torch

torch.set_num_threads(1)
for _number in (signal.SIGTERM, signal.SIGHUP):  # as in a terminal, also where `nohup` or a shell's `&` ignores them
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Packed data and judges are cached for the whole test process, never in the user's home."""
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
