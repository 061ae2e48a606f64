"""`ganworks data` for every kind of data, and where `ganworks sample` puts what it makes."""

import os
import shlex
from pathlib import Path

import doc_folders
import pytest

import ganworks as gw
from ganworks.cli import main as cli
from ganworks.cli.sample import place_for, with_options
from ganworks.core.errors import UsageError
from ganworks.report.terminal.preview import preview_lines
from ganworks.use.findings import describe_any


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    doc_folders.everything(folder)
    return folder


def look(place, words, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert cli.main(["data", *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_sounds_can_be_heard(place, monkeypatch, capsys, tmp_path):
    said = look(place, ["sounds", f"out={tmp_path / 'heard'}"], monkeypatch, capsys)
    assert "`audio`" in said and "40 examples" in said and "high 20, low 20" in said and "held out" in said
    assert len(list((tmp_path / "heard").glob("*.wav"))) == 8 and said.endswith("ganworks train data=sounds\n")


def test_another_recipe_may_read_it(place, monkeypatch, capsys):
    said = look(place, ["sounds", "recipe=vocoder"], monkeypatch, capsys)
    assert "40 examples" in said and said.endswith("ganworks train vocoder data=sounds\n")


def test_rows_can_be_read(place, monkeypatch, capsys, tmp_path):
    said = look(place, ["people.csv", f"out={tmp_path / 'some.csv'}"], monkeypatch, capsys)
    assert "`table`" in said and "400 examples" in said and "age" in said and "Paris" in said
    assert len((tmp_path / "some.csv").read_text().splitlines()) == 9
    assert "ganworks train table data=people.csv" in look(place, ["people.csv", "recipe=table"], monkeypatch, capsys)


def test_what_is_not_drawn_is_told(place, monkeypatch, capsys, tmp_path):
    said = look(place, ["readings.csv", f"out={tmp_path / 'some.csv'}"], monkeypatch, capsys)
    assert "`series`" in said and "24 steps" in said and "temperature" in said and (tmp_path / "some.csv").exists()
    said = look(place, ["captions.txt"], monkeypatch, capsys)
    assert "200 examples" in said and " .\n" in said.partition("Some examples")[2]
    said = look(place, ["clips", f"out={tmp_path / 'clips.png'}"], monkeypatch, capsys)
    assert "16 frames of 16 x 16" in said and "left 12, up 12" in said and (tmp_path / "clips.png").exists()


def test_pictures_are_looked_at_as_before(place, monkeypatch, capsys, tmp_path):
    said = look(place, ["seasons", f"out={tmp_path / 'sheet.png'}"], monkeypatch, capsys)
    assert "`cyclegan`" in said and "sizes (height x width)" in said and (tmp_path / "sheet.png").exists()
    said = look(place, ["ring8", f"out={tmp_path / 'ring.png'}", "domain.count=500"], monkeypatch, capsys)
    assert "500 examples" in said and (tmp_path / "ring.png").exists() and "domain.count=500" in said


def test_in_python(place):
    assert gw.look(place / "sounds").facts["count"] == 40
    found = gw.look(place / "photos", size=16)
    assert found.facts["count"] == 120 and found.sheet is not None
    with pytest.raises(UsageError, match="no recipe"):
        gw.look(place / "photos", recipe="nosuch")


def test_a_summary_becomes_lines_whatever_it_holds():
    facts = {"source": "a.csv", "kind": "csv", "count": 1200, "train": 1000, "held": 200, "classes": {"x": 3, "y": 9},
             "rate": 8000, "shares": {"a": 0.25, "b": 1}, "names": ["u", "v"], "short": True, "none": None,
             "corrupt": 1, "corrupt_names": ["bad.wav"], "warnings": {"clipped": 3}, "notes": ["held out: 200"],
             "long": list(range(99)), "object": object, "fingerprint": "f"}  # fmt: skip
    lines = describe_any(facts)
    for said in ("1,200 examples from a.csv (csv)", "classes: 2: x 3, y 9", "rate: 8,000", "shares: a 0.25, b 1",
                 "names: u, v", "short: yes", "could not be read: 1", "  bad.wav", "warning: clipped (3 times)",
                 "note: held out: 200"):  # fmt: skip
        assert any(line.startswith(said) for line in lines), said
    assert all(len(line) < 500 and "fingerprint" not in line for line in lines)
    assert describe_any({})[0].startswith("0 examples")


def test_items_become_lines():
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    assert preview_lines(["one", "two"]) == ["  one", "  two"] and len(preview_lines(["x"] * 99)) == 5
    assert "Lyon" in "".join(preview_lines(pandas.DataFrame({"city": ["Lyon"]})))
    assert "24 steps" in preview_lines([numpy.zeros((24, 3))])[0]


class Maker:
    forms, each, options = (".csv", ".parquet"), "", {"where": "rows that ..."}

    def prepare(self):
        """Never called here."""

    encode = prepare


class Stub:
    def __init__(self, maker=None, shape=(3, 8, 8)):
        self.maker = self.domain = maker
        self.spec = type("Spec", (), {"shape": shape})
        self.given = self.net = None

    def prepared(self, **options):
        self.given = options
        return self


def test_samples_go_where_their_kind_belongs():
    files = type("Files", (Maker,), {"each": ".wav", "forms": (".wav",)})()
    assert str(place_for(Stub(), {})) == "samples" and str(place_for(Stub(files), {})) == "samples"
    assert str(place_for(Stub(Maker(), (20,)), {})) == "samples.csv"
    assert str(place_for(Stub(None, (2,)), {})) == "samples.npz"
    assert str(place_for(Stub(Maker(), (20,)), {"format": "parquet"})) == "samples.parquet"
    assert str(place_for(Stub(Maker(), (20,)), {"out": "a.parquet"})) == "a.parquet"
    with pytest.raises(UsageError, match="do not agree"):
        place_for(Stub(), {"out": "a.png", "format": "gif"})


def test_options_of_the_model_are_passed_on_and_others_refused():
    model = with_options(Stub(Maker()), {"where": "age > 40", "seed": "1", "out": "x.csv"})
    assert model.given == {"where": "age > 40"}
    with pytest.raises(UsageError, match=r'no option "wher".*Did you mean "where".*This model has where'):
        with_options(Stub(Maker()), {"wher": "x"})
    with pytest.raises(UsageError, match=r'"temperature".*no options of its own'):
        with_options(Stub(), {"temperature": "0.8"})


def below(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["photos", "sounds", "clips", "captions.txt", "people.csv", "readings.csv", "ring8"])
def test_nothing_is_written_where_nobody_asked(name, place, monkeypatch, capsys):
    before = below(place)
    said = look(place, [name], monkeypatch, capsys)
    assert below(place) == before
    written = [Path(line.partition(": ")[2].strip().split(" (")[0]) for line in said.split("\n")
               if line.startswith(("Contact", "Picture", "Examples"))]  # fmt: skip
    assert all(Path(os.environ["GANWORKS_CACHE"]) in path.parents and path.exists() for path in written)
    assert bool(written) == (name not in ("captions.txt", "people.csv", "readings.csv"))


@pytest.mark.parametrize("kind", ["flat", "classes"])
def test_looking_twice_finds_the_same(kind, tmp_path, monkeypatch, capsys):
    doc_folders.pictures(tmp_path / "d" / ("cat" if kind == "classes" else "."), 8, 1)
    if kind == "classes":
        doc_folders.pictures(tmp_path / "d" / "dog", 8, 2)
    said = [look(tmp_path / "d", [".", "out=sheet.png"], monkeypatch, capsys) for _ in range(2)]
    assert said[0] == said[1] and ("cat 8, dog 8" in said[0]) == (kind == "classes")


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path, monkeypatch, capsys):
    doc_folders.pictures(tmp_path / "d", 8, 1)
    doc_folders.people(tmp_path / "people.csv")
    before = below(tmp_path)
    monkeypatch.chdir(tmp_path)
    for words in (["d", "out=d/3.png"], ["people.csv", "out=people.csv"]):
        assert cli.main(["data", *words]) == 2
        assert "is there already, and nothing says that ganworks wrote it" in capsys.readouterr().err
    assert below(tmp_path) == before
    doc_folders.sounds(tmp_path / "sounds")
    for rate in ("8000", "4000"):
        look(tmp_path, ["sounds", "out=heard", f"rate={rate}"], monkeypatch, capsys)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "3.wav").write_bytes(b"mine")
    assert cli.main(["data", "sounds", "out=mine"]) == 2
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["3.wav"]


def test_what_stops_a_training_is_said(tmp_path, monkeypatch, capsys):
    doc_folders.pictures(tmp_path / "d", 8, 1)
    (tmp_path / "d" / "bad.png").write_bytes(b"no picture")
    said = look(tmp_path, ["d"], monkeypatch, capsys)
    assert "A training stops at what cannot be read." in said and said.endswith("data=d domain.on_corrupt=skip\n")
    said = look(tmp_path, ["d", "on_corrupt=skip"], monkeypatch, capsys)
    assert "A training stops" not in said and said.endswith("data=d domain.on_corrupt=skip\n")


@pytest.mark.parametrize("recipe", ["inpaint", "superres", "restore", "classify", "stargan", "sincut"])
def test_every_recipe_of_pictures_reads_for_itself(recipe, tmp_path, monkeypatch, capsys):
    names = "AB" if recipe == "sincut" else ("cat", "dog")
    for seed, name in enumerate(names):
        doc_folders.pictures(tmp_path / "d" / name, 1 if recipe == "sincut" else 9, seed)
    said = look(tmp_path, ["d", f"recipe={recipe}"], monkeypatch, capsys)
    classes = "classes: 2: " if recipe in ("classify", "stargan") else "classes: none"
    assert classes in said and "Contact sheet: " in said and said.endswith(f"ganworks train {recipe} data=d\n")


def test_the_command_can_be_pasted(tmp_path, monkeypatch, capsys):
    doc_folders.pictures(tmp_path / "my photos", 8, 1, wide=64)
    said = look(tmp_path, ["my photos", "size=[8,16]", "recipe=image"], monkeypatch, capsys)
    words = shlex.split(said.strip().split("\n")[-1].partition("ganworks ")[2])
    assert words == ["train", "image", "data=my photos", "domain.size=[8,16]"]
    said = look(tmp_path, ["my photos"], monkeypatch, capsys)
    other = next(line for line in said.split("\n") if line.startswith("If ")).partition("ganworks ")[2]
    assert shlex.split(other)[-1] == "data=my photos"
