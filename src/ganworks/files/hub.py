"""Hugging Face data sets as sources (extra `hub`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.files.rasters.decode import DecodeError


class HubSource:
    """An image data set of the `datasets` library: encoded images from its memory-mapped Arrow files, labels from its
    ClassLabel column. Raises UsageError for data sets without images.
    """

    kind = "hub"

    def __init__(self, name: str, rows: Any):
        self.path, self.notes, self.bytes = f"hub:{name}", [], int(rows.info.dataset_size or 0)
        kinds = {column: type(feature).__name__ for column, feature in rows.features.items()}
        images = [c for c, k in kinds.items() if k == "Image"]
        if not images:
            raise UsageError(f'"{self.path}" has no column of images; it has {", ".join(kinds)}.')
        self.notes.append(f'images from column "{images[0]}"')
        self._rows = _undecoded(rows, images[0])
        self._column = images[0]
        self._label = next((c for c, k in kinds.items() if k == "ClassLabel"), None)
        self._names = tuple(rows.features[self._label].names) if self._label else ()

    @property
    def labels(self) -> np.ndarray | None:
        """int64 [N] or None."""
        return np.asarray(self._rows[self._label][:], np.int64) if self._label else None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self._names

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, index: int) -> str:
        """The item's name in messages."""
        return f"{self.path}[{index}]"

    def get(self, index: int) -> bytes:
        """The encoded image; raises DecodeError if the data set holds only a path to it."""
        data = self._rows[index][self._column]["bytes"]
        if data is None:
            raise DecodeError(self.name(index), "its bytes are not in the data set.")
        return data

    def stamp(self) -> str:
        """Changes when the data set changes."""
        return f"hub {self._rows._fingerprint}"


def _undecoded(rows: Any, column: str) -> Any:
    from datasets import Image  # pyrefly: ignore[missing-import]

    return rows.cast_column(column, Image(decode=False))


def from_hub(text: str) -> HubSource:
    """Open "NAME", "OWNER/NAME" or "OWNER/NAME:SPLIT" (default split: train) from the Hugging Face hub.

    Loading scripts of data sets are never run. Raises UsageError without the extra `hub`, and if the data set cannot be
    loaded.
    """
    try:
        from datasets import load_dataset  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise UsageError(f'"hub:{text}" needs the extra `hub`: pip install "ganworks[hub]".') from error
    name, _, split = text.partition(":")
    try:
        rows = load_dataset(name, split=split or "train")
    except Exception as error:  # the library raises many kinds; all say why the name did not load
        raise UsageError(f'The data set "hub:{text}" cannot be loaded: {str(error)[:300]}') from error
    return HubSource(text, rows)
