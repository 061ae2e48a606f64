"""What to do next: the commands that fit a run, and suggestions from its scores and alarms."""

from __future__ import annotations

import math
import re
import shlex
from typing import NamedTuple

from ganworks.core.console.text import counted
from ganworks.report import units, words
from ganworks.report.grades import RATIO_STEPS, verdicts
from ganworks.report.read import RunView, as_float, mapping

_ENCODER = "encoder.safetensors"  # published beside a generator that it is the inverse of


class Command(NamedTuple):
    """A line to type and what it does."""

    text: str
    why: str


class Finding(NamedTuple):
    """Something that the numbers show, and what to try. kind: "bad", "note" or "good"."""

    kind: str
    title: str
    advice: str


def commands(run: RunView) -> list[Command]:
    """The next commands to type, most useful first."""
    folder = shlex.quote(str(run.folder))
    picture = shlex.quote(str(run.folder) + ".png")
    found = []
    if run.state in ("interrupted", "stopped"):
        found.append(Command(train_command(run), "go on exactly where it stopped"))
    if run.state != "empty":
        found.append(_using(run, folder, picture))
    if run.use == "sample" and (run.folder / _ENCODER).is_file():
        found.append(Command(f"ganworks apply {folder} picture.jpg out={picture}", "encode and decode a picture"))
    if run.state != "empty" and not words.unscored(run):
        found.append(
            Command(
                f"ganworks eval {folder}",
                "evaluate it thoroughly"
                if not run.evaluation
                else "evaluate it again, for instance after more training",
            )
        )
    if run.state == "finished":
        found.append(
            Command(
                train_command(run, longer=True),
                f"train on for longer ({longer_budget(run)}), starting from what it has learned",
            )
        )
        found.append(Command(f"ganworks compare {folder} {folder}-longer", "put two runs side by side"))
    return found


def _using(run: RunView, folder: str, picture: str) -> Command:
    """The command that uses the trained network, with the options that it needs."""
    if run.use == "apply":
        options = mapping(run.card.get("options"))
        needed = "".join(f" {name}=..." for name, meaning in options.items() if "(needed)" in str(meaning))
        takes, gives = run.passes
        if takes:
            given, out = shlex.quote(f"file{takes}"), shlex.quote(f"{run.folder}{gives}")
            command = f"ganworks apply {folder} {given}{needed} out={out}"
            return Command(command, "put files through it")
        command = f"ganworks apply {folder} picture.jpg{needed} out={picture}"
        return Command(command, "put pictures or a video through it")
    if run.use == "predict":
        return Command(f"ganworks predict {folder} pictures/ out=classes.csv", "name the classes of new pictures")
    return _sampling(run, folder)


def _sampling(run: RunView, folder: str) -> Command:
    """The command that samples: a sheet of pictures, a folder of files, or one file, as the generator needs."""
    shape = run.spec.get("shape")
    if each := str(run.card.get("each") or "")[:12]:
        out = shlex.quote(f"{run.folder}-samples")
        return Command(f"ganworks sample {folder} 16 seed=0 out={out}", f"make 16 new samples, a {each} each")
    pictures = not run.forms and (not isinstance(shape, list) or len(shape) == 3)
    form = ".png" if pictures else next(iter(run.forms), ".npz")
    many, what = ("64", "as one picture") if pictures else ("1000", "in one file")
    out = shlex.quote(f"{run.folder}{form}")
    return Command(
        f"ganworks sample {folder} {many} seed=0 out={out}", f"make {counted(int(many), 'new sample')} {what}"
    )


def train_command(run: RunView, longer: bool = False) -> str:
    """The command that made this run; with `longer`, the same with a larger budget into a new folder."""
    raw = mapping(run.plan.get("given"))
    given = {k: v for k, v in raw.items() if k != "recipe" and isinstance(v, str | int | float | list)}
    given.pop("train.budget", None)
    given.setdefault("data", data_path(run))
    given["budget"] = _budget(run)
    given["out"] = str(run.folder)
    if longer:
        given.pop("train.init", None)
        given |= {"budget": longer_budget(run), "out": f"{run.folder}-longer", "init": str(run.folder)}
    settings = [f"{name}={_setting(value)}" for name, value in given.items() if value != ""]
    return shlex.join(["ganworks", "train", str(run.config.get("recipe") or "image"), *settings])


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(_setting(v) for v in value) if isinstance(value, list) else str(value)


def data_path(run: RunView) -> str:
    """The path of the data; "" when the run does not say."""
    data = mapping(run.plan.get("data"))
    found = mapping(run.plan.get("given")).get("data") or data.get("path") or data.get("source")
    return str(found) if isinstance(found, str) else ""


def _given_budget(run: RunView) -> object:
    given = mapping(run.plan.get("given"))
    return given.get("train.budget") or given.get("budget")


def _budget(run: RunView) -> str:
    budget = _given_budget(run) or mapping(run.config.get("train")).get("budget")
    return str(budget) if isinstance(budget, str | int) and not isinstance(budget, bool) else ""


def longer_budget(run: RunView) -> str:
    """Three times the budget, in the same unit; three times the examples seen when the budget is not known."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", _budget(run))
    if not match:
        return str(3 * max(run.total, run.seen, 10_000))
    value, unit = float(match[1]) * 3, match[2]
    if unit == "s" and value >= 180:
        value, unit = value / 60, "m"
    return f"{value:.10g}{unit}" if unit != "s" else f"{math.ceil(value)}s"


_COPIES = Finding("bad", "Samples come close to training examples", (
    "Look at the nearest neighbours before you share anything. More data, more augmentation or a shorter "
    "training "
    "help; so does a smaller network."))  # fmt: skip
_EARLY = Finding("note", "It has hardly begun", (
    "So few examples teach only rough shapes, and the scores say no more than that. Give it more time: "
    "the command below goes on from here."))  # fmt: skip
_MISSING = Finding("bad", "Kinds of data are missing", (
    "Try a stronger penalty (larger r1 and r2), a larger batch, or the r3gan recipe, whose loss was made "
    "against this. "
    "If the data has classes, train with its labels."))  # fmt: skip
_CLASSES = Finding("note", "The asked class is not always made", (
    "Train for longer, and check that the labels of the data are right."))  # fmt: skip
_UNJUDGED = Finding("note", "This run has not been evaluated yet", "Run the eval command below.")
_FINE = Finding("good", "No problem was found", "Use it; the sample command below makes as many as you like.")
_EARLY_END = 20_000  # examples: below this a poor score means little


def findings(run: RunView) -> list[Finding]:
    """What the alarms and scores say, worst first."""
    scores = {s.metric.name: s for s in words.scores_of(run)}
    grades = {name: v.grade for name, v in zip(scores, verdicts(list(scores.values())), strict=True)}
    weak = ("fair", "poor")
    found = _from_alarms(run)
    if grades.get("authenticity") in weak or grades.get("copied") in weak:
        found.append(_COPIES)
    if run.seen < _EARLY_END and "frechet" in scores and scores["frechet"].ratio > RATIO_STEPS[-1]:
        return [*found, _EARLY]
    if grades.get("coverage") in weak or grades.get("recall") == "poor":
        found.append(_MISSING)
    if grades.get("agreement") in weak:
        found.append(_CLASSES)
    found += _from_curve(run, grades.get("frechet", "unknown"))
    if run.state == "finished" and not scores:
        why = words.unscored(run)
        found.append(_UNJUDGED if not why else Finding("note", "It could not be scored", why))
    if not found and "excellent" in (grades.get("frechet"), grades.get("kernel")):
        found.append(_FINE)
    return found


def _from_alarms(run: RunView) -> list[Finding]:
    """One finding for each kind of alarm, with the message of the last."""
    kinds: dict[str, list[dict[str, object]]] = {}
    for alarm in run.alarms:
        kinds.setdefault(str(alarm.get("kind", "alarm")), []).append(alarm)
    found = []
    for alarms in kinds.values():
        last = alarms[-1]
        message = str(last.get("message") or last.get("kind") or "An alarm without a message.")
        times = f" ({len(alarms)} alarms of this kind)" if len(alarms) > 1 else ""
        found.append(Finding("bad", message + times, str(last.get("advice", ""))))
    return found


def _from_curve(run: RunView, grade: str) -> list[Finding]:
    """A finding from the curve of the score: still falling at the end, or best long before it."""
    line = score_line(run)
    if len(line) < 4:
        return []
    values = [value for _, value in line]
    best = min(range(len(values)), key=values.__getitem__)
    if best == len(values) - 1 and values[-1] < 0.9 * values[-3] and grade != "excellent":
        return [
            Finding(
                "note",
                "It was still getting better when it ended",
                (
                    f"The distance fell from {units.short_number(values[-3])} to "
                    f"{units.short_number(values[-1])} over the last three scores. More time will help "
                    "most; the command below goes on from here."
                ),
            )
        ]
    if best < 0.6 * len(values) and values[-1] > 1.3 * values[best]:
        return [
            Finding(
                "note",
                "It was best before the end",
                (
                    f"The best score came at {units.count(line[best][0])} of {units.count(line[-1][0])} "
                    "examples. The saved generator is the best one. A lower learning rate or more "
                    "augmentation may keep it improving."
                ),
            )
        ]
    return []


def score_line(run: RunView) -> list[tuple[float, float]]:
    """The Fréchet (else kernel) distance over examples seen, finite values only."""
    for name in ("frechet", "kernel"):
        line = [
            (as_float(e.get("seen")), s.value)
            for e in run.scored
            for s in words.from_report(e)
            if s.metric.name == name and math.isfinite(s.value)
        ]
        if line:
            return line
    return []
