"""Relations between columns: found in the data, missed by bins of pairs, and shown by the worst pair."""

import numpy as np
import pandas as pd
import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.kinds.tables.data.layout import to_frame
from ganworks.kinds.tables.data.proposals import comparable, proposals
from ganworks.kinds.tables.domain import Table
from ganworks.kinds.tables.metrics import measures as likeness
from ganworks.kinds.tables.metrics.relations import Relations
from ganworks.kinds.tables.networks import ColumnNetworks


def rides(n: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Short rides in one of four cities that are far apart, from stations of one city each; parts of wholes."""
    rng = np.random.default_rng(seed)
    city, number = rng.integers(0, 4, n), rng.integers(0, 10, n)
    start = 40 + 5 * city + rng.normal(0, 0.05, n)
    part = rng.gamma(2, 2, n)
    broken = rng.random(n) < 0.03
    return pd.DataFrame({
        "city": np.array(["Rome", "Oslo", "Bonn", "Cork"])[city],
        "station": [f"s{k}" for k in 10 * city + number],
        "start": start, "end": start + rng.normal(0, 0.02, n), "part": part,
        "whole": np.where(broken, 0.9 * part, part + rng.gamma(1, 1, n)),
    })  # fmt: skip


def mixed(frame: pd.DataFrame, name: str, share: float) -> pd.DataFrame:
    """The table with the cells of a column exchanged among a share of the rows."""
    rng, out = np.random.default_rng(1), frame.copy()
    rows = rng.permutation(len(frame))[: int(share * len(frame))]
    out[name] = out[name].to_numpy(copy=True)
    out.loc[rows, name] = rng.permutation(frame[name].to_numpy()[rows])
    return out


@pytest.fixture(scope="module")
def known():
    frame = rides()
    coder = likeness.Coder(Table().open(frame).columns, frame)
    return frame, rides(400, 7), coder, Relations(coder, frame)


def test_relations_are_found(known):
    titles = {relation.title for relation in known[3].all}
    assert {"start - end", "start + end", "part <= whole", "city follows from station"} <= titles
    assert not {"whole <= part", "start <= end", "station follows from city", "part <= start"} & titles
    assert comparable(known[0]["start"].to_numpy(), known[0]["end"].to_numpy())
    assert not comparable(known[0]["start"].to_numpy(), known[0]["part"].to_numpy())


@pytest.mark.parametrize(
    ("column", "share", "worst"),
    [("end", 0.13, "start - end"), ("whole", 0.5, "part - whole"), ("station", 0.2, "city follows from station")],
)
def test_what_bins_of_pairs_hardly_see_is_the_worst_pair(known, column, share, worst):
    frame, held, coder, relations = known
    made = mixed(frame, column, share)
    pairs = [np.mean(list(likeness.pairs(coder, frame, table).values())) for table in (made, frame)]
    assert pairs[0] > pairs[1] - 0.06
    judged = relations.judge(made, held, {"alone": likeness.independent(frame)})
    value = judged.metrics["relations"]
    assert judged.values["alone"] < value.value < value.floor - 0.04 and value.low < value.value < value.high
    first = judged.tables[0]["rows"][0]
    assert ("part <= whole" in [row[0] for row in judged.tables[0]["rows"][:3]]) == (column == "whole")
    assert first[0] == worst and first[1] < first[2] - 0.2
    assert judged.warnings[0].startswith(f"The worst pair of columns is {worst}: {first[3]} of generated rows are ")


def test_real_rows_have_their_own_relations(known):
    _, held, _, relations = known
    judged = relations.judge(rides(1500, 3), held, {})
    assert judged.warnings == [] and judged.metrics["relations"].value > judged.metrics["relations"].floor - 0.05


def test_gaps_strange_values_and_lone_columns_do_no_harm(known):
    frame, _, _, relations = known
    gaps = frame.assign(start=np.nan, station="new", city=None)
    assert all(np.isfinite([f.likeness, f.share]).all() for f in relations.measure(gaps))
    one = frame[["part"]]
    none = Relations(likeness.Coder(Table().open(one).columns, one), one).judge(one, one, {})
    assert (none.metrics, none.tables, none.warnings) == ({}, [], [])


def test_rules_that_all_rows_keep_are_proposed_and_can_be_taken():
    rng = np.random.default_rng(0)
    net, first = rng.gamma(2, 50, 300).round(2), rng.integers(0, 1000, 300)
    frame = pd.DataFrame({
        "net": net, "tax": (0.2 * net + rng.random(300)).round(2),
        "first": first, "middle": first + rng.integers(0, 300, 300),
        "yes": rng.integers(0, 100, 300), "noise": rng.normal(0, 1, 300), "a+b": first + 1,
    })  # fmt: skip
    frame["gross"], frame["last"], frame["no"] = frame.net + frame.tax, frame.middle + first % 7, 100 - frame.yes
    frame["again"] = frame["last"]
    data = Table().open(frame)
    wanted = ["net + tax = gross", "yes + no = 100", "first <= middle", "middle <= last"]
    assert proposals(data.frame, data.columns) == wanted
    said = next(note for note in data.facts["notes"] if "every row keeps" in note)
    assert "; ".join(wanted) in said and "domain.rules=found" in said
    taken = Table(rules="; ".join(wanted)).open(frame)
    found = Table(rules="found").open(frame)
    assert found.spec == taken.spec and f"generated rows keep {'; '.join(wanted)}" in found.facts["notes"]
    assert "no rules were found" in Table(rules="found").open(frame[["noise", "yes"]]).facts["notes"]
    assert not any("every row keeps" in note for note in taken.facts["notes"])
    frame.loc[299, ["tax", "middle"]] = 0.0
    fewer = proposals(Table().open(frame).frame, data.columns)
    assert {"yes + no = 100", "middle <= last"} <= set(fewer) and not {wanted[0], wanted[2]} & set(fewer)


def test_what_follows_is_proposed_and_holds_in_every_row_when_it_is_a_rule():
    frame = rides(400)[["station", "city"]]
    frame["zone"] = frame["city"].map({"Rome": 1, "Oslo": 2, "Bonn": 2, "Cork": 1})
    frame.loc[::7, "station"] = None
    data = Table().open(frame)
    assert proposals(data.frame, data.columns) == ["city follows station", "zone follows station"]
    ruled = Table(rules="city follows station; zone follows from city").open(frame)
    torch.manual_seed(0)
    net = Table().prepare(ColumnNetworks(width=16, depth=1, pac=1).build(ruled.spec)["G"].eval(), ruled.spec, {})
    with torch.inference_mode():
        rows = to_frame(ruled.spec, net(torch.randn(300, net.z_dim)).numpy(), np.arange(300), 0)
    known = dict(zip(frame["station"], frame["city"], strict=True))
    there = rows["station"].notna()
    assert 0 < there.sum() < 300 and (rows["city"] == rows["station"].map(known))[there].all()
    assert (rows["zone"] == rows["city"].map({"Rome": 1, "Oslo": 2, "Bonn": 2, "Cork": 1})).all()
    with pytest.raises(UsageError, match="break them"):
        Table(rules="station follows city").open(frame)
    with pytest.raises(UsageError, match="few values"):
        Table(rules="start follows city").open(rides(400))
