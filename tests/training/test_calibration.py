"""The precision of a training where a processor lacks an operation in bf16."""

import pytest
import torch
import toys
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.settings import Budget
from ganworks.networks.mlp import MLP
from ganworks.training import calibration


class OnlyFloat32(nn.Module):
    """A generator that fails under bf16 autocast, as an LSTM does on some processors."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net, self.z_dim = net, net.z_dim

    def forward(self, z, y=None):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive descriptor")
        return self.net(z, y)


def engine(bf16: bool, total: int = 10**6):
    torch.manual_seed(0)
    nets = MLP(hidden=(8,), z_dim=4, output="linear").build(toys.SPEC)
    made = toys.engine(nets={"G": OnlyFloat32(nets["G"]), "D": nets["D"]}, total=total)
    made.bf16 = bf16
    return made


@pytest.mark.parametrize("threads", [0, 1])
def test_auto_is_fp32_where_bf16_does_not_run(threads):
    assert calibration.choose(engine, "auto", threads, 1, Budget(examples=1000)).name == "fp32"


@pytest.mark.parametrize("threads", [0, 1])
def test_bf16_that_does_not_run_is_refused_in_a_sentence(threads):
    with pytest.raises(UsageError, match=r"cannot run these networks in bf16 \(could not create.*precision=fp32"):
        calibration.choose(engine, "bf16", threads, 1, Budget(examples=1000))


def test_other_failures_are_not_hidden():
    def broken(bf16: bool):
        made = engine(bf16)
        made.feed = lambda *_: (_ for _ in ()).throw(RuntimeError("the disk is gone"))
        return made

    with pytest.raises(RuntimeError, match="the disk is gone"):
        calibration.choose(broken, "auto", 1, 1, Budget(examples=1000))
