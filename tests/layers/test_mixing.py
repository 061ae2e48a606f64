"""Layers that look at several examples at a time are found; it is said where slices of a batch are not the whole."""

import numpy as np
from torch import nn

import ganworks as gw
from ganworks.kinds.tables.networks import TableCritic
from ganworks.layers.minibatch_deviation import MinibatchDeviation
from ganworks.layers.mixing import mixing
from ganworks.layers.norms import AffineInstanceNorm


def test_layers_that_mix_examples_are_named():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ModuleList([MinibatchDeviation(3), nn.BatchNorm1d(2)]))
    assert mixing(net) == ["BatchNorm1d", "MinibatchDeviation"]
    assert mixing(nn.Sequential(AffineInstanceNorm(2), nn.LayerNorm(2), nn.GroupNorm(1, 2))) == []
    assert mixing(TableCritic(3, 2, 4)) == ["TableCritic"] and mixing(TableCritic(3, 1, 4)) == []


def test_a_training_says_where_slices_are_not_the_whole_batch(tmp_path):
    """The defect: batch norm over slices of 4 was called equal to batch norm over 8."""
    photos = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 1), np.uint8)
    settings = {"budget": 8, "batch": 8, "train.judge": False, "networks.width": 1, "train.precision": "fp32"}

    def notes(recipe, **more):
        begun = next(iter(gw.train(recipe, data=photos, out=tmp_path / f"{recipe}{len(more)}", **settings, **more)))
        return [note for note in begun.notes if "accumulate" in note]

    assert notes("dcgan") == [] and notes("wgan-gp", accumulate=2) != []
    said = notes("dcgan", accumulate=2)
    assert said == [
        "accumulate=2: BatchNorm2d in G, BatchNorm2d in D take together the 4 examples of a slice, not the 8 of a "
        "batch, so that the training differs from that of whole batches."
    ]
