"""The recipe that fits a path: what every kind of data looks like, what is in doubt, what is refused."""

import io
import os
import subprocess
import sys
import zipfile

import doc_folders
import numpy as np
import pytest
from PIL import Image

from ganworks.cli import main as cli
from ganworks.core.errors import UsageError
from ganworks.files import glance as clues
from ganworks.files import rows
from ganworks.files.recognise import recognise

RNG = np.random.default_rng(0)


def png(x, form="PNG"):
    out = io.BytesIO()
    Image.fromarray(np.asarray(x, np.uint8)).save(out, form)
    return out.getvalue()


def smooth(tall, wide, seed):
    """A picture without edges, as a photo of the sky."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 8, 3), np.uint8))
    return np.asarray(small.resize((wide, tall), Image.Resampling.BICUBIC))


def lay(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def archive(path, files):
    with zipfile.ZipFile(path, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


def numbers(x, header="", fmt="%.5f"):
    out = io.StringIO()
    np.savetxt(out, x, delimiter=",", fmt=fmt, header=header, comments="")
    return out.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    doc_folders.everything(folder)
    return folder


@pytest.mark.parametrize(("name", "recipe", "said"), [
    ("photos", "image", ".png"), ("kinds", "image", ".png"), ("seasons", "cyclegan", "trainB"),
    ("sounds", "audio", ".wav"), ("captions.txt", "text", "lines of text"),
    ("clips", "video", "16 frames of 16 x 16"), ("people.csv", "table", "2 of numbers"),
    ("readings.csv", "series", '"date"'),
])  # fmt: skip
def test_the_folders_of_the_docs(place, name, recipe, said):
    found = recognise(place / name)
    assert found.recipe == recipe and said in found.because and f"`{recipe}`" in found.because
    assert found.because.endswith(".") and "\n" not in found.because


def walk(count, columns):
    return 50 + np.cumsum(RNG.normal(size=(count, columns)), 0)


def days(count, step=1, start="2020-01-01"):
    return np.datetime_as_string(np.datetime64(start) + step * np.arange(count)).tolist()


FILES = {
    "prices.csv": ("series", numbers(walk(300, 5), "open,high,low,close,volume")),
    "rates.txt": ("series", numbers(walk(300, 8))),
    "spaces.txt": ("series", numbers(walk(300, 3)).replace(",", "   ")),
    "wine.csv": ("table", numbers(RNG.normal(size=(300, 12)))),
    "semicolons.csv": ("table", numbers(RNG.normal(size=(99, 4)), "a,b,c,d").replace(",", ";")),
    "sorted.csv": ("table", numbers(np.c_[np.sort(RNG.normal(size=300)), RNG.normal(size=(300, 6))])),
    "classes.csv": ("table", numbers(np.c_[np.repeat([0, 5, 9], 60)[:, None] + RNG.normal(size=(180, 4)),
                                           np.repeat([0, 1, 2], 60)])),
    "tabs.tsv": ("table", "name\tage\n" + "".join(f"n{k}\t{k * 37 % 60}\n" for k in range(80))),
    "xy.csv": ("points", numbers(RNG.normal(size=(200, 2)), "x,y")),
    "xyz.csv": ("points", numbers(RNG.normal(size=(200, 3)))),
    "two.csv": ("table", numbers(RNG.integers(0, 90, (200, 2)), "age,children", "%d")),
    "days.csv": ("series", "day,n\n" + "".join(f"{d},{RNG.integers(9)}\n" for d in days(60))),
    "weekdays.csv": ("series", "date,n\n" + "".join(f"{d},1{k}\n" for k, d in enumerate(days(60)) if k % 7 < 5)),
    "months.csv": ("series", "m,n\n" + "".join(f"{1990 + k // 12}-{k % 12 + 1:02d},{k * 7 % 5}\n" for k in range(60))),
    "german.csv": ("series", "Datum;Wert\n" + "".join(f"{k % 28 + 1:02d}.01.2020;{k}\n" for k in range(28))),
    "compact.csv": ("series", "date,n\n" + "".join(f"{d.replace('-', '')},{RNG.integers(9)}\n" for d in days(60))),
    "log.csv": ("table", "date,who,sum\n" + "".join(
        f"2020-{k % 9 + 1:02d}-11,u{k % 7},{k * 7 % 50}\n" for k in range(90))),
    "seconds.csv": ("series", numbers(np.c_[np.arange(200) * 0.1, RNG.normal(size=(200, 3))], "time,ax,ay,az")),
    "poems.txt": ("text", "床前明月光,疑是地上霜\n举头望明月,低头思故乡\n" * 30),
    "commas.txt": ("text", "".join(f"one, two and {k}\nthree\n" for k in range(50))),
    "reviews.csv": ("text", "review,stars\n" + "".join(f'"it was, as I said, {w} of them",{k % 5}\n'
                                                      for k, w in enumerate(dir(str)))),
    "tabbed.txt": ("text", "".join(f"{k % 2}\tthe {w} is over there\n" for k, w in enumerate(dir(str)))),
    "single.csv": ("text", "name\n" + "".join(f"{w}\n" for w in dir(str))),
    "one.csv": ("series", "n\n" + "".join(f"{v:.3f}\n" for v in walk(200, 1)[:, 0])),
    "dice.csv": ("table", "n\n" + "".join(f"{v}\n" for v in RNG.integers(1, 7, 300))),
    "long.csv": ("series", "id,day,n\n" + "".join(f"p{k},{d},{k * 3 % 7}\n" for k in range(9) for d in days(12))),
    "mixed.csv": ("series", "day,id,n\n" + "".join(f"{d},p{k},{k * 3 % 7}\n" for d in days(12) for k in range(9))),
    "keys.csv": ("table", "id,born,n\n" + "".join(f"{k},19{k % 90 + 10}-02-03,{k * 3 % 7}\n" for k in range(99))),
    "marked.csv": ("table", '# {"a": 1, "b": 2}\nname,age\n' + "".join(f"n{k},{k * 37 % 60}\n" for k in range(80))),
    "words.txt": ("text", "word\n" * 40),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_one_file(name, tmp_path):
    recipe, content = FILES[name]
    lay(tmp_path, {name: content})
    assert recognise(tmp_path / name).recipe == recipe
    import gzip

    lay(tmp_path, {f"{name}.gz": gzip.compress(content.encode())})
    assert recognise(tmp_path / f"{name}.gz").recipe == recipe


def sides(names, prefix="train"):
    return {f"{prefix}{side}/{name}": png(smooth(16, 16, k)) for side in "AB" for k, name in enumerate(names(side))}


PLACES = {
    "pairs": ("pix2pix", {f"{k}.png": png(np.hstack([smooth(32, 32, k), 255 - smooth(32, 32, k)])) for k in range(8)}),
    "views": ("image", {f"{k}.png": png(smooth(32, 64, k)) for k in range(8)}),
    "same": ("pix2pix", sides(lambda side: [f"street-{k}.png" for k in range(9)], "")),
    "sets": ("cyclegan", sides(lambda side: [f"{side}{k}.png" for k in range(9)])),
    "one": ("sincut", sides(lambda side: [f"{side}.png"])),
    "strips": ("video", {f"0/{k}.png": png(RNG.integers(0, 255, (8, 64, 3))) for k in range(5)}),
    "four": ("image", {f"{k}.png": png(smooth(16, 64, k)) for k in range(5)}),
    "banners": ("image", {f"{k}.png": png(smooth(8, 64 + 8 * k, k)) for k in range(5)}),
    "framed": ("video", {f"c{c}/frame_{k:03d}.jpg": png(smooth(8, 8, k), "JPEG") for c in "ab" for k in range(5)}),
    "films": ("video", {f"up/{k}.mp4": b"\0\0\0\x18ftyp" for k in range(3)}),
    "sounds": ("audio", {f"{k}.flac": b"fLaC" for k in range(3)} | {f"{k}.txt": b"said" for k in range(3)}),
    "logs": ("series", {f"d/{k}.csv": numbers(RNG.normal(size=(20 + k, 4)), "#a,b,c,d") for k in range(9)}
             | {"d/target.csv": "#id,label\n1,1\n2,-1\n", "README.txt": "About", "d/map.jpg": png(smooth(9, 9, 0))}),
    "labelled": ("image", {f"{k}.png": png(smooth(9, 9, k)) for k in range(20)} | {"labels.csv": "file,label\n"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_folders_and_zips(name, tmp_path):
    recipe, files = PLACES[name]
    assert recognise(lay(tmp_path / name, files)).recipe == recipe
    assert recognise(archive(tmp_path / "a.zip", files)).recipe == recipe
    assert recognise(archive(tmp_path / "b.zip", {f"in/{n}": c for n, c in files.items()})).recipe == recipe


def test_pictures_that_move(tmp_path):
    frames = [Image.fromarray(smooth(16, 16, k)) for k in range(4)]
    for k in range(4):
        frames[k].save(tmp_path / f"{k}.gif", save_all=True, append_images=frames[k + 1 :] or frames[:1])
    assert recognise(tmp_path).recipe == "video"
    (tmp_path / "stills").mkdir()
    for k in range(4):
        frames[k].save(tmp_path / "stills" / f"{k}.gif")
    assert recognise(tmp_path / "stills").recipe == "image"


def test_doubt_names_the_other_way(tmp_path):
    assert "ganworks train video" in recognise(lay(tmp_path / "four", PLACES["four"][1])).otherwise
    views = recognise(lay(tmp_path / "views", PLACES["views"][1]))
    assert "ganworks train pix2pix data=" in views.otherwise and "pix2pix" not in views.because
    lay(tmp_path, {"p.csv": FILES["prices.csv"][1], "w.csv": FILES["wine.csv"][1]})
    assert "ganworks train table data=" in recognise(tmp_path / "p.csv").otherwise
    assert "ganworks train series data=" in recognise(tmp_path / "w.csv").otherwise


@pytest.mark.parametrize(("files", "said"), [
    ({}, "empty"),
    ({"a.wav": b"", "b.png": b"", "c.mp4": b""}, "sound files (.wav), picture files (.png), film files (.mp4)"),
    ({"a.xyz": b"", "b.xyz": b""}, "no kind of file that is known (.xyz)"),
    ({"a.csv": "a,b\nx,y\n", "b.csv": "c,d\nx,y\n"}, "say which to learn from: ganworks train data="),
])  # fmt: skip
def test_what_cannot_be_told_is_a_sentence(files, said, tmp_path):
    lay(tmp_path / "d", files).mkdir(exist_ok=True)
    with pytest.raises(UsageError, match=r"^[^\n]+$") as caught:
        recognise(tmp_path / "d")
    assert said in str(caught.value)


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.png", png(smooth(9, 9, 0)), "one picture"), ("b.bin", bytes(range(256)), "could not be recognised"),
    ("c.json", '{"a": 1}', "could not be recognised"), ("d.npy", b"\x93NUMPY\1\0", "cannot be read"),
    ("g.npy", b"\x93NUMPY\1\0\x0c\0{'descr': (\n\0", "cannot be read"),
    ("e.txt", b"", "could not be recognised"), ("f.csv", b"\0\1\2", "could not be recognised"),
])  # fmt: skip
def test_one_file_that_cannot_be_told(name, content, said, tmp_path):
    lay(tmp_path, {name: content})
    with pytest.raises(UsageError, match=said):
        recognise(tmp_path / name)
    with pytest.raises(UsageError, match="nothing at"):
        recognise(tmp_path / "missing.csv")


def test_a_zip_that_is_there_to_do_harm_is_refused(tmp_path):
    with pytest.raises(UsageError, match="outside"):
        recognise(archive(tmp_path / "up.zip", {"../a.png": b""}))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.csv", b"1,2\n" * (20 << 20))
    with pytest.raises(UsageError, match="bomb"):
        recognise(tmp_path / "bomb.zip")


def test_little_is_read(tmp_path, monkeypatch):
    """However much lies there: a few hundred names, the head of a few files; a pipe does not block."""
    for k in range(300):
        lay(tmp_path / "deep", {f"{k}/{n}.wav": b"" for n in range(3)})
    lay(tmp_path / "flat", {f"{n}.txt": b"a line\n" for n in range(700)})
    assert len(clues.Clues(tmp_path / "deep").names) <= clues.NAMES + clues.NAMES_EACH
    assert len(clues.Clues(tmp_path / "flat").names) == clues.NAMES_EACH
    many = archive(tmp_path / "many.zip", {f"{k % 40}/{k}.wav": b"" for k in range(3000)})
    assert len(clues.Clues(many).names) <= clues.NAMES
    lay(tmp_path, {"long.csv": numbers(RNG.normal(size=(60_000, 4)))})
    seen = []

    def read(self, index, most):
        seen.append(most)
        return self.path.read_bytes()[:most]

    monkeypatch.setattr(clues._SingleFile, "read", read)
    assert recognise(tmp_path / "long.csv").recipe == "table" and max(seen) <= clues.HEAD
    parsed = rows.parse((tmp_path / "long.csv").read_bytes()[: clues.HEAD], False)
    assert parsed is not None and parsed.count == rows.ROWS
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipes"):
        recognise(tmp_path / "pipe")


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    lay(tmp_path / "other", {f"{k}.wav": b"" for k in range(9)})
    lay(tmp_path / "mine", {f"{k}.png": png(smooth(9, 9, k)) for k in range(3)})
    for k in range(9):
        (tmp_path / "mine" / f"link{k}.wav").symlink_to(tmp_path / "other" / f"{k}.wav")
    assert recognise(tmp_path / "mine").recipe == "image"


def test_python_objects(tmp_path):
    assert recognise(["a line", "another"]).recipe == recognise((["a line", "b"], [0, 1])).recipe == "text"
    assert recognise(([np.zeros(800), np.zeros(900)], 8000)).recipe == "audio"
    assert recognise([np.zeros((20, 3)), np.zeros((24, 3))]).recipe == "series"
    assert recognise(np.zeros((5, 8, 8, 3), np.uint8)).recipe == "image"
    assert recognise((np.zeros((5, 1, 8, 8)), np.zeros(5))).recipe == "image"
    assert recognise(np.zeros((50, 2), np.float32)).recipe == "points"
    np.save(tmp_path / "x.npy", np.zeros((50, 3), np.float32))
    np.savez(tmp_path / "y.npz", x=np.zeros((50, 1, 8, 8), np.uint8))
    assert [recognise(tmp_path / n).recipe for n in ("x.npy", "y.npz")] == ["points", "image"]
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(io.StringIO(FILES["log.csv"][1]))
    assert recognise(table).recipe == "table" and recognise(table["who"]).recipe == "text"
    steps = pandas.DataFrame({"n": range(50)}, index=pandas.date_range("2020-01-01", periods=50, freq="h"))
    assert recognise(steps).recipe == "series" and "1 hour" in recognise(steps).because
    table.to_parquet(tmp_path / "t.parquet")
    steps.reset_index().to_parquet(tmp_path / "s.parquet")
    assert [recognise(tmp_path / f"{n}.parquet").recipe for n in "ts"] == ["table", "series"]


def test_nothing_heavy_is_imported(place):
    code = f"import sys; from ganworks.files.recognise import recognise; recognise({str(place / 'people.csv')!r}); " \
           "sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_says_why(place, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(place)
    small = ["budget=64", "batch=32", "train.judge=off", "train.precision=fp32", "networks.hidden=[8]"]
    assert cli.main(["train", "ring8", f"out={tmp_path / 'run'}", "domain.count=500", "train.threads=1", *small]) == 0
    out = capsys.readouterr()
    assert "`points`" in out.out and (out.out + out.err).count("is built in") == 1  # told once
    assert "is built in" in (tmp_path / "run" / "config.yaml").read_text()  # and kept among the reasons
    assert cli.main(["train", "photoss"]) == 2
    assert "nothing at the path" in capsys.readouterr().err
    assert cli.main(["train", "nosuch", "data=photos"]) == 2
