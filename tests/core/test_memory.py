"""What memory there is, and the sentences of what does not fit."""

import pytest

from ganworks.core.errors import UsageError
from ganworks.core.machine import memory

GB = 1 << 30


def machine(tmp_path, *, free_kb=8 << 20, cgroup="0::/a/b\n", groups=None):
    """(proc, groups) folders of a made-up machine; groups: file below the groups' folder -> content."""
    proc, files = tmp_path / "proc", groups or {}
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {free_kb} kB\n")
    (proc / "self/cgroup").write_text(cgroup)
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return proc, tmp_path / "groups"


def test_the_least_of_system_groups_and_limit_counts(tmp_path):
    inner = {"a/b/memory.max": "max\n", "a/b/memory.current": f"{GB}\n"}
    outer = {"a/memory.max": f"{4 * GB}\n", "a/memory.current": f"{3 * GB}\n", "a/memory.stat": f"inactive_file {GB}\n"}
    assert memory.available(*machine(tmp_path, groups=inner | outer)) == 2 * GB  # file pages can be dropped


def test_groups_of_the_first_version(tmp_path):
    files = {"memory/x/memory.limit_in_bytes": f"{3 * GB}\n", "memory/x/memory.usage_in_bytes": f"{GB}\n"}
    assert memory.available(*machine(tmp_path, cgroup="5:cpu:/x\n4:memory:/x\n", groups=files)) == 2 * GB


def test_without_groups_the_system_counts_and_a_limit_of_the_address_space(tmp_path, monkeypatch):
    proc, groups = machine(tmp_path)
    assert memory.available(proc, groups) == 8 * GB
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (3 * GB, 3 * GB))
    (proc / "self/statm").write_text(f"{GB // resource.getpagesize()} 5 5\n")
    assert memory.available(proc, groups) == 2 * GB


def test_a_system_that_says_nothing_has_some(tmp_path):
    assert memory.available(tmp_path, tmp_path) > 0
    assert memory.available() > 0


def test_the_sentence_names_the_number_that_fits():
    memory.check(700, 1e6, "batch", "a step", free=GB)
    with pytest.raises(UsageError, match=r"batch=1,000: a step would take about 1.2 GB of memory, and 751.6 MB may be"):
        memory.check(1000, 1e6, "batch", "a step", fixed=2e8, free=GB)
    with pytest.raises(UsageError, match=r"70% of what is free\). batch=548 would fit. Or so."):
        memory.check(1000, 1e6, "batch", "a step", fixed=2e8, step=4, free=GB, instead=" Or so.")
    memory.check(548, 1e6, "batch", "a step", fixed=2e8, free=GB)
    with pytest.raises(UsageError, match="Not even the least fits"):
        memory.check(10, 1e9, "batch", "a step", free=GB)
    with pytest.raises(UsageError, match=r"a number of more than 15 digits.*more than a million TB"):
        memory.check(10**5000, 1, "n", "the samples", free=GB)
    with pytest.raises(UsageError, match=r'"x.csv" would take about 2.0 GB of memory; at most 751.6 MB fit here'):
        memory.check_bytes(2e9, '"x.csv"', free=GB)


@pytest.mark.parametrize(
    "said",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried 4 B"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
    ids=["python", "cpu", "cuda"],
)
def test_errors_of_spent_memory_are_known(said):
    assert memory.is_spent(said)
    assert not memory.is_spent(RuntimeError("shapes do not match")) and not memory.is_spent(ValueError("out of memory"))
