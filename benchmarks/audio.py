"""Spoken digits at 8 kHz, by class: what is recognised, how near and how varied it is, beside floors and ceilings.

    python benchmarks/audio.py DATA/fsdd-8khz.zip                      # `audio`, one seed
    python benchmarks/audio.py DATA/fsdd-8khz.zip --seeds 3 --recipe wavegan budget=20k

Data: the Free Spoken Digit Dataset, train/ (1,200 recordings, a tenth held out to choose the snapshot) and test/ (300,
of the same six speakers, used for nothing but this table). As many samples as training recordings are made. A support
vector machine on log-mel 40 x 12, trained on the training recordings, classifies the samples; the accuracy score is
that of a classifier trained on the samples. Rows are kept in results/audio.json.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

NAME = "audio"
DIGITS = {
    "recognised": 3,
    "accuracy_score": 3,
    "kd": 3,
    "fd": 2,
    "spread": 2,
    "copied": 3,
    "nearest": 2,
    "loudness": 2,
    "pitch": 2,
}
BARS = {"recognised": ">= 0.8", "accuracy_score": ">= 0.85", "loudness": "0.5 to 2"}


def real(path: str) -> tuple[Any, Any, Any]:
    """(features of the recordings, training recordings, test recordings), all of one length."""
    from ganworks.kinds.audio.domain import Audio
    from ganworks.kinds.audio.metrics import measures as audio

    domain = Audio(labels="name", seconds=1.024, held_out=0)
    sets = [domain.open(f"{path}/{part}") for part in ("train", "test")]
    rate = sets[0].rate
    features = [audio.features(s.raw(np.arange(len(s))), rate) for s in sets]
    return audio.ReferenceFeatures(*features, *(s.labels for s in sets)), *sets


def judged(waves: np.ndarray, labels: np.ndarray, heard: Any, train: Any, test: Any) -> dict[str, float]:
    """Every measure of waves [n, C, N] of classes [n], as plain numbers."""
    from ganworks.kinds.audio.metrics import measures as audio
    from ganworks.kinds.audio.pitch import pitch

    rate, unseen = test.rate, test.raw(np.arange(len(test)))
    found: dict[str, Any] = heard.measure(heard.standard(audio.features(waves, rate)), labels)
    found["loudness"] = np.median(audio.loudness(waves)) / np.median(audio.loudness(unseen))
    found["pitch"] = audio.pitch_distance(pitch(waves, rate), pitch(unseen, rate))
    return {name: audio.middle(value) for name, value in found.items()}


def references(heard: Any, train: Any, test: Any) -> list[dict[str, Any]]:
    """Rows of real recordings (the ceiling) and of class Gaussians in feature space (the floor)."""
    from ganworks.kinds.audio.metrics import measures as audio
    from ganworks.kinds.audio.pitch import pitch

    labels = np.arange(len(train)) % 10
    seen, unseen = (pitch(s.raw(np.arange(len(s))), s.rate) for s in (train, test))
    own = {**heard.own(), "loudness": 1.0, "pitch": audio.pitch_distance(seen, unseen)}
    return [
        {"what": "real recordings", **own},
        {"what": "class Gaussians of features", **heard.gaussians(labels, len(train))},
    ]


def run(recipe: str, path: str, seed: int, settings: dict[str, str], folder: Path) -> dict[str, Any]:
    """Train, sample as many as there are training recordings, and score them."""
    import torch

    import ganworks

    place = folder / "-".join([recipe, f"seed{seed}", *(f"{k}={v}" for k, v in sorted(settings.items()))])
    started, spent = time.monotonic(), time.process_time()
    model = ganworks.fit(recipe, data=path, out=place, seed=seed, evaluate=False, **settings)
    seconds, spent = time.monotonic() - started, time.process_time() - spent
    heard, train, test = real(path)
    made = model.sample(len(train), seed=12345, labels=[k % 10 for k in range(len(train))])
    found = judged(made.data, np.asarray(made.labels), heard, train, test)
    return {
        "what": recipe,
        "seed": seed,
        "settings": settings,
        **found,
        "cpu_seconds": round(spent, 1),
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        **common.machine(),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """All rows in Markdown, the bars first."""
    lines = [["bar", "", *(BARS.get(name, "") for name in DIGITS), ""]]
    for row in rows:
        figures = [f"{row[name]:.{digits}f}" if name in row else "" for name, digits in DIGITS.items()]
        settings = " ".join(f"{k}={v}" for k, v in row.get("settings", {}).items())
        minutes = f"{row['cpu_seconds'] / 60:.1f}" if "cpu_seconds" in row else ""
        lines.append([f"{row['what']} {settings}".strip(), row.get("seed", ""), *figures, minutes])
    return common.table(["what", "seed", *DIGITS, "CPU minutes"], lines)


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description="Spoken digits beside floors and ceilings.")
    parser.add_argument("data", help="fsdd-8khz.zip, or a folder with train/ and test/")
    parser.add_argument("settings", nargs="*", help="key=value")
    parser.add_argument("--recipe", default="audio")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs/audio"))
    given = parser.parse_intermixed_args()  # settings may stand between options
    settings = dict(word.split("=", 1) for word in given.settings)
    rows = common.load(NAME)
    if common.missing(rows, {"what": "real recordings"}):
        rows += references(*real(given.data))
        common.save(NAME, rows)
    for seed in range(given.first, given.first + given.seeds):
        if common.missing(rows, {"what": given.recipe, "seed": seed, "settings": settings}):
            rows.append(run(given.recipe, given.data, seed, settings, given.runs))
            common.save(NAME, rows)
    print(table(rows))


if __name__ == "__main__":
    main()
