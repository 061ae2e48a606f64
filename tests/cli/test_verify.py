"""`ganworks verify`: outcomes, exit codes, JSON, keys, and samples that are made again."""

import json
import stat

import numpy as np
import pytest
import torch
from PIL import Image

from ganworks.cli import main as cli
from ganworks.core.spec import Spec
from ganworks.files import provenance
from ganworks.files.watermark.mark import Watermark
from ganworks.use.model import Model
from ganworks.use.samples import Samples


class Net(torch.nn.Module):
    """Noise of 96 x 96 pixels that depends on z."""

    z_dim = 4

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 4 * 3 * 96 * 96).reshape(4, -1))

    def forward(self, z, y=None):
        return torch.sin(40 * z @ self.weight).reshape(-1, 3, 96, 96)


SPEC = Spec("image", (3, 96, 96), low=0, high=255, dtype="uint8")


@pytest.fixture
def model(monkeypatch):
    made = Model(Net(), SPEC, {"recipe": "image"}, device="cpu")
    monkeypatch.setattr("ganworks.cli.trust.reproduce._model", lambda run: made)
    return made


def verify(capsys, *words):
    code = cli.main(["verify", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_a_file_is_decides_the_exit_code(model, tmp_path, capsys):
    (path,) = model.sample(4, seed=3).save(tmp_path / "a.png")
    code, out, _ = verify(capsys, path, "format=json")
    found = json.loads(out)
    assert code == 0 and found["outcome"] == "marked" and found["note"]["seed"] == 3 and found["content_matches"]
    content = path.read_bytes()
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    code, out, err = verify(capsys, tmp_path / "b.png")
    assert code == 4 and "unknown" in out and "no mark that can be read" in err
    note = provenance.read(path)
    (tmp_path / "c.png").write_bytes(provenance.encode([Image.new("RGB", (8, 8))], "png", note).replace(b"x", b"x"))
    other = content.replace(note["content"].encode(), b"pixels:" + 64 * b"1")
    from ganworks.files.provenance.containers import png_with_sums

    (tmp_path / "c.png").write_bytes(png_with_sums(other))
    code, out, err = verify(capsys, tmp_path / "c.png")
    assert code == 3 and "is NOT the one of the note" in out and "1 file is not what its marks say: c.png" in err
    code, out, _ = verify(capsys, tmp_path)
    assert code == 3 and "3 files: 1 marked, 1 tampered, 1 unknown" in out
    assert verify(capsys, tmp_path / "none")[0] == 2 and verify(capsys, path, "trusted=x")[0] == 2
    assert verify(capsys, path, "trust=none.pem")[0] in (0, 2)


def test_a_sample_is_made_again(model, tmp_path, capsys):
    model.sample(3, seed=5, start=2).save(tmp_path / "s")
    code, out, _ = verify(capsys, tmp_path / "s", "reproduce=RUN")
    assert code == 0 and out.count("Made again from seed 5: the same content.") == 3
    torch.nn.init.constant_(model.generator.weight, 0.2)
    del model.fingerprint
    assert "is another model than the one of the note" in verify(capsys, tmp_path / "s", "reproduce=RUN")[1]


def test_keys_are_new_files_that_only_their_owner_reads(tmp_path, capsys):
    path = tmp_path / "wm.key"
    code, out, _ = verify(capsys, f"newkey={path}")
    assert code == 0 and "Keep it secret" in out and stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert verify(capsys, f"newkey={path}")[0] == 2 and path.read_bytes() == before
    pytest.importorskip("c2pa")
    code, out, _ = verify(capsys, f"newcert={tmp_path / 'trial'}")
    assert code == 0 and "valid but not trusted" in out
    assert stat.S_IMODE((tmp_path / "trial" / "key.pem").stat().st_mode) == 0o600


def test_watermarked_samples_are_found_without_their_notes(model, tmp_path, capsys):
    verify(capsys, f"newkey={tmp_path / 'wm.key'}")
    samples = model.sample(2, seed=1).written_with(Watermark.load(tmp_path / "wm.key"), None)
    (path,) = samples.save(tmp_path / "a.png")
    (again,) = samples.save(tmp_path / "again.png")
    assert path.read_bytes() == again.read_bytes() and provenance.read(path)["watermark"] == samples.watermark.name
    Image.open(path).save(tmp_path / "b.jpg", quality=90)
    code, out, _ = verify(capsys, tmp_path / "b.jpg", f"watermark={tmp_path / 'wm.key'}")
    assert code == 0 and "watermarked" in out and "The watermark of this key is found: p = " in out
    assert verify(capsys, tmp_path / "b.jpg")[0] == 4


def test_forms_without_a_watermark_say_so(tmp_path):
    samples = Samples(
        np.zeros((1, 3, 96, 96), np.uint8), SPEC, 0, np.arange(1), watermark=Watermark.load(_key(tmp_path))
    )
    with pytest.raises(Exception, match=r"\.npz files of this model carry no watermark"):
        samples.save(tmp_path / "a.npz")


def _key(folder):
    (folder / "k").write_bytes(b"a long passphrase")
    return folder / "k"


def test_a_wrong_name_of_a_trusted_certificate_is_wrong_use(tmp_path, capsys):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    code, _, err = verify(capsys, tmp_path / "a.png", f"trust={tmp_path / 'nowhere.pem'}")
    assert code == 2 and "certificate" in err and "cannot be read" in err


def test_a_file_of_no_known_kind_has_no_marks(tmp_path, capsys):
    (tmp_path / "a").write_bytes(b"a line of text")
    code, out, _ = verify(capsys, tmp_path / "a")
    assert code == 4 and "unknown" in out and "BytesIO" not in out
