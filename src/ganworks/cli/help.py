"""The texts of --help: files of cli/pages, completed from the kinds of data. Help must not import torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ganworks.cli import kind_help
from ganworks.cli.words import VERBS
from ganworks.core import registry
from ganworks.core.errors import UsageError, nearest

_PAGES = Path(__file__).parent / "pages"
_FIRST = "first"


def _text(name: str) -> str:
    return (_PAGES / f"{name}.txt").read_text(encoding="utf-8")


def _verbs() -> list[str]:
    """The verbs that have a page, in the order in which they are used."""
    there = {path.stem for path in _PAGES.glob("*.txt")} - {_FIRST}
    return sorted(there, key=lambda verb: ([*VERBS].index(verb) if verb in VERBS else len(VERBS), verb))


class _Help(Mapping[str, str]):
    """Verb -> its page, completed from the kinds when it is read."""

    def __getitem__(self, verb: str) -> str:
        if verb not in _verbs():
            raise KeyError(verb)
        return _text(verb).format_map(_Filled(verb))

    def __iter__(self) -> Iterator[str]:
        return iter(_verbs())

    def __len__(self) -> int:
        return len(_verbs())


class _Filled(dict[str, str]):
    """The parts of a page that come from the kinds; each is made only when the page has a place for it."""

    def __init__(self, verb: str):
        super().__init__()
        self.verb = verb

    def __missing__(self, name: str) -> str:
        return kind_help.examples(self.verb) if name == "examples" else kind_help.LISTS[name]()


HELP = _Help()


def page(topic: str) -> str:
    """The page of a verb or of a kind of data, or, of "", the first page. Raises UsageError for another word."""
    if not topic:
        return _text(_FIRST).format_map(_Filled(""))
    if topic in HELP:
        return HELP[topic]
    kinds = registry.kinds()
    if topic in kinds:
        return kind_help.kind_page(kinds[topic])
    known = [*HELP, *kinds]
    raise UsageError(f'There is no verb and no kind of data "{topic}". {nearest(topic, known)}')
