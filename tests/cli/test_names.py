"""Parts by name on the command line: `networks=dcgan`, `loss=mymodule:fn`, `plugin=mymodule`."""

import os
import subprocess
import sys

import pytest

import ganworks as gw
from ganworks.cli import main as cli
from ganworks.core.config import find_class
from ganworks.core.errors import UsageError
from ganworks.games.losses import LOSSES, Loss, loss

SMALL = ["budget=128", "batch=32", "train.judge=off", "train.precision=fp32", "train.threads=1", "labels=off"]
OWN = '''
from dataclasses import dataclass
from torch.nn.functional import softplus
from ganworks.games.adversarial import Adversarial
from ganworks.games.losses import Loss
from ganworks.networks.mlp import MLP

def d_side(r, f):
    return softplus(-r) + softplus(f)

def g_side(r, f):
    return softplus(-f)

PAIR = (d_side, g_side)
WHOLE = Loss(d_side, g_side)

@dataclass(frozen=True)
class Net(MLP):
    width: int = 8

    def build(self, spec):
        if self.width < 0:
            raise ValueError("less than nothing")
        return super().build(spec)

@dataclass(frozen=True)
class Needy:
    width: int

    def build(self, spec):
        return {}

class Plain:
    def build(self, spec):
        return {}

@dataclass(frozen=True)
class Alone:
    def build(self, spec):
        return {"G": MLP().build(spec)["G"]}

def recipe(facts):
    """Mine."""
    from ganworks.core.settings import Config, Train
    return Config("mine", facts.domain, Net(hidden=(16,)), Adversarial(loss="hinge"), train=Train(batch=32))
'''


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a module of the user's own that nobody has imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_parts.py").write_text(OWN)
    (tmp_path / "own_broken.py").write_text("x = 1\n1 / 0\n")
    yield tmp_path
    for name in ("own_parts", "own_broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["networks.width=4", "networks=dcgan"], ("is: networks/dcgan", "width: 4")),
        (["game=adversarial", "loss=hinge"], ("is: game/adversarial", "loss: hinge", "r1: 1.0")),
        (["domain=images", "domain.flip=on"], ("is: domain/images", "flip: true")),
        (["networks=own_parts:Net", "networks.width=3"], ("is: own_parts.Net", "width: 3")),
        (["game=adversarial", "loss=own_parts:WHOLE"], ("loss: own_parts:WHOLE",)),
    ],
)
def test_words_name_parts(place, words, written, capsys):
    assert cli.main(["train", "mlp", "digits", "out=run", "evaluate=off", *words, *SMALL]) == 0, capsys.readouterr().err
    config = (place / "run" / "config.yaml").read_text()
    assert all(text in config for text in written)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["networks=dcgn"], 'There are no networks dcgn. Did you mean "dcgan"?'),
        (["game=hinge"], "There is no game hinge. hinge is a loss: loss=hinge."),
        (["networks=hinge"], "There are no networks hinge. hinge is a loss"),
        (["game=dcgan"], "There is no game dcgan. dcgan are networks: networks=dcgan."),
        (["networks=cyclegan"], "cyclegan is a recipe: ganworks train cyclegan"),
        (["game=networks/dcgan"], "cannot be used as game. Say networks=networks/dcgan."),
        (["networks=wavegan"], "WaveGAN makes waves"),
        (["networks=series"], "made for series, and the recipe reads images"),
        (["networks=cycle"], "These networks translate images"),
        (["game=cycle"], "does not fit: the game game/cycle moves"),
        (["networks=own_parts.Alone"], "make G, no D"),
        (["networks=own_parts.Net", "networks.width=-1"], "ValueError: less than nothing (own_parts.py, line"),
        (["networks=own_parts.Needy"], "needs a default for width"),
        (["networks=own_parts.Plain"], "must be a frozen dataclass"),
        (["networks=own_parts.Nut"], "has no 'Nut'. Did you mean \"Net\"?"),
        (
            ["networks=own_broken.Net"],
            "cannot be imported: ZeroDivisionError: division by zero (own_broken.py, line 2)",
        ),
        (["networks=nowhere_at_all.Net"], "neither installed nor in this folder"),
        (["networks=dcgan", "networks.hidden=3"], 'Unknown key "networks.hidden"'),
        (["networks=gone:networks/x"], "plugin gone, which is not installed"),
        (["networks=3"], "cannot be used as networks"),
        (["domain=points"], "no file and no mixture"),
        (["loss=own_parts:Net"], "must be a ganworks.games.losses.Loss or a pair"),
        (["loss=own_parts:nothing"], "must be a ganworks.games.losses.Loss or a pair"),
        (["loss=nowhere_at_all:x"], "neither installed nor in this folder"),
        (["loss=gone:loss/x"], "plugin 'gone', which is not installed"),
        (["plugin=own_broken"], "plugin=: own_broken cannot be imported"),
        (["plugin=own_parts.py"], "the name of a module, as in `import own_parts`"),
    ],
)
def test_what_does_not_fit_is_a_sentence(place, words, said, capsys):
    before = set(place.iterdir())
    assert cli.main(["train", "mlp", "digits", "out=run", *words, *SMALL]) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err
    assert {p.name for p in set(place.iterdir()) - before} <= {"__pycache__"}


def test_words_work_in_python_as_well(place):
    model = gw.fit(
        "mlp", "digits", place / "run", networks="dcgan", evaluate=False, budget="64", batch=32, labels=False
    )
    assert model.info["networks"]["is"] == "networks/dcgan"


def test_own_recipe_by_name(place, capsys):
    words = ["train", "own_parts:recipe", "digits", "domain=images", "out=run", "evaluate=off", *SMALL]
    assert cli.main(words) == 0, capsys.readouterr().err
    assert "is: own_parts.Net" in (place / "run" / "config.yaml").read_text()
    assert cli.main(["train", "own_parts:PAIR", "digits", "domain=images", "out=run2"]) == 2
    assert "is no recipe" in capsys.readouterr().err


def command(place, *words):
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "ganworks", *words],
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_of_own_parts_needs_plugin_in_a_new_process(place):
    words = ["mlp", "digits", "out=run", "networks=own_parts.Net", "networks.hidden=16", "loss=own_parts:PAIR", *SMALL]
    assert cli.main(["train", *words, "plugin=own_parts"]) == 0
    for verb in (["sample", "run", "4"], ["eval", "run"]):
        refused = command(place, *verb)
        assert refused.returncode == 2 and "plugin=MODULE" in refused.stderr, refused.stderr
    assert command(place, "eval", "run", "count=200", "plugin=own_parts").returncode == 0
    for verb in (["info", "run"], ["report", "run"], ["compare", "run", "run"], ["sample", "run", "4"]):
        assert cli.main([*verb, "plugin=own_parts"]) == 0


def test_next_commands_say_plugin(place, capsys):
    assert cli.main(["train", "mlp", "digits", "out=run", "plugin=own_parts", "evaluate=off", *SMALL]) == 0
    assert "ganworks info run plugin=own_parts" in capsys.readouterr().out


def test_a_loss_in_a_config_imports_nothing(place):
    """Neither a module that is not imported, nor one that a module would import when asked for an attribute."""
    for name in ("antigravity:LOSS", "own_parts:PAIR", "os:system", "xml:dom", "plug:loss/x", "a:b:c", ":", "os:"):
        with pytest.raises(UsageError):
            loss(name)
    assert "antigravity" not in sys.modules and "own_parts" not in sys.modules


def test_asking_a_lazy_module_imports_nothing(monkeypatch):
    lazy = type(sys)("lazy_module")
    asked = []
    lazy.__getattr__ = lambda name: asked.append(name) or LOSSES["hinge"]
    monkeypatch.setitem(sys.modules, "lazy_module", lazy)
    with pytest.raises(UsageError):
        loss("lazy_module:anything")
    with pytest.raises(UsageError):
        find_class("lazy_module.Anything")
    assert asked == []


def test_a_loss_of_an_imported_module_is_found(monkeypatch):
    module = type(sys)("losses_of_mine")
    module.pair, module.whole = (min, max), Loss(min, max)
    monkeypatch.setitem(sys.modules, "losses_of_mine", module)
    assert loss("losses_of_mine:whole") is module.whole
    assert loss("losses_of_mine:pair") == Loss(min, max)
