"""Completion: what fits a word, without torch, and the scripts in the shells themselves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganworks.cli import main as cli
from ganworks.cli.completion.candidates import candidates, print_candidates, split_line
from ganworks.cli.completion.fields import settings_of
from ganworks.cli.completion.scripts import SCRIPTS
from ganworks.core import registry

SOURCE = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize(
    ("words", "there", "absent"),
    [
        ([""], ["train", "completion"], ["image"]),
        (["tr"], ["train"], ["sample"]),
        (["train", "dc"], ["dcgan"], ["image"]),
        (["train", "dcgan", "loss=h"], ["loss=hinge"], ["loss=minimax"]),
        (["train", "dcgan", "networks.w"], ["networks.width="], ["networks.z_dim="]),
        (["train", "dcgan", "g.name="], ["g.name=adam", "g.name=sgd"], []),
        (["train", "dcgan", "domain.fl"], ["domain.flip="], []),
        (["train", "dcgan", "domain.flip="], ["domain.flip=on", "domain.flip=off"], []),
        (["train", "text", "game."], ["game.rollouts="], ["game.gp="]),
        (["train", "text", "data=x", ""], ["out=", "size=", "plugin="], ["data=", "image"]),
        (["train", "mlp", "networks="], ["networks=dcgan"], []),
        (["sample", "folder/", ""], ["seed=", "plugin="], ["lr="]),
        (["apply", "run", "fol"], ["folder/"], []),
        (["apply", "run", "mask=folder/p"], ["mask=folder/picture.png"], []),
        (["help", "au"], ["audio"], []),
        (["features", ""], ["get", "add"], []),
        (["features", "get", "sq"], ["squeezenet1_1-b8a52dc0"], ["alexnet-owt-7be5be79"]),
        (["features", "add", "fol"], ["folder/"], []),
        (["eval", "run", "fe"], ["features="], []),
        (["completion", ""], ["bash", "zsh", "fish"], []),
    ],
)
def test_what_fits_a_word(words, there, absent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "picture.png").touch()
    found = candidates(words)
    assert set(there) <= set(found) and not set(absent) & set(found) and len(found) == len(set(found))


@pytest.mark.parametrize("recipe", ["mlp", "series", "points"])
def test_settings_from_the_source_are_those_of_the_classes(recipe):
    from dataclasses import fields

    from ganworks.core.settings import Optimizer, Train

    found = settings_of(recipe)
    domain = registry.part(registry.recipes()[recipe].domain)
    for root, cls in (("g", Optimizer), ("train", Train), ("domain", domain)):
        assert {f"{root}.{f.name}" for f in fields(cls) if f.init} == {n for n in found if n.startswith(root + ".")}
    assert {n.split(".")[0] for n in found} == {"g", "d", "train", "domain", "networks", "game"}


@pytest.mark.parametrize("line", ["ganworks train 'a b", "ganworks", "", 'x "'])
def test_a_line_that_is_not_finished(line, capsys):
    assert isinstance(split_line(line), list)
    print_candidates(["--line", line])
    print_candidates(["train", "\0", "data=\0"])
    assert "Traceback" not in capsys.readouterr().err


def test_it_needs_no_torch():
    code = (
        "import sys; from ganworks.cli.main import main; main(['__complete', 'train', 'dcgan', '']);"
        " assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(("words", "code"), [(["bash"], 0), (["csh"], 2), ([], 2)])
def test_the_verb(words, code, capsys):
    assert cli.main(["completion", *words]) == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.fixture
def shims(tmp_path):
    """A folder with the command, and what a shell needs to find it."""
    command = tmp_path / "bin" / "ganworks"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m ganworks "$@"\n')
    command.chmod(0o755)
    for shell, script in SCRIPTS.items():
        (tmp_path / f"script.{shell}").write_text(script)
    return os.environ | {"PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(SOURCE)}


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("ganworks trai", "train"),
        ("ganworks train dcgan loss=hi", "hinge"),
        ("ganworks train dcgan networks.wi", "networks.width="),
    ],
)
def test_bash(line, reply, shims, tmp_path):
    asked = (
        f"source script.bash; COMP_LINE='{line}'; COMP_POINT={len(line)}; _ganworks ganworks; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, env=shims, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [reply], done.stderr


def test_zsh_and_fish_read_their_scripts(shims, tmp_path):
    for shell, flag in (("zsh", "-n"), ("fish", "-n")):
        if shutil.which(shell):
            subprocess.run([shell, flag, f"script.{shell}"], cwd=tmp_path, check=True)
    if shutil.which("fish"):
        asked = "source script.fish; complete -C 'ganworks train dcgan loss=hi'"
        done = subprocess.run(
            ["fish", "-c", asked], cwd=tmp_path, env=shims, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == ["loss=hinge"], done.stderr
