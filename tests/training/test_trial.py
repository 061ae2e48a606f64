"""What a step needs, found at a small batch, and batches and networks that are refused before a step is tried."""

import os
import subprocess
import sys

import pytest
import torch
import toys

from ganworks.core.errors import UsageError
from ganworks.core.settings import Budget, Train
from ganworks.games.adversarial import Adversarial
from ganworks.networks.building import build
from ganworks.networks.mlp import MLP
from ganworks.training import trial

GB = 1 << 30


class Packed(Adversarial):
    """A game that looks at 10 rows at a time."""

    def turns(self, step, progress):
        for players, loss in super().turns(step, progress):

            def whole(nets, batch, loss=loss):
                if batch.size % 10:
                    raise UsageError(f"batch={batch.size} is no multiple of 10.")
                return loss(nets, batch)

            yield players, whole


def test_memory_of_a_step_grows_by_what_an_example_needs():
    engine = toys.engine(batch=4096, total=10**6)
    need = trial.attempt(engine)
    assert need is not None and need.rows == 8
    assert (engine.batch, engine.slices) == (4096, 1)
    expected = need.fixed + 4096 * need.each
    assert trial._peak(engine, 4096) == pytest.approx(expected, rel=0.05)


def test_an_absurd_batch_is_refused_with_the_number_that_fits(monkeypatch):
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: GB)
    engine = toys.engine(batch=10**9, total=10**9)
    need = trial.attempt(engine)
    with pytest.raises(
        UsageError, match=r"batch=1,000,000,000: a training step would take about .* would fit"
    ) as error:
        trial.refuse_too_large(need, engine)
    most = int(str(error.value).split("batch=")[2].split(" ")[0].replace(",", ""))
    engine.batch = most
    trial.refuse_too_large(need, engine)
    engine.batch = most + 1000
    with pytest.raises(UsageError):
        trial.refuse_too_large(need, engine)


def test_slices_take_less():
    engine = toys.engine(batch=64, accumulate=4, total=10**6)
    need = trial.attempt(engine)
    free = int((need.fixed + trial._BESIDE * need.each * 20) / 0.7) + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganworks.core.machine.memory.available", lambda: free)
        trial.refuse_too_large(need, engine)
        engine.slices = 1
        with pytest.raises(UsageError, match="batch=20 would fit"):
            trial.refuse_too_large(need, engine)


def test_trials_leave_few_examples_and_randomness_alone():
    assert trial.attempt(toys.engine(batch=15)) is None
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert trial.attempt(toys.engine(batch=32, nets=MLP(hidden=(4,), z_dim=2).build(toys.SPEC))) is not None
    torch.manual_seed(3)
    assert torch.equal(before, torch.get_rng_state())


def test_networks_that_see_packs_are_tried_with_whole_packs():
    need = trial.attempt(toys.engine(Packed(), batch=10**6, total=10**6))
    assert need is not None and need.rows % 10 == 0
    assert trial.attempt(toys.engine(batch=10**9 + 7, total=10**10)) is not None  # a prime number has no divisor


def test_large_batches_are_calibrated_by_a_part():
    need = trial.Need(rows=8, fixed=0, each=1, seconds=0.01)
    assert need.lighter(64) == 64 and need.lighter(4000) == 4000
    assert need.lighter(10**9) == 4000 and trial.Need(8, 0, 1, 60.0).lighter(64) == 8


def test_a_step_of_hours_is_refused():
    trial.refuse_too_slow(10**6, 10_000, Budget(seconds=5))
    trial.refuse_too_slow(10**8, 10_000, Budget(examples=10**9))  # who asks for so many examples gets them
    with pytest.raises(UsageError, match=r"batch=100,000,000: one step .* 2.8 hours.*At most batch=6,000,000 takes"):
        trial.refuse_too_slow(10**8, 10_000, Budget(seconds=5))
    with pytest.raises(UsageError, match="whole budget"):
        trial.refuse_too_slow(10**9, 10_000, Budget(examples=200))


@pytest.mark.parametrize("sizes", [{"hidden": (10**9, 10**9)}, {"z_dim": 10**12}])
def test_networks_too_large_are_refused_before_their_memory_is_taken(sizes, monkeypatch):
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: GB)
    train = Train()
    most = trial.most_numbers(train)
    assert most == int(0.7 * GB) // 40  # weight, gradient, two moments, one average, twice
    with pytest.raises(UsageError, match=r"more parameters than fit here, about 18,790,481: each takes 40 bytes"):
        build(MLP(**sizes), toys.SPEC, most, lambda: trial.too_large(train))
    assert trial.most_numbers(Train(ema=(1.0,) * 5)) == int(0.7 * GB) // 72


def test_networks_of_absurdly_many_layers_are_refused(monkeypatch):
    monkeypatch.setattr("ganworks.networks.building._MOST_TENSORS", 100)
    with pytest.raises(UsageError, match="more than 100 tensors"):
        build(MLP(hidden=(1,) * 10_000), toys.SPEC, 10**9, AssertionError)


@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v")
def test_absurd_sizes_end_in_a_sentence_within_a_limit(tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30));"
        "from ganworks.cli.main import main;"
        "words = ['train', 'points', 'data=ring8', 'domain.count=2000', 'budget=200', 'device=cpu'];"
        "print(main([*words, f'out={sys.argv[1]}/a', 'batch=1000000000']));"
        "print(main([*words, f'out={sys.argv[1]}/b', 'networks.hidden=[9000000,9000000]']));"
        "print(any(name.startswith('torch._dynamo') for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=False, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.split() == ["2", "2", "False"], done.stderr
    assert "batch=1,000,000,000: a training step" in done.stderr and "networks.*" in done.stderr
    assert not list(tmp_path.iterdir())
