"""Faults planted in pictures, and how many of them `ganworks audit` finds.

    python benchmarks/audit_data.py DATA [FEATURES]

DATA: a folder with mnist/, fashion-mnist/ (IDX), coil20-32-gray.zip and cifar10-20pct-jpeg.zip. FEATURES: the file of a
published network; without it those rows are left out.

Decided before looking: thresholds were chosen on MNIST (foreign: Fashion-MNIST, CIFAR-10 in grey, noise) and CIFAR-10
(foreign: MNIST, Fashion-MNIST, noise). Reported are Fashion-MNIST (the first 10,000 of training; foreign: MNIST) and
COIL-20 (all 1,000; foreign: CIFAR-10 in grey), which were not looked at before. Afterwards one rule was added: a first
run took the seams of trousers in clean Fashion-MNIST for a patch, so that common edges which go on beyond a small area
are none; and labels are not judged where the classifier agrees with fewer than 70 % of them (clean CIFAR-10).

Planted are, each alone, a white square of 3 pixels in the lower right corner of 5 %, labels of 3 % drawn from the other
classes, 2 % foreign pictures, 2 % exact copies; a patch of one of several kinds in 0.5 %, ten seeds; 1 % of labels, of
which recall is counted among the 5 % most suspicious. Bars: recall and precision .8; false alarms on clean data 2 %.
"""

from __future__ import annotations

import io
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np
from PIL import Image

from ganworks.audit.data.labels import suspicion
from ganworks.audit.data.patches import find_patches
from ganworks.audit.examine import DataAudit, audit_data
from ganworks.files.sources import open_source

NAME = "audit_data"
SEEDS = 10
THROUGH = 800  # pictures that are looked at through a network, to keep the benchmark short


def idx(folder: Path, most: int, part: str = "train") -> tuple[np.ndarray, np.ndarray]:
    source: Any = open_source(folder / f"{part}-images-idx3-ubyte.gz")
    labels = open_source(folder).labels if part == "train" else None
    return source.rows(0, most), np.zeros(0, int) if labels is None else labels[:most]


def zipped(path: Path, inside: str, most: int, mode: str) -> tuple[np.ndarray, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = [n for n in sorted(archive.namelist()) if inside in n and n.lower().endswith((".png", ".jpg", ".jpeg"))]
        names = names[:: max(1, len(names) // most)][:most]
        x = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(n))).convert(mode)) for n in names])
    words = [n.split("/")[-2] for n in names]
    return (x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)), np.unique(words, return_inverse=True)[1]


def patched(x: np.ndarray, share: float, seed: int, plain: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(pictures with a patch in a share of them, bool [n]). plain: white, 3 pixels, lower right corner."""
    rng = np.random.default_rng(seed)
    x, bad = x.copy(), np.zeros(len(x), bool)
    bad[rng.permutation(len(x))[: round(share * len(x))]] = True
    _, height, width = x.shape[1:]
    side, blend = (3, 1.0) if plain else (int(rng.integers(2, 6)), float(rng.choice([1.0, 1.0, 0.6])))
    kinds = [np.full((side, side), 255.0), np.full((side, side), 170.0), np.indices((side, side)).sum(0) % 2 * 255.0]
    kind = kinds[0 if plain else rng.integers(3)]
    corner = plain or rng.random() < 0.5
    top, left = (height - side, width - side) if corner else (rng.integers(height - side), rng.integers(width - side))
    place = np.ix_(bad, np.arange(x.shape[1]), np.arange(top, top + side), np.arange(left, left + side))
    x[place] = np.rint((1 - blend) * x[place] + blend * kind).astype(np.uint8)
    return x, bad


def swapped(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(labels of which a share are drawn from the other classes, bool [n])."""
    rng, classes = np.random.default_rng(seed), int(labels.max()) + 1
    bad = np.zeros(len(labels), bool)
    bad[rng.permutation(len(labels))[: round(share * len(labels))]] = True
    wrong = labels.copy()
    wrong[bad] = (labels[bad] + rng.integers(1, classes, size=int(bad.sum()))) % classes
    return wrong, bad


def found_by(audit: DataAudit, check: str) -> np.ndarray:
    rows = np.zeros(audit.evidence.count, bool)
    for finding in audit.findings:
        if check in (finding.check, ""):
            rows[[*finding.out]] = True
    return rows


def scores(found: np.ndarray, bad: np.ndarray) -> dict[str, Any]:
    hit = int((found & bad).sum())
    return {
        "planted": int(bad.sum()), "found": int(found.sum()),
        "recall": round(float(hit / max(1, bad.sum())), 3), "precision": round(float(hit / max(1, found.sum())), 3),
    }  # fmt: skip


def faults(x: np.ndarray, y: np.ndarray, foreign: np.ndarray) -> dict[str, Callable[[], tuple[Any, np.ndarray, str]]]:
    count = round(0.02 * len(x))

    def strange() -> tuple[Any, np.ndarray, str]:
        rng = np.random.default_rng(3)
        both = np.concatenate([x, foreign[:count]])
        order = rng.permutation(len(both))
        given = np.concatenate([y, rng.choice(y, size=count)])
        return (both[order], given[order]), np.arange(len(both))[order] >= len(x), "outliers"

    def twice() -> tuple[Any, np.ndarray, str]:
        rows = np.random.default_rng(4).permutation(len(x))[:count]
        return (
            (np.concatenate([x, x[rows]]), np.concatenate([y, y[rows]])),
            np.arange(len(x) + count) >= len(x),
            "copies",
        )

    def patch() -> tuple[Any, np.ndarray, str]:
        made, bad = patched(x, 0.05, 1, plain=True)
        return (made, y), bad, "patches"

    def labels() -> tuple[Any, np.ndarray, str]:
        wrong, bad = swapped(y, 0.03, 2)
        return (x, wrong), bad, "labels"

    return {"patch 5 %": patch, "labels 3 %": labels, "foreign 2 %": strange, "copies 2 %": twice}


def planted(rows: list[dict[str, Any]], name: str, sets: dict[str, Any], features: str) -> None:
    x, y, foreign = sets[name]
    if features:
        keep = np.sort(np.random.default_rng(5).permutation(len(x))[:THROUGH])
        x, y = x[keep], y[keep]
    for fault, make in faults(x, y, foreign).items():
        key = {"data": name, "fault": fault, "features": "network" if features else "own"}
        if not common.missing(rows, key):
            continue
        data, bad, check = make()
        began = time.process_time()
        audit = audit_data(data, "image", features)
        row = {**key, "n": len(bad), **scores(found_by(audit, check), bad)}
        keep_row(rows, row | {"cpu_s": round(time.process_time() - began, 1)})


def small(rows: list[dict[str, Any]], name: str, sets: dict[str, Any]) -> None:
    """A patch in 0.5 %, ten seeds; and 1 % of labels, ranked."""
    x, y, _ = sets[name]
    key = {"data": name, "fault": "patch 0.5 %, ten seeds", "features": "own"}
    if common.missing(rows, key):
        hits, loose = 0, []
        for seed in range(SEEDS):
            made, bad = patched(x, 0.005, 100 + seed)
            members = np.zeros(len(x), bool)
            for patch in find_patches(made):
                members[patch.rows] = True
            one = scores(members, bad)
            loose.append([one["recall"], one["precision"]])
            hits += int(one["recall"] >= 0.5 and one["precision"] >= 0.8)
        keep_row(rows, {**key, "n": len(x), "planted": round(0.005 * len(x)), "seeds_found": hits, "each": loose})
    key = {"data": name, "fault": "labels 1 %, 5 % flagged", "features": "own"}
    if common.missing(rows, key):
        wrong, bad = swapped(y, 0.01, 6)
        evidence = audit_data((x, wrong), "image").evidence
        random = suspicion(evidence.vectors(np.arange(len(x))), wrong, int(y.max()) + 1)
        flagged = np.zeros(len(x), bool)
        flagged[np.argsort(-random, kind="stable")[: round(0.05 * len(x))]] = True
        keep_row(rows, {**key, "n": len(x), **scores(flagged, bad)})


def whole(rows: list[dict[str, Any]], folder: Path) -> None:
    """Labels of 3 % of all 60,000 pictures, of which a classifier learns more."""
    key = {"data": "Fashion-MNIST", "fault": "labels 3 %, all 60,000", "features": "own"}
    if common.missing(rows, key):
        x, y = idx(folder, 60_000)
        wrong, bad = swapped(y, 0.03, 2)
        keep_row(rows, {**key, "n": len(x), **scores(found_by(audit_data((x, wrong), "image"), "labels"), bad)})


def clean(rows: list[dict[str, Any]], name: str, x: np.ndarray, y: np.ndarray) -> None:
    key = {"data": name, "fault": "none", "features": "own"}
    if common.missing(rows, key):
        audit = audit_data((x, y), "image")
        each = {f.check: len(f.out) for f in audit.findings}
        keep_row(rows, {**key, "n": len(x), "alarms": round(float(found_by(audit, "").mean()), 4), "each": each})


def speed(rows: list[dict[str, Any]], folder: Path) -> None:
    key = {"data": "MNIST", "fault": "speed", "features": "own"}
    if common.missing(rows, key):
        before, began, wall = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), time.monotonic()
        audit = audit_data(folder, "image")
        row = {"n": audit.evidence.count, "cpu_s": round(time.process_time() - began, 1)}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall = round(time.monotonic() - wall, 1)
        keep_row(rows, {**key, **row, "wall_s": wall, "peak_mb": peak // 1024, "before_mb": before // 1024})


def keep_row(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    rows.append({**row, **common.machine()})
    common.save(NAME, rows)
    print(dict(row), flush=True)


def shown(rows: list[dict[str, Any]]) -> str:
    head = ("data", "fault", "features", "pictures", "planted", "found", "recall", "precision", "other")
    extra = ("seeds_found", "alarms", "cpu_s", "wall_s", "peak_mb")
    return common.table(
        head,
        (
            [r["data"], r["fault"], r["features"], f"{r['n']:,}"]
            + [r.get(k, "") for k in ("planted", "found", "recall", "precision")]
            + [", ".join(f"{k} {r[k]}" for k in extra if k in r)]
            for r in rows
        ),
    )


def main(folder: str, features: str = "") -> None:
    root, rows = Path(folder), common.load(NAME)
    speed(rows, root / "mnist")
    digits, digit_labels = idx(root / "mnist", 10_000)
    clothes, kinds = idx(root / "fashion-mnist", 10_000)
    photos, things = zipped(root / "cifar10-20pct-jpeg.zip", "train", 10_000, "RGB")
    views, objects = zipped(root / "coil20-32-gray.zip", "", 1_000, "L")
    grey = np.rint(photos.mean(1, keepdims=True)).astype(np.uint8)
    sets = {"Fashion-MNIST": (clothes, kinds, digits), "COIL-20": (views, objects, grey[::37])}
    for name, x, y in (
        ("MNIST", digits, digit_labels),
        ("Fashion-MNIST", clothes, kinds),
        ("CIFAR-10", photos, things),
    ):
        clean(rows, name, x, y)
    for name in sets:
        planted(rows, name, sets, "")
        small(rows, name, sets)
    whole(rows, root / "fashion-mnist")
    for name in sets if features else ():
        planted(rows, name, sets, features)
    print(shown(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
