"""Signed manifests: valid, trusted by the right certificate alone, broken by an edit, beside what cannot hold them."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("c2pa")

from ganworks.core.errors import UsageError
from ganworks.files import provenance
from ganworks.files.provenance.certificates import self_signed
from ganworks.files.provenance.signatures import signature_in
from ganworks.files.provenance.signing import Signer
from ganworks.files.provenance.verifying import verify
from ganworks.files.rasters.write import encoded
from ganworks.files.wav import flac_bytes, wav_bytes

NOTE = provenance.note(model="m", seed=1)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pairs of keys: cert.pem and key.pem, other.pem and otherkey.pem."""
    place = tmp_path_factory.mktemp("keys")
    for first, second in (("cert.pem", "key.pem"), ("other.pem", "otherkey.pem")):
        for name, content in zip((first, second), self_signed(), strict=True):
            (place / name).write_bytes(content)
    return place


FILES = {
    "a.png": lambda: provenance.encode([PICTURE], "png", NOTE),
    "a.webp": lambda: provenance.encode([PICTURE], "webp", NOTE),
    "a.gif": lambda: provenance.encode([PICTURE], "gif", NOTE),
    "a.jpg": lambda: encoded(PICTURE, "JPEG", NOTE),
    "a.tif": lambda: encoded(PICTURE, "TIFF", NOTE),
    "a.wav": lambda: wav_bytes(np.zeros((1, 800), np.int16), 8000, NOTE),
    "a.flac": lambda: flac_bytes(np.zeros((1, 800), np.int16), 8000, NOTE),
    "a.csv": lambda: b"a,b\n1,2\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_signature_holds_and_an_edit_breaks_it(name, folder, tmp_path):
    signer = Signer.load(f"{folder / 'cert.pem'},{folder / 'key.pem'}")
    content, manifest = signer.signed(FILES[name](), name, NOTE)
    assert (manifest is None) == (name != "a.csv")
    path = tmp_path / name
    path.write_bytes(content)
    if manifest is not None:
        (tmp_path / f"{name}.c2pa").write_bytes(manifest)
    for trust, state in ((None, "valid"), ("other.pem", "valid"), ("cert.pem", "trusted")):
        found = verify(path, trust=trust and str(folder / trust))
        assert found.outcome == "signed" and found.signature.state == state, found
        assert "ganworks trial" in found.signature.by and found.signature.term == provenance.SOURCE
        assert found.marks.note is None or (found.matches and found.marks.note["seed"] == 1)
    at = content.rindex(b"1") if name == "a.csv" else len(content) - 30
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert verify(path).outcome == "tampered"


def test_an_edited_picture_has_its_source_as_an_ingredient(folder):
    signer = Signer.load(f"{folder / 'cert.pem'},{folder / 'key.pem'}")
    mark = {**NOTE, "digitalSourceType": provenance.EDITED}
    content, _ = signer.signed(FILES["a.png"](), "b.png", mark, [("in.jpg", FILES["a.jpg"]())])
    found = signature_in(content, "b.png")
    assert found.state == "valid" and found.term == provenance.EDITED and found.note["seed"] == 1
    import io

    import c2pa

    with c2pa.Reader("image/png", io.BytesIO(content)) as reader:
        assert '"title": "in.jpg"' in reader.json() and "c2pa.opened" in reader.json()


def test_files_without_a_manifest_or_of_no_known_form():
    assert signature_in(FILES["a.png"](), "a.png").state == "not_present"
    assert signature_in(b"no picture", "a.png").state == "not_present"
    assert signature_in(b"x", "a.xyz").state == "not_present"
    assert signature_in(b"x", "a.xyz", manifest=b"no manifest").state == "invalid"


def test_keys_that_do_not_belong_together_are_refused(folder, tmp_path, monkeypatch):
    cert, key = folder / "cert.pem", folder / "key.pem"
    for words, said in (
        (f"{cert},{folder / 'otherkey.pem'}", "is not the private key of"),
        (f"{cert}", "names a certificate and its private key"),
        (f"{cert},{tmp_path / 'none.pem'}", "cannot be read"),
        (f"{cert},{__file__}", "not in PEM form"),
    ):
        with pytest.raises(UsageError, match=said):
            Signer.load(words)
    monkeypatch.setenv("GANWORKS_SIGN_KEY", str(key))
    assert Signer.load(str(cert)).algorithm == "es256" and b"PRIVATE" not in repr(Signer.load(str(cert))).encode()
