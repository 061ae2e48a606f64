"""Builds run folders as a training would leave them, honest and hostile, without any training."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

HOSTILE = '<script>alert("x")</script>&\'"\x1b[31m'


def grid_png(path: Path, noise: float, side: int = 8, cell: int = 64, seed: int = 0) -> None:
    """A grid of digits from scikit-learn under some noise."""
    from sklearn.datasets import load_digits

    digits = load_digits().images[: side * side] / 16
    rng = np.random.default_rng(seed)
    scale = cell // 8
    cells = [np.pad(np.kron(d, np.ones((scale, scale))), 2) for d in digits]
    clean = np.vstack([np.hstack(cells[i * side : (i + 1) * side]) for i in range(side)])
    picture = np.clip(clean * (1 - noise) + noise * rng.random(clean.shape), 0, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture * 255).astype(np.uint8)).save(path)


def events(rounds: int = 60, total: int = 180_000, scored: int = 8, alarms: bool = False) -> list[dict]:
    """A log with noisy losses, scores that approach their floor, and (by choice) alarms."""
    rng = np.random.default_rng(0)
    lines: list[dict] = [{"event": "started", "seen": 0, "seconds": 0.0, "total": total, "notes": [], "run": "x"}]
    for i in range(1, rounds + 1):
        seen, part = total * i // rounds, i / rounds
        losses = {
            "d_loss": 0.5 + 0.3 / i + 0.05 * rng.normal(),
            "g_loss": 0.8 + 0.6 * part + 0.1 * rng.normal(),
            "r1": 0.02 + 0.1 * math.exp(-i / 9),
            "r2": 0.015 + 0.09 * math.exp(-i / 8),
            "real": 0.4 + part + 0.1 * rng.normal(),
            "fake": -0.3 - part + 0.1 * rng.normal(),
        }
        lines.append(
            {
                "event": "round",
                "seen": seen,
                "total": total,
                "seconds": 1.5 * i,
                "speed": 2000 + 50 * rng.normal(),
                "losses": {k: float(v) for k, v in losses.items()},
            }
        )
        if scored and i % max(1, rounds // scored) == 0:
            lines.append(
                {
                    "event": "scored",
                    "seen": seen,
                    "seconds": 1.5 * i,
                    "best": True,
                    "half_life": 2000.0,
                    "scores": {"fd": 60 * math.exp(-5 * part) + 2.6, "coverage": 0.25 + 0.55 * part},
                    "floor": {"fd": 1.2, "coverage": 0.93},
                    "extractor": "clf-digits@8f3a21",
                }
            )
            lines.append({"event": "shown", "seen": seen, "path": f"samples/{seen:012d}.png"})
        if alarms and i == rounds // 2:
            lines += [
                {
                    "event": "alarm",
                    "seen": seen,
                    "kind": "collapse",
                    "fatal": False,
                    "message": f"Samples have become alike {HOSTILE}",
                    "advice": "Raise gamma, or use aug=on.",
                }
            ] * 3
    lines.append({"event": "finished", "seen": total, "seconds": 1.5 * rounds, "reason": "budget"})
    return lines


def write_log(folder: Path, lines: list[dict], torn: str = "") -> None:
    """metrics.jsonl, with `torn` as the unfinished last line."""
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + torn)


def build(
    folder: Path,
    name: str = "digits",
    *,
    hostile: bool = False,
    evaluated: bool = True,
    lines: list[dict] | None = None,
    pictures: bool = True,
) -> Path:
    """A finished run on the digits. hostile: class names, paths and messages hold HTML and control
    characters."""
    run = folder / name
    (run / "samples").mkdir(parents=True)
    lines = events(alarms=hostile) if lines is None else lines
    text = HOSTILE if hostile else "seven"
    config = {
        "recipe": "image",
        "networks": {"is": "networks.r3gan.R3GAN", "width": 32, "blocks": [1, 1, 1]},
        "game": {"is": "games.adversarial.Adversarial", "loss": "relativistic", "gamma": 0.05},
        "g": {"name": "adam", "lr": 0.0005},
        "d": {"name": "adam", "lr": 0.0005},
        "train": {"batch": 64, "budget": "90s", "seed": 0},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    spec = {"kind": "images", "shape": [1, 8, 8], "classes": ["zero", "one", text]}
    (run / "spec.yaml").write_text(yaml.safe_dump(spec))
    given = {"data": f"/data/{text}" if hostile else "digits", "budget": "90s"}
    plan = {
        "given": given,
        "total": 180_000,
        "notes": [
            "Width 32: on 2 cores this sees each example about 100 times in 90 s.",
            "gamma 0.05 falling to 0.005: small pictures need a weak penalty.",
            f"Labels are used: the data has 3 classes ({text}).",
        ],
        "data": {
            "fingerprint": "0" * 64,
            "count": 1797,
            "train": 1617,
            "held": 180,
            "duplicates": 0,
            "corrupt": 0,
            "modes": "L",
        },
        "machine": {"device": "cpu", "cores": 2, "precision": "bf16"},
        "versions": {"ganworks": "0.1.0", "torch": "2.13.0"},
        "started": "2026-11-20T12:00:00+00:00",
    }
    (run / "plan.json").write_text(json.dumps(plan))
    write_log(run, lines)
    if pictures:
        for event in (e for e in lines if e.get("event") == "shown"):
            total = max(e.get("seen", 1) for e in lines)
            grid_png(run / str(event["path"]), noise=0.75 * math.exp(-4 * event["seen"] / total))
    if evaluated:
        write_evaluation(run, pictures)
    return run


def write_evaluation(run: Path, pictures: bool = True) -> None:
    """A full evaluation with intervals, classes and two pictures, in the shape of metrics.evaluate.Report."""

    def entry(value: float, low: float, high: float, floor: float) -> dict:
        beside = {"floor": floor, "floor_low": floor * 0.97, "floor_high": floor * 1.03}
        return {
            "value": value,
            "low": low,
            "high": high,
            **beside,
            "ratio": value / floor,
            "better": "lower",
            "meaning": "",
        }

    metrics = {
        "fd": entry(2.9, 2.5, 3.4, 1.2),
        "kid": entry(0.004, 0.002, 0.006, 0.0003),
        "precision": entry(0.91, 0.88, 0.93, 0.95),
        "recall": entry(0.71, 0.66, 0.75, 0.94),
        "density": entry(0.98, 0.94, 1.03, 1.02),
        "coverage": entry(0.83, 0.8, 0.86, 0.93),
        "authenticity": entry(0.52, 0.49, 0.55, 0.51),
        "copied": entry(0.02, 0.01, 0.03, 0.012),
        "agreement": entry(0.97, 0.96, 0.98, 0.98),
    }
    classes = [
        {"name": name, "share": 0.33, "real_share": 0.34, "agreement": {"value": 0.97, "low": 0.9, "high":
        1.0},
         "coverage": 0.8, "coverage_floor": None} for name in ("zero", "one", HOSTILE)
    ]  # fmt: skip
    report = {"metrics": metrics, "extractor": "clf-digits@8f3a21", "count": 2000, "classes": classes,
              "warnings": ["Only 180 held-out examples: intervals are wide."],
              "pictures": {"Samples and their nearest training examples": "neighbours.png", "By class":
              "classes.png"}}  # fmt: skip
    (run / "eval.json").write_text(json.dumps(report))
    if pictures:
        grid_png(run / "eval" / "neighbours.png", 0.02, seed=1)
        grid_png(run / "eval" / "classes.png", 0.03, seed=2)
