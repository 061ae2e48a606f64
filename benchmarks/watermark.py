"""How long watermarks survive, how often they are seen where there is none, and what they cost.

    python benchmarks/watermark.py DATA/bsd-photos.zip DATA/fsdd-8khz.zip DATA/cifar10-20pct-jpeg.zip [--photos 40]

Pictures: photos, resized to a square of each size or whole, with a key each; every attack is one pass through Pillow.
Sounds: spoken digits, joined to so many seconds. False positives: real pictures without a watermark, a key for each.
"found" is p <= 1e-6. Sound needs soundfile, soxr and PyAV.
"""

from __future__ import annotations

import argparse
import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common
import numpy as np
from PIL import Image

from ganworks.files.watermark import pictures, sound
from ganworks.files.watermark.key import Key

NAME = "watermark"
SIZES = (64, 96, 128, 256, 0)
SECONDS = (2, 5, 15)


def key(number: int) -> Key:
    """A key for trials."""
    return Key(number.to_bytes(32, "big"))


def photos(path: Path, most: int) -> list[Image.Image]:
    """The first pictures of a zip."""
    with zipfile.ZipFile(path) as archive:
        names = [n for n in sorted(archive.namelist()) if n.lower().endswith((".jpg", ".png", ".jpeg"))]
        return [Image.open(io.BytesIO(archive.read(n))).convert("RGB") for n in names[:most]]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """A picture through JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def attacks(image: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """(name, what is left of a picture)."""
    width, height = image.size
    yield "none", image
    yield from ((f"JPEG {q}", jpeg(image, q)) for q in (95, 75, 50))
    for f in (0.5, 0.75, 1.5, 2):
        yield f"resize {f:g}", image.resize((round(width * f), round(height * f)), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    yield "noise 8", Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    x, y = width // 8 + 1, height // 9
    yield "crop 3/4", image.crop((x, y, x + round(width * 0.75), y + round(height * 0.75)))
    yield "crop 0.9, JPEG 75", jpeg(image.crop((3, 5, 3 + round(width * 0.9), 5 + round(height * 0.9))), 75)


def of_pictures(images: list[Image.Image], size: int) -> dict[str, Any]:
    """The row of one size; 0: whole photos."""
    found: dict[str, list[bool]] = {}
    decibels, spent = [], []
    for number, photo in enumerate(images):
        image = photo.resize((size, size), Image.Resampling.LANCZOS) if size else photo
        planes = np.asarray(image).transpose(2, 0, 1)
        start = time.process_time()
        made = pictures.embed(planes, key(number))
        spent.append(time.process_time() - start)
        decibels.append(-10 * np.log10(((planes.astype(float) - made) ** 2).mean() / 255**2))
        for name, left in attacks(Image.fromarray(np.ascontiguousarray(made.transpose(1, 2, 0)))):
            found.setdefault(name, []).append(pictures.find_in_image(left, key(number)).found)
    return {
        "row": f"pictures {size or 'whole'}", "count": len(images), "psnr": float(np.mean(decibels)),
        "least_psnr": float(min(decibels)), "embed_ms": 1e3 * float(np.median(spent)),
        "found": {name: float(np.mean(seen)) for name, seen in found.items()},
    }  # fmt: skip


def coded(wave: np.ndarray, rate: int, kilobits: int) -> tuple[np.ndarray, int]:
    """[1, n] at a rate through MP3."""
    import av
    import soxr

    buffer, out = io.BytesIO(), 44_100
    x = soxr.resample(wave[0].astype(np.float32) / 32768, rate, out)[None]
    with av.open(buffer, "w", format="mp3") as film:
        stream = film.add_stream("libmp3lame", rate=out, bit_rate=kilobits * 1000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(x, np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = out, 0
        shaped = av.AudioResampler(stream.codec_context.format, "mono", out, frame_size=1152)
        for packet in [p for part in shaped.resample(frame) for p in stream.encode(part)] + list(stream.encode(None)):
            film.mux(packet)
    buffer.seek(0)
    with av.open(buffer) as film:
        parts = [frame.to_ndarray().reshape(1, -1) for frame in film.decode(audio=0)]
    return np.concatenate(parts, 1) * 32768, out


def sound_attacks(wave: np.ndarray, rate: int) -> Iterator[tuple[str, np.ndarray, int]]:
    """(name, what is left of a sound, its rate)."""
    import soxr

    yield "none", wave, rate
    yield from ((f"MP3 {k} kbit/s", *coded(wave, rate, k)) for k in (128, 64))
    yield "44.1 kHz", soxr.resample(wave[0].astype(np.float32), rate, 44_100)[None], 44_100
    noise = np.random.default_rng(0).normal(0, 1, wave.shape)
    yield "noise 30 dB", wave + noise * wave.std() * 10**-1.5, rate
    yield "noise 20 dB", wave + noise * wave.std() * 0.1, rate
    yield "first 0.23 s cut off", wave[:, round(0.23 * rate) :], rate


def of_sounds(path: Path, seconds: int, count: int) -> dict[str, Any]:
    """The row of one length."""
    import soundfile

    with zipfile.ZipFile(path) as archive:
        names = np.random.default_rng(0).permutation(sorted(n for n in archive.namelist() if n.endswith(".wav")))
        waves = [soundfile.read(io.BytesIO(archive.read(n)), dtype="int16") for n in names[:600]]
    rate, found, decibels, spent = waves[0][1], {}, [], []
    for number in range(count):
        wave = np.concatenate([waves[(number * 23 + k) % len(waves)][0] for k in range(8 * seconds)])
        wave = wave[None, : seconds * rate]
        start = time.process_time()
        made = sound.embed(wave, rate, key(number))
        spent.append(time.process_time() - start)
        rest = (wave.astype(float) - made) ** 2
        decibels.append(10 * np.log10((wave.astype(float) ** 2).mean() / rest.mean()))
        for name, left, at in sound_attacks(made, rate):
            found.setdefault(name, []).append(sound.find(left, at, key(number)).found)
    return {
        "row": f"sounds {seconds} s", "count": count, "snr": float(np.mean(decibels)),
        "embed_ms": 1e3 * float(np.median(spent)),
        "found": {name: float(np.mean(seen)) for name, seen in found.items()},
    }  # fmt: skip


def false_positives(path: Path, most: int, searched: int) -> dict[str, Any]:
    """The row of real pictures without a watermark; crops are looked for in the first `searched` of them."""
    images = photos(path, most)
    whole = [pictures.plain_t(np.asarray(image).transpose(2, 0, 1), key(k)) for k, image in enumerate(images)]
    start = time.process_time()
    ps = [pictures.find_in_image(image, key(k)).p for k, image in enumerate(images[:searched])]
    return {
        "row": "no watermark", "count": len(images), "largest_t": float(max(whole)), "deviation": float(np.std(whole)),
        "found": int(sum(pictures.bound(t, 2) <= 1e-6 for t in whole)), "searched": searched, "least_p": min(ps),
        "search_ms": 1e3 * (time.process_time() - start) / max(searched, 1),
    }  # fmt: skip


def show(rows: list[dict[str, Any]]) -> None:
    """The tables."""
    for kind in ("pictures", "sounds"):
        own = [row for row in rows if row["row"].startswith(kind)]
        if own:
            names = list(own[0]["found"])
            lines = []
            for r in own:
                shares = [f"{100 * r['found'][n]:.0f} %" for n in names]
                lines.append([r["row"], f"{r.get('psnr', r.get('snr')):.1f} dB", *shares, f"{r['embed_ms']:.0f} ms"])
            print(common.table([kind, "PSNR" if kind == "pictures" else "SNR", *names, "CPU"], lines), "\n")
    for row in (row for row in rows if row["row"] == "no watermark"):
        print(row)


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("sounds", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("--photos", dest="count", type=int, default=40)
    given = parser.parse_args()
    images = photos(given.photos, given.count)
    rows = [of_pictures(images, size) for size in SIZES]
    rows += [of_sounds(given.sounds, seconds, given.count // 2) for seconds in SECONDS]
    rows.append(false_positives(given.real, 10_000, 100))
    common.save(NAME, [{**row, "machine": common.machine()} for row in rows])
    show(rows)


if __name__ == "__main__":
    main()
