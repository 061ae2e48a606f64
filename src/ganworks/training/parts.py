"""Parts that the user names in place of the recipe's: words become instances, and misfits are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ganworks.core import registry
from ganworks.core.config import class_name, find_class, override
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.plugins import own
from ganworks.core.schema.document import example
from ganworks.core.schema.words import expand
from ganworks.core.settings import Config
from ganworks.core.spec import Spec
from ganworks.core.teaching import players_of
from ganworks.games.losses import LOSSES
from ganworks.networks.building import build
from ganworks.training.trial import most_numbers, too_large


def resolve(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with parts in place of the words that name them; parts come first, so that their settings apply to them.

    A loss of a plugin gets its full id; the module of a loss of the user's own, "module:name", is imported.
    """
    made = {name: _part(name, values[name]) for name in own.HOOKS if name in values}
    if "networks.body" in values:  # networks that are made of a family of others
        made["networks.body"] = _part("networks", values["networks.body"])
    rest = {name: value for name, value in values.items() if name not in made}
    if isinstance(word := rest.get("game.loss"), str):
        rest["game.loss"] = _loss(word)
    return {**made, **rest}


def _part(category: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str) and value.lower().replace("_", "-") in LOSSES:
        none = "There are no networks" if category == "networks" else f"There is no {category}"
        raise UsageError(f"{none} {value}. {value} is a loss: loss={value}.")
    return own.part_named(category, value)


def _loss(word: str) -> str:
    if word.lower().replace("_", "-") in LOSSES:
        return word
    module, colon, _ = word.partition(":")
    if colon and "/" not in word:
        own.import_named(module, f"loss={word}")
    return registry.named("loss").get(word, word)


def named(values: Mapping[str, Any]) -> dict[str, str]:
    """The parts that the user named by a word: {"networks": "dcgan"}."""
    return {name: values[name] for name in own.HOOKS if isinstance(values.get(name), str)}


def noted(config: Config, words: Mapping[str, str]) -> Config:
    """The configuration with a note on each part that took the place of the recipe's."""
    notes = (f"{name}={word}, as asked: {class_name(getattr(config, name))}." for name, word in words.items())
    return replace(config, notes=(*config.notes, *notes))


def refuse_misfits(config: Config, spec: Spec, words: Mapping[str, str]) -> None:
    """Raise UsageError when networks are made for another kind of data, or lack players that the game moves.

    A recipe's own parts are not checked.
    """
    if "networks" not in words and "game" not in words:
        return
    try:
        made = build(config.networks, spec, most_numbers(config.train), lambda: too_large(config.train))
        makes = list({**made, **players_of(config.game, spec)})
    except GanworksError as error:
        reads, made_for = registry.family(type(config.domain)), registry.family(type(config.networks))
        if not made_for or made_for == reads:
            raise
        raise UsageError(
            f"{_said(words)} does not fit: the networks are made for {made_for}, and the recipe reads {reads}. {error}"
        ) from error
    moved = {player for players, _ in config.game.turns(0, 0.0) for player in players}
    if missing := sorted(moved - set(makes)):
        raise UsageError(
            f"{_said(words)} does not fit: the game {class_name(config.game)} moves {', '.join(sorted(moved))}, "
            f"and the networks {class_name(config.networks)} make {', '.join(makes)}, no {' and no '.join(missing)}."
        )


@contextmanager
def fitting(words: Mapping[str, str], what: str) -> Iterator[None]:
    """Turn errors of parts that the user named into UsageErrors while they are tried for the first time.

    what: the recipe and the data, for the sentence.
    """
    try:
        yield
    except GanworksError:
        raise
    except Exception as error:  # networks meet data of any shape
        if not words:
            raise
        raise UsageError(f"{_said(words)} does not fit {what}: {own.error_line(error)}") from error


def _said(words: Mapping[str, str]) -> str:
    return " ".join(f"{name}={word}" for name, word in words.items())


def refuse_unlike(recipes: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Raise UsageError unless these recipes read the same kind of data and all take the settings."""
    if len(recipes) < 2 or len(set(recipes)) < len(recipes):
        raise UsageError("A comparison needs two recipes or more, each once.")
    domains = {name: registry.recipe_function(name)[1] for name in recipes}
    first, *others = recipes
    for name in others:
        if domains[name] != domains[first]:
            raise UsageError(f"{first} and {name} read different kinds of data: they cannot be compared.")
    for name in recipes:
        values = resolve(expand(settings, find_class(domains[name])))
        try:
            override(example(name), values)
        except UsageError as error:
            raise UsageError(f"The recipe {name} does not take these settings. {error}") from error
