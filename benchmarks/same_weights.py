"""Whether two versions of ganworks train the same weights: one tiny case of every recipe, as sha256 of all tensors.

    python benchmarks/same_weights.py --out before.json                         # with the one version
    python benchmarks/same_weights.py --out after.json --compare before.json    # with the other, on the same machine

Bit for bit, and so on one machine only: another processor rounds differently. Everything that is used here is public
(gw.train, gw.load, the files of a run folder, the list that `ganworks recipes` prints), so that the file runs as it is
with any version: `git worktree add OLD v0.1.0`, copy it there, run it there. About two minutes of one core.

The data come from integers alone (numpy's RandomState, whose numbers never change), so that every machine makes them
alike. tests/test_old_runs.py takes data and settings from here: a case that changes needs its fixture made anew, see
tests/fixtures/make_runs.py.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file

import ganworks as gw

RATE = 8000  # samples a second
COMMON = {
    "batch": 8,
    "budget": 48,
    "device": "cpu",
    "train.judge": False,
    "train.show": 10**6,  # pictures at the end alone
    "train.precision": "fp32",
    "train.threads": 1,
}

# Data ----------------------------------------------------------------------------------------------------------------


def pictures(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Patches of 4 pixels in a little noise: uint8 [count, height, width, channels]."""
    random = np.random.RandomState(seed)
    low = random.randint(0, 200, (count, -(-height // 4), -(-width // 4), channels))
    patches = low.repeat(4, 1).repeat(4, 2)[:, :height, :width]
    return (patches + random.randint(0, 56, patches.shape)).astype(np.uint8)


def labelled(count: int, side: int, channels: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures, brighter in a corner by class, uint8 [count, side, side, channels], and classes int64 [count]."""
    x, y = pictures(count, side, side, channels) // 2, np.arange(count) % classes
    x[:, : side // 2, : side // 2] += (y * 40).astype(np.uint8)[:, None, None, None]
    return x, y


def saved(images: np.ndarray, folder: Path) -> None:
    """Images [n, H, W, C] as folder/0000.png and so on."""
    folder.mkdir(parents=True)
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{k:04d}.png")


def photos(folder: Path) -> str:
    """A folder of photos of 40 x 36 pixels."""
    saved(pictures(12, 40, 36), folder / "data")
    return "data"


def pairs(folder: Path) -> str:
    """A folder of label maps in three colours (left, A) beside photos of them (right, B), 16 pixels each."""
    index = np.random.RandomState(1).randint(0, 3, (20, 4, 4)).repeat(4, 1).repeat(4, 2)
    maps = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)[index]
    saved(np.concatenate([maps, maps // 2 + pictures(20, 16, 16) // 2], 2), folder / "data" / "train")
    return "data"


def two_folders(folder: Path) -> str:
    """trainA/ and trainB/ of 10 pictures each, 16 pixels, dark and bright."""
    saved(pictures(10, 16, 16) // 2, folder / "data" / "trainA")
    saved(pictures(10, 16, 16, seed=1) // 2 + 120, folder / "data" / "trainB")
    return "data"


def two_images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """One picture of 40 pixels for each side."""
    return pictures(1, 40, 40), pictures(1, 40, 40, seed=1)


def partial(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures of 12 pixels, two thirds of them without a label (-1)."""
    x, y = labelled(90, 12, 1, 3)
    return x, np.where(np.arange(90) // 3 % 3 == 0, y, -1)


def recording(k: int, length: int) -> np.ndarray:
    """A buzz that falls off, int16 [length]: a sawtooth with a little noise."""
    t, period = np.arange(length), 20 + 5 * (k % 8)
    saw = (t % period * 16000 // period - 8000) * (length - t) // length
    return (saw + np.random.RandomState(k).randint(-200, 200, length)).astype(np.int16)


def sounds(folder: Path) -> tuple[list[np.ndarray], int, list[str]]:
    """40 recordings of an eighth of a second, float32 in [-1, 1], their rate in Hz, and two classes."""
    return (
        [recording(k, 1000) / np.float32(32768) for k in range(40)],
        RATE,
        [("low", "high")[k % 2] for k in range(40)],
    )


def wav_files(folder: Path) -> str:
    """24 recordings of 0.3 to 0.8 seconds as 16-bit WAV files."""
    (folder / "data").mkdir(parents=True)
    for k in range(24):
        with wave.open(str(folder / "data" / f"{k}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(recording(k, 2400 + 160 * k).astype("<i2").tobytes())
    return "data"


def sentences(folder: Path) -> str:
    """A file of 120 short texts, one a line."""
    who, does, where = ("a man", "a dog", "two birds", "the cat"), ("sits on", "runs to", "sees"), ("a tree", "the bus")
    lines = [f"{a} {b} {c}{d}" for a in who for b in does for c in where for d in (".", "!", " now.", " again.", "?")]
    (folder / "data.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "data.txt"


def clips(folder: Path) -> tuple[list[np.ndarray], list[str]]:
    """40 clips uint8 [8, 12, 12, 3] of a bright square that goes right or down, and which."""
    random, made = np.random.RandomState(2), []
    for k in range(40):
        clip, (top, left) = np.zeros((8, 12, 12, 3), np.uint8), random.randint(0, 4, 2)
        for t in range(8):
            a, b = (top, left + t) if k % 2 else (top + t, left)
            clip[t, a : a + 3, b : b + 3] = 120 + 10 * (k % 12)
        made.append(clip)
    return made, [("down", "right")[k % 2] for k in range(40)]


def rows(folder: Path) -> str:
    """A table of 300 people: whole numbers, words that belong together, sums of money with gaps, days."""
    random = np.random.RandomState(3)
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "city", "money", "income", "joined", "member"])
        for _ in range(300):
            age, place, gap, cents = (int(random.randint(*span)) for span in ((18, 90), (0, 3), (0, 5), (0, 60000)))
            income = f"{900 + 40 * age + cents / 100:.2f}" if gap else ""
            day = f"2020-{random.randint(1, 13):02d}-{random.randint(1, 28):02d}"
            names = ("Rome", "Oslo", "New York")[place], ("EUR", "NOK", "USD")[place]
            writer.writerow([age, *names, income, day, ("yes", "no")[random.randint(0, 2)]])
    return "data.csv"


def steps(folder: Path) -> np.ndarray:
    """A recording of two numbers in 120 steps: triangles in noise, quarters."""
    t = np.arange(120)[:, None] % np.array([12, 20])
    return (np.abs(t - np.array([6, 10])) * 8 + np.random.RandomState(4).randint(0, 9, (120, 2))) / 4


def dots(folder: Path) -> np.ndarray:
    """400 points [400, 2] float32 around four corners."""
    random = np.random.RandomState(5)
    return ((random.randint(0, 2, (400, 2)) * 256 + random.randint(0, 32, (400, 2))) / 128 - 1).astype(np.float32)


# Cases ---------------------------------------------------------------------------------------------------------------

_PAIR = {"direction": "AtoB", "size": 16, "networks.d_width": 4}
_SIDES = {"size": 16, "networks.width": 2, "networks.d_width": 4, "batch": 4, "budget": 24}
_CUT = {**_SIDES, "networks.blocks": 1, "networks.layers": 1, "networks.features": 8, "game.patches": 16}
_RESTORE = {"size": 16, "networks.width": 4, "networks.blocks": 1, "networks.d_width": 4, "game.adversarial_from": 0.4}
_TEXT = {"networks.embed": 8, "networks.hidden": 12, "networks.d_embed": 4, "networks.d_maps": 4,
         "networks.head_size": 4, "game.critic_from": 0.3, "game.adversarial_from": 0.6}  # fmt: skip
_VIDEO = {"domain.length": 6, "domain.stride": 1, "networks.width": 2, "networks.d_width": 1}
_TABLE = {"networks.width": 8, "networks.d_width": 8, "networks.pac": 2}


def coloured(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of 12 pixels in three classes."""
    return labelled(40, 12, 3, 3)


def plain(folder: Path) -> np.ndarray:
    """Pictures of 12 x 9 pixels."""
    return pictures(40, 12, 9)


# recipe -> what makes its data in a folder, and its settings over COMMON. Small, but every turn of a game is played.
# fmt: off
CASES: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "image": (coloured, {"networks.width": 2, "networks.d_width": 4, "networks.z_dim": 8}),
    "r3gan": (coloured, {"networks.width": 8, "networks.group_size": 4, "networks.blocks": 1, "networks.z_dim": 8,
                         "networks.y_dim": 4}),
    "dcgan": (coloured, {"networks.width": 2, "networks.z_dim": 8, "networks.embed": 4}),
    "mlp": (plain, {"networks.hidden": [5]}),
    "wgan": (plain, {"networks.width": 2, "networks.z_dim": 8}),
    "wgan-gp": (coloured, {"networks.width": 2, "networks.z_dim": 8, "networks.embed": 4}),
    "lsgan": (plain, {"networks.width": 2, "networks.z_dim": 8}),
    "points": (dots, {"networks.hidden": [16, 16]}),
    "pix2pix": (pairs, {**_PAIR, "networks.width": 2}),
    "pix2pixhd": (pairs, {**_PAIR, "networks.width": 4, "networks.blocks": 1, "networks.scales": 1}),
    "spade": (pairs, {**_PAIR, "networks.width": 2, "networks.hidden": 4, "networks.z_dim": 4, "networks.scales": 1}),
    "cyclegan": (two_folders, {**_SIDES, "networks.blocks": 1, "networks.memory": 8}),
    "dualgan": (two_folders, {**_SIDES, "networks.memory": 8}),
    "cut": (two_folders, _CUT),
    "fastcut": (two_folders, _CUT),
    "sincut": (two_images, _CUT),
    "stargan": (coloured, {"networks.width": 2, "networks.blocks": 1, "networks.d_width": 4, "networks.layers": 2}),
    "superres": (photos, {**_RESTORE, "scale": 2}),
    "restore": (photos, {**_RESTORE, "degrade": "blur=1+noise=10"}),
    "inpaint": (photos, {"size": 16, "networks.width": 8, "networks.blocks": 1, "networks.d_width": 4,
                         "game.adversarial_from": 0.4}),
    "classify": (partial, {"game.variant": "both", "networks.width": 4, "networks.g_width": 1, "networks.z_dim": 8}),
    "acgan": (partial, {"networks.width": 4, "networks.g_width": 1, "networks.z_dim": 8, "game.start": 0.5}),
    "audio": (sounds, {"networks.picture.width": 2, "networks.picture.d_width": 4, "networks.picture.z_dim": 8,
                       "networks.mels": 16}),
    "wavegan": (sounds, {"networks.width": 1, "networks.z_dim": 8, "networks.embed": 4}),
    "specgan": (sounds, {"networks.picture.width": 1, "networks.picture.z_dim": 8, "networks.picture.embed": 4,
                         "lr": 1e-3}),
    "vocoder": (wav_files, {"networks.width": 4, "networks.blocks": 1, "networks.d_width": 1, "networks.d_most": 2,
                            "networks.d_scale": 1, "domain.n_fft": 64, "domain.mels": 16, "domain.segment": 512,
                            "game.adversarial_from": 0.5, "batch": 2, "budget": 12}),
    "text": (sentences, {**_TEXT, "networks.candidates": 2}),
    "seqgan": (sentences, {**_TEXT, "game.rollouts": 1}),
    "relgan": (sentences, {**_TEXT, "networks.d_views": 4}),
    "video": (clips, {**_VIDEO, "networks.content": 8, "networks.motion": 8, "networks.sprites": 4,
                      "networks.label": 2}),
    "video3d": (clips, {**_VIDEO, "networks.z_dim": 8}),
    "table": (rows, {**_TABLE, "game.adversarial_from": 0.5, "train.score": 8}),
    "ctgan": (rows, {**_TABLE, "networks.z_dim": 8}),
    "series": (steps, {"domain.length": 8, "networks.hidden": [8, 8], "networks.d_hidden": [8],
                       "game.adversarial_from": 0.5}),
    "timegan": (steps, {"domain.length": 8, "networks.hidden": 6}),
}
# fmt: on
SETTINGS = {name: {**COMMON, **settings} for name, (_, settings) in CASES.items()}


def data_for(recipe: str, folder: Path) -> Any:
    """What `gw.train` is given as data=: arrays, or the name of what was written into the folder, to be trained there.

    A run refuses other data than it began with, and remembers the name; therefore names are relative.
    """
    return CASES[recipe][0](folder)


@contextmanager
def workplace() -> Iterator[Path]:
    """A temporary folder to work in, with a cache of its own."""
    before = os.environ.get("GANWORKS_CACHE")
    with tempfile.TemporaryDirectory() as name, chdir(name):
        os.environ["GANWORKS_CACHE"] = "cache"  # relative, as a run writes it down
        try:
            yield Path(name)
        finally:
            os.environ.pop("GANWORKS_CACHE")
            if before is not None:
                os.environ["GANWORKS_CACHE"] = before


def made(run: str | Path) -> np.ndarray:
    """What the network of a run makes: 5 samples of seed 1, or what becomes of a picture (or of mel frames)."""
    model: Any = gw.load(run, device="cpu")
    if hasattr(model, "sample"):
        return model.sample(5, seed=1).numpy()
    x = pictures(1, 24, 24, seed=9)[0]
    if hasattr(model, "predict"):
        return model(torch.from_numpy(x[:12, :12, 0].astype(np.float32)[None, None] / 127.5 - 1))
    if model.takes:
        mels = int(model.spec.facts["mels"])
        return model.apply(np.random.RandomState(9).randint(-80, 0, (mels, 20)).astype(np.float32) / 10)
    options: dict[str, Any] = {"label": "1"} if model.info["recipe"] == "stargan" else {}
    if model.info["recipe"] == "inpaint":
        options["mask"] = (np.arange(24 * 24).reshape(24, 24) % 24 < 8).astype(np.uint8) * 255
    return model.apply(x, seed=1, **options)


# Digests -------------------------------------------------------------------------------------------------------------


def digest(file: Path) -> str:
    """sha256 over the names and bytes of all tensors of a safetensors file, by name."""
    total = hashlib.sha256()
    for name, tensor in sorted(load_file(file).items()):
        total.update(name.encode() + tensor.tobytes())
    return total.hexdigest()


def newest_state(run: Path) -> Path:
    """The state that a training goes on from."""
    return max((run / "state").glob("*.safetensors"))


def results(recipe: str) -> dict[str, str]:
    """Train one case to its end: digests of the final state, of every published network, and of what it makes."""
    with workplace() as folder:
        list(gw.train(recipe, data=data_for(recipe, folder), out="run", **SETTINGS[recipe]))
        found = {"state": digest(newest_state(folder / "run"))}
        found |= {file.stem: digest(file) for file in sorted((folder / "run").glob("*.safetensors"))}
        return found | {"made": hashlib.sha256(made("run").tobytes()).hexdigest()}


def listed() -> list[str]:
    """The recipes that this version lists."""
    said = subprocess.run([sys.executable, "-m", "ganworks", "recipes"], capture_output=True, text=True, check=True)
    return re.findall(r"^([a-z][a-z0-9-]*) {2,}\S", said.stdout, re.M)


def about() -> dict[str, str]:
    """Versions, the processor and the instructions that torch uses: what decides about rounding."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "")
    return {"ganworks": gw.__version__, "torch": torch.__version__, "numpy": np.__version__,
            "python": platform.python_version(), "cpu": name or platform.machine(),
            "kernels": torch.backends.cpu.get_cpu_capability()}  # fmt: skip


def compare(now: dict[str, dict[str, str]], before: dict[str, dict[str, str]]) -> bool:
    """Print recipe by recipe what is the same; True when all of it is, and nothing is missing on either side."""
    whole = True
    for recipe in dict.fromkeys([*before, *now]):
        a, b = before.get(recipe), now.get(recipe)
        if a is None or b is None:
            said = "missing " + ("there" if a is None else "here")
        else:
            wrong = [part for part in dict.fromkeys([*a, *b]) if a.get(part) != b.get(part)]
            said = f"DIFFERENT: {', '.join(wrong)}" if wrong else f"same ({', '.join(a)})"
        whole = whole and said.startswith("same")
        print(f"{recipe:<12}{said}")
    return whole


# Command -------------------------------------------------------------------------------------------------------------


def main() -> int:
    """Train, write, compare; 1 when anything differs or is missing."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, metavar="FILE.json", help="write the digests there")
    options.add_argument("--compare", type=Path, metavar="OTHER.json", help="digests of another version")
    options.add_argument("--only", nargs="+", metavar="NAME", help="these recipes alone")
    given = options.parse_args()
    recipes = given.only or list(dict.fromkeys([*listed(), *SETTINGS]))
    found: dict[str, dict[str, str]] = {}
    unknown = [name for name in recipes if name not in SETTINGS]
    if unknown:
        print(f"No case here for: {', '.join(unknown)}")
    for recipe in recipes:
        start = time.monotonic()
        try:
            found[recipe] = results(recipe)
            said = "  ".join(f"{part} {value[:12]}" for part, value in found[recipe].items())
        except Exception as error:
            said = f"FAILED: {error!r}"
        print(f"{recipe:<12}{time.monotonic() - start:5.1f} s  {said}", flush=True)
    if given.out:
        given.out.write_text(json.dumps({"about": about(), "recipes": found}, indent=1) + "\n")
    whole = len(found) == len(recipes)
    if given.compare:
        before = json.loads(given.compare.read_text())["recipes"]
        whole &= compare(found, {k: v for k, v in before.items() if not given.only or k in given.only})
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
