"""Watermarks: invisible, found again after what people do to files, never found without the key."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ganworks.core.errors import UsageError
from ganworks.files.watermark import pictures, sound
from ganworks.files.watermark.chance import bound
from ganworks.files.watermark.key import Key, load_key, new_key
from ganworks.files.watermark.mark import Watermark

KEY, OTHER = Key(b"a" * 32), Key(b"b" * 32)


def photo(side=160, seed=0):
    """A picture with the spectrum of photos."""
    rng, sizes = np.random.default_rng(seed), (4, 16, 64, side)
    layers = [Image.fromarray(rng.integers(0, 255, (n, n, 3)).astype(np.uint8)).resize((side, side), 3) for n in sizes]
    weights = np.array([0.5, 0.3, 0.15, 0.05])[:, None, None, None]
    return Image.fromarray((np.stack([np.asarray(x, float) for x in layers]) * weights).sum(0).astype(np.uint8))


def planes(image):
    return np.asarray(image).transpose(2, 0, 1)


@pytest.fixture(scope="module")
def marked():
    return Image.fromarray(np.ascontiguousarray(pictures.embed(planes(photo()), KEY).transpose(1, 2, 0)))


def test_a_picture_looks_the_same_and_is_the_same_bytes(marked):
    before, after = planes(photo()).astype(float), planes(marked)
    assert 40 <= -10 * np.log10(((before - after) ** 2).mean() / 255**2) <= 48.5
    assert np.array_equal(after, pictures.embed(planes(photo()), KEY))
    assert not pictures.find_in_image(photo(), KEY).found and not pictures.find_in_image(marked, OTHER).found


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


ATTACKS = {
    "jpeg 50": lambda x: jpeg(x, 50),
    "half": lambda x: x.resize((80, 80), 3),
    "twice as wide": lambda x: x.resize((320, 160), 3),
    "noise": lambda x: Image.fromarray(
        np.clip(np.asarray(x) + np.random.default_rng(1).normal(0, 8, (160, 160, 3)), 0, 255).astype(np.uint8)
    ),
    "crop": lambda x: x.crop((21, 17, 141, 137)),
    "blur": lambda x: x.filter(ImageFilter.GaussianBlur(0.8)),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_it_survives(name, marked):
    assert pictures.find_in_image(ATTACKS[name](marked), KEY).found


def test_what_is_too_small_is_refused():
    with pytest.raises(UsageError, match=r"63 x 80 is too small for a watermark, which needs 64 pixels"):
        pictures.embed(np.zeros((3, 80, 63), np.uint8), KEY)


def test_depths_and_channels_and_flat_pictures():
    wide = (planes(photo()).astype(np.uint16) * 257)[:1]
    made = pictures.embed(wide, KEY, 65535.0)
    assert made.dtype == np.uint16 and made.shape == wide.shape
    assert pictures.find([(made / 257).astype(np.uint8)], KEY).found
    flat = np.full((3, 100, 100), 128, np.uint8)
    assert pictures.find([pictures.embed(flat, KEY)], KEY).found and not pictures.find([flat], KEY).found
    grey = Watermark(KEY).image(photo().convert("LA"))
    assert grey.mode == "LA" and np.asarray(grey)[..., 1].min() == 255
    film = Watermark(KEY).frames(np.stack([planes(photo(128, seed)) for seed in range(3)]))
    assert pictures.find(film, KEY).p < pictures.find(film[:1], KEY).p < 1e-6


def test_the_bound_holds_over_keys():
    """Of 2,000 keys on one real-looking picture, t has deviation 1 and the bound is never too small."""
    x = pictures._whitened(pictures._canvas(pictures._luma(planes(photo()).astype(np.float32))), 160 * 160)
    signs = np.stack([Key(k.to_bytes(32, "big")).signs("trial", (128, 128)) for k in range(2000)]).reshape(2000, -1)
    t = signs @ x.ravel() / np.sqrt((x * x).sum())
    assert 0.95 < t.std() < 1.05 and abs(t.mean()) < 0.1
    for limit in (0.1, 0.01, 0.001):
        assert np.mean([bound(float(value)) <= limit for value in t]) <= limit
    assert bound(5.3) < 1e-6 < bound(5.2) and bound(-3.0) == 1.0 and bound(2.0, 1e9) == 1.0


def voice(seconds=6, rate=8000, seed=0):
    """A sound with formants that come and go."""
    rng, n = np.random.default_rng(seed), seconds * rate
    shaped = np.fft.irfft(np.fft.rfft(rng.normal(size=n)) / (1 + np.fft.rfftfreq(n, 1 / rate) / 400), n)
    swell = 0.2 + np.repeat(rng.random(seconds * 5), rate // 5)
    return np.clip(shaped * swell / np.abs(shaped).max() * 20000, -32768, 32767).astype(np.int16)[None]


def test_a_sound_keeps_its_watermark():
    soxr = pytest.importorskip("soxr")
    wave = voice()
    made = sound.embed(wave, 8000, KEY)
    rest = (wave.astype(float) - made) ** 2
    assert 10 * np.log10((wave.astype(float) ** 2).mean() / rest.mean()) > 17 and made.shape == wave.shape
    assert np.array_equal(made, sound.embed(wave, 8000, KEY))
    high = soxr.resample(made[0].astype(np.float32), 8000, 22_050)[None]
    noise = np.random.default_rng(1).normal(0, made.std() * 0.03, made.shape)
    for left, rate in ((made, 8000), (high, 22_050), (made + noise, 8000), (made[:, 1500:], 8000)):
        assert sound.find(left, rate, KEY).found
    assert not sound.find(wave, 8000, KEY).found and not sound.find(made, 8000, OTHER).found
    assert not sound.find(np.zeros((1, 16_000)), 8000, KEY).found and not sound.find(made[:, :100], 8000, KEY).found
    assert np.array_equal(sound.embed(np.zeros((2, 20_000), np.int16), 8000, KEY), np.zeros((2, 20_000)))


def test_a_sound_that_is_too_short_or_narrow_is_refused():
    for wave, rate in ((np.zeros((1, 12_000), np.int16), 8000), (np.zeros((1, 50_000), np.int16), 4000)):
        with pytest.raises(UsageError, match="too short or too narrow"):
            sound.embed(wave, rate, KEY)


def test_keys_come_from_files_and_do_not_show(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"a passphrase of mine\n")
    key = load_key(path)
    assert key == load_key(path) and key.secret.hex() not in repr(key) and len(key.name) == 8
    path.write_bytes(new_key())
    assert load_key(path).name != key.name
    for content in (b"short", b"x" * 70_000):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"must hold 12 to 65,536"):
            load_key(path)
    with pytest.raises(UsageError, match="cannot be read"):
        load_key(tmp_path / "none")
    assert set(np.unique(KEY.signs("x", (64, 64)))) == {-1, 1} and abs(KEY.signs("x", (256, 256)).mean()) < 0.02
