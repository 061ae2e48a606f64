"""Small made-up data of every kind, as the pages of the docs use it: the same bytes every time."""

from __future__ import annotations

import csv
import wave
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

RATE = 8000  # Hz, of the sounds
SIDE, FRAMES = 16, 16  # pixels and frames of the clips


def pictures(folder: Path, count: int, seed: int, wide: int = 32) -> None:
    """`count` random PNGs, 32 pixels high, in a new folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for k in range(count):
        Image.fromarray(rng.integers(0, 255, (32, wide, 3), np.uint8)).save(folder / f"{k}.png")


def sounds(folder: Path, count: int = 40) -> None:
    """`count` WAVs of a quarter of a second, 16 bits: tones in noise, low/ 150 to 350 Hz, high/ 900 to 1,600."""
    rng = np.random.default_rng(10)
    for name, low, high in (("low", 150, 350), ("high", 900, 1600)):
        (folder / name).mkdir(parents=True)
        for k in range(count // 2):
            at = np.arange(RATE // 4) / RATE
            loud = np.sin(np.pi * at / at[-1]) ** 0.5
            tone = np.sin(2 * np.pi * rng.uniform(low, high) * at + rng.uniform(0, 6.28))
            heard = loud * (rng.uniform(0.3, 0.6) * tone + 0.03 * rng.standard_normal(len(at)))
            with wave.open(str(folder / name / f"{k:02d}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes())


def captions(path: Path, count: int = 200) -> None:
    """`count` different sentences, one in a line."""
    who = ("a man", "a woman", "two children", "a small dog", "an old cat", "a group of people", "the waiter")
    does = ("sits on", "walks past", "looks at", "stands next to", "sleeps under", "runs around")
    what = ("a wooden bench", "the red bus", "a large table", "an open window", "a tall tree")
    where = ("in a park", "on a busy street", "near the beach", "at night", "in the kitchen", "on a sunny day")
    lines = [f"{a} {b} {c} {d} ." for a, b, c, d in product(who, does, what, where)]
    chosen = np.random.default_rng(11).permutation(len(lines))[:count]
    path.write_text("".join(f"{lines[k]}\n" for k in chosen), encoding="utf-8")


def clips(folder: Path, count: int = 12) -> None:
    """`count` strips for each class, 16 frames of 16 x 16 side by side: a coloured square moves up, or left."""
    rng = np.random.default_rng(12)
    for name, (dy, dx) in {"up": (-1, 0), "left": (0, -1)}.items():
        (folder / name).mkdir(parents=True)
        for k in range(count):
            frames = np.full((FRAMES, SIDE, SIDE, 3), 20, np.uint8)
            top, left, paint = rng.integers(0, SIDE), rng.integers(0, SIDE), rng.integers(100, 256, 3)
            for t in range(FRAMES):
                rows, columns = (np.arange(5) + top + dy * t) % SIDE, (np.arange(5) + left + dx * t) % SIDE
                frames[t][np.ix_(rows, columns)] = paint
            strip = frames.transpose(1, 0, 2, 3).reshape(SIDE, FRAMES * SIDE, 3)
            Image.fromarray(strip).save(folder / name / f"{k:02d}.png")


def people(path: Path, count: int = 400) -> None:
    """A table of `count` rows: age, income (grows with age; some missing), city (three, unequal), date, member."""
    rng = np.random.default_rng(13)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("age", "income", "city", "date", "member"))
        for _ in range(count):
            age = int(rng.integers(18, 80))
            income = round(float(800 + 45 * age + 300 * rng.standard_normal()), 2)
            city = rng.choice(("Paris", "Lyon", "Nice"), p=(0.6, 0.3, 0.1))
            day = date(2021, 1, 1) + timedelta(days=int(rng.integers(0, 900)))
            member = "yes" if rng.random() < (0.7 if age > 45 else 0.2) else "no"
            rows.writerow((age, "" if rng.random() < 0.05 else income, city, day.isoformat(), member))


def readings(path: Path, count: int = 600) -> None:
    """`count` hourly rows: date, and three columns that go with the hour of the day, with noise."""
    rng = np.random.default_rng(14)
    start = datetime(2022, 3, 1, tzinfo=UTC)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("date", "temperature", "load", "wind"))
        for hour in range(count):
            day = 2 * np.pi * hour / 24
            values = (
                12 + 6 * np.sin(day - 2) + 0.5 * rng.standard_normal(),
                80 + 20 * np.sin(day - 1) + 8 * np.sin(2 * day) + 2 * rng.standard_normal(),
                5 + 2 * np.cos(day) + 0.6 * rng.standard_normal(),
            )
            stamp = (start + timedelta(hours=hour)).strftime("%Y-%m-%d %H:%M:%S")
            rows.writerow((stamp, *(f"{value:.3f}" for value in values)))


def everything(folder: Path) -> None:
    """photos/; pairs/ (A left, B right); seasons/ (trainA, trainB); kinds/ (a folder for each class); sounds/ and
    clips/ (two classes); captions.txt, people.csv, readings.csv."""
    pictures(folder / "photos", 120, 0)
    pictures(folder / "pairs" / "train", 60, 1, wide=64)
    for seed, name in enumerate(("seasons/trainA", "seasons/trainB", "kinds/cat", "kinds/dog"), 2):
        pictures(folder / name, 60, seed)
    sounds(folder / "sounds")
    captions(folder / "captions.txt")
    clips(folder / "clips")
    people(folder / "people.csv")
    readings(folder / "readings.csv")
