"""How many processor cores a process may use: the user's limit and the control group's win over what is there."""

import os
import threading

import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.machine import devices


def _there(monkeypatch, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)), raising=False)


@pytest.mark.parametrize(
    ("said", "found"), [("1", 1), ("3", 3), ("2,1", 2), ("64", 8), ("", 8), ("0", 8), ("many", 8), ("-1", 8)]
)
def test_the_users_number_of_threads_is_a_limit(monkeypatch, tmp_path, said, found):
    _there(monkeypatch, 8)
    assert devices.cores(tmp_path, {"OMP_NUM_THREADS": said}) == found


@pytest.mark.parametrize(
    ("quota", "found"), [("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("max 100000", 8), ("x", 8)]
)
def test_the_quota_of_a_control_group_is_a_limit(monkeypatch, tmp_path, quota, found):
    _there(monkeypatch, 8)
    (tmp_path / "cpu.max").write_text(quota)
    assert devices.cores(tmp_path, {}) == found


@pytest.mark.parametrize(("quota", "found"), [("300000", 3), ("-1", 8)])
def test_the_quota_of_the_first_version_of_control_groups(monkeypatch, tmp_path, quota, found):
    _there(monkeypatch, 8)
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert devices.cores(tmp_path, {}) == found


@pytest.mark.parametrize(
    ("line", "name"), [("0::/a/b", "{}/cpu.max"), ("3:cpu,cpuacct:/a/b", "cpu/{}/cpu.cfs_quota_us")]
)
@pytest.mark.parametrize("group", ["a", "a/b"])
def test_the_quota_of_any_group_that_a_process_is_in_is_a_limit(monkeypatch, tmp_path, line, name, group):
    _there(monkeypatch, 8)
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(f"9:memory:/a\n{line}\n")
    quota = tmp_path / name.format(group)
    quota.parent.mkdir(parents=True)
    quota.write_text("200000 100000" if quota.name == "cpu.max" else "200000")
    (quota.parent / "cpu.cfs_period_us").write_text("100000")
    assert devices.cores(tmp_path, {}, tmp_path) == 2


def test_a_precise_choice_of_cores_is_a_limit(monkeypatch, tmp_path):
    _there(monkeypatch, 2)
    assert devices.cores(tmp_path, {"OMP_NUM_THREADS": "5"}) == 2


def test_threads_that_cannot_be_started_are_refused(monkeypatch):
    before, real, left = torch.get_num_threads(), threading.Thread.start, iter(range(4))

    def start(self):
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        real(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(UsageError, match=r"train\.threads=1024: this process may not start more than 5 threads"):
        devices.use_threads(1024)
    assert torch.get_num_threads() == before
    devices.use_threads(1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)
