"""The optimiser of the classifier that judges samples."""

import copy

import torch
from torch import nn

from ganworks.metrics.classifier import AdamW


def test_adamw_gives_the_numbers_of_torchs_class():
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 10)).to(memory_format=torch.channels_last)
    theirs = copy.deepcopy(ours)
    reference = torch.optim.AdamW(theirs.parameters(), weight_decay=0.01, betas=(0.9, 0.99), foreach=False)
    optimiser = AdamW(list(ours.parameters()))
    for k in range(1, 11):
        x = torch.randn(8, 1, 8, 8)
        ours.zero_grad()
        ours(x).square().sum().backward()
        optimiser.step(4e-3 / k)
        reference.param_groups[0]["lr"] = 4e-3 / k
        reference.zero_grad()
        theirs(x).square().sum().backward()
        reference.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
