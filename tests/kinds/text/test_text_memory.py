"""Texts as one buffer, lines read one at a time, and sizes that are refused."""

import gzip
import random

import pytest

from ganworks.core.errors import UsageError
from ganworks.files.tables import unpack
from ganworks.kinds.text.data import raw, reading
from ganworks.kinds.text.data.dataset import TextSet
from ganworks.kinds.text.data.reading import read_lines
from ganworks.kinds.text.data.texts import Texts
from ganworks.kinds.text.data.vocabulary import Vocabulary

ALL = ["", "a", "höß", "東京", "x" * 300]


def test_texts_are_a_sequence_of_str():
    texts = Texts(ALL)
    assert texts == ALL and list(texts) == ALL and len(texts) == 5 and texts != [*ALL, "b"] and texts != ALL[::-1]
    assert (texts[-1] == "x" * 300 and texts[1:3] == ["a", "höß"]) or list(texts[1:3]) == ["a", "höß"]
    assert list(texts.part([3, 0])) == ["東京", ""] and list(texts.part([3, 0, 1])[1:]) == ["", "a"]
    with pytest.raises(IndexError):
        texts[5]
    texts += Texts(["b", "c"])
    assert texts == [*ALL, "b", "c"]


def test_texts_take_little_more_than_their_letters():
    texts = Texts(f"w{k}" for k in range(10_000))
    assert len(texts._letters) + 8 * len(texts._ends) < 15 * 10_000  # a list of str: 60 each


@pytest.mark.parametrize("seed", range(20))
def test_filled_lines_are_counted_in_blocks_of_any_size(seed, monkeypatch):
    draw = random.Random(seed)
    content = bytearray("".join(draw.choice("a \n\n\t") for _ in range(300)).encode())
    start = draw.choice([0, *(k + 1 for k, c in enumerate(content) if c == 10)])
    monkeypatch.setattr(raw, "_PART", draw.randint(1, 40))
    assert raw.count_filled(content, start) == sum(bool(line.strip()) for line in content[start:].split(b"\n"))


@pytest.mark.parametrize("labelled", [False, True])
def test_lines_beyond_the_limit_are_counted_and_not_kept(labelled, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_LINES", 4)
    head = "k{}\t" if labelled else ""
    (tmp_path / "a.txt").write_text("".join(f"{head.format(k % 2)}line {k}\n\n" for k in range(10)))
    found = read_lines(tmp_path / "a.txt")
    assert found.texts == [f"line {k}" for k in range(4)]
    assert found.labels == (["k0", "k1", "k0", "k1"] if labelled else None)
    assert found.dropped["lines beyond the first 4"] == 6
    rows = "text,label\n" + "".join(f"line {k},{k % 2}\n" for k in range(10))
    (tmp_path / "a.csv").write_text(rows)
    found = read_lines(tmp_path / "a.csv")
    assert len(found.texts) == 4 and found.dropped["lines beyond the first 4"] == 6
    assert read_lines([f"line {k}" for k in range(10)]).dropped["lines beyond the first 4"] == 6


def test_a_file_that_unpacks_to_more_than_fits_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 2_000_000)
    monkeypatch.setattr(unpack, "_CHECKED", 100_000)
    monkeypatch.setattr(unpack, "_PART", 10_000)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"ab\n" * (1 << 20), 1))
    with pytest.raises(UsageError, match=r"a.txt.gz\" would take about 1.6 MB of memory; at most 1.4 MB fit here"):
        read_lines(tmp_path / "a.txt.gz")


def test_many_short_texts_count_by_their_number(monkeypatch):
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 10_000)
    monkeypatch.setattr("ganworks.kinds.text.data.texts._CHECKED", 100)
    with pytest.raises(UsageError, match=r'"<list>" would take about 14 kB of memory; at most 7 kB fit'):
        read_lines(["ab"] * 1000)


def test_a_length_that_does_not_fit_is_refused_with_one_that_does(monkeypatch):
    lines = read_lines([f"line {k}" for k in range(1000)])
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 1_000_000)
    with pytest.raises(UsageError, match=r"domain.length=4,096: .* domain.length=175 would fit"):
        TextSet(lines, length=4096)


@pytest.mark.parametrize("kind", ["words", "pairs"])
def test_a_vocabulary_that_does_not_fit_is_refused(kind, monkeypatch):
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 100_000)
    monkeypatch.setattr("ganworks.kinds.text.data.vocabulary._CHECKED", 100)
    with pytest.raises(UsageError, match=f"more different {kind} would take"):
        Vocabulary.learn([f"w{k} v{k}" for k in range(1000)], kind, 100)


def test_a_row_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "LONGEST_ROW", 1000)
    (tmp_path / "a.csv").write_text('text,label\nab,x\n"' + "cd\n" * 1000)
    with pytest.raises(UsageError, match="the row at line 3"):
        read_lines(tmp_path / "a.csv")
