"""Unpaired translation: every method on three sets, beside simple baselines and real data, in one table a set.

    python benchmarks/unpaired.py DATA [--only facades/cyclegan ...] [--threads 1] [--set networks.width=32 ...]

DATA: a folder with mnist/ (IDX files), facades-paired.zip and summer2winter-unpaired.zip; missing sets are left out.

digits: MNIST digits to their colour-inverted twins turned by a quarter, from disjoint halves of the training digits.
    agreement: share of 2,000 translated test digits that a classifier of the twin domain (trained on the other half's
    labels) sees as the digit that was given. Floors: chance 0.1, and the digit itself untranslated.
facades: photos 1 to 200 and label maps 201 to 400, 64 px, photo to labels. accuracy and miou against the true label
    maps of the 106 test photos. vote: accuracy of the vote of 16 translations under noise (`apply ... ensemble=1.0`).
    listed, listed vote: accuracies with the colours that are listed for this data in place of those that are in it;
    these take 70 % of the windows for wall, and a perfect map reaches 0.87. Floors: the commonest label of each pixel,
    the map of another building. cycle: L1 of a photo there and back, as a share of the range; cycle back: share of the
    pixels of a map whose label is another one after the way there and back.
seasons: summer to winter, 64 px. stats: 1000 x Frechet distance of 12 statistics of all 80 translated summers to the 20
    held-out winters; `independent`: the same with diagonal covariances, which 20 images can carry. structure: edges
    kept; ssim of the luma. Floors: the summers themselves, colour transfer, real winters (training).

Each row runs in a process of its own, so that its peak memory is its own. Seconds are CPU seconds of the process.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import common
import numpy as np
from PIL import Image

NAME = "unpaired"
LISTED = [(0, 0, 170), (0, 0, 255), (0, 85, 255), (0, 170, 255), (0, 255, 255), (85, 255, 170), (170, 255, 85),
           (255, 255, 0), (255, 170, 0), (255, 85, 0), (255, 0, 0), (170, 0, 0)]  # fmt: skip
SIDE = 64
SMALL = {"size": SIDE, "train.precision": "bf16", "train.judge": False}

# Convolutions change things where they are, and a quarter turn moves every pixel: without `turning` the network redraws
# each digit as some other one (agreement 0.125 after 10,000 images).
DIGITS = {"size": 28, "domain.zoom": 1, "domain.flip": False, "networks.turning": True, "networks.width": 16,
          "networks.blocks": 2, "networks.d_width": 24, "batch": 16, "budget": 8_000, "game.identity": 0}  # fmt: skip


# task/method -> (recipe, settings); the settings are part of the row
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "digits/cyclegan": ("cyclegan", DIGITS),
    "facades/cyclegan": ("cyclegan", {"domain.labels": "on", "train.seed": 3, "budget": 1_600}),
    "facades/dualgan": ("dualgan", {"domain.labels": "on", "train.seed": 3, "budget": 1_600}),
    "facades/cut": ("cut", {"domain.labels": "on", "game.noise": 0.4, "budget": 1_600}),
    "facades/fastcut": ("fastcut", {"domain.labels": "on", "game.noise": 0.4, "budget": 1_600}),
    "seasons/cyclegan": ("cyclegan", {"networks.residual": True, "networks.blocks": 3, "budget": 3_000}),
}


def idx(path: Path) -> np.ndarray:
    """An IDX file as an array."""
    raw = gzip.decompress(path.read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def twin(digits: np.ndarray) -> np.ndarray:
    """Digits [n, 28, 28] inverted and turned by a quarter."""
    return np.ascontiguousarray(255 - np.rot90(digits, 1, (1, 2)))


class Digits:
    """MNIST and its twin."""

    baselines_named = ("agreement",)

    def __init__(self, data: Path, work: Path):
        x, y = (idx(data / "mnist" / f"train-{n}-ubyte.gz") for n in ("images-idx3", "labels-idx1"))
        self.test = idx(data / "mnist" / "t10k-images-idx3-ubyte.gz")[:2000]
        self.truth = idx(data / "mnist" / "t10k-labels-idx1-ubyte.gz")[:2000]
        half = len(x) // 2
        self.source = (x[:half], twin(x[half:]))
        self.judge = classifier(twin(x[half:]), y[half:])

    def score(self, nets: dict[str, Any], domain: Any) -> dict[str, float]:
        made, there = both_ways(nets, self.test[:, None])
        return {"agreement": self.agreement(made[:, 0]), "cycle": l1(there, self.test[:, None])}

    def agreement(self, images: np.ndarray) -> float:
        return float((self.judge(images) == self.truth).mean())

    def baselines(self) -> dict[str, dict[str, float]]:
        """The digit as it is, and the true twin."""
        return {
            "input": {"agreement": self.agreement(self.test)},
            "real": {"agreement": self.agreement(twin(self.test))},
        }


def classifier(x: np.ndarray, y: np.ndarray) -> Any:
    """A small convolutional classifier of images [n, 28, 28]: one epoch, always the same one on one machine."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.BatchNorm2d(32), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(),
        nn.BatchNorm2d(64), nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    scaled = lambda part: torch.from_numpy(np.ascontiguousarray(part)).float()[:, None] / 127.5 - 1  # noqa: E731
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    for rows in torch.randperm(len(x)).split(128):
        loss = nn.functional.cross_entropy(net(scaled(x[rows])), torch.from_numpy(y[rows].astype(np.int64)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval()

    def judge(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(scaled(images)).argmax(1).numpy()

    return judge


class Facades:
    """CMP facades, photos and label maps of different buildings."""

    def __init__(self, data: Path, work: Path):
        from ganworks.files.sources import open_source
        from ganworks.kinds.images.unpaired.domain import palette_of

        self.source = work / "facades"
        maps = {}
        with zipfile.ZipFile(data / "facades-paired.zip") as archive:
            for folder in ("trainA", "trainB", "testA", "testB"):
                (self.source / folder).mkdir(parents=True)
            for n in range(1, 401):
                photo, labels = pair(archive, f"train/{n}.jpg")
                part = photo if n <= 200 else labels
                part.save(self.source / ("trainA" if n <= 200 else "trainB") / f"{n}.png")
                if n > 200:
                    maps[n] = labels
            tests = sorted((n for n in archive.namelist() if n.startswith("test/")), key=lambda n: int(n[5:-4]))
            pairs = [pair(archive, name) for name in tests]
        for n, (photo, labels) in enumerate(pairs):
            photo.save(self.source / "testA" / f"{n}.png")
            labels.save(self.source / "testB" / f"{n}.png")
        self.photos = np.stack([np.asarray(p.resize((SIDE, SIDE), Image.Resampling.LANCZOS)) for p, _ in pairs])
        self.photos = self.photos.transpose(0, 3, 1, 2)
        self.palette = palette_of(open_source(self.source / "trainB", labels=False))
        self.truth, self.seen = {}, {}
        for name, palette in (("accuracy", self.palette), ("listed", LISTED)):
            self.truth[name] = np.stack([shrunk(labels, palette) for _, labels in pairs])
            self.seen[name] = np.stack([shrunk(labels, palette) for labels in maps.values()])

    def score(self, nets: dict[str, Any], domain: Any) -> dict[str, float]:
        made, there = both_ways(nets, self.photos)
        maps = np.array(self.palette, np.uint8)[self.truth["accuracy"]].transpose(0, 3, 1, 2)
        out = {**self.agreement(made), "cycle": l1(there, self.photos), "cycle back": self.returned(nets, maps)}
        voted = self.agreement(voted_maps(nets["G"], self.photos))
        return {**out, "vote": voted["accuracy"], "listed vote": voted["listed"]}

    def returned(self, nets: dict[str, Any], maps: np.ndarray) -> float | None:
        """Share of the pixels of label maps whose label is another one after the way there and back."""
        from ganworks.kinds.images.unpaired.evaluator import translate

        if "G_back" not in nets:
            return None
        spec = nets["G"].spec
        turned = replace(spec, shape=spec.source, source=spec.shape)
        there = translate(nets["G_back"].net, maps, turned, nets["G"].net)
        return float((nearest(there, self.palette) != nearest(maps, self.palette)).mean())

    def agreement(self, made: np.ndarray) -> dict[str, float]:
        """Pixel accuracy by both tables, and mean intersection over union, of maps uint8 [n, 3, H, W]."""
        hits = {}
        for name, palette in (("accuracy", self.palette), ("listed", LISTED)):
            hits[name] = np.zeros((len(palette),) * 2)
            np.add.at(hits[name], (self.truth[name].ravel(), nearest(made, palette).ravel()), 1)
        own = hits["accuracy"]
        union = own.sum(0) + own.sum(1) - own.diagonal()
        miou = float((own.diagonal() / union.clip(1)).mean())
        return {**{name: float(h.trace() / h.sum()) for name, h in hits.items()}, "miou": miou}

    def baselines(self) -> dict[str, dict[str, float]]:
        """The commonest label at each pixel of the training label maps, and the label map of another building."""
        out = {}
        for name, palette in (("accuracy", self.palette), ("listed", LISTED)):
            seen, truth = self.seen[name], self.truth[name]
            counts = np.stack([(seen == k).sum(0) for k in range(len(palette))])
            out[name] = {"prior": counts.argmax(0)[None].repeat(len(truth), 0), "other map": seen[: len(truth)]}
        paint = lambda row, name, palette: self.agreement(  # noqa: E731
            np.array(palette, np.uint8)[out[name][row]].transpose(0, 3, 1, 2)
        )
        return {
            row: {**paint(row, "accuracy", self.palette), "listed": paint(row, "listed", LISTED)["listed"]}
            for row in ("prior", "other map")
        }


def pair(archive: zipfile.ZipFile, name: str) -> tuple[Image.Image, Image.Image]:
    """The left and the right half of a strip."""
    strip = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
    half = strip.width // 2
    return strip.crop((0, 0, half, strip.height)), strip.crop((half, 0, 2 * half, strip.height))


def nearest(images: np.ndarray, palette: Any) -> np.ndarray:
    """uint8 [n, 3, H, W] -> the number of the nearest colour of the palette, [n, H, W]."""
    distance = [((images.astype(np.float32) - np.reshape(c, (3, 1, 1))) ** 2).sum(1) for c in palette]
    return np.argmin(distance, 0)


def shrunk(labels: Image.Image, palette: Any) -> np.ndarray:
    """A label map as numbers [64, 64]: the commonest label under each pixel."""
    index = nearest(np.asarray(labels).transpose(2, 0, 1)[None], palette)[0]
    blocks = index[:256, :256].reshape(SIDE, 256 // SIDE, SIDE, 256 // SIDE)
    return np.stack([(blocks == k).sum((1, 3)) for k in range(len(palette))]).argmax(0)


class Seasons:
    """Yosemite in summer and in winter."""

    def __init__(self, data: Path, work: Path):
        self.source = data / "summer2winter-unpaired.zip"
        with zipfile.ZipFile(self.source) as archive:
            read = {f: np.stack([small(archive, n) for n in sorted(archive.namelist()) if n.startswith(f"{f}/")])
                    for f in ("trainA", "testA", "trainB", "testB")}  # fmt: skip
        self.summers, self.held = np.concatenate([read["trainA"], read["testA"]]), read["testB"]
        self.unseen, self.seen_summers, self.seen = read["testA"], read["trainA"], read["trainB"]

    def score(self, nets: dict[str, Any], domain: Any) -> dict[str, float]:
        made, there = both_ways(nets, self.summers)
        return {**self.likeness(made, self.summers), "cycle": l1(there, self.summers)}

    def likeness(self, made: np.ndarray, given: np.ndarray | None) -> dict[str, float]:
        from ganworks.kinds.images.shared import fidelity
        from ganworks.kinds.images.unpaired import measures as unpaired

        out = {"stats": unpaired.statistics_distance(made, self.held),
               "independent": unpaired.statistics_distance(made, self.held, independent=True)}  # fmt: skip
        if given is not None:
            out["structure"] = float(unpaired.structure(given, made).mean())
            out["ssim"] = float(fidelity.ssim(given, made, luma=True).mean())
        return out

    def baselines(self) -> dict[str, dict[str, float]]:
        """Summers as they are, with winter's colours, and real winters."""
        from ganworks.kinds.images.unpaired.measures import colour_transfer

        moved = colour_transfer(self.summers, self.seen_summers, self.seen)
        known = {"input": self.summers, "colour transfer": moved}
        return {**{k: self.likeness(v, self.summers) for k, v in known.items()}, "real": self.likeness(self.seen, None)}


def small(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An image of a zip as uint8 [3, 64, 64]."""
    image = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)).transpose(2, 0, 1)


def both_ways(nets: dict[str, Any], images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Images translated, and translated back where there is a way back; uint8."""
    from ganworks.kinds.images.unpaired.evaluator import translate

    forth = nets["G"]
    made = translate(forth.net, images, forth.spec)
    return made, translate(forth.net, images, forth.spec, nets["G_back"].net) if "G_back" in nets else None


def voted_maps(forth: Any, images: np.ndarray) -> np.ndarray:
    """What `apply` with an ensemble makes of uint8 images [n, 3, H, W]."""
    import torch

    from ganworks.kinds.images.unpaired.domain import Unpaired

    x = torch.from_numpy(images).float() / 127.5 - 1
    with torch.inference_mode():
        made = [Unpaired().apply(forth.net, one[None], forth.spec, {"ensemble": 1.0}) for one in x]
    return ((torch.cat(made) + 1) * 127.5).round().byte().numpy()


def l1(there: np.ndarray | None, images: np.ndarray) -> float | None:
    """Mean absolute difference as a share of the range."""
    return None if there is None else float(np.abs(there.astype(np.float32) - images).mean() / 255)


TASKS = {"digits": Digits, "facades": Facades, "seasons": Seasons}


def measure(data: Path, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Train one row in this process and score it."""
    import torch

    import ganworks as gw
    from ganworks.runs.published import published

    task, recipe = name.partition("/")[0], ROWS[name][0]
    with tempfile.TemporaryDirectory() as work:
        made = TASKS[task](data, Path(work))
        out = Path(work) / "run"
        torch.set_num_threads(int(settings["train.threads"]))
        start, wall, steps = time.process_time(), time.monotonic(), 0
        for event in common.whole(gw.train(recipe, data=made.source, out=out, **settings)):
            steps = getattr(event, "seen", steps)
        cpu, wall = time.process_time() - start, time.monotonic() - wall
        nets = published(out)
        config = (out / "config.yaml").read_text()
        batch = int(next(line for line in config.splitlines() if line.strip().startswith("batch:")).split(":")[1])
        scores = made.score(nets, None)
        pictures = sorted((out / "samples").glob("*.png"))
        if pictures:
            kept = Path(tempfile.gettempdir()) / f"unpaired-{name.replace('/', '-')}.png"
            kept.write_bytes(pictures[-1].read_bytes())
        baselines = made.baselines()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"row": name, "recipe": recipe, "settings": settings, **scores, "examples": steps, "cpu_seconds": round(cpu),
            "wall_seconds": round(wall), "step_seconds": round(cpu * batch / steps, 3), "batch": batch,
            "memory_mb": round(memory), "baselines": baselines, **common.machine()}  # fmt: skip


def show(rows: list[dict[str, Any]]) -> str:
    """One table for each set."""
    out = []
    for task in TASKS:
        mine = [row for row in rows if row["row"].startswith(f"{task}/")]
        if not mine:
            continue
        floors = mine[-1]["baselines"]
        named = [k for k in ("agreement", "accuracy", "vote", "listed", "listed vote", "miou", "stats", "independent",
                             "structure", "ssim", "cycle", "cycle back")
                 if any(row.get(k) is not None for row in mine)]  # fmt: skip
        figure = lambda row, k: "" if row.get(k) is None else f"{row[k]:.3f}"  # noqa: E731
        lines = [[name, *(figure(values, k) for k in named), "", "", "", ""] for name, values in floors.items()]
        for row in mine:
            step = f"{row['step_seconds']:.3f} (batch {row['batch']})"
            tail = [f"{row['examples']:,}", row["cpu_seconds"], step, row["memory_mb"]]
            lines.append([row["row"].split("/")[1], *(figure(row, k) for k in named), *tail])
        out.append(common.table([task, *named, "examples", "CPU s", "CPU s per step", "peak MB"], lines))
    return "\n\n".join(out)


def main() -> None:
    """Measure the rows that are missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=list(ROWS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], help="settings over those of the row; the row is not kept")
    parser.add_argument("--in-process", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.in_process:
        print(json.dumps(measure(args.data, args.in_process, json.loads(sys.stdin.read()))))
        return
    rows = common.load(NAME)
    for name in args.only:
        settings = {**SMALL, "train.threads": args.threads, **ROWS[name][1], **dict(s.split("=", 1) for s in args.set)}
        if not common.missing(rows, {"row": name, "settings": settings}):
            continue
        command = [sys.executable, __file__, str(args.data), "--in-process", name]
        done = subprocess.run(command, input=json.dumps(settings), capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        row = json.loads(done.stdout.splitlines()[-1])
        print(json.dumps({k: v for k, v in row.items() if k not in ("baselines", "settings")}), file=sys.stderr)
        rows = [old for old in common.load(NAME) if old["row"] != name] + [row]  # another process may have saved
        if not args.set:
            common.save(NAME, rows)
    print(show(rows))


if __name__ == "__main__":
    main()
