"""Files of requests give what `ganworks apply` and `ganworks predict` give for them; other kinds are sampled, too."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pictures import noise
from PIL import Image
from served import same_bytes, serving

from ganworks.core.errors import UsageError
from ganworks.serve.asks import ApplyAsk, PredictAsk, SampleAsk
from ganworks.serve.engine import Limits, TooLargeError, WrongUseError
from ganworks.serve.engine.uploads import safe_name
from ganworks.use.applier import Applier
from ganworks.use.file_jobs import apply_files
from ganworks.use.model import Model
from ganworks.use.predictor import Predictor

FIXTURES = Path(__file__).parents[2] / "fixtures" / "runs_0_1_0"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for name in ("pix2pix", "inpaint", "classify", "cyclegan", "text", "table"):
        zipfile.ZipFile(FIXTURES / f"{name}.zip").extractall(folder / name)
        inside = next((folder / name).rglob("manifest.json")).parent
        found[name] = inside
    return found


def png(size: int = 32, channels: int = 3, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise(size, size, channels, seed=seed).squeeze()).save(buffer, "png")
    return buffer.getvalue()


def mask_png(size: int = 32) -> bytes:
    mask = np.zeros((size, size), np.uint8)
    mask[8:16, 8:16] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "png")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["pix2pix", "inpaint", "cyclegan"])
def test_a_picture_is_changed_as_by_the_command_line(runs, tmp_path, name):
    mask = mask_png() if name == "inpaint" else None
    reverse = name == "cyclegan"
    (tmp_path / "in.png").write_bytes(png())
    (tmp_path / "mask.png").write_bytes(mask or b"")
    model = Applier.load(runs[name], device="cpu", reverse=reverse)
    apply_files(model, tmp_path / "in.png", tmp_path / "out.png", seed=3, mask=tmp_path / "mask.png" if mask else None)
    ask = ApplyAsk(name, png(), "../../photo of mine.png", 3, mask=mask, reverse=reverse)
    found = serving(runs, lambda engine: engine.apply(ask))
    assert found.suffix == ".png" and found.content == (tmp_path / "out.png").read_bytes()
    assert found.model == model.fingerprint


def test_what_cannot_be_applied_says_why(runs):
    async def work(engine):
        with pytest.raises(UsageError, match="option"):
            await engine.apply(ApplyAsk("pix2pix", png(), "a.png", options={"nonsense": 1}))
        with pytest.raises(UsageError):
            await engine.apply(ApplyAsk("pix2pix", b"no picture", "a.png"))
        with pytest.raises(UsageError, match=r"a\.xyz"):
            await engine.apply(ApplyAsk("pix2pix", b"no picture", "a.xyz"))
        with pytest.raises(WrongUseError, match="`apply`"):
            await engine.sample(SampleAsk("pix2pix"))
        with pytest.raises(WrongUseError, match="`sample`"):
            await engine.apply(ApplyAsk("text", png(), "a.png"))

    serving(runs, work)


def test_uploads_above_the_limits_are_refused_before_they_are_decoded(runs):
    async def work(engine):
        with pytest.raises(TooLargeError, match="pixels"):
            await engine.apply(ApplyAsk("pix2pix", png(64), "a.png"))
        with pytest.raises(TooLargeError, match="at most"):
            await engine.apply(ApplyAsk("pix2pix", bytes(20_000), "a.wav"))
        with pytest.raises(TooLargeError, match="video"):
            await engine.apply(ApplyAsk("pix2pix", b"x", "a.mp4"))
        with pytest.raises(TooLargeError, match="files"):
            await engine.predict(PredictAsk("classify", (("a.png", png()),) * 4))

    serving(runs, work, limits=Limits(upload_bytes=15_000, pixels=2000, files=3))


def test_classes_are_those_of_the_command_line_in_the_order_of_the_request(runs, tmp_path):
    files = [(f"{9 - k}.png", png(28, 1, seed=k)) for k in range(5)]
    files.insert(2, ("broken.png", png(28, 1)[:60] + b"x" * 20))
    predictor = Predictor.load(runs["classify"], device="cpu")
    found = serving(runs, lambda engine: engine.predict(PredictAsk("classify", tuple(files))))
    whole = [name for name, _ in files if name != "broken.png"]
    assert list(found.names) == whole and [name for name, _ in found.failed] == ["broken.png"]
    for row, (name, content) in enumerate(f for f in files if f[0] != "broken.png"):
        (tmp_path / name).write_bytes(content)
        alone = predictor.predict(tmp_path / name)
        assert np.allclose(alone.probabilities[0], found.probabilities[row], atol=1e-6)
    one = serving(runs, lambda engine: engine.predict(PredictAsk("classify", (files[0],))))
    alone = predictor.predict(tmp_path / files[0][0])
    assert np.array_equal(one.probabilities, alone.probabilities) and one.names == (files[0][0],)


@pytest.mark.parametrize("name", ["text", "table"])
def test_texts_and_tables_are_sampled_as_by_the_command_line(runs, name):
    model = Model.load(runs[name], device="cpu")
    options = {"temperature": 0.7} if name == "text" else {}
    prepared = model.prepared(**options)

    async def work(engine):
        found = []
        for k in range(4):
            found.append(await engine.sample(SampleAsk(name, 1 + k % 3, k, k * 5, options=options if k % 2 else {})))
        return found

    for k, found in enumerate(serving(runs, work)):
        expected = (prepared if k % 2 else model).sample(1 + k % 3, k, start=k * 5)
        assert same_bytes(found, expected), k
        assert found.maker.encode(found, found.maker.forms[0], True) == expected.maker.encode(
            expected, expected.maker.forms[0], True
        )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/pass wd.png", "pass_wd.png"),
        ("C:\\\\x\\\\y.PNG", "y.PNG"),
        ("ü.png", "_.png"),
        (".hidden", "hidden"),
        ("", "file"),
        ("..", "file"),
        ("a" * 300 + ".jpeg", "a" * 80 + ".jpeg"),
    ],
)
def test_names_from_outside_name_nothing_else(given, kept):
    assert safe_name(given) == kept
