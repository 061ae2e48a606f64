"""The contract: every kind keeps it, shared code asks for protocols, and defaults are those of a plain part."""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganworks.core import contracts, registry
from ganworks.core.config import find_class

SOURCE = Path(contracts.__file__).parents[1]
SHARED = [
    p for p in sorted(SOURCE.rglob("*.py")) if p.relative_to(SOURCE).parts[0] not in ("kinds", "networks", "core")
]
PROTOCOLS = {n: p for n, p in vars(contracts).items() if inspect.isclass(p) and getattr(p, "_is_protocol", False)}
PROTOCOLS.pop("Protocol")
ALIASES = ("Nets", "Terms", "LossFn", "Work", "Scores", "Turn")


def members(protocol: type) -> set[str]:
    own = {name for name in vars(protocol) if not name.startswith("_")}
    return own | set(inspect.get_annotations(protocol))


HOOKS = set().union(*(members(protocol) for protocol in PROTOCOLS.values()))


def probes(path: Path) -> set[str]:
    """Hooks that a file looks for by name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hasattr", "getattr"):
            name = node.args[1]
            found |= {name.value} & HOOKS if isinstance(name, ast.Constant) else set()
    return found


def test_the_hooks_are_known():
    assert len(PROTOCOLS) > 20 and {"encode", "apply", "converter", "turns", "unseen", "objective"} <= HOOKS


@pytest.mark.parametrize("path", SHARED, ids=lambda p: ".".join(p.relative_to(SOURCE).with_suffix("").parts))
def test_shared_code_asks_for_protocols_and_not_for_names(path):
    assert not probes(path)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_hook_is_documented(name):
    protocol = PROTOCOLS[name]
    assert protocol.__doc__
    for member in vars(protocol).values():
        if inspect.isfunction(member) and not member.__name__.startswith("_"):
            assert member.__doc__, member
        elif isinstance(member, property):
            assert member.__doc__, name


def test_types_have_one_home():
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and path.name != "contracts.py":
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
                assert not names & {"Nets", "Terms", "LossFn"}, path


@pytest.mark.parametrize("id_", sorted(registry.named("domain").values()))
def test_domains_keep_the_contract(id_):
    """What a domain has of a protocol it has whole, with the parameters that the protocol names."""
    cls = find_class(id_)
    assert {"open", "batch", "evaluator"} <= set(dir(cls))
    domain = cls()
    for name, protocol in PROTOCOLS.items():
        if name in ("Domain", "Evaluator", "Dataset", "Networks", "Game") or not getattr(
            protocol, "_is_runtime_protocol", False
        ):
            continue
        if isinstance(domain, protocol):
            for member in members(protocol):
                wanted = vars(protocol).get(member)
                if inspect.isfunction(wanted):
                    asked = list(inspect.signature(wanted).parameters)[1:]
                    has = inspect.signature(getattr(domain, member)).parameters
                    assert set(asked) <= set(has), (name, member)


@pytest.mark.parametrize("id_", sorted(registry.named("game").values()))
def test_games_keep_the_contract(id_):
    cls = find_class(id_)
    assert list(inspect.signature(cls.turns).parameters) == ["self", "step", "progress"]
    if hasattr(cls, "after"):
        assert list(inspect.signature(cls.after).parameters) == ["self", "nets", "players"]


def test_defaults_are_those_of_a_plain_part():
    plain = SimpleNamespace()
    assert contracts.uses_of(plain) == {"G": "sample"} and contracts.phases_of(plain) == (0.0,)
    assert contracts.labels_of(plain) is None and contracts.showing_of(plain, 64) == 64
    assert contracts.sampling_options(SimpleNamespace(options={"a": "b"})) == {}, "nothing prepares"
    card = contracts.facts_for_card(plain)
    assert card == {"options": {}, "forms": [], "each": "", "takes": [], "gives": ""}


def test_a_card_says_what_its_domain_does():
    sounds = contracts.facts_for_card(find_class("domain/vocoder")())
    assert sounds["gives"] == ".wav" and ".npy" in sounds["takes"] and "chunk" in sounds["options"]
    table = contracts.facts_for_card(find_class("domain/table")())
    assert table["forms"] == [".csv", ".parquet"] and table["each"] == "" and table["takes"] == []
