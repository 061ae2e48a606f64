"""What an audit found, in plain sentences. An audit can find a leak; it cannot show that there is none."""

from __future__ import annotations

import math
from typing import Any

from ganworks.audit.run.copying import COPYING, Copying
from ganworks.audit.run.records import Gain
from ganworks.audit.run.roc import Rate, Telling
from ganworks.core.console.text import counted

FEWEST = 20  # members, and others, below which nothing is asked
ROUGH = 0.65  # smallest area that could have been told, above which "found nothing" says nothing
HARM, ALARMING = 0.6, 0.1  # area, or share of members found at 1 % false alarms, from which a leak is called one

GIVES_AWAY, TRACE, NOTHING, UNKNOWN = "gives away", "trace", "nothing found", "cannot tell"
HEADLINES = {
    GIVES_AWAY: "This run gives away what it was trained on.",
    TRACE: "There are traces of the training examples in this run.",
    NOTHING: "These attacks did not find the training examples.",
    UNKNOWN: "This audit cannot tell whether the run gives away its training examples.",
}
CAVEAT = (
    "An attack that fails shows only that this attack fails. What one example can change is bounded by training with "
    "differential privacy alone (d.clip_each and d.noise)."
)


def grade_of(tellings: list[Telling], copies: Copying | None, gains: list[Gain], returns: list[dict[str, Any]]) -> str:
    """One of the four words, by the strongest sign of all."""
    strong = [t for t in tellings if harmful(t)]
    if strong or (copies and copies.repeats) or any(g.known and g.risk.value > ALARMING for g in gains):
        return GIVES_AWAY
    if any(t.known or any(r.known for r in t.rates) for t in tellings) or any(g.known for g in gains):
        return TRACE
    if (copies and copies.c_t < COPYING) or any(r["more"] for r in returns):
        return TRACE
    return UNKNOWN if not tellings or min(t.least for t in tellings) > ROUGH else NOTHING


def harmful(told: Telling) -> bool:
    """Whether an attack is so good that the run must be said to give members away."""
    sharp = any(r.known and r.found is not None and r.found.value >= ALARMING for r in told.rates)
    return sharp or (told.known and told.auc.value >= HARM)


def of_attack(name: str, told: Telling) -> list[str]:
    """Sentences on one attack: what it reaches, and what could have been told."""
    a = told.auc
    said = f"{name}: {_grade(told)} (area {a.value:.3f}, {a.low:.3f} to {a.high:.3f}; 0.5 is guessing)."
    return [said, *(of_rate(r, told) for r in told.rates)]


def _grade(told: Telling) -> str:
    if harmful(told):
        return "finds training examples"
    if told.known or any(r.known for r in told.rates):
        return "does a little better than guessing"
    return "not clearly better than guessing"


def of_rate(rate: Rate, told: Telling) -> str:
    """A sentence on the share of members that are found at few false alarms."""
    at = f"At {rate.alarms:.1%} false alarms"
    if rate.found is None:
        return (
            f"{at}: cannot tell; that takes {rate.needs:,} unseen examples, and there are {told.others:,} to compare "
            "with."
        )
    f = rate.found
    found = f"{at} it finds {f.value:.1%} of the training examples ({f.low:.1%} to {f.high:.1%})"
    chance = f"chance rarely reaches {rate.least:.1%}" if rate.least <= 1 else "no share would have been above chance"
    return f"{found}; {chance}."


def of_power(told: Telling) -> str:
    """How weak a leak could have been told at all."""
    said = f"Compared were {counted(told.members, 'training example')} with {counted(told.others, 'unseen one')}"
    if told.least > ROUGH:
        return f"{said}: too few to tell. Only an area of {min(told.least, 1.0):.2f} or more would have been known."
    return f"{said}; an area of {told.least:.3f} or more would have been told from chance."


def of_copies(found: Copying) -> list[str]:
    """Sentences on copies."""
    copied, unseen = found.copied, found.unseen_copied
    said = [
        f"Near copies: {copied.value:.1%} of the samples ({copied.low:.1%} to {copied.high:.1%}) are nearer to a "
        f"training example than halfway to its nearest other one; of unseen real examples {unseen.value:.1%} are."
    ]
    return said if math.isnan(found.c_t) else [*said, f"C_T of Meehan et al.: {found.c_t:.1f} ({_meaning(found.c_t)})."]


def _meaning(c_t: float) -> str:
    if c_t < COPYING:
        return "samples are nearer to training examples than unseen real ones are, as those of a copier"
    return "no sign of copying" if c_t < -COPYING else "samples are further from them than unseen real ones, as by blur"


def of_gain(found: Gain) -> str:
    """A sentence on an attack on records."""
    a, b = found.training, found.control
    known = "more than chance" if found.known else f"not above chance; a gain of {found.least:.1%} would have been told"
    return (
        f"{found.name.capitalize()}: succeeds on {a.value:.1%} of training records and on {b.value:.1%} of as many "
        f"unseen ones ({known})."
    )
