"""`ganworks VERB ... key=value`: dispatches to the verbs, each of which is imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from ganworks import __version__
from ganworks.cli.words import VERBS, split
from ganworks.core.console.stop import INTERRUPTED, Interrupt
from ganworks.core.console.voice import complain, lost, make_steady, say
from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.core.machine.memory import is_spent


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted (resumable).

    argv: the words; None: those of this process, which then has only to end.
    """
    make_steady()
    interrupt = Interrupt()
    if argv is not None:
        with interrupt.signals():
            return _run(list(argv))
    interrupt.listen()
    return interrupt.end(_run(sys.argv[1:]))


def _run(words: list[str]) -> int:
    try:
        _dispatch(words)
    except KeyboardInterrupt as interrupt:
        complain(*(str(interrupt) or "Interrupted. The same command starts again.").split("\n"))
        return INTERRUPTED
    except GanworksError as error:
        complain(*f"{'Wrong use' if isinstance(error, UsageError) else 'Failed'}: {error}".split("\n"))
        return error.exit_code
    except OSError as error:  # what nobody closer to it has put into words
        from ganworks.core.machine.places import explain

        complain(f"Failed: {explain(error, doing='use')}")
        return GanworksError.exit_code
    except (MemoryError, RuntimeError) as error:
        if not is_spent(error):
            raise
        said = f" ({str(error)[:120]})" if str(error) else ""
        complain(f"Failed: The memory ran out{said}. Give less at a time: a smaller batch, size or part.")
        return GanworksError.exit_code
    if why := lost():
        complain(f"Note: not all of the output could be written ({why}).")
    return 0


def _dispatch(words: list[str]) -> None:
    if words[:1] == ["__complete"]:
        from ganworks.cli.completion.candidates import print_candidates

        return print_candidates(words[1:])
    if not words or words[0] in ("--help", "-h", "help"):
        return _help(words[1] if len(words) > 1 else "")
    if words[0] in ("--version", "-V"):
        return say(f"ganworks {__version__}")
    verb, rest = words[0], words[1:]
    if verb == "completion":
        from ganworks.cli.completion.scripts import print_script

        return print_script(rest)
    if verb not in VERBS:
        raise UsageError(f'There is no verb "{verb}". {nearest(verb, [*VERBS, "help"])} `ganworks --help` lists them.')
    if "--help" in rest or "-h" in rest:
        return _help(verb)
    module, _, function = VERBS[verb].partition(":")
    return getattr(import_module(f"ganworks.cli.{module}"), function)(*split(rest))


def _help(topic: str) -> None:
    from ganworks.cli.help import page

    say(*page(topic).split("\n"))
