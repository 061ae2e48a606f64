"""A translator that changes nothing, and a folder of pictures for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import noise
from PIL import Image
from standins import publish


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return publish(tmp_path / "run")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for k, name in enumerate(("a.png", "deep/b c.png", "deep/er/ü.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(6, 9 + k, 3, seed=k)).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path / "photos"
