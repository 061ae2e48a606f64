"""Spoken digits at 8 kHz from 40 mel bands: how near each vocoder comes to the 300 test recordings, and its speed.

    python benchmarks/vocoder.py DATA/fsdd-8khz.zip                    # the default vocoder, one seed
    python benchmarks/vocoder.py DATA/fsdd-8khz.zip --seeds 3 budget=40k
    python benchmarks/vocoder.py DATA/fsdd-8khz.zip --run runs/x --spent 420 1900    # trained before

Data: the Free Spoken Digit Dataset, train/ (1,200 recordings, a tenth held out) and test/ (300, of the same six
speakers, used for nothing but this table). Baselines: Griffin-Lim, 32 rounds from the pseudo-inverse of the same bands,
from random phases and from those of single pass spectrogram inversion. Rows are kept in results/vocoder.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np

NAME = "vocoder"
ROUNDS = 32
SHOWN = {"stft": 3, "convergence": 3, "stft_128": 3, "stft_256": 3, "stft_512": 3, "mel": 4, "pitch": 3, "voicing": 3,
         "level": 2, "same_digit": 3, "speed": 0}  # fmt: skip
BARS = {"stft": "< 0.50", "speed": "> 1"}


def judged(
    evaluator: Any, rows: list[Any], guess: Callable[[Any], int], make: Callable[[Any], Any]
) -> dict[str, float]:
    """Means over the test recordings, and seconds of sound made in one second of one core."""
    import torch

    torch.set_num_threads(1)
    make(rows[0])
    found, seconds, start = [], sum(x.shape[1] for x in rows) / evaluator.rate, time.process_time()
    made = [make(x) for x in rows]
    speed = seconds / (time.process_time() - start)
    for x, y in zip(rows, made, strict=True):
        found.append(evaluator.compare(x, y) | {"same_digit": float(guess(x) == guess(y))})
    return {n: float(np.nanmean([f[n] for f in found])) for n in found[0]} | {"speed": speed}


def prepared(path: str, config: Any, train: Any) -> tuple[Any, list[Any], Callable[[Any], int]]:
    """(evaluator, test recordings, classifier of digits that learned from the training recordings)."""
    from ganworks.kinds.audio.vocoder.domain import VocoderDomain
    from ganworks.kinds.audio.vocoder.evaluator import VocoderEvaluator

    evaluator = VocoderEvaluator(config.domain, train, config)
    test = VocoderDomain(rate=evaluator.rate, held_out=0, labels=False).open(f"{path}/test")
    guess = evaluator.classifier()
    assert guess is not None
    return evaluator, [judge_wave(test, row) for row in range(len(test))], guess


def judge_wave(data: Any, row: int) -> Any:
    """One recording [1, n] as a tensor."""
    import torch

    return torch.from_numpy(data.read(row))


def baselines(evaluator: Any, rows: list[Any], guess: Callable[[Any], int]) -> list[dict[str, Any]]:
    """Griffin-Lim from the same frames, twice."""
    from ganworks.kinds.audio.spectral import griffin_lim
    from ganworks.kinds.audio.vocoder.mel import frames_of, from_log_mel

    f = evaluator.data.spec.facts

    def peaks(x: Any) -> Any:
        magnitude = from_log_mel(frames_of(x, f), f["rate"], f["n_fft"], f["low"], f["high"])
        return griffin_lim(magnitude, f["n_fft"], f["hop"], x.shape[1], ROUNDS).clamp(-1, 1)

    names = {f"Griffin-Lim {ROUNDS}, random phases": evaluator.classic, f"Griffin-Lim {ROUNDS}, phases of peaks": peaks}
    return [{"what": name, **judged(evaluator, rows, guess, make)} for name, make in names.items()]


def trained(path: str, settings: dict[str, str], folder: Path) -> dict[str, float]:
    """Train, or go on with, a run; the time that it took."""
    import ganworks as gw

    wall, cpu = time.monotonic(), time.process_time()
    for event in common.whole(gw.train("vocoder", f"{path}/train", folder, **settings)):
        if type(event).__name__ == "Scored":
            print(event)
    return {"cpu_seconds": round(time.process_time() - cpu), "wall_seconds": round(time.monotonic() - wall)}


def measure(path: str, folder: Path, spent: dict[str, float]) -> list[dict[str, Any]]:
    """The rows of a finished run, its own first."""
    from ganworks.runs.run import Run
    from ganworks.use.applier import Applier

    config = Run.open(folder).config()
    train = config.domain.open(f"{path}/train")
    evaluator, rows, guess = prepared(path, config, train)
    nets = {"G": Applier.load(folder, device="cpu").net}
    found = judged(evaluator, rows, guess, lambda x: evaluator.made(nets, x))
    about = {"seed": config.train.seed, "budget": config.train.budget, "batch": config.train.batch,
             "kind": config.networks.kind, "adversarial_from": config.game.adversarial_from}  # fmt: skip
    own = {"what": f"vocoder ({config.networks.kind})", **about, **found, **spent, **common.machine()}
    return [own, *baselines(evaluator, rows, guess)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="fsdd-8khz.zip")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are kept")
    parser.add_argument("--run", type=Path, help="a run that is finished")
    parser.add_argument("--spent", type=float, nargs=2, default=(0, 0), help="its CPU and wall seconds")
    parser.add_argument("settings", nargs="*", help="as for ganworks train, e.g. budget=40k")
    given = parser.parse_intermixed_args()
    rows = common.load(NAME)
    settings = {"budget": "40k", **dict(s.split("=", 1) for s in given.settings)}
    jobs: list[tuple[Path, dict[str, float] | None, dict[str, str]]] = []
    if given.run:
        jobs.append((given.run, {"cpu_seconds": given.spent[0], "wall_seconds": given.spent[1]}, {}))
    else:
        words = "-".join(f"{k}={v}" for k, v in sorted(settings.items()))
        for seed in range(given.seeds):
            jobs.append((given.runs / f"vocoder-seed{seed}-{words}", None, {**settings, "seed": str(seed)}))
    for folder, spent, how in jobs:
        if not common.missing(rows, {"run": folder.name}):
            continue
        own, *others = measure(given.data, folder, spent or trained(given.data, how, folder))
        rows = [*rows, {"run": folder.name, **own}]
        rows += [row for row in others if common.missing(rows, {"what": row["what"]})]
        common.save(NAME, rows)
    header = ["", "seed", "budget", "CPU s", *SHOWN]
    shown = [[r["what"], r.get("seed", ""), r.get("budget", ""), r.get("cpu_seconds", ""),
              *(f"{r[n]:.{d}f}" for n, d in SHOWN.items())] for r in rows]  # fmt: skip
    print(common.table(header, [["bar", "", "", "", *(BARS.get(n, "") for n in SHOWN)], *shown]))


if __name__ == "__main__":
    main()
