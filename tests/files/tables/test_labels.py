"""Label files: our own, and those that other programs write beside pictures."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.files.recognise import recognise
from ganworks.files.sources import open_source
from ganworks.files.tables.labels import labels_in

NAMES = [f"0000{k // 3}/img{k:05d}.png" for k in range(6)]
FLAT = [f"{k}.png" for k in range(6)]


def png(seed):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def lay(folder, names, file, content):
    text = content if isinstance(content, str) else json.dumps(content)
    files = {name: png(k) for k, name in enumerate(names)} | {file: text.encode()}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as out:
        for name, data in files.items():
            out.writestr(name, data)
    return folder


def lines(*entries):
    return "\n".join(map(json.dumps, entries)) + "\n"


CAT = ["cat" if k % 2 else "dog" for k in range(6)]
FOUND = {
    "stylegan": (NAMES, "dataset.json", {"labels": [[n, k % 2] for k, n in enumerate(NAMES)]}, ("0", "1")),
    "stylegan-words": (NAMES, "dataset.json", {"labels": dict(zip(NAMES, CAT, strict=True))}, ("cat", "dog")),
    "one-hot": (NAMES, "dataset.json", {"labels": [[n, [k % 2, 1 - k % 2, 0]] for k, n in enumerate(NAMES)]},
                ("0", "1")),
    "csv": (FLAT, "metadata.csv", "file_name,text,label\n" + "".join(
        f'{n},"a, b",{c}\n' for n, c in zip(FLAT, CAT, strict=True)), ("cat", "dog")),
    "jsonl": (FLAT, "metadata.jsonl", lines(*({"file_name": n, "label": c} for n, c in zip(FLAT, CAT, strict=True))),
              ("cat", "dog")),
    "train": ([f"train/{n}" for n in FLAT] + ["test/0.png"], "train/metadata.csv", "file_name,class\n" + "".join(
        f"{n},{c}\n" for n, c in zip(FLAT, CAT, strict=True)), ("cat", "dog")),
    "null": (NAMES, "dataset.json", {"labels": None}, ()),
    "captions": (NAMES, "metadata.csv", "file_name,text\n" + "".join(f"{n},words\n" for n in NAMES), ()),
    "captions-of-classes": ([f"{c}/{n}" for c in ("cat", "dog") for n in FLAT], "metadata.jsonl",
                            lines({"file_name": "cat/0.png", "text": "words"}), ("cat", "dog")),
    "about-other-things": ([f"{c}/{n}" for c in ("cat", "dog") for n in FLAT], "metadata.csv",
                           "name,class\nx,1\n", ("cat", "dog")),
    "no-label-file": (NAMES, "about.json", {"by": "somebody"}, ("00000", "00001")),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_labels_of_others_are_read(name, packed, tmp_path):
    names, file, content, classes = FOUND[name]
    folder = lay(tmp_path / "d", names, file, content)
    source = open_source(folder.with_suffix(".zip") if packed else folder)
    assert source.classes == classes and recognise(folder).recipe == "image"
    assert (source.labels is None) == (not classes)
    if classes in (("0", "1"), ("cat", "dog")) and len(source) == 6 and names is not FLAT:
        assert len(set(source.labels.tolist())) == 2
    if name == "jsonl":
        assert [source.classes[k] for k in source.labels] == CAT
    if name == "null":
        assert any("numbered folders beside it were not taken for classes" in note for note in source.notes)
    assert not any(f"{file}" in note and "no images" in note for note in source.notes)
    assert name == "no-label-file" or not any("are no images by their names" in note for note in source.notes)


@pytest.mark.parametrize(("file", "content", "said"), [
    ("dataset.json", '{"labels": [["0.png", [0.2, 0.8]]]}', "is no class"),
    ("dataset.json", '{"labels": ["0.png"]}', "pairs of a file name and a label"),
    ("dataset.json", '{"labels": ', "not valid JSON"),
    ("metadata.jsonl", '["0.png"]\n', "each line must be like"),
    ("metadata.jsonl", '{"file_name": "0.png"\n', "line 1 is not valid JSON"),
    ("metadata.csv", "file_name,label\n0.png,cat\n", "no line for 5 images"),
    ("labels.csv", "file,label\n", "no line for 6 images"),
], ids=["vectors", "no-pairs", "cut", "lists", "cut-line", "missing", "empty"])  # fmt: skip
def test_what_does_not_fit_is_a_sentence(file, content, said, tmp_path):
    source = open_source(lay(tmp_path / "d", FLAT, file, content))
    with pytest.raises(UsageError, match=said) as caught:
        source.labels  # noqa: B018
    assert file in str(caught.value)
    assert open_source(tmp_path / "d", labels=False).labels is None


def test_our_own_file_goes_before_those_of_others(tmp_path):
    folder = lay(tmp_path / "d", FLAT, "metadata.csv", "file_name,label\n" + "".join(f"{n},x\n" for n in FLAT))
    (folder / "labels.csv").write_text("".join(f"{n},{c}\n" for n, c in zip(FLAT, CAT, strict=True)))
    assert open_source(folder).classes == ("cat", "dog")


def test_a_label_that_is_missing_is_empty():
    found = labels_in("dataset.json", b'{"labels": [["a.png", null], ["b.png", 2.0]]}', "d", (".png",))
    assert found == {"a.png": "", "b.png": "2"}
