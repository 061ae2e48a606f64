"""What the fuzzers start from: small data of every kind, a file of every format, and a short run of every use."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import zipfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import same_weights

sys.path.append(str(Path(__file__).parents[3] / "tests" / "helpers"))

DATA = {  # kind -> its data, in the folder of the material
    "images": "photos",
    "pairs": "pairs",
    "unpaired": "seasons",
    "multidomain": "kinds",
    "restoration": "photos",
    "inpainting": "photos",
    "classification": "kinds",
    "audio": "sounds",
    "vocoder": "sounds",
    "text": "captions.txt",
    "video": "clips",
    "tables": "people.csv",
    "series": "readings.csv",
    "points": "ring8",
}
RUNS = {  # recipe -> the verbs that use its run beside info, report, compare, eval and train
    "mlp": ("sample",),
    "points": ("sample",),
    "table": ("sample",),
    "series": ("sample",),
    "text": ("sample",),
    "wavegan": ("sample",),
    "video3d": ("sample",),
    "pix2pix": ("apply",),
    "superres": ("apply",),
    "inpaint": ("apply",),
    "vocoder": ("apply",),
    "classify": ("predict",),
}
INPUT = {"vocoder": "tone.wav"}  # what a network of `apply` and `predict` is given; else a picture


def settings_of(recipe: str) -> list[str]:
    """The words of a very small training of a recipe, data and budget among them."""
    from ganworks.core import registry

    small = {**same_weights.SETTINGS[recipe], "budget": 16, "batch": 4}
    small |= {"domain.length": 8} if recipe == "series" else {}
    words = [f"{name}={json.dumps(value)}" for name, value in small.items() if name != "direction"]
    return [recipe, f"data={DATA[registry.recipes()[recipe].kind.name]}", *words]


def material(folder: Path) -> None:
    """Make everything in a new folder: data, files/NAME of each format, runs/RECIPE."""
    import doc_folders

    folder.mkdir(parents=True)
    doc_folders.everything(folder)
    for name in ("photos", "pairs/train", "seasons/trainA", "seasons/trainB", "kinds/cat", "kinds/dog"):
        for path in sorted((folder / name).glob("*.png"))[12:]:
            path.unlink()
    with chdir(folder):
        files(Path("files"))
        from ganworks.cli.main import main

        for recipe in RUNS:
            words = ["train", *settings_of(recipe), f"out=runs/{recipe}", "evaluate=off"]
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said:
                code = main(words)
                if recipe in ("points", "table") and not code:
                    code = main(["eval", f"runs/{recipe}", "count=64"])
            if code:
                raise SystemExit(f"{' '.join(words)} failed: {said.getvalue()}")
            shutil.rmtree(Path("runs") / recipe / ".cache", ignore_errors=True)


def files(folder: Path) -> None:
    """A small, sound file of each format that ganworks reads."""
    import numpy as np
    import pandas as pd
    import soundfile
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (12, 16, 16, 3), np.uint8)
    for suffix, extra in {
        "png": {},
        "jpg": {},
        "webp": {"lossless": True},
        "tif": {"compression": "tiff_lzw"},
        "bmp": {},
    }.items():
        Image.fromarray(x[0]).save(folder / f"picture.{suffix}", **extra)
    frames = [Image.fromarray(each) for each in x[:3]]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(x[0, :, :, 0].astype(np.uint16) * 257).save(folder / "deep.png")
    np.save(folder / "images.npy", x)
    np.save(folder / "points.npy", rng.normal(size=(64, 2)).astype(np.float32))
    np.save(folder / "steps.npy", rng.normal(size=(64, 2)))
    np.savez(folder / "images.npz", x=x, y=np.arange(12) % 3)
    np.savez_compressed(folder / "small.npz", x=x)
    head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (12, 16, 16))
    (folder / "train-images-idx3-ubyte").write_bytes(head + x[..., 0].tobytes())
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + x[..., 0].tobytes(), mtime=0))
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for k in range(4):
            archive.writestr(f"{'ab'[k % 2]}/{k}.png", (folder / "picture.png").read_bytes())
        archive.writestr("labels.csv", "file,label\n" + "".join(f"{'ab'[k % 2]}/{k}.png,{k % 2}\n" for k in range(4)))
    shutil.copy("people.csv", folder / "people.csv")
    table = pd.read_csv("people.csv")
    table.to_csv(folder / "people.tsv", sep="\t", index=False)
    table.to_parquet(folder / "people.parquet")
    shutil.copy("readings.csv", folder / "readings.csv")
    shutil.copy("captions.txt", folder / "captions.txt")
    (folder / "captions.txt.gz").write_bytes(gzip.compress(Path("captions.txt").read_bytes(), mtime=0))
    lines = Path("captions.txt").read_text().splitlines()
    (folder / "captions.csv").write_text("text,label\n" + "".join(f'"{t}",{len(t) % 2}\n' for t in lines))
    tone = (0.3 * np.sin(np.arange(4000) / 7)).astype(np.float32)
    soundfile.write(folder / "tone.wav", tone, 8000)
    soundfile.write(folder / "float.wav", tone, 8000, subtype="FLOAT")
    soundfile.write(folder / "tone.flac", tone, 8000)
    soundfile.write(folder / "tone.ogg", tone, 8000)
    film(folder / "film.mp4", x.repeat(2, 1).repeat(2, 2))


def film(path: Path, frames: object) -> None:
    """Frames uint8 [T, H, W, 3] as a film."""
    import av
    import numpy as np

    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"  # type: ignore[attr-defined]
        for frame in np.asarray(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))  # type: ignore[attr-defined]
        out.mux(stream.encode())  # type: ignore[attr-defined]
