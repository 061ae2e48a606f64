"""Two processes on gloo give the training of one; a number that breaks in one process is caught in both."""

import os

import pytest
import torch
import torch.distributed as dist
from toys import engine, run

from ganworks.core.settings import Optimizer
from ganworks.training.engine import NonFiniteError
from ganworks.training.processes import Group, join

SMOOTH = Optimizer(lr=1e-3, eps=1e-3)


def together(world: int, store, action) -> None:
    """Run action(group) in `world` forked processes."""
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
                action(Group(rank, world))
                dist.destroy_process_group()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(c, 0)[1] for c in children] == [0] * world


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_a_batch_as_one_would_train_on_it(world, tmp_path):
    alone = run(engine(optimizer=SMOOTH), 12).state()[0]

    def work(group: Group) -> None:
        torch.save(run(engine(optimizer=SMOOTH, group=group), 12).state()[0], tmp_path / f"{group.rank}.pt")

    together(world, tmp_path / "store", work)
    for rank in range(world):
        other = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name in ("param/G", "param/D", "ema/G/0"):
            torch.testing.assert_close(other[name], alone[name], atol=1e-6, rtol=1e-5)


def test_a_broken_number_on_one_rank_stops_both_before_the_update(tmp_path):
    def work(group: Group) -> None:
        e = run(engine(group=group), 2)
        before = e.flats["D"].data.clone()
        if group.rank == 1:
            e.feed = lambda start, draw: {"x": torch.full((16, 2), float("nan"))}
        try:
            e.step()
        except NonFiniteError:
            assert torch.equal(before, e.flats["D"].data)
            return
        raise AssertionError("nothing was caught")

    together(2, tmp_path / "store", work)


def test_decisions_are_taken_together(tmp_path):
    def work(group: Group) -> None:
        assert group.any(group.rank == 1) and not group.any(False)
        assert group.same(group.rank + 0.5) == 0.5
        group.barrier()

    together(2, tmp_path / "store", work)


def test_alone_everything_is_free(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join() == Group(0, 1) and Group().any(True) and Group().same(2.0) == 2.0
