"""What a published network sees in labelled pictures: speed, labels of neighbours, and two halves of real pictures.

    python benchmarks/judges.py FILE DATA [SIZE]

FILE: the file of a network. DATA: pictures with labels. SIZE: side in pixels to which they are brought first (160).
Prints a row for the network and, beside it, for random convolutions. Halves are compared as a generator would be with
real data: kernel distance (times 1,000), share of pictures whose nearest neighbour is of the same half (0.5 is best),
coverage, and share whose nearest neighbour in the other half has the same label.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from ganworks.kinds.images.domain import Images
from ganworks.metrics.features import RandomConv, score_key
from ganworks.metrics.judges.pictures import PublishedFeatures
from ganworks.metrics.kernel import kernel_distance
from ganworks.metrics.neighbours import Manifold, overlap
from ganworks.pretrained.store import named


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances [n, m] of the rows of a [n, d] and b [m, d]."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T


def row(extractor: Callable[[np.ndarray], np.ndarray], x: np.ndarray, labels: np.ndarray) -> list[float]:
    """Pictures a CPU second; agreement of labels with the nearest other; and of two halves what the head says."""
    extractor(x[:16])
    began = time.process_time()
    features = extractor(x)
    speed = len(x) / (time.process_time() - began)
    near = distances(features, features)
    np.fill_diagonal(near, np.inf)
    nearest = near.argmin(1)
    half = np.random.default_rng(0).permutation(len(x)) % 2
    a, b = features[half == 0], features[half == 1]
    across = labels[half == 1][distances(a, b).argmin(1)] == labels[half == 0]
    covered = overlap(Manifold.of(a), b).covered.mean()
    kernel = 1000 * kernel_distance(b, a).value
    return [speed, (labels[nearest] == labels).mean(), kernel, (half[nearest] == half).mean(), covered, across.mean()]


def main(file: str, data: str, size: str = "160") -> None:
    torch.set_num_threads(1)
    found = Images(size=int(size)).open(data)
    everything = np.arange(len(found))
    x, labels = found.raw(everything), np.asarray(found.labels)
    published = PublishedFeatures(found.spec, named(file))
    print(f"{len(x)} pictures of {size} px\n{'features':28} {'per CPU s':>9} {'labels':>7} halves: "
          f"{'kernel':>7} {'1-NN':>6} {'coverage':>8} {'labels':>7}")  # fmt: skip
    for extractor in (published, RandomConv(found.spec)):
        speed, near, kernel, same, covered, across = row(extractor, x, labels)
        print(f"{score_key(extractor):28} {speed:9.0f} {near:7.3f} {'':7} {kernel:7.2f} {same:6.3f} {covered:8.3f} "
              f"{across:7.3f}")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
