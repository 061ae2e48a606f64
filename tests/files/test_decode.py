"""Every pixel format becomes what the table in decode.py says, and hostile files become a named error."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from ganworks.core.console.text import printable
from ganworks.files.glance import family_of
from ganworks.files.rasters.decode import DecodeError, Notes, decode, upright_size
from ganworks.files.rasters.write import save_picture
from ganworks.files.sources import open_source

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), np.uint8)
GREY = RNG.integers(0, 256, (6, 9), np.uint8)


def encode(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width, height, rows=b"", colour_type=2, depth=8):
    """A PNG written by hand: header, pixel data as given, end."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_rgb_and_grey_are_kept(kind):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert np.array_equal(decode(encode(Image.fromarray(RGB), kind, **options)), RGB.transpose(2, 0, 1))
    if kind != "WEBP":
        assert np.array_equal(decode(encode(Image.fromarray(GREY), kind)), GREY[None])
        assert np.array_equal(decode(encode(Image.fromarray(GREY), kind), channels=3), GREY[None].repeat(3, 0))


@pytest.mark.parametrize("background, value", [("white", 255), ("black", 0), ("#804020", (0x80, 0x40, 0x20))])
def test_alpha_is_composited_and_hidden_colour_does_not_show(background, value):
    rgba = np.dstack([RGB, np.zeros((6, 9), np.uint8)])
    rgba[0, 0, 3] = 255
    rgba[1, 1, 3] = 128
    back = np.broadcast_to(np.asarray(value), 3)
    out = decode(encode(Image.fromarray(rgba)), background=background)
    assert np.array_equal(out[:, 0, 0], RGB[0, 0])
    assert np.array_equal(out[:, 5, 5], back)
    mixed = RGB[1, 1] * (128 / 255) + back * (127 / 255)
    assert np.abs(out[:, 1, 1] - mixed).max() <= 1


def test_la_palette_with_alpha_and_one_bit():
    la = np.dstack([GREY, np.full_like(GREY, 0)])
    la[..., 1][:3] = 255
    out = decode(encode(Image.fromarray(la)))
    assert out.shape == (1, 6, 9) and np.array_equal(out[0, :3], GREY[:3]) and (out[0, 3:] == 255).all()
    palette = Image.fromarray(GREY // 128).convert("P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    out = decode(encode(palette, transparency=0), background="black")
    assert set(map(tuple, out.reshape(3, -1).T.tolist())) == {(0, 0, 0), (0, 0, 255)}
    out = decode(encode(palette))
    assert set(map(tuple, out.reshape(3, -1).T.tolist())) == {(255, 0, 0), (0, 0, 255)}
    bits = decode(encode(Image.fromarray(GREY > 99)))
    assert np.array_equal(bits[0], np.where(GREY > 99, 255, 0))


def test_alpha_is_kept_when_asked_for():
    rgba = np.dstack([RGB, GREY])
    assert np.array_equal(decode(encode(Image.fromarray(rgba)), channels=4), rgba.transpose(2, 0, 1))
    assert (decode(encode(Image.fromarray(RGB)), channels=4)[3] == 255).all()


def test_sixteen_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    expected = np.rint(ramp / 257)
    for kind in ("PNG", "TIFF", "PPM"):
        out = decode(encode(Image.fromarray(ramp), kind))
        assert out.shape == (1, 16, 16) and np.array_equal(out[0], expected), kind
    rows = b"".join(b"\0" + struct.pack(">3H", v, v, 65535) for v in (0, 32768, 65535))
    assert decode(png(1, 3, rows, 2, 16))[:, :, 0].T.tolist() == [
        [0, 0, 255],
        [128, 128, 255],
        [255, 255, 255],
    ]


def test_floats_have_a_stated_range():
    unit = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    notes = Notes()
    assert np.array_equal(decode(encode(Image.fromarray(unit), "TIFF"), notes=notes)[0], np.rint(unit * 255))
    assert any("float" in w for w in notes.warnings)
    assert np.array_equal(decode(encode(Image.fromarray(unit * 255), "TIFF"))[0], np.rint(unit * 255))
    for wide in (unit * 1e5, unit * 4000 - 1000):  # heights: their own smallest and largest value
        assert np.array_equal(decode(encode(Image.fromarray(wide), "TIFF"))[0], np.rint(unit * 255))
    assert decode(encode(Image.fromarray(unit - 1), "TIFF")).max() == 128  # -1..1
    with pytest.raises(DecodeError, match="not finite"):
        decode(encode(Image.fromarray(unit * np.nan), "TIFF"))


def test_cmyk():
    cmyk = Image.fromarray(np.dstack([RGB, GREY]), "CMYK")
    expected = np.asarray(cmyk.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(decode(encode(cmyk, "TIFF")), expected)
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    assert decode(encode(white, "JPEG")).min() >= 253
    assert decode(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))[:, 8, 8].tolist()[1:] <= [
        8,
        8,
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation):
    image = Image.new("RGB", (40, 20))
    image.paste((255, 0, 0), (0, 0, 20, 10))  # stored top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = decode(encode(image, "PNG", exif=exif))
    assert out.shape == ((3, 20, 40) if orientation < 5 else (3, 40, 20))
    assert upright_size(encode(image, "JPEG", exif=exif)) == out.shape[1:]
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    for y, x in [(0, 0), (0, -1), (-1, 0), (-1, -1)]:
        assert out[0, y, x] == (255 if (y, x) == corner[orientation] else 0)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation_with_a_warning(kind):
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    notes = Notes()
    out = decode(encode(frames[0], kind, save_all=True, append_images=frames[1:], **options), notes=notes)
    assert out[:, 4, 4].tolist() == [255, 0, 0]
    assert any("frames" in w for w in notes.warnings)


@pytest.mark.parametrize("size", [(50_000, 50_000), (13_000, 13_000), (2**31 - 1, 2**31 - 1), (0, 5)])
def test_huge_headers_are_refused_before_memory_is_taken(size):
    tracemalloc.start()
    with pytest.raises(DecodeError, match=r"40,000,000 pixels|0 x 5|header is damaged"):
        decode(png(*size))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_size_cap_of_webp_and_gif(monkeypatch):
    webp = bytearray(
        encode(
            Image.new("RGBA", (8, 8)),
            "WEBP",
            lossless=True,
            save_all=True,
            append_images=[Image.new("RGB", (8, 8), "red")],
        )
    )
    assert webp[12:16] == b"VP8X"
    webp[24:30] = (16_000).to_bytes(3, "little") * 2
    gif = bytearray(encode(Image.new("L", (8, 8)), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    with pytest.raises(DecodeError, match="more than 40,000,000"):
        decode(bytes(gif))
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("Pillow allocates the canvas when it opens a WebP"))
    with pytest.raises(DecodeError, match="more than 40,000,000"):
        decode(bytes(webp))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_truncated_files_are_corrupt_and_never_grey(kind):
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    data = encode(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)), kind)
    for keep in (0.05, 0.3, 0.5, 0.9):
        with pytest.raises(DecodeError, match=r'"cat\.x" cannot be read'):
            decode(data[: int(len(data) * keep)], "cat.x")


def test_wrong_checksum_in_a_png():
    data = bytearray(encode(Image.fromarray(RGB)))
    at = data.index(b"IDAT")
    length = int.from_bytes(data[at - 4 : at], "big")
    data[at + 4 + length] ^= 1
    with pytest.raises(DecodeError, match="checksum in its IDAT"):
        decode(bytes(data))


def test_text_bomb_in_a_png():
    bomb = b"zTXt" + b"a\0\0" + zlib.compress(b"\0" * 200_000_000, 9)
    data = encode(Image.fromarray(RGB))
    chunk = struct.pack(">I", len(bomb) - 4) + bomb + struct.pack(">I", zlib.crc32(bomb))
    tracemalloc.start()
    with pytest.raises(DecodeError):
        decode(data[:33] + chunk + data[33:])
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"<html><body>404</body></html>", b"\xff\xd8\xff", b"\0" * 5000]
)
def test_what_is_no_image_is_named(data):
    with pytest.raises(DecodeError) as caught:
        decode(data, "b.png")
    assert caught.value.name == "b.png" and caught.value.reason and caught.value.exit_code == 2


def test_formats_outside_the_list_are_not_opened():
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    fits = b"SIMPLE  =                    T".ljust(80) + b"BITPIX  = 8".ljust(80) + b"END".ljust(2720)
    for data in (eps, fits, encode(Image.fromarray(RGB), "ICO"), encode(Image.fromarray(RGB), "TGA")):
        with pytest.raises(DecodeError, match="none of PNG"):
            decode(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"])
def test_random_damage_is_an_image_or_a_named_error(kind):
    good = encode(Image.fromarray(RGB), kind)
    for _ in range(60):
        data = bytearray(good)
        for at in RNG.integers(0, len(data), RNG.integers(1, 6)):
            data[at] = RNG.integers(256)
        try:
            out = decode(bytes(data), max_pixels=100_000)
            assert out.dtype == np.uint8 and out.ndim == 3
        except DecodeError:
            pass


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (7, 13)])
def test_extreme_shapes(size):
    assert decode(encode(Image.new("L", size, 77))).shape == (1, size[1], size[0])


def test_jpeg_may_be_decoded_smaller_but_never_below_twice_the_target():
    data = encode(Image.fromarray(RNG.integers(0, 256, (512, 1024, 3), np.uint8)), "JPEG")
    notes = Notes()
    out = decode(data, near=(32, 32), notes=notes)
    assert out.shape == (3, 64, 128) and notes.size == (512, 1024)


def test_names_are_printable():
    assert printable("a\nb\x1b[31m") == r"a\nb\x1b[31m"
    assert printable("\udcff.png") == r"\udcff.png"
    assert printable("Käse 🐱") == "Käse 🐱"


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JFIF"])
def test_other_names_of_jpeg(tmp_path, suffix):
    image = Image.fromarray(np.full((8, 8), 90, np.uint8))
    (tmp_path / f"a{suffix}").write_bytes(encode(image, "JPEG"))
    assert len(open_source(tmp_path)) == 1 and family_of(f"a{suffix}") == "picture"
    with Image.open(save_picture(image, tmp_path / f"b{suffix}")) as made:
        assert made.format == "JPEG"
