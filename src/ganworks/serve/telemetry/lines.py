"""Lines on the console: one for each request, and what libraries have to say."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ganworks.core.console.text import json_text
from ganworks.core.console.voice import complain, say
from ganworks.core.errors import UsageError
from ganworks.serve.access.audit import line_of
from ganworks.serve.access.ticket import Ticket

FORMS = ("lines", "json", "off")


def teller(form: str) -> Callable[[Ticket], None] | None:
    """What takes a request that has ended: 'lines' for people, 'json' for programs, 'off'. Raises UsageError."""
    if form not in FORMS:
        raise UsageError(f"log must be {', '.join(FORMS[:-1])} or {FORMS[-1]}, not {form[:40]!r}.")
    tellers = {"lines": lambda ticket: say(_line(ticket)), "json": lambda ticket: say(json_text(line_of(ticket)))}
    return tellers.get(form)


def _line(ticket: Ticket) -> str:
    words = [time.strftime("%H:%M:%S"), str(ticket.status), ticket.method, ticket.route or _word(ticket.asked)]
    facts = {
        "model": ticket.model,
        "n": ticket.n or "",
        "cost": ticket.cost or "",
        "refused": ticket.refused or "",
        "ms": round(ticket.seconds * 1000),
        "bytes": ticket.size,
        "key": ticket.key.name if ticket.key else "",
        "from": ticket.client,
        "id": ticket.id,
    }
    return " ".join([*words, *(f"{name}={_word(value)}" for name, value in facts.items() if value != "")])


def _word(value: object) -> str:
    """A value that ends at the next space."""
    text = str(value)[:100]
    return text if text.isprintable() and " " not in text and '"' not in text else repr(text).replace(" ", "\\x20")


class Complaints(logging.Handler):
    """Passes on what uvicorn and asyncio complain about, through the one place that prints."""

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        text = record.getMessage().strip()
        if record.exc_info and record.exc_info[1]:
            text = f"{text}: {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        complain(f"Note: {text}")


def hear_libraries() -> None:
    """Let warnings of the server's libraries be told as sentences, each once."""
    handlers: list[logging.Handler] = [Complaints(logging.WARNING)]
    for name in ("uvicorn", "asyncio", "ganworks.serve"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = handlers, False
        logger.setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(lambda record: "Unsupported upgrade" not in record.getMessage())
