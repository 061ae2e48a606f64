"""Progress lines: live and plain, narrow, ASCII, and through a pipe that closes."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import textwrap

import pytest

from ganworks.core.events import Alarm, Finished, Round, Scored, Shown, Started
from ganworks.report.terminal.progress import Display, Meter, track
from ganworks.report.terminal.screen import Screen, speaks_unicode


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Closed(Terminal):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def rounds(steps: int = 30) -> list[Round]:
    losses = {"r1": 0.012, "d_loss": 0.693, "g_loss": 1.25, "_real": 0.4, "_fake": -0.4}
    return [
        Round(seen=1000 * i, total=1000 * steps, seconds=float(i), speed=1000.0, losses=losses)
        for i in range(1, steps + 1)
    ]


def story() -> list[object]:
    """One training in events, alarms and names in other scripts included."""
    return [
        Started(0, 30_000, ("Width 32: «small» data",)), *rounds(5),
        Scored(5000, {"fd": 4.1}, {"fd": 1.2}, True, "clf"), Shown(5000, "samples/000000005000.png"),
        Alarm(5000, "collapse", "Samples are alike ‖\x1b[2J", "raise gamma"),
        Alarm(5000, "collapse", "Samples are alike again", "raise gamma"), Finished(30_000, 90.0, "budget"),
    ]  # fmt: skip


def show(stream: io.StringIO, events: list[object], **options: object) -> str:
    with Display(stream, **options) as display:  # type: ignore[arg-type]
        for event in events:
            display(event)
    return stream.getvalue()


def test_plain_lines_come_at_most_every_ten_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    display = Display(stream, unicode=True, clock=clock)
    for event in rounds(30):
        clock.now = event.seconds
        display(event)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("3 % 1k/30k · 1,000 examples/s · 29 s left · d 0.693 · g 1.25 · r1 0.012")


def test_every_event_is_told_once_and_repeated_advice_is_not() -> None:
    text = show(io.StringIO(), story(), unicode=True)
    assert "Fréchet distance 4.10 (real data 1.20); best so far" in text
    assert text.count("Try: raise gamma") == 1 and text.count("! Samples are alike") == 2
    assert "Trained on 30k examples in 1 min 30 s: the budget was used up." in text
    assert "\x1b" not in text


def test_without_unicode_everything_is_ascii() -> None:
    show(io.StringIO(), story(), unicode=False).encode("ascii")
    show(Terminal(), story(), unicode=False, width=60).encode("ascii")


@pytest.mark.parametrize("width", [20, 40, 100])
def test_live_lines_fit_the_width(width: int) -> None:
    painted: list[str] = []
    display = Display(Terminal(), width=width, clock=Clock())
    for event in rounds(3):
        painted += display._lines(as_round(event))
    assert painted and all(len(line) < width or width == 20 for line in painted)
    assert "━" in painted[0] and "3/" not in painted[0].split("━")[0]


def as_round(event: Round) -> dict[str, object]:
    from ganworks.report.read import as_event

    return as_event(event)


def test_live_lines_are_repainted_and_taken_away() -> None:
    clock, stream = Clock(), Terminal()
    display = Display(stream, width=80, clock=clock)
    for event in rounds(5):
        clock.now += 1
        display(event)
    assert "100 % 5k/5k" in stream.getvalue() and "\x1b[2K" in stream.getvalue()
    display.close()
    assert Screen._painting == []


def test_rounds_faster_than_the_eye_are_not_painted() -> None:
    stream = Terminal()
    show(stream, list(rounds(1000)), width=80, clock=Clock())
    assert "1k/1M" in stream.getvalue() and "999k/1M" not in stream.getvalue()


def test_a_closed_pipe_silences_and_never_raises() -> None:
    show(Closed(), story(), width=80)
    stream = io.StringIO()
    stream.close()
    display = Display(stream)
    for event in story():
        display(event)
    display.close()
    with Meter("Packing", 10, after=0, stream=Closed()) as meter:
        meter(5)


def test_a_meter_inside_a_live_display_shares_its_lines() -> None:
    stream = Terminal()
    with Display(stream, width=80) as display:
        display(rounds(3)[0])
        before = len(stream.getvalue())
        with Meter("Judging", 100, after=0, stream=stream, width=80) as meter:
            meter(50)
            new = stream.getvalue()[before:]
            assert "Judging" in new and "1k/3k" in new
    assert Screen._painting == []


def test_short_work_is_silent_and_long_work_is_not() -> None:
    clock, stream = Clock(), io.StringIO()
    for _ in track(range(5), "Packing", stream=stream, clock=clock):
        clock.now += 0.3
    assert stream.getvalue() == ""
    for _ in track(iter(range(40)), "Packing", 40, stream=stream, clock=clock, unicode=False):
        clock.now += 1
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Packing: 5 % 2/40, 38 s left" and lines[-1] == "Packing: 40 in 40 s"
    assert len(lines) == 5


def test_track_passes_on_the_items_and_their_errors() -> None:
    assert list(track([1, 2, 3], "x")) == [1, 2, 3]

    def broken() -> object:
        yield 1
        raise KeyError("boom")

    with pytest.raises(KeyError):
        list(track(broken(), "x"))


@pytest.mark.parametrize(("environment", "encoding", "expected"), [
    ({"LANG": "C"}, "utf-8", False), ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", False),
    ({"LANG": "en_GB.UTF-8"}, "utf-8", True), ({}, "utf-8", True), ({"LC_ALL": "POSIX", "LANG":
    "en_GB.UTF-8"}, "utf-8", False), ({"LANG": "en_GB.UTF-8"}, "latin-1", False), ({"LC_ALL": "C.UTF-8"},
    "UTF-8", True),
])  # fmt: skip
def test_what_a_locale_can_show(environment: dict[str, str], encoding: str, expected: bool) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert speaks_unicode(stream, environment) is expected


_CHILD = textwrap.dedent("""
    import sys, time
    from ganworks.core.events import Finished, Round
    from ganworks.report.terminal.progress import Display
    with Display(sys.stdout, every=0) as show:
        for i in range(1, 301):
            show(Round(i, 300, i, 1.0, {"d_loss": 0.5}))
            time.sleep(0.12 if sys.stdout.isatty() and i > 297 else 0)
        show(Finished(300, 1.0, "budget"))
    sys.stderr.write("reached the end")
""")


def child(**options: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LANG": "C", "LC_ALL": "C", "PYTHONPATH": "src"}
    return subprocess.Popen([sys.executable, "-c", _CHILD], env=environment, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]


def test_a_program_outlives_its_reader() -> None:
    process = child(stdout=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b"reached the end" and process.wait(20) == 0


def test_a_real_terminal_gets_ascii_under_lang_c() -> None:
    ours, theirs = pty.openpty()
    process = child(stdout=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side has closed
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    assert process.wait(20) == 0 and process.stderr and process.stderr.read() == b"reached the end"
    text.decode("ascii")
    assert b"#" in text and b"Trained on 300 examples" in text


def test_a_stage_of_one_piece_counts_no_pieces() -> None:
    clock, stream = Clock(), io.StringIO()
    meter = Meter("Searching copies", 1, stream=stream, clock=clock)
    clock.now += 3
    meter(0)
    clock.now += 11
    meter.beat()
    meter.close()
    assert stream.getvalue().splitlines() == [
        "Searching copies: begun",
        "Searching copies: 14 s so far",
        "Searching copies: done in 14 s",
    ]
