"""Trained translators in use: the same picture in another's clothes, and nothing of the file lost on the way."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import noise, pixels
from PIL import Image, ImageOps, ImageSequence
from standins import publish

import ganworks as gw
from ganworks.cli import main as cli
from ganworks.core.errors import GanworksError, UsageError
from ganworks.files import provenance
from ganworks.files.rasters.read import ImageMetadata, read
from ganworks.files.rasters.stored import Raster
from ganworks.files.rasters.write import encode, picture
from ganworks.use import job_record as applying_files
from ganworks.use.applier import Applier
from ganworks.use.file_jobs import apply_files


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_and_gone(run, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    exif[0x8769] = {0xA002: 20, 0xA003: 10, 0x829A: 0.5}
    image = Image.fromarray(noise(10, 20, 3))
    for suffix in ("png", "webp", "tif"):
        image.save(tmp_path / f"in.{suffix}", exif=exif.tobytes(), lossless=True)
        apply_files(Applier.load(run), tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}")
        with Image.open(tmp_path / f"in.{suffix}") as a, Image.open(tmp_path / f"out.{suffix}") as b:
            upright = np.asarray(ImageOps.exif_transpose(a))
            assert b.getexif().get(0x0112, 1) == 1 and b.getexif()[0x010F] == "Maker"
            assert np.array_equal(np.asarray(b), upright) and np.array_equal(
                np.asarray(ImageOps.exif_transpose(b)), upright
            )
            detail = b.getexif().get_ifd(0x8769)
            assert (detail[0xA002], detail[0xA003], float(detail[0x829A])) == (*b.size, 0.5)


def test_a_jpeg_keeps_its_facts(run, tmp_path):
    exif, icc = Image.Exif(), b"\0" * 16 + b"RGB " + b"\0" * 108
    exif[0x0112], exif[0x8298] = 6, "(c) somebody"
    image = Image.fromarray(np.kron(noise(4, 6, 3), np.ones((8, 8, 1), np.uint8)))
    image.save(tmp_path / "in.jpg", exif=exif, icc_profile=icc, dpi=(72, 300), quality=95)
    apply_files(Applier.load(run), tmp_path / "in.jpg", tmp_path / "out.jpg")
    with Image.open(tmp_path / "in.jpg") as a, Image.open(tmp_path / "out.jpg") as b:
        assert b.size == (32, 48) and b.getexif()[0x8298] == "(c) somebody" and b.info["icc_profile"] == icc
        assert b.info["dpi"] == (300, 72)  # turned with the picture
        upright = np.asarray(ImageOps.exif_transpose(a)).astype(int)
        assert np.abs(np.asarray(b) - upright).mean() < 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_stay_sixteen(tmp_path, channels, suffix):
    run = publish(tmp_path / "run", shift=256 / 65535 * 2)
    array = noise(channels, 5, 7, dtype=np.uint16) // 2
    colour = array[: 1 if channels < 3 else 3]
    alpha = array[-1] if channels in (2, 4) else None
    form = "PNG" if suffix == ".png" else "TIFF"
    (tmp_path / f"in{suffix}").write_bytes(encode([Raster(colour, alpha, 65535.0)], ImageMetadata(form)))
    apply_files(Applier.load(run), tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    found = read((tmp_path / f"out{suffix}").read_bytes()).frames[0]
    assert found.bits == 16
    assert np.array_equal(found.colour[: len(colour)], colour + 256)  # a step that 8 bits would round
    assert (found.alpha is None) == (alpha is None) and (alpha is None or np.array_equal(found.alpha, alpha))


def test_pillow_reads_the_sixteen_bit_files_alike():
    array = noise(3, 5, 7, dtype=np.uint16)
    for form in ("PNG", "TIFF"):
        with Image.open(io.BytesIO(encode([Raster(array, None, 65535.0)], ImageMetadata(form)))) as image:
            assert np.array_equal(np.asarray(image).transpose(2, 0, 1), array >> 8)


def test_alpha_goes_beside_the_network_and_grows_with_it(tmp_path):
    run = publish(tmp_path / "run", shift=0.2, scale=2)
    array = noise(8, 8, 4) // 2
    array[:4, :, 3], array[4:, :, 3] = 255, 0
    Image.fromarray(array).save(tmp_path / "in.png")
    apply_files(Applier.load(run), tmp_path / "in.png", tmp_path / "out.png")
    found = pixels(tmp_path / "out.png")
    assert found.shape == (16, 16, 4) and (found[:6, :, 3] == 255).all() and (found[-6:, :, 3] == 0).all()
    assert np.abs(found[:8:2, ::2, :3].astype(int) - array[:4, :, :3] - 25.5).max() <= 1


class Blur(torch.nn.Module):
    """Mixes each pixel with those around it, as every network does."""

    def forward(self, x):
        return torch.nn.functional.avg_pool2d(torch.nn.functional.pad(x, (2, 2, 2, 2), "replicate"), 5, 1)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16], ids=["8", "16"])
@pytest.mark.parametrize("scale", [1, 4])
def test_the_colour_of_transparent_pixels_shows_in_no_visible_one(tmp_path, scale, depth):
    model = Applier.load(publish(tmp_path / "run", scale=scale))
    model.net = Blur()
    top = np.iinfo(depth).max
    y, x = np.mgrid[:24, :24] - 11.5
    alpha = (np.hypot(y, x) < 8).astype(depth) * depth(top)
    for hidden in (0, 99):
        colour = np.where(alpha > 0, depth(top), depth(hidden))[None].repeat(3, 0)
        made = model.raster(Raster(colour, alpha, float(top)))
        assert made.bits == depth().itemsize * 8 and made.size == (24 * scale, 24 * scale)
        assert np.asarray(picture(made, alpha=False)).min() == 255  # white on white
    shade = (np.arange(24) * 5 + 60).astype(depth)[None, None].repeat(3, 0).repeat(24, 1)
    dark, bright = (model.raster(Raster(np.where(alpha > 0, shade, depth(h)), alpha, float(top))) for h in (0, top))
    shown = dark.alpha > 0
    assert np.array_equal(dark.colour[:, shown], bright.colour[:, shown])


@pytest.mark.parametrize("suffix", ["webp", "png", "gif"])
def test_transparent_colours_of_an_animation_show_nowhere(tmp_path, suffix):
    model = Applier.load(publish(tmp_path / "run"))
    model.net = Blur()
    frames = []
    for k in range(3):
        array = np.zeros((20, 20, 4), np.uint8)
        array[4 + k : 14 + k, 4:14] = 255
        frames.append(Image.fromarray(array))
    frames[0].save(tmp_path / f"in.{suffix}", save_all=True, append_images=frames[1:], lossless=True, disposal=2)
    apply_files(model, tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}", mark=False)
    found = read((tmp_path / f"out.{suffix}").read_bytes())
    assert len(found.frames) == 3
    assert all(np.asarray(picture(frame, alpha=False)).min() >= 254 for frame in found.frames)


def test_files_without_a_range_are_read_as_in_the_training(tmp_path):
    model = Applier.load(publish(tmp_path / "run", channels=1))
    heights = np.linspace(200, 1000, 48, dtype=np.float32).reshape(6, 8)
    Image.fromarray(heights).save(tmp_path / "in.tif")
    seen, _ = [], model.fingerprint  # of the network that the next line hides
    model.net = lambda x: seen.append(x) or x
    for known, ends in ((None, (-1, 1)), ((-1000, 3000), (-0.4, 0))):
        model.known = known
        done = apply_files(model, tmp_path / "in.tif", tmp_path / "out.tif")
        assert [said for _, said in done.said] == ([] if known else ["read with 200 as black and 1000 as white"])
        assert np.allclose((seen[-1].min(), seen[-1].max()), ends, atol=1e-6)
        assert np.allclose(np.asarray(Image.open(tmp_path / "out.tif")), heights, atol=1e-3)


def test_twelve_bits_in_sixteen_are_said(run, tmp_path):
    Image.fromarray((np.arange(64, dtype=np.uint16) * 65).reshape(8, 8)).save(tmp_path / "in.png")
    done = apply_files(Applier.load(run), tmp_path / "in.png", tmp_path / "out.png")
    assert ["0 to 4095 of 0 to 65535" in said for _, said in done.said] == [True]


def test_grey_stays_grey_and_colour_meets_a_grey_model_as_luma(tmp_path):
    grey, rgb = noise(6, 6), noise(6, 6, 3)
    colour_model, grey_model = (Applier.load(publish(tmp_path / str(c), channels=c)) for c in (3, 1))
    assert np.array_equal(colour_model.apply(grey), grey)
    assert np.array_equal(np.asarray(colour_model.apply(Image.fromarray(grey))), grey)
    luma = np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    assert np.abs(grey_model.apply(rgb)[..., 0].astype(int) - luma).max() <= 1
    colourer = Applier.load(publish(tmp_path / "colours", channels=1, made=3))
    assert colourer.apply(Image.fromarray(rgb)).mode == "RGB"


def test_animations_keep_frames_times_and_loops(run, tmp_path):
    frames = [Image.fromarray(np.full((8, 8, 3), 60 * k, np.uint8)) for k in range(4)]
    for suffix in ("gif", "webp", "png"):
        source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
        frames[0].save(
            source, save_all=True, append_images=frames[1:], duration=[50, 100, 150, 200], loop=3, lossless=True
        )
        apply_files(Applier.load(run), source, target)
        with Image.open(target) as image:
            shown = [(np.asarray(f.convert("RGB"))[0, 0, 0], f.info["duration"]) for f in ImageSequence.Iterator(image)]
            assert shown == [(0, 50), (60, 100), (120, 150), (180, 200)] and image.info["loop"] == 3


def test_other_modes_become_what_they_show(run, tmp_path):
    picture = Image.fromarray(noise(6, 6, 3))
    cases = {
        "P": picture.quantize(8),
        "1": picture.convert("1"),
        "CMYK": picture.convert("CMYK"),
        "LA": picture.convert("LA"),
    }
    for mode, image in cases.items():
        buffer = io.BytesIO()
        image.save(buffer, "TIFF" if mode == "CMYK" else "PNG")
        found = read(buffer.getvalue()).frames[0]
        wanted = np.asarray(image.convert("RGB" if mode in ("P", "CMYK") else "L"))
        assert np.array_equal(found.colour.transpose(1, 2, 0).squeeze(), wanted), mode
        assert (found.alpha is not None) == (mode == "LA")
    floats = np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 6)
    Image.fromarray(floats).save(tmp_path / "f.tif")
    apply_files(Applier.load(run), tmp_path / "f.tif", tmp_path / "g.tif")
    assert np.abs(pixels(tmp_path / "g.tif") - floats).max() < 1e-6


def test_arrays_tensors_and_images_go_the_same_way(tmp_path):
    model = gw.load(publish(tmp_path / "run", shift=-0.2))
    assert isinstance(model, Applier)
    array = noise(5, 4, 3)
    out = model.apply(array)
    assert out.dtype == np.uint8 and np.array_equal(out, np.asarray(model.apply(Image.fromarray(array))))
    tensor = torch.from_numpy(array.transpose(2, 0, 1) / 127.5 - 1).float()[None]
    made = model.apply(tensor)
    assert (
        torch.allclose(made, (tensor - 0.2).clamp(-1, 1))
        and np.abs((made[0].permute(1, 2, 0).numpy() + 1) * 127.5 - out).max() <= 0.51
    )
    assert np.abs(model.apply(array / 255.0) - out / 255).max() < 0.5 / 255 + 1e-6
    for wrong in (np.zeros((2, 2, 5)), np.zeros((3, 3)) - 1, np.zeros(3, np.uint8), torch.zeros(3, 4, 4)):
        with pytest.raises(UsageError):
            model.apply(wrong)


def test_arrays_of_many_channels_keep_their_layout(tmp_path):
    run = publish(tmp_path / "run", channels=5, shift=2 * 1000 / 65535)
    (tmp_path / "in").mkdir()
    array = noise(5, 6, 7, dtype=np.uint16) // 2
    np.save(tmp_path / "in" / "first.npy", array)
    np.save(tmp_path / "in" / "last.npy", array.transpose(1, 2, 0))
    np.save(tmp_path / "in" / "other.npy", array[:4])
    done = apply_files(Applier.load(run), tmp_path / "in", tmp_path / "out")
    assert np.array_equal(np.load(tmp_path / "out" / "first.npy"), array + 1000)
    assert np.array_equal(np.load(tmp_path / "out" / "last.npy"), array.transpose(1, 2, 0) + 1000)
    assert [name for name, _ in done.failed] == ["other.npy"] and "takes 5 channels" in done.failed[0][1]
    floats = array.astype(np.float32) / 65535 * 255  # the data's own range is 0 to 255
    out = gw.apply(run, tmp_path / "in" / "first.npy", tmp_path / "f.npy")
    assert out.pairs[0][1] == tmp_path / "f.npy"
    assert np.abs(Applier.load(run).values(floats) - floats - 1000 / 65535 * 255).max() < 1e-3


def test_the_way_back_is_another_network(tmp_path):
    run = publish(tmp_path / "run", shift=0.2)
    array = np.full((4, 4, 3), 100, np.uint8)
    assert np.array_equal(gw.apply(run, gw.apply(run, array), reverse=True), array)
    (run / "generator-back.safetensors").unlink()
    with pytest.raises(UsageError, match="one direction"):
        Applier.load(run, reverse=True)


def test_same_seed_same_bytes_alone_or_in_a_folder(run, photos, tmp_path):
    model = Applier.load(run)
    torch.manual_seed(7)
    apply_files(model, photos, tmp_path / "all", seed=5, noise=0.5)
    torch.manual_seed(8)
    for name in ("deep/er/ü.png", "a.png"):
        apply_files(model, photos / name, tmp_path / "one.png", seed=5, noise=0.5)
        assert (tmp_path / "one.png").read_bytes() == (tmp_path / "all" / name).read_bytes()
    apply_files(model, photos / "a.png", tmp_path / "six.png", seed=6, noise=0.5)
    assert not np.array_equal(pixels(tmp_path / "six.png"), pixels(tmp_path / "all" / "a.png"))


def test_unknown_options_and_wrong_files_are_sentences(run, tmp_path):
    model = Applier.load(run)
    with pytest.raises(UsageError, match='Did you mean "noise"'):
        model.apply(noise(4, 4, 3), nois=1)
    with pytest.raises(UsageError, match="ganworks predict"):
        Applier.load(run / "classifier.safetensors")
    with pytest.raises(UsageError, match="seed"):
        model.apply(noise(4, 4, 3), seed=-1)
    net = model.net
    model.net = lambda x: x * float("nan")
    with pytest.raises(GanworksError, match="diverged"):
        model.apply(noise(4, 4, 3))
    model.net = net


def test_masks_are_binary_and_must_fit(run, tmp_path):
    model, array = Applier.load(run), noise(4, 6, 3) // 2 + 64
    mask = np.zeros((4, 6), np.uint8)
    mask[1, 2], mask[2, 3], mask[3, 3] = 255, 127, 1
    for kind in (mask, Image.fromarray(mask), mask >= 128):
        out = model.apply(array, mask=kind)
        hole = (out == 0).all(-1)
        assert hole[1, 2] and hole.sum() == 1 and np.array_equal(out[~hole], array[~hole])
    with pytest.raises(UsageError, match="6 x 3 pixels, its picture 6 x 4"):
        model.apply(array, mask=mask[:3])


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "jpg", "tif"])
def test_outputs_say_what_they_are(run, tmp_path, suffix):
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "in.png")
    model = Applier.load(run)
    apply_files(model, tmp_path / "in.png", tmp_path / f"out.{suffix}", seed=3)
    note = provenance.read(tmp_path / f"out.{suffix}")
    assert note and note["edited"] and note["seed"] == 3 and note["model"] == model.fingerprint
    assert note["digitalSourceType"] == "compositeWithTrainedAlgorithmicMedia"
    apply_files(model, tmp_path / "in.png", tmp_path / f"out.{suffix}", seed=3, mark=False)
    assert provenance.read(tmp_path / f"out.{suffix}") is None


def test_the_command_line(run, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["apply", "run", "photos/a.png", "out=b.png", "sheet=sheet.png", "seed=2", "noise=0.1", "label=3"]
    assert cli.main(words) == 0 and pixels(Path("b.png")).shape == (6, 9, 3)
    assert pixels(Path("sheet.png")).shape[1] > 2 * 9
    assert (
        cli.main(["apply", "run/generator.safetensors", "photos"]) == 0
        and len(list(Path("applied").rglob("*.png"))) == 3
    )
    assert json.loads(Path("applied", applying_files.RECORD).read_text().splitlines()[0])["facts"]["seed"] == 0
    capsys.readouterr()
    for wrong, said in (
        (["apply", "run"], "picture, folder or video"),
        (["apply", "run", "nowhere.png"], "nothing at"),
        (["apply", "run", "photos", "out=x.png"], "holds many"),
        (["apply", "run", "photos/a.png", "out=x.mp4"], "mp4"),
        (["apply", "run", "photos/a.png", "sede=2"], 'Did you mean "seed"'),
        (["apply", "run", "photos", "sede=2"], '"sede"'),
        (["apply", "run", "photos/notes.txt"], "neither a picture nor a video"),
        (["apply", "run", "photos/a.png", "mask=nowhere"], "no mask"),
        (["apply", "run", "photos/a.png", "mark=perhaps"], "on or off"),
        (["sample", "run", "4"], "ganworks apply"),
    ):
        assert cli.main(wrong) == 2, wrong
        assert said in capsys.readouterr().err, wrong
