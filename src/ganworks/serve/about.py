"""What a served model is, read from the headers of its files: no network is built for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.abilities.outside import file_options
from ganworks.core.config import from_dict
from ganworks.core.contracts import ChangesFiles, HasOptions, MakesFiles
from ganworks.core.errors import UsageError, nearest
from ganworks.core.spec import Spec
from ganworks.files import weights
from ganworks.files.rasters.decode import SUFFIXES
from ganworks.runs.published import locate, names, read_card
from ganworks.serve.forms import forms_here
from ganworks.use.file_jobs import STILLS


@dataclass(frozen=True)
class About:
    """A model of the service. cards: of its published files, the main one first."""

    name: str
    cards: tuple[dict[str, Any], ...]

    @staticmethod
    def of(name: str, path: Path) -> About:
        """The model at a path. Raises UsageError when nothing is published there."""
        path = Path(path)
        files = [path / found for found in names(path)] if path.is_dir() else [path]
        cards = [read_card(weights.read_texts(file), file) for file in files or [locate(path)]]
        return About(name, tuple(sorted(cards, key=lambda card: str(card.get("player", "G")) != "G")))

    @property
    def uses(self) -> tuple[str, ...]:
        """What the model can do: "sample", "apply", "predict"."""
        return tuple(dict.fromkeys(str(card.get("use", "sample")) for card in self.cards))

    def card(self, use: str) -> dict[str, Any]:
        """The description of the network of that use. Raises UsageError when there is none."""
        found = next((card for card in self.cards if card.get("use", "sample") == use), None)
        if found is None:
            ways = " and ".join(f"/v1/models/{self.name}/{other}" for other in self.uses)
            raise UsageError(f'"{self.name}" cannot {use}; use {ways}.')
        return found

    @cached_property
    def spec(self) -> Spec:
        """What one example is."""
        return Spec.from_dict(self.cards[0]["spec"])

    @cached_property
    def sample_bytes(self) -> int:
        """Bytes of one sample in memory."""
        return math.prod(self.spec.shape) * np.dtype(self.spec.dtype).itemsize

    def domain(self, use: str) -> Any:
        """The domain of the network of that use, or None where its class is not installed here."""
        if use not in self._domains:
            try:
                self._domains[use] = from_dict(Any, self.card(use).get("domain"), "domain")
            except UsageError:
                return None
        return self._domains[use]

    @cached_property
    def _domains(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _options(self) -> dict[str, dict[str, str]]:
        return {}

    @cached_property
    def maker(self) -> Any:
        """What writes the samples as files; None: pictures or arrays."""
        domain = self.domain("sample")
        return domain if isinstance(domain, MakesFiles) else None

    @cached_property
    def pictures(self) -> bool:
        """Whether samples are pictures."""
        return self.maker is None and len(self.spec.shape) == 3

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """Suffixes that samples can be sent as, the usual one first."""
        return forms_here(self.maker, self.pictures)

    @cached_property
    def each(self) -> str:
        """The suffix of a sample's own file; "" when samples belong in one file or have none."""
        return ".png" if self.pictures else self.maker.each if self.maker else ""

    @property
    def takes(self) -> tuple[str, ...]:
        """Suffixes of files that the model is applied to."""
        domain = self.domain("apply")
        return tuple(domain.takes) if isinstance(domain, ChangesFiles) else (*STILLS, ".npy")

    @property
    def gives(self) -> str:
        """The suffix of files that it makes of them; "" for the same form."""
        domain = self.domain("apply")
        return str(domain.gives) if isinstance(domain, ChangesFiles) else ""

    def options(self, use: str) -> dict[str, str]:
        """Name -> meaning of the options of a use."""
        if use not in self._options:
            found, domain = self.card(use).get("options"), self.domain(use)
            if isinstance(found, Mapping):
                self._options[use] = {str(name): str(text) for name, text in found.items()}
            else:
                self._options[use] = dict(domain.options) if isinstance(domain, HasOptions) else {}
        return dict(self._options[use])

    def check_options(self, options: dict[str, Any], use: str) -> dict[str, Any]:
        """The options of a request. Raises UsageError for those that name files of this machine, and unknown ones."""
        if not options:
            return {}
        domain, known = self.domain(use), self.options(use)
        for name in options:
            if name in file_options(domain):
                raise UsageError(f"options: {name[:60]} is a file, and none is taken here by its name.")
            if use != "sample" and name not in known:  # a generator may have more than its header says
                raise UsageError(
                    f'options: this model has no option "{name[:60]}". {nearest(name, known or ("none",))}'
                )
        return dict(options)

    def facts(self) -> dict[str, Any]:
        """All of it as plain values, for clients."""
        card, spec = self.cards[0], self.spec
        found: dict[str, Any] = {
            "kind": spec.kind,
            "recipe": card.get("recipe"),
            "uses": list(self.uses),
            "shape": list(spec.shape),
            "classes": list(spec.classes),
            "seen": card.get("seen"),
            "options": {use: self.options(use) for use in self.uses},
        }
        if "sample" in self.uses:
            found["formats"] = [form[1:] for form in self.forms]
            found["own_file"] = self.each[1:] or None
        if "apply" in self.uses:
            found["takes"], found["gives"] = [t[1:] for t in self.takes], self.gives[1:] or None
        if "predict" in self.uses:
            found["takes_to_predict"] = [suffix[1:] for suffix in SUFFIXES]
        return found
