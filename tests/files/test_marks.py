"""Marks in every format: written, read whatever wrote them last, told apart from those of others, and checked."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ganworks.files import provenance
from ganworks.files.provenance.verifying import verify
from ganworks.files.provenance.xmp import read_xmp, xmp
from ganworks.files.rasters.write import encoded
from ganworks.files.tables.write import arrow, parquet_bytes
from ganworks.files.wav import flac_bytes, wav_bytes
from ganworks.kinds.video.data.writing import mp4

NOTE = provenance.note(model="m<&\"'", seed=1, index=2)
IPTC, DC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "http://purl.org/dc/elements/1.1/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def picture(seed=0, side=24):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8))


def wave():
    return np.random.default_rng(0).integers(-9000, 9000, (1, 4000)).astype(np.int16)


def frames():
    return np.random.default_rng(0).integers(0, 255, (3, 3, 32, 32)).astype(np.uint8)


WRITERS = {
    ".png": lambda note: provenance.encode([picture()], "png", note),
    ".webp": lambda note: provenance.encode([picture()], "webp", note),
    ".gif": lambda note: provenance.encode([picture(0, 64), picture(1, 64)], "gif", note),
    ".apng": lambda note: provenance.encode([picture(), picture(1)], "png", note),
    ".jpg": lambda note: encoded(picture(), "JPEG", note),
    ".tif": lambda note: encoded(picture(), "TIFF", note),
    ".wav": lambda note: wav_bytes(wave(), 8000, note),
    ".flac": lambda note: flac_bytes(wave(), 8000, note),
    ".mp4": lambda note: mp4(frames(), 8.0, note),
    ".parquet": lambda note: parquet_bytes(arrow()[0].table({"a": [1, 2, 3]}), note),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_mark_is_read_back_checked_and_the_same_bytes(suffix, tmp_path):
    path = tmp_path / f"A{suffix.upper()}"
    path.write_bytes(WRITERS[suffix](NOTE))
    assert path.read_bytes() == WRITERS[suffix](NOTE)
    found = verify(path)
    note = dict(found.marks.note)
    assert note.pop("content") and note == NOTE and found.marks.term == provenance.SOURCE
    assert found.outcome == "marked" and found.matches and not found.said
    path.write_bytes(WRITERS[suffix](None))
    assert provenance.read(path) is None and verify(path).outcome == "unknown"


def edited(path):
    """The file with other content and the same note."""
    if path.suffix == ".wav":
        data = bytearray(path.read_bytes())
        data[-10] ^= 0x40
        path.write_bytes(data)
    else:
        with Image.open(path) as image:
            image.load()
            packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp", "").encode()
            changed = image.convert("RGB").rotate(180)
        changed.save(path, xmp=packet) if path.suffix != ".png" else path.write_bytes(_png(changed, packet))


def _png(image, packet):
    from PIL import PngImagePlugin

    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".wav"])
def test_an_edit_that_keeps_the_note_is_told(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(WRITERS[suffix](NOTE))
    edited(path)
    found = verify(path)
    assert found.outcome == "tampered" and found.matches is False and found.marks.note["seed"] == 1


def test_the_digest_is_of_pixels_not_of_bytes(tmp_path):
    from ganworks.files.provenance.content import of_picture

    png, webp, tiff = (WRITERS[s](NOTE) for s in (".png", ".webp", ".tif"))
    assert of_picture(png) == of_picture(webp) == of_picture(tiff) != of_picture(WRITERS[".jpg"](NOTE))
    grey = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    other = provenance.encode([grey.convert("RGBA")], "webp", None)
    assert of_picture(encoded(grey, "PNG")) == of_picture(other)


def test_properties_as_elements_under_other_prefixes_are_read():
    text = json.dumps(NOTE).replace("&", "&amp;").replace("<", "&lt;")
    packet = (
        f'<a:xmpmeta xmlns:a="adobe:ns:meta/"><r:RDF xmlns:r="{RDF}"><r:Description xmlns:i="{IPTC}" xmlns:d="{DC}">'
        f"<i:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{provenance.SOURCE}</i:DigitalSourceType>"
        f"<d:source>{text}</d:source></r:Description></r:RDF></a:xmpmeta>"
    )
    assert read_xmp(packet).note == NOTE == read_xmp(xmp(NOTE)).note
    assert read_xmp(packet).term == provenance.SOURCE
    listed = packet.replace(text, f"<r:Bag><r:li>{text}</r:li></r:Bag>")
    assert read_xmp(listed).note == NOTE


def test_a_packet_with_entities_or_of_others_is_no_note():
    own = xmp(NOTE).partition("?>")[2]
    assert read_xmp(f'<!DOCTYPE x [<!ENTITY e "f">]>{own}') == read_xmp("<x") == read_xmp(b"") == read_xmp("\0")
    other = own.replace('"software": "ganworks"', "").replace("&quot;ganworks&quot;", "&quot;other&quot;")
    assert read_xmp(other).note is None and read_xmp(other).term == provenance.SOURCE
    assert read_xmp(own.replace("dc:source=", "dc:sauce=")).note is None
    assert read_xmp(f'<a b="{"c" * 5_000_000}"/>').note is None


@pytest.mark.parametrize("text", ['{"a": 1}', '{"software": "other"}', "a camera", "[1]", "{"])
def test_a_comment_of_somebody_else_is_not_ours(text, tmp_path):
    path = tmp_path / "a.gif"
    picture().save(path, comment=text.encode())
    assert provenance.read(path) is None and not provenance.is_result(path)
    picture().save(path.with_suffix(".webp"), xmp=f'<x xmlns:d="{DC}" d:source="{"x"}"/>'.encode())
    assert provenance.read(path.with_suffix(".webp")) is None


def test_notes_of_the_first_version_are_read(tmp_path):
    """A GIF with the note as its comment, and a WAV with a LIST chunk alone."""
    old = {"software": "ganworks", "generated": True, "digitalSourceType": provenance.SOURCE, "seed": 3}
    picture().save(tmp_path / "a.gif", comment=json.dumps(old).encode())
    assert provenance.read(tmp_path / "a.gif") == old and provenance.is_result(tmp_path / "a.gif")
    found = verify(tmp_path / "a.gif")
    assert found.outcome == "marked" and found.matches is None


def test_whatever_is_in_a_file_gets_a_sentence(tmp_path):
    for suffix in (
        ".png",
        ".gif",
        ".jpg",
        ".wav",
        ".flac",
        ".mp4",
        ".npz",
        ".zip",
        ".parquet",
        ".json",
        ".csv",
        ".xyz",
    ):
        for k, start in enumerate(
            (b"", b"RIFF\xff\xff\xff\x7fWAVELIST", b"GIF89a\xff\xff\xff\xff\xff!\xff\x0b", b"fLaC\x04")
        ):
            path = tmp_path / f"{k}{suffix}"
            path.write_bytes(start)
            found = verify(path)
            assert found.outcome == "unknown" and found.marks.note is None
    for suffix, write in WRITERS.items():
        content = write(NOTE)
        (tmp_path / f"cut{suffix}").write_bytes(content[: len(content) * 2 // 3])
        assert verify(tmp_path / f"cut{suffix}").outcome in ("tampered", "unknown")


def test_generated_media_of_other_programs_are_marked(tmp_path):
    packet = f'<x xmlns:i="{IPTC}" i:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{{}}"/>'
    for term, outcome in (("trainedAlgorithmicMedia", "marked"), ("digitalCapture", "unknown")):
        picture().save(tmp_path / "a.jpg", xmp=packet.format(term).encode())
        assert verify(tmp_path / "a.jpg").outcome == outcome


def test_films_state_matrix_primaries_and_transfer(tmp_path):
    """What is not stated, browsers guess from the number of rows."""
    import av

    path = tmp_path / "a.mp4"
    path.write_bytes(mp4(frames(), 8.0))
    with av.open(str(path)) as film:
        frame = next(film.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)) == (5, 1, 1)
    shutil.copy(path, tmp_path / "b.mp4")
    from ganworks.files.rasters.film import convert

    for suffix in (".mp4", ".mkv", ".webm"):
        with (tmp_path / f"c{suffix}").open("w+b") as target:
            convert(path, target, suffix, lambda x: x)
        with av.open(str(tmp_path / f"c{suffix}")) as film:
            frame = next(film.decode(video=0))
            assert (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)) == (5, 1, 1)
