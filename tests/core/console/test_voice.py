"""Printing never ends work: streams that are closed, full or gone, of this process and of a caller's own making."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganworks.core.console.voice import Voice

FULL = "/dev/full"
needs_full = pytest.mark.skipif(not Path(FULL).exists(), reason="no /dev/full here")


def python(code: str, redirections: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    """The code in a fresh interpreter whose streams a shell has redirected."""
    line = ["sh", "-c", f'exec "$0" -c "$1" {redirections}', sys.executable, code]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, **options)


class Broken(io.StringIO):
    """A stream that fails in its own way."""

    def write(self, text: str) -> int:
        raise RuntimeError("the socket of this notebook has gone")


def test_any_stream_that_fails_is_silent():
    closed = io.StringIO()
    closed.close()
    for stream in (None, Broken(), closed):
        voice = Voice(stream)
        voice.say("one", "two")
        assert voice.write("three") == 5 and not voice.isatty()
        with pytest.raises((OSError, ValueError)):
            voice.fileno()


def test_lines_are_whole_and_safe():
    stream = io.StringIO()
    Voice(stream).say("a\x1b[2J", "b\nError: none", 3)
    assert stream.getvalue() == "a\\x1b[2J\nb\\nError: none\n3\n"


@needs_full
def test_output_goes_on_when_there_is_room_again(tmp_path):
    """Also past the buffer of a file that the caller opened: nothing is left in it to fail at the exit."""
    handle = os.open(FULL, os.O_WRONLY)
    with os.fdopen(handle, "w") as stream:
        Voice(stream).say("lost")
        room = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
        os.dup2(room, handle)
        os.close(room)
        Voice(stream).say("seen")
    assert (tmp_path / "log").read_text() == "seen\n"


def test_a_pipe_that_does_not_block_is_waited_for():
    read, write = os.pipe()
    os.set_blocking(write, False)
    with os.fdopen(write, "w") as stream, os.fdopen(read, "rb") as reader:
        code = "import sys, time; time.sleep(0.3); sys.stdout.write(str(len(sys.stdin.buffer.read())))"
        with subprocess.Popen([sys.executable, "-c", code], stdin=reader, stdout=subprocess.PIPE) as counting:
            Voice(stream).say("x" * 300_000)
            stream.close()
            assert counting.communicate(timeout=60)[0] == b"300001"


STEADY = "from ganworks.core.console.voice import *; make_steady(); import sys, os, warnings\n"


def test_no_file_gets_the_number_of_a_stream_that_was_closed(tmp_path):
    code = STEADY + "f = open('f', 'w'); print('gone'); os.write(1, b'gone'); sys.stdin.read()"
    code += "; sys.stderr.write('gone'); f.write(str(f.fileno() > 2))"
    done = python(code, "<&- >&- 2>&-", cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "f").read_text() == "True"


@needs_full
@pytest.mark.parametrize("broken", [f">{FULL} 2>{FULL}", ">&- 2>&-", "| true"])
def test_what_others_print_fails_nowhere(broken):
    code = STEADY + "print('x' * 100_000); sys.stdout.buffer.write(b'x' * 100_000); warnings.warn('w')\n"
    code += "from rich import print as p; p('x'); sys.stderr.write('x'); sys.stdout.flush(); say('x'); sys.exit(3)"
    done = python(code, broken) if "|" not in broken else python(code, "2>&1 | cat >/dev/null; exit 3")
    assert done.returncode == 3 and "rror" not in done.stderr


def test_streams_that_the_caller_put_there_stay(capsys):
    from ganworks.core.console.voice import make_steady

    before = sys.stdout, sys.stderr
    make_steady()
    assert (sys.stdout, sys.stderr) == before
    print("caught")
    assert capsys.readouterr().out == "caught\n"


def test_warnings_are_sentences_without_escapes():
    done = python(STEADY + "warnings.warn('of \\x1b[31m a file')")
    assert done.stderr == "Note: of \\x1b[31m a file\n"


@pytest.mark.parametrize("options", [{}, {"PYTHONUNBUFFERED": "1"}, {"PYTHONIOENCODING": "ascii"}])
def test_what_is_printed_comes_in_order(options):
    code = STEADY + "print('a'); say('b – é'); print('c')"
    done = python(code, env=os.environ | {"PYTHONUTF8": "0"} | options)
    assert done.stdout == ("a\nb - e\nc\n" if "PYTHONIOENCODING" in options else "a\nb – é\nc\n"), done.stderr
