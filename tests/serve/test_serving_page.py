"""docs/serving.md: its lines for the shell and its Python do what it says, against a service that listens."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from http_service import app_of, listening, run
from pictures import noise
from PIL import Image

from ganworks.serve.engine import Engine

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
MODELS = {"digits-image-1": "dcgan", "people-table-1": "table", "captions-text-1": "text", "sounds-audio-1": "audio",
          "photos-restore-1": "shift"}  # fmt: skip


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.fixture(scope="module")
def address():
    engine = Engine({name: run(recipe) for name, recipe in MODELS.items()}, threads=1)
    with listening(app_of(engine)) as url:
        yield url.removeprefix("http://")
    engine.close()


class Patient(httpx.Client):
    """A client that waits: tests run on machines that are busy."""

    def __init__(self, **options):
        super().__init__(**{**options, "timeout": 300})


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(httpx, "Client", Patient)
    monkeypatch.setattr(httpx, "post", lambda url, **more: Patient().post(url, **{**more, "timeout": 300}))
    Image.fromarray(noise(8, 8, 3)).save("photo.png")


def test_the_models_of_the_page_are_served():
    words = shlex.split(blocks("sh")[0])
    assert words[:2] == ["ganworks", "serve"] and {Path(word).name for word in words[2:]} == {*MODELS}


@pytest.mark.parametrize("number", range(len(blocks("py"))))
def test_python(number, address, capsys):
    text = blocks("py")[number].replace("localhost:8000", address)
    exec(compile(text, f"serving.md, block {number}", "exec"), {"__name__": "__main__"})
    assert "error" not in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("number", range(1, len(blocks("sh"))))
def test_shell(number, address):
    for line in blocks("sh")[number].replace("\\\n", " ").splitlines():
        words = shlex.split(line.replace("localhost:8000", address))
        subprocess.run([words[0], "-sS", "--fail-with-body", *words[1:]], check=True, timeout=300)
        assert Path(words[words.index("-o") + 1]).stat().st_size > 50
