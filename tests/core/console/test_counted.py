"""Counts agree with the words that follow them."""

from ganworks.core.console.text import counted


def test_counted():
    assert [counted(n, "file") for n in (0, 1, 2, 1200)] == ["0 files", "1 file", "2 files", "1,200 files"]
    assert (
        counted(1, "class is", "classes are") == "1 class is"
        and counted(3, "class is", "classes are") == "3 classes are"
    )
