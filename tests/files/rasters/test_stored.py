"""What stored numbers mean: every sample format, depth and photometric meaning, in training and in use alike."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ganworks.files.rasters.decode import DecodeError, decode, upright_size
from ganworks.files.rasters.read import read, still
from ganworks.files.rasters.stored import common_range
from ganworks.files.rasters.tiff import directory
from ganworks.files.rasters.write import picture
from tests.helpers.tiff_files import tiff

RNG = np.random.default_rng(0)
GREYS = {  # name: (type, bits, smallest number, largest number)
    "uint1": ("u1", 1, 0, 1),
    "uint2": ("u1", 2, 0, 3),
    "uint4": ("u1", 4, 0, 15),
    "uint8": ("u1", 8, 0, 255),
    "uint12": ("u2", 12, 0, 4095),
    "uint16": ("u2", 16, 0, 65535),
    "uint32": ("u4", 32, 0, 2**32 - 1),
    "int8": ("i1", 8, -128, 127),
    "int16": ("i2", 16, -32768, 32767),
    "int32": ("i4", 32, -(2**31), 2**31 - 1),
    "float32": ("f4", 32, -1000.0, 3000.0),
}


def ramp(name, shape=(5, 7)):
    kind, bits, low, high = GREYS[name]
    values = np.linspace(low, high, shape[0] * shape[1]).reshape(shape)
    return values.astype(kind) if kind == "f4" else values.round().astype(np.int64).astype(kind), bits, low, high


@pytest.mark.parametrize("white_is_zero", [False, True], ids=["black-is-zero", "white-is-zero"])
@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("name", GREYS)
def test_grey_tiff(name, order, deflate, white_is_zero):
    values, bits, low, high = ramp(name)
    data = tiff(values, bits=bits, order=order, deflate=deflate, white_is_zero=white_is_zero)
    share = (values.astype(np.float64) - low) / (high - low)
    share = 1 - share if white_is_zero else share
    assert np.abs(decode(data)[0] - 255 * share).max() <= 0.5 + 1e-6
    raster = read(data).frames[0]
    found = (raster.colour[0].astype(np.float64) - raster.low) / (raster.top - raster.low)
    assert np.abs(found - share).max() <= (2e-7 if bits > 8 else 1e-12)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("name", ["uint12", "uint16", "int16", "float32"])
def test_the_depth_outlives_the_orientation(name, orientation):
    values, bits, _, _ = ramp(name)
    plain, turned = (tiff(values, bits=bits, orientation=turn) for turn in (1, orientation))
    expected = np.rot90(decode(plain)[0], {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    assert np.array_equal(decode(turned)[0], expected) and upright_size(turned) == expected.shape
    assert np.array_equal(np.asarray(picture(read(turned).frames[0])), expected)


@pytest.mark.parametrize("planar", [False, True], ids=["mixed", "planes"])
@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("channels, extra", [(3, ()), (4, (2,)), (4, ()), (4, (0,))], ids=["rgb", "alpha", "4", "more"])
def test_colour_tiff(channels, extra, kind, order, deflate, planar):
    values = RNG.integers(0, np.iinfo(kind).max, (4, 5, channels), endpoint=True).astype(kind)
    raster = read(tiff(values, order=order, deflate=deflate, planar=planar, extra=extra)).frames[0]
    assert np.array_equal(raster.colour, values[..., :3].transpose(2, 0, 1)) and raster.top == np.iinfo(kind).max
    if channels == 4 and extra != (0,):
        assert np.array_equal(raster.alpha, values[..., 3])
    else:
        assert raster.alpha is None


@pytest.mark.parametrize("planar", [False, True], ids=["mixed", "planes"])
def test_sixteen_bit_colour_is_one_picture_in_training_and_in_use(planar):
    values = RNG.integers(0, 65536, (6, 6, 3)).astype(np.uint16)
    data = tiff(values, planar=planar)
    assert np.array_equal(decode(data), np.rint(values.transpose(2, 0, 1) / 257))
    assert np.array_equal(np.asarray(picture(read(data).frames[0])).transpose(2, 0, 1), decode(data))


def test_grey_with_alpha_in_planes_and_multiplied_alpha():
    values = RNG.integers(0, 65536, (4, 5, 2)).astype(np.uint16)
    raster = read(tiff(values, planar=True, extra=(2,))).frames[0]
    assert np.array_equal(raster.colour[0], values[..., 0]) and np.array_equal(raster.alpha, values[..., 1])
    half = np.full((2, 2, 2), 20000, np.uint16)
    half[..., 1] = 40000
    assert (read(tiff(half, planar=True, extra=(1,))).frames[0].colour == round(20000 / 40000 * 65535)).all()
    small = np.dstack([np.full((2, 2), 60, np.uint8), np.full((2, 2), 255, np.uint8)])
    assert (decode(tiff(small, extra=(1,))) == 60).all()


@pytest.mark.parametrize("kind", ["i1", "f4"])
def test_what_is_not_read_is_refused_with_advice(kind):
    with pytest.raises(DecodeError, match="save it with 8 or 16 bits"):
        decode(tiff(np.zeros((3, 3, 3), kind)))


@pytest.mark.parametrize("cut", range(0, 190, 7))
def test_a_damaged_directory_is_a_named_error_or_a_picture(cut):
    data = bytearray(tiff(ramp("uint16")[0], white_is_zero=True))
    for at in RNG.integers(4, 160, 3):
        data[at] = RNG.integers(256)
    with contextlib.suppress(DecodeError):
        assert decode(bytes(data[: len(data) - cut])).dtype == np.uint8


def test_a_big_tiff_is_read_alike():
    file, values = io.BytesIO(), ramp("uint16")[0]
    Image.fromarray(values).save(file, "TIFF", big_tiff=True, tiffinfo={262: 0})
    assert file.getvalue()[2] == 43 and np.array_equal(decode(file.getvalue())[0], np.rint((65535 - values) / 257))


def test_values_of_a_directory_that_overlap_take_no_memory():
    data = bytearray(tiff(np.zeros((300, 300), np.uint16)))
    at, count = 10, struct.unpack_from("<H", data, 8)[0]
    for place in range(at, at + 12 * count, 12):  # every tag claims the whole file
        struct.pack_into("<HII", data, place + 2, 1, len(data) - 8, 8)
    assert directory(bytes(data)) is None
    with pytest.raises(DecodeError):
        decode(bytes(data))


def png(width, rows, colour, bits, transparent):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0))
    body = chunk(b"tRNS", transparent) + chunk(b"IDAT", zlib.compress(b"\0" + rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body


CLEAR = {  # two pixels, of which the second has the transparent value
    "grey1": png(2, b"\x40", 0, 1, b"\0\1"),
    "grey2": png(2, b"\x90", 0, 2, b"\0\1"),
    "grey4": png(2, b"\xa5", 0, 4, b"\0\5"),
    "grey8": png(2, b"\x50\x05", 0, 8, b"\0\5"),
    "grey16": png(2, struct.pack(">2H", 60001, 60000), 0, 16, struct.pack(">H", 60000)),
    "rgb8": png(2, b"\1\2\3\4\5\6", 2, 8, struct.pack(">3H", 4, 5, 6)),
    "rgb16": png(2, struct.pack(">6H", 1000, 2, 3, 1001, 2, 3), 2, 16, struct.pack(">3H", 1001, 2, 3)),
}


@pytest.mark.parametrize("name", CLEAR)
def test_the_transparent_value_of_a_png_counts_at_every_depth(name):
    white, black = (decode(CLEAR[name], background=background)[:, 0] for background in ("white", "black"))
    assert np.array_equal(white[:, 0], black[:, 0])
    assert (white[:, 1] == 255).all() and (black[:, 1] == 0).all()
    raster = read(CLEAR[name]).frames[0]
    assert raster.alpha.tolist() == [[raster.top, 0]]


def test_a_set_has_one_range_and_a_picture_in_memory_its_own():
    small, large = (np.linspace(low, high, 12).reshape(3, 4).astype(np.float32) for low, high in ((0, 1), (-50, 350)))
    files = {"a.tif": tiff(small), "b.tiff": tiff(large), "c.tif": b"II*\0no", "d.png": b"never read"}
    known = common_range((name, lambda name=name: files[name]) for name in files if name != "d.png")
    assert known == (-50, 350)
    assert np.array_equal(decode(files["a.tif"], known=known)[0], np.rint((small + 50) * 255 / 400))
    assert np.array_equal(
        np.asarray(picture(read(files["a.tif"], known=known).frames[0])), decode(files["a.tif"], known=known)[0]
    )
    assert common_range([("e.tif", lambda: tiff(ramp("uint16")[0]))]) is None
    assert still(Image.open(io.BytesIO(files["b.tiff"]))).low == -50
    assert still(Image.open(io.BytesIO(tiff(ramp("uint16")[0], white_is_zero=True)))).colour[0, 0, 0] == 65535


def test_integers_of_no_stated_depth():
    values = np.arange(0, 240, 20, dtype=np.int32).reshape(3, 4)
    assert np.array_equal(decode(tiff(values))[0], values)  # they fit into 0..255
    assert np.array_equal(decode(tiff(values * 100 - 7000))[0], np.rint(values * (255 / 220)))
