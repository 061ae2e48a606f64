"""`ganworks VERB ... key=value`: dispatches to the verbs, each of which is imported when it is called."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from ganworks import __version__
from ganworks.cli.words import VERBS, split
from ganworks.core.errors import GanworksError, UsageError, nearest


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted (resumable)."""
    words = list(sys.argv[1:] if argv is None else argv)
    warnings.formatwarning = lambda message, *_, **__: f"Note: {message}\n"  # a sentence, without the line of code
    try:
        return _dispatch(words)
    except KeyboardInterrupt as interrupt:
        _complain(str(interrupt) or "Interrupted.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except GanworksError as error:
        _complain(f"{'Wrong use' if isinstance(error, UsageError) else 'Failed'}: {error}")
        return error.exit_code
    except (OSError, MemoryError) as error:  # what nobody closer to it has put into words
        _complain(f"Failed: {_refused(error)}")
        return 1


def _refused(error: OSError | MemoryError) -> str:
    if isinstance(error, OSError):
        from ganworks.core.places import explain

        return str(explain(error, doing="use"))
    return "There is not enough memory for this. Close other programs, or ask for less at once."


def _complain(message: str) -> None:
    stream = sys.stderr
    print(message.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii"), file=stream)


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["__complete"]:
        from ganworks.cli.completion.candidates import print_candidates

        print_candidates(words[1:])
        return 0
    if not words or words[0] in ("--help", "-h", "help"):
        _help(words[1] if len(words) > 1 else "")
        return 0
    if words[0] in ("--version", "-V"):
        print(f"ganworks {__version__}")
        return 0
    verb, rest = words[0], words[1:]
    if verb == "completion":
        from ganworks.cli.completion.scripts import print_script

        print_script(rest)
        return 0
    if verb not in VERBS:
        raise UsageError(f'There is no verb "{verb}". {nearest(verb, [*VERBS, "help"])} `ganworks --help` lists them.')
    if "--help" in rest or "-h" in rest:
        _help(verb)
        return 0
    module, _, function = VERBS[verb].partition(":")
    getattr(import_module(f"ganworks.cli.{module}"), function)(*split(rest))
    return 0


def _help(topic: str) -> None:
    from ganworks.cli.help import page

    print(page(topic))
