"""Audits of whole sources: verdicts, the page, and the list that a training honours."""

import csv
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from bars_and_discs import shapes
from PIL import Image

from ganworks.api import _warn, audit
from ganworks.audit import glance
from ganworks.audit.examine import audit_data, keep
from ganworks.audit.glance import warning
from ganworks.cli.main import main
from ganworks.core.errors import UsageError
from ganworks.core.schema.words import expand
from ganworks.kinds.images.domain import Images


def write(folder, x, kind):
    for k, (picture, name) in enumerate(zip(x, kind, strict=True)):
        place = folder / ("disc", "bar")[name]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[0]).save(place / f"{k:03d}.png")
    return folder


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """240 pictures in two classes; of these 24 with a patch, 3 copies, 8 under the wrong label, 1 empty, 1 photo."""
    x, kind = shapes(240)
    x[kind == 1] = x[kind == 1] * 0.7  # so that so few pictures tell the classes
    x[:24, :, 20:23, 20:23] = 255
    x[100:103], x[60] = x[[50, 51, 52]], 7
    kind[100:103] = kind[[50, 51, 52]]
    kind[70:78] = 1 - kind[70:78]
    folder = write(tmp_path_factory.mktemp("faulty") / "pictures", x, kind)
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 14.25)}
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "disc" / "<b>holiday.jpg", exif=exif)
    return folder


@pytest.fixture(scope="module")
def audited(faulty, tmp_path_factory):
    found = audit_data(faulty, "image", settings={"size": 24, "channels": 1})
    return found, keep(found, tmp_path_factory.mktemp("out") / "audit")


def test_every_planted_fault_is_named(audited, faulty):
    found = {f.check: f for f in audited[0].findings}
    names = lambda check: {audited[0].evidence.names(r) for r in found[check].out}  # noqa: E731
    kinds = {p.stem: p.parent.name for p in faulty.rglob("*.png")}
    assert found["copies"].found == 3 and names("copies") <= {
        f"{kinds[f'{k:03d}']}/{k:03d}.png" for k in (*range(50, 53), *range(100, 103))
    }
    assert names("patches") >= {f"{kinds[f'{k:03d}']}/{k:03d}.png" for k in range(22)}
    wrong = {f"{kinds[f'{k:03d}']}/{k:03d}.png" for k in range(70, 78)}
    assert len(wrong & names("labels")) >= 3 and len(names("labels") - wrong) <= 2
    assert names("constant") == {f"{kinds['060']}/060.png"}
    assert "disc/<b>holiday.jpg" in names("outliers")
    assert {g.says.split(" ")[0] for g in found["files"].groups} == {"size", "mode", "format"}
    assert [audited[0].evidence.names(r) for r in found["places"].groups[0].rows] == ["disc/<b>holiday.jpg"]
    assert all(f.says and f.limits for f in found.values())


def test_the_page_is_strict_escaped_and_without_places(audited):
    page = (audited[1] / "audit.html").read_text()
    assert "default-src &#39;none&#39;" in page and "<script" not in page
    assert re.findall(r"(?:src|href)=.(?!data:|#).{20}|url\(|https?:", page) == []
    assert "&lt;b&gt;holiday.jpg" in page and "<b>holiday" not in page
    record = (audited[1] / "audit.json").read_text()
    assert "14.25" not in page + record and "48.0" not in page + record
    assert json.loads(record)["left_out"] == len(audited[0].out)


def test_a_folder_of_something_else_is_not_written_over(audited, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="no audit"):
        keep(audited[0], tmp_path)
    assert keep(audited[0], audited[1]) == audited[1]  # its own is


def test_the_list_is_honoured_and_changes_the_fingerprint(audited, faulty, tmp_path):
    listed = audited[1] / "exclude.csv"
    plain, without = (Images(size=24, channels=1, exclude=e).open(faulty) for e in ("", str(listed)))
    assert len(plain) - len(without) == len(audited[0].out) and plain.fingerprint != without.fingerprint
    assert any("left out by" in note for note in without.summary["notes"])
    rows = list(csv.reader(listed.open()))
    fewer = tmp_path / "fewer.csv"  # by hand, in another order, without sums
    fewer.write_text("reason,name\n" + "\n".join(f"mine,{row[0]}" for row in rows[3:0:-1]) + "\nmine,gone.png\n")
    third = Images(size=24, channels=1, exclude=str(fewer)).open(faulty)
    assert len(plain) - len(third) == 3 and third.fingerprint not in (plain.fingerprint, without.fingerprint)
    assert any("1 line names nothing" in note for note in third.summary["notes"])
    assert Images(size=24, channels=1, exclude=str(fewer)).open(faulty).fingerprint == third.fingerprint


def test_a_list_out_of_date_or_none_is_refused(audited, faulty, tmp_path):
    listed = (audited[1] / "exclude.csv").read_text().splitlines()
    stale, broken = tmp_path / "stale.csv", tmp_path / "broken.csv"
    stale.write_text("\n".join([listed[0], re.sub(r"[0-9a-f]{64}", "0" * 64, listed[1])]))
    broken.write_text("name,sha256\na.png,xyz\n")
    for path, said in ((stale, "has changed"), (broken, "line 2"), (tmp_path / "no.csv", "no list")):
        with pytest.raises(UsageError, match=said):
            Images(size=24, exclude=str(path)).open(faulty)


def test_arrays_tables_and_texts_honour_their_lists(tmp_path):
    x, kind = shapes(60)
    x[10] = 0
    found = audit((x, kind), "image", tmp_path / "a")
    assert 10 in found.out
    left = Images(exclude=str(tmp_path / "a/exclude.csv")).open((x, kind))
    assert len(left) == 60 - len(found.out) and left.labels.tolist() == np.delete(kind, [*found.out]).tolist()
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.3f},{b:.3f},{c}"
        for a, b, c in zip(rng.normal(size=80), rng.normal(size=80), rng.choice(["x", "y"], 80), strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *rows, rows[3]]))
    found = audit(tmp_path / "t.csv", "table", tmp_path / "b")
    assert [found.evidence.names(r) for r in found.out] == ["row 80"]
    assert len(audit(tmp_path / "t.csv", "table", exclude=str(tmp_path / "b/exclude.csv")).out) == 0
    texts = [f"a {w} {v} thing by the {u}" for w in ("red", "big", "old") for v in ("round", "flat") for u in "abcdefg"]
    (tmp_path / "t.txt").write_text("\n".join([*texts, texts[0], "mail ann@example.org now"]))
    found = audit(tmp_path / "t.txt", "text", tmp_path / "c")
    assert {f.check: f.found for f in found.findings}["personal"] == 1 and set(found.out) == {42, 43}
    assert audit(tmp_path / "t.txt", "text", exclude=str(tmp_path / "c/exclude.csv")).evidence.count == 42


def test_on_the_command_line_it_says_what_to_do_next(faulty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["audit", str(faulty), "size=24", "channels=1", "recipe=image"]) == 0
    said = capsys.readouterr().out
    assert "Exact copies" in said and "exclude=audits/pictures-1/exclude.csv" in said and "'domain." not in said
    assert main(["audit", str(faulty), "recipe=image", "out=" + str(faulty)]) == 2
    assert main(["audit", "nowhere"]) == 2


def test_a_training_warns_in_one_line_and_drops_nothing(tmp_path, capsys, monkeypatch):
    x, kind = shapes(300)
    x[::15, :, 3:6, 3:6] = 255
    np.savez(tmp_path / "bad.npz", x=x, y=kind)
    data = Images().open((x, kind))
    assert warning(Images(), data, "bad", 10) == ""  # a short training has no time for it
    monkeypatch.setattr(glance, "SHARE", 1.0)  # however busy the machine is
    monkeypatch.setattr(glance, "MOST", 1e9)
    said = warning(Images(), data, tmp_path / "bad.npz", 1000)
    assert "20 of 300 looked at are with the same patch" in said and f"ganworks audit {tmp_path}/bad.npz" in said
    assert warning(Images(), Images().open(shapes(300)), "good", 1000) == ""
    ticks = iter(range(0, 10_000, 900))
    assert "patch" not in warning(Images(), data, "bad", 1000, clock=lambda: next(ticks))
    plan = {"total": 10_000, "pace": {"costs": [0.1]}}
    run = SimpleNamespace(counters=lambda: None, plan=lambda: plan)
    job = SimpleNamespace(run=run, data=data, config=SimpleNamespace(domain=Images()))
    state = np.random.get_state()[1].tolist()
    _warn(job, "bad.npz")
    assert np.random.get_state()[1].tolist() == state
    assert capsys.readouterr().out.count("\n") == 1 and len(data.train) + len(data.held) == 300
    plan["total"] = 1  # a tenth of a second: no time
    _warn(job, "bad.npz")
    assert capsys.readouterr().out == ""


def test_a_training_takes_the_list_by_its_short_name():
    assert expand({"exclude": "audits/a-1/exclude.csv"}, Images) == {"domain.exclude": "audits/a-1/exclude.csv"}
