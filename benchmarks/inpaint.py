"""Inpainting after about 15 minutes on 2 cores, beside mean and harmonic fill on the same masks.

    python benchmarks/inpaint.py bsd-photos.zip [--budget 60k] [--name inpaint] [--init RUN] [key=value ...]

The zip holds train/ and test/. Trained on the 70 training photos with strokes alone; scored on the 15 test photos:
their middle square at 128 x 128 with strokes that cover 25 to 30 %, thin (4 to 10 pixels) and wide (8 to 15), with
kinds of masks that the training never showed (box, centre, border, text, scratches), and at 384 x 256. Every picture
gets MASKS masks. Filled by the published network alone, bytes in and bytes out; figures are means over pictures,
`energy` is the gradient energy in all holes over the truth's (and the median over pictures).
"""

from __future__ import annotations

import argparse
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from PIL import Image

import ganworks
from ganworks.core.spec import Draw, key
from ganworks.files.rasters.pixels import grid, resize
from ganworks.kinds.images.inpainting import measures as holes
from ganworks.kinds.images.inpainting.masks import Masks
from ganworks.use.applier import Applier

NAME = "inpaint"
MASKS = 4  # for each picture
AREA = (0.25, 0.3)
SETS = {  # name -> (masks, (height, width) of landscape pictures)
    "strokes, thin": (Masks("strokes", AREA, (4, 10)), (128, 128)),
    "strokes, wide": (Masks("strokes", AREA, (8, 15)), (128, 128)),
    "box": (Masks("box", AREA), (128, 128)),
    "centre quarter": (Masks("centre"), (128, 128)),
    "border": (Masks("border", AREA), (128, 128)),
    "text": (Masks("text", AREA), (128, 128)),
    "scratches": (Masks("scratches", (0.1, 0.15)), (128, 128)),
    "strokes, thin, 384 x 256": (Masks("strokes", AREA, (4, 10)), (256, 384)),
    "strokes, wide, 384 x 256": (Masks("strokes", AREA, (8, 15)), (256, 384)),
}


def unpack(photos: Path, work: Path) -> Path:
    """The folder with train/ and test/."""
    folder = work / "photos"
    if not folder.exists():
        with zipfile.ZipFile(photos) as archive:
            archive.extractall(folder)
    return folder


def pictures(folder: Path, size: tuple[int, int]) -> list[np.ndarray]:
    """Test photos [C, H, W] uint8: the middle made `size` if square (Lanczos), else cut out at the photo's scale."""
    out = []
    for path in sorted((folder / "test").glob("*.jpg")):
        photo = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
        if size[0] == size[1]:
            out.append(resize(photo, size, "crop"))
            continue
        height, width = size if photo.shape[2] > photo.shape[1] else size[::-1]
        top, left = (photo.shape[1] - height) // 2, (photo.shape[2] - width) // 2
        out.append(photo[:, top : top + height, left : left + width])
    return out


def train(folder: Path, out: Path, budget: str, settings: dict[str, str]) -> dict[str, Any]:
    """Train once (or go on); what it cost in this process."""
    started, spent = time.monotonic(), time.process_time()
    chosen = {"domain.masks": "strokes", "budget": budget, **settings}
    ganworks.fit("inpaint", data=str(folder / "train"), out=out, evaluate=False, **chosen)
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
        "threads": torch.get_num_threads(),
    }


def judge(model: Applier, name: str, folder: Path, work: Path) -> list[dict[str, Any]]:
    """Rows of the network, of harmonic and of mean fill on one set; writes a sheet of pictures."""
    masks, size = SETS[name]
    truths = pictures(folder, size)
    found: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    kept = True
    for index, truth in enumerate(truths):
        draw = Draw(key(NAME, name, index), MASKS, slice(None))
        for mask in masks(truth.shape[1], truth.shape[2], draw).numpy():
            hole, real = mask[0] > 0, truth[None].astype(np.float64)
            spoilt = np.where(hole, 0, truth).transpose(1, 2, 0).astype(np.uint8)
            made = model.apply(spoilt, mask=hole.astype(np.uint8) * 255).transpose(2, 0, 1)
            kept &= bool((made[:, ~hole] == truth[:, ~hole]).all())
            fills = {"ganworks": made[None].astype(np.float64)}
            fills["harmonic fill"] = np.rint(holes.harmonic(real, mask[None]))
            fills["mean fill"] = np.rint(holes.mean_fill(real, mask[None]))
            for method, fill in fills.items():
                found.setdefault(method, []).append((fill, real, mask[None]))
    _sheet(found, work / f"{name.replace(', ', '-').replace(' ', '-')}.png")
    rows = []
    for method, triples in found.items():
        values = [holes.measure(*triple) for triple in triples]
        means = {k: float(np.mean([v[k][0] for v in values])) for k in ("hole_l1", "hole_psnr", "ssim", "area")}
        ratios = {"energy": _ratio(triples), "seams": _ratio(triples, seams=True)}
        ratios["energy_median"] = float(np.median([v["energy"][0] for v in values]))
        more = {"known_kept": kept} if method == "ganworks" else {}
        rows.append({"masks": name, "method": method, "pictures": len(values), **_rounded(means | ratios),
                     **more})  # fmt: skip
    return rows


def _ratio(triples: list[tuple[np.ndarray, np.ndarray, np.ndarray]], seams: bool = False) -> float:
    """Gradient energy in all holes over the truth's."""
    made, real = (sum(float(holes.gradient_energy(t[k], t[2], seams).sum()) for t in triples) for k in (0, 1))
    return made / real


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {k: round(v, 4) for k, v in values.items()}


def _sheet(found: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]], path: Path) -> None:
    """Six pictures: with hole, harmonic, ours, truth."""
    chosen = [n for n in range(0, len(found["ganworks"]), 2 * MASKS) if found["ganworks"][n][0].shape ==
              found["ganworks"][0][0].shape][:6]  # fmt: skip
    hollow = [np.where(found["ganworks"][n][2] > 0, 255, found["ganworks"][n][1]) for n in chosen]
    rows = [hollow, *([found[m][n][0] for n in chosen] for m in ("harmonic fill", "ganworks"))]
    rows.append([found["ganworks"][n][1] for n in chosen])
    grid(np.concatenate([x for row in rows for x in row]).astype(np.uint8), len(chosen)).save(path)


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown."""
    header = [
        "masks",
        "method",
        "L1 in the hole",
        "PSNR",
        "SSIM",
        "energy ratio (median)",
        "seams",
        "known pixels",
        "CPU min",
    ]
    return common.table(
        header,
        (
            [
                row["masks"],
                row["method"],
                f"{row['hole_l1']:.4f}",
                f"{row['hole_psnr']:.2f}",
                f"{row['ssim']:.3f}",
                f"{row['energy']:.2f} ({row['energy_median']:.2f})",
                f"{row['seams']:.2f}",
                {True: "identical", False: "CHANGED"}.get(row.get("known_kept"), ""),  # pyrefly: ignore
                f"{row['cpu_seconds'] / 60:.1f}" if "cpu_seconds" in row else "",
            ]
            for row in rows
        ),
    )


def main() -> None:
    """Train unless it is done, score, print the table."""
    parser = argparse.ArgumentParser(description="Inpainting beside mean and harmonic fill.")
    parser.add_argument("photos", type=Path, help="bsd-photos.zip")
    parser.add_argument("settings", nargs="*", help="key=value")
    parser.add_argument("--budget", default="60k")
    parser.add_argument("--name", default=NAME, help="of the results")
    parser.add_argument("--init", type=Path, help="a training of this script to begin from; its cost is added")
    parser.add_argument("--runs", type=Path, default=Path("runs/inpaint"))
    given = parser.parse_intermixed_args()
    settings = dict(word.split("=", 1) for word in given.settings)
    given.runs.mkdir(parents=True, exist_ok=True)
    folder, rows = unpack(given.photos, given.runs), common.load(given.name)
    about: dict[str, Any] = {"budget": given.budget, "settings": settings}
    if given.init:
        about["init"] = given.init.name
    out = given.runs / "-".join([given.budget, *(f"{k}={v}" for k, v in sorted(settings.items()))])
    cost_file = out / "cost.json"
    if not cost_file.exists():
        cost = train(folder, out, given.budget, settings | ({"init": str(given.init)} if given.init else {}))
        if given.init:
            first = json.loads((given.init / "cost.json").read_text())
            cost |= {name: round(cost[name] + first[name], 1) for name in ("seconds", "cpu_seconds")}
        cost_file.write_text(json.dumps(cost))
    cost, model = json.loads(cost_file.read_text()), Applier.load(out)
    for name in SETS:
        if common.missing(rows, {"masks": name, **about}):
            new = judge(model, name, folder, out)
            rows += [{**row, **about, **(cost if row["method"] == "ganworks" else {}), **common.machine()}
                     for row in new]  # fmt: skip
            common.save(given.name, rows)
    print(table([row for row in rows if about.items() <= row.items()]))


if __name__ == "__main__":
    main()
