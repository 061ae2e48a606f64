"""What the JSON of a run must hold: checked once, where it is read, so that all other code may rely on it."""

from __future__ import annotations

from typing import Any, TypedDict


class _Entry(TypedDict):
    sha256: str


class Entry(_Entry, total=False):
    """A file of the run: its SHA-256 in hex, and its size."""

    bytes: int


class _Manifest(TypedDict):
    files: dict[str, Entry]


class Manifest(_Manifest, total=False):
    """manifest.json: what belongs to the run, by path; what is being put into place; states that are to be removed."""

    pending: dict[str, str]
    retired: list[str]


class _Data(TypedDict):
    fingerprint: str


class _Versions(TypedDict):
    torch: str


class _Pace(TypedDict):
    costs: list[float]
    looking: float


class _Plan(TypedDict):
    notes: list[str]
    total: int
    given: dict[str, Any]
    bf16: bool
    data: _Data
    versions: _Versions


class Plan(_Plan, total=False):
    """plan.json: what the start decided; `given` is what the user asked for. pace: seconds for an example in each phase
    of the game, and for all scores and pictures. teachers: key -> SHA-256 of the published networks it learns from.
    """

    pace: _Pace
    teachers: dict[str, str]


class _Counters(TypedDict):
    seen: int


class Counters(_Counters, total=False):
    """The counters in the header of a state; the engine says which of them it lacks."""

    steps: int
    position: int
    retries: int
    lr_scale: float
    best: float
    reached: bool
    total: int
    turned: list[float]


class _Card(TypedDict):
    format: int
    networks: dict[str, Any]
    spec: dict[str, Any]


class Card(_Card, total=False):
    """The description in the header of a published network; what is written beside it is `facts_for_card`."""

    player: str
    use: str
    main: bool
    recipe: str
    seen: int
    half_life: float | None
    domain: dict[str, Any] | None
    data: dict[str, Any]
    forms: list[str]
    takes: list[str]
    gives: str
