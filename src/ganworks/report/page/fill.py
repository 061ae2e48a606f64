"""Fills the Jinja2 templates: HTML with auto-escaping, and Markdown whose values are escaped as Markdown text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from ganworks.core.console.text import on_line

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_SPECIAL = re.compile(
    r"([\\`*_{}\[\]<>#|~!$&@]"  # marks
    r"|(?<=:)/(?=/)|(?<=[wW]{3})\."  # of an address, which would become a link
    r"|^[-+=](?=[-=\s]|$))"  # of a list or a line at the start
)
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)](\s|$))")


class Markdown(str):
    """Text that is Markdown already and is not escaped again."""


def text(value: object) -> Markdown:
    """Text that stays text in Markdown: one line, in which nothing is markup."""
    if isinstance(value, Markdown):
        return value
    return Markdown(_NUMBERED.sub(r"\1\\", _SPECIAL.sub(r"\\\1", on_line(value))))


def code(value: object) -> Markdown:
    """Text as inline code of Markdown, whatever backticks it holds."""
    line = on_line(value)
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return Markdown(f"{fence}{pad}{line}{pad}{fence}")


def html(name: str, /, **values: Any) -> str:
    """The HTML template of this name, filled; every value in it is escaped unless it is `Markup`."""
    return _html().get_template(name).render(**values)


def macro(name: str, /, *values: Any) -> Markup:
    """The result of one macro of media.html, escaped in the same way."""
    call: Callable[..., Markup] = getattr(_html().get_template("media.html").module, name)
    return call(*values)


def markdown(name: str, /, **values: Any) -> str:
    """The Markdown template of this name, filled; every value in it is `text` unless it is `Markdown`.

    HTML escapes would be wrong here: they leave `*` and `|` as markup, and code shows them as they are written.
    """
    return _markdown().get_template(name).render(**values)


@cache
def _html() -> Environment:
    return _environment(autoescape=True)


@cache
def _markdown() -> Environment:
    environment = _environment(autoescape=False, finalize=text)
    environment.filters["code"] = code
    return environment


def _environment(**options: Any) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("ganworks.report.page")
    return Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, **options)
