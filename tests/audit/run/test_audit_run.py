"""Audits of whole runs: what is asked, what is kept, and what is said."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ganworks import api
from ganworks.audit.run import audit, critic, report
from ganworks.audit.run.audit import audit_run
from ganworks.cli.main import main
from ganworks.core.errors import UsageError
from ganworks.runs.run import Run

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(600, 2)).astype(np.float32)
SETTINGS = {"budget": 1280, "batch": 64, "judge": False, "train.threads": 1, "domain.held_out": 0.4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited") / "run"
    source = folder.parent / "points.npy"
    np.save(source, POINTS)
    for _ in api.train("points", str(source), folder, **SETTINGS):
        pass
    return folder


@pytest.fixture(scope="module")
def found(trained):
    return report.audit_and_keep(trained, count=600)[0]


def test_every_attack_is_tried_and_its_power_is_said(found):
    assert set(found.attacks) == {"nearest", "calibrated", "density", "critic"}
    assert {(t.members, t.others) for t in found.attacks.values()} == {(360, 240)}
    assert found.grade == "nothing found" and "would have been told from chance" in found.sentences[1]
    assert any("takes 1,000 unseen examples" in s for s in found.sentences)
    assert found.sentences[-1].startswith("An attack that fails shows only")


def test_the_verdict_never_calls_a_run_private(found):
    for sentence in found.sentences:
        assert "private" not in sentence.replace("differential privacy", "")


def test_files_belong_to_the_run_and_the_report_shows_the_verdict(trained, found):
    run = Run.open(trained)
    for name in ("audit/audit.json", "audit/audit.html", "report.html"):
        run.verify(name)
    kept = json.loads(run.read("audit/audit.json"))
    assert kept["grade"] == found.grade and kept["attacks"]["critic"]["members"] == 360
    assert "What it gives away" in run.read("report.html") and found.sentences[0] in run.read("report.html")
    page = run.read("audit/audit.html")
    assert "<polyline" in page and "default-src" in page and "<script" not in page


def test_an_audit_can_be_kept_elsewhere(trained, tmp_path):
    page = report.audit_and_keep(trained, tmp_path / "out", count=200)[1]
    assert page == tmp_path / "out" / "audit.html" and (tmp_path / "out" / "audit.json").is_file()
    with pytest.raises(UsageError, match="exists already"):
        report.audit_and_keep(trained, tmp_path / "out", count=200)


def test_the_same_seed_gives_the_same_audit(trained):
    first, second = (audit_run(trained, count=300, seed=3).to_dict() for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_a_generator_of_copies_gives_its_examples_away(trained, monkeypatch):
    def copies(model, count, case):
        return case.data.raw(RNG.choice(case.data.train, count)) + 0.001 * RNG.normal(size=(count, 2))

    monkeypatch.setattr(audit, "_sampled", copies)
    found = audit_run(trained, count=2000)
    rate = found.attacks["nearest"].rates[0]
    assert found.grade == "gives away" and found.sentences[0] == "This run gives away what it was trained on."
    assert rate.found is not None and rate.found.value > 0.5 and found.copies.repeats


def test_a_discriminator_that_knows_its_examples_gives_them_away(trained, monkeypatch):
    run = Run.open(trained)
    config, data = run.config(), audit._opened(run, None, lambda *a: None, 0).data
    engine = critic.saved_engine(run, config, data, str(trained), lambda *a: None)
    known = {tuple(x) for x in np.round(data.fetch(data.train)["x"].numpy(), 4).tolist()}

    def knows(engine, batch):
        rows = np.round(batch["x"].numpy(), 4).tolist()
        return critic.torch.tensor([float(tuple(x) in known) for x in rows])

    inside, outside = critic.scores(engine, knows, data, data.train[:100], data.held[:70], lambda *a: None)
    assert inside.tolist() == [1.0] * 100 and outside.tolist() == [0.0] * 70


def test_other_data_and_too_few_samples_are_refused(trained, tmp_path):
    np.save(tmp_path / "other.npy", POINTS + 1)
    with pytest.raises(UsageError, match="not the data that the run was trained on"):
        audit_run(trained, data=str(tmp_path / "other.npy"))
    with pytest.raises(UsageError, match="needs 100 samples"):
        audit_run(trained, count=50)
    with pytest.raises(UsageError, match="are no records"):
        audit_run(trained, count=100, identifiers=["age"])


def test_with_few_held_out_examples_nothing_is_claimed(trained, monkeypatch):
    whole = audit._opened

    def few(*given):
        case = whole(*given)
        data = case.data
        case.data = SimpleNamespace(spec=data.spec, raw=data.raw, train=data.train, held=data.held[:12],
                                    fingerprint=data.fingerprint)  # fmt: skip
        return case

    monkeypatch.setattr(audit, "_opened", few)
    found = audit_run(trained, count=200)
    assert found.grade == "cannot tell" and not found.attacks
    assert any("12 examples were held out" in why for why in found.not_asked)


def test_a_published_network_holds_no_training_example(trained):
    content = (trained / "generator.safetensors").read_bytes()
    assert not any(row.tobytes() in content for row in POINTS)


def test_a_run_without_a_saved_state_is_asked_by_its_samples_alone(trained, monkeypatch):
    monkeypatch.setattr(Run, "load_state", lambda self: None)
    found = audit_run(trained, count=200)
    assert "critic" not in found.attacks and any("saved no state" in why for why in found.not_asked)


def test_the_states_of_torch_and_numpy_are_left_as_they_were(trained):
    before = np.random.get_state()[1].copy(), critic.torch.get_rng_state()
    audit_run(trained, count=100)
    assert (before[0] == np.random.get_state()[1]).all() and critic.torch.equal(before[1], critic.torch.get_rng_state())


def test_the_verb_audits_a_run_where_it_is_given_one(trained, tmp_path, capsys):
    assert main(["audit", str(trained), "count=200", f"out={tmp_path / 'out'}"]) == 0
    said = capsys.readouterr().out
    assert "would have been told from chance" in said and "audit.html" in said
    assert not (tmp_path / "out" / "exclude.csv").exists()  # that is what an audit of data writes
    assert main(["audit", str(trained), "features=random"]) == 2
    assert '"features"' in capsys.readouterr().err
