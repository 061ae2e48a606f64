"""Tables from file to file: recipes, conditional sampling, the judge, and the manner of scikit-learn."""

import io

import numpy as np
import pandas as pd
import pytest
from recipe_checks import check_recipe
from table_data import people

import ganworks as gw
from ganworks.cli import main as cli
from ganworks.core.errors import UsageError
from ganworks.files import provenance
from ganworks.kinds.tables.domain import Table
from ganworks.kinds.tables.estimator import TableModel
from ganworks.kinds.tables.metrics import measures as likeness
from ganworks.kinds.tables.metrics import privacy as table_privacy

TINY = {"networks.width": 16, "networks.d_width": 16, "networks.pac": 2}


@pytest.mark.parametrize(
    "name, more",
    [("table", {"game.adversarial_from": 0.5}), ("ctgan", {"networks.z_dim": 8})],
)
def test_recipes_train_resume_and_load(name, more, tmp_path):
    found = check_recipe(name, people(300), tmp_path, **TINY, **more)
    assert set(found) == {"G"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short training on a table where the city decides the currency and the age the income."""
    out = tmp_path_factory.mktemp("table") / "run"
    frame = people(3000)
    settings = {"budget": "60k", "train.threads": 1, "networks.width": 48, "train.precision": "fp32", "batch": 100}
    for _ in gw.train("table", frame, out, **settings):
        pass
    return out, frame


def test_it_learns_what_depends_on_what(run):
    out, frame = run
    made = gw.load(out).sample(2000, seed=1).items
    money = {"Rome": "EUR", "Oslo": "NOK", "New York": "USD"}
    assert (made["money"] == made["city"].map(money)).mean() > 0.97
    assert made[["age", "income"]].corr().iloc[0, 1] > 0.75 * frame[["age", "income"]].corr().iloc[0, 1]
    assert abs(made["income"].isna().mean() - 0.2) < 0.04 and abs(made["member"].mean() - 0.25) < 0.05
    assert (made.dtypes == frame.dtypes).all() and made["id"].is_unique


def test_rows_are_the_same_alone_and_in_company_and_keep_what_is_asked(run):
    model = gw.load(run[0])
    many, few = model.sample(300, seed=3).items, model.sample(20, seed=3, start=100).items
    pd.testing.assert_frame_equal(many.iloc[100:120].reset_index(drop=True), few)
    where = "city='New York' and age>=50 and income>3000"
    rows = model.sample(500, where=where).items
    assert (rows["city"] == "New York").all() and (rows["age"] >= 50).all() and (rows["income"] > 3000).all()
    assert (rows["money"] == "USD").mean() > 0.8
    with pytest.raises(UsageError, match="no column"):
        model.sample(5, where="town=Rome")


def test_asking_changes_the_other_columns_as_it_does_in_the_data(run):
    """The joint of two restricted columns is that of the data, not the product of their own."""
    out, frame = run
    rows = gw.load(out).sample(2000, where="age<=40 and income>2200").items
    real = frame[(frame["age"] <= 40) & (frame["income"] > 2200)]
    assert abs(rows["age"].mean() - real["age"].mean()) < 2.5  # their product would be 5 off


def test_files_of_samples_read_back(run, tmp_path, capsys):
    for name in ("a.csv", "b.parquet"):
        assert cli.main(["sample", str(run[0]), "50", "where=city=Oslo", f"out={tmp_path / name}"]) == 0
    comma, stored = pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "b.parquet")
    assert len(comma) == len(stored) == 50 and (comma["city"] == "Oslo").all()
    assert (stored.dtypes.astype(str) == run[1].dtypes.astype(str)).all()
    from pyarrow import parquet

    assert b'"generated": true' in parquet.read_schema(tmp_path / "b.parquet").metadata[b"ganworks"]
    mark = provenance.read(tmp_path / "a.csv")
    assert mark is not None and mark["generated"] and mark["file"] == "a.csv"
    assert len(Table().open(tmp_path / "a.csv")) == 50  # what it writes, it reads


def test_the_judge_ranks_the_model_between_its_floors_and_real_data(run):
    report = gw.evaluate(run[0], run[1])
    pairs, floors = report.metrics["pairs"].value, report.baselines
    assert floors["each column by itself"]["pairs"] < pairs <= floors["real data"]["pairs"] + 0.02
    assert report.metrics["detection"].value < floors["each column by itself"]["detection"] - 0.1
    relations = [floors["each column by itself"]["relations"], report.metrics["relations"].value]
    assert relations[0] < relations[1] - 0.1 and report.metrics["relations"].floor == floors["real data"]["relations"]
    assert "tstr_f1" in report.metrics and len(report.tables) == 4
    assert {row[0].split(", ")[1] for row in report.tables[3]["rows"]} == {"boosting", "linear", "forest"}
    said = " ".join([*report.protocol, *report.warnings]).lower()
    assert "does not make the rows private" in said


def test_measures_have_known_values():
    frame = people(2000)
    data = Table().open(frame)
    coder = likeness.Coder(data.columns, frame)
    assert np.allclose(list(likeness.pairs(coder, frame, frame).values()), 1)
    assert np.allclose(list(likeness.shapes(coder, frame, frame).values()), 1)
    other = frame.assign(city="Rome")
    assert likeness.shapes(coder, frame, other)["city"] == pytest.approx((frame["city"] == "Rome").mean())
    shifted = frame.assign(age=frame["age"] + 1000)
    assert likeness.shapes(coder, frame, shifted)["age"] == 0
    assert likeness.auc(likeness.detection(coder, frame, shifted)) == 1
    alone = likeness.independent(frame)
    assert likeness.shapes(coder, frame, alone)["money"] == pytest.approx(1)
    assert likeness.pairs(coder, frame, alone)["city", "money"] < 0.8
    within = likeness.independent(frame, within="city")
    assert likeness.pairs(coder, frame, within)["city", "money"] == pytest.approx(1)


def test_the_attack_finds_copies_and_not_strangers():
    frame = people(3000)
    data = Table().open(frame)
    train, held, others = frame.iloc[:1000], frame.iloc[1000:2000], frame.iloc[2000:]
    coder = likeness.Coder(data.columns, train)
    copied, honest = (table_privacy.audit(coder, train, held, made) for made in (train, others))
    assert copied["attack"] > 0.9 and copied["copies"] == 1 and copied["low"] > 0.85
    assert honest["low"] < 0.5 < honest["high"] and honest["copies"] < 0.01


def test_the_manner_of_scikit_learn(tmp_path):
    from sklearn.base import clone

    settings = {"networks.width": 16, "train.judge": False, "train.threads": 1, "domain.rules": "age >= 18"}
    model = clone(TableModel(budget="2k", seed=4, settings=settings))
    with pytest.raises(UsageError, match="learnt nothing"):
        model.sample(3)
    frame = people(300)
    rows = model.fit(frame).sample(40, where="city=Oslo", seed=2)
    assert (rows["city"] == "Oslo").all() and list(rows) == list(frame)
    again = TableModel.load(model.save(tmp_path / "g.safetensors")).sample(40, where="city=Oslo", seed=2)
    pd.testing.assert_frame_equal(rows, again)


def test_quick_scores_and_missing_targets_do_no_harm():
    buffer = io.StringIO()
    people(100).drop(columns=["city", "money", "member"]).to_csv(buffer, index=False)
    coder = likeness.Coder(Table().open(people(100)).columns, people(100))
    assert likeness.Task.of(coder, "unit", people(100)) is None
    assert likeness.Task.of(coder, "income", people(100)).kind == "number"


def test_duplicates_of_rows_do_not_pass_for_an_attack():
    frame = people(2400)
    data = Table().open(frame)
    train, held, made = frame.iloc[:800], frame.iloc[800:1600], frame.iloc[1600:]
    coder = likeness.Coder(data.columns, train)
    twice = [pd.concat([f, f]).reset_index(drop=True) for f in (train, held)]
    found = table_privacy.audit(coder, *twice, made)
    assert found["low"] < 0.5 < found["high"]


def test_few_rows_are_not_learnt_by_heart(tmp_path):
    """The best snapshot is the one under which held-out rows are most likely, not the newest."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(160, 6)), columns=list("abcdef"))
    settings = {"budget": "12k", "train.score": 2000, "train.threads": 1, "networks.smooth": False, "batch": 50}
    events = list(gw.train("table", frame, tmp_path / "r", **settings, **{"domain.held_out": 0.3}))
    scored = [e for e in events if hasattr(e, "scores")]
    nats = [e.scores["nats"] for e in scored]
    assert nats[-1] > min(nats) and [e.best for e in scored][nats.index(min(nats))]
