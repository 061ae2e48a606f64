"""The shape of the project: sizes, import direction, what is never imported, and the number of options."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ganworks.core import registry

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ganworks"
FILES = sorted(SOURCE.rglob("*.py"))

# From the floor up: a package imports itself and what stands before it.
FLOORS = (
    ("core",),
    ("files",),
    ("layers", "augment", "pretrained"),
    ("networks", "games", "metrics"),
    ("runs",),
    ("training",),
    ("report",),
    ("use",),
    ("audit",),
    ("kinds",),
    ("serve",),
    ("studio",),
    ("api", "cli", "__main__", "__init__"),
)
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}
BESIDE: set[tuple[str, str]] = set()


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return found


def inside(path: Path) -> set[str]:
    return {n.removeprefix("ganworks.") for n in imports(path) if n.startswith("ganworks.")}


def name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def under(module: str, roots: set[str]) -> bool:
    return any(module == r or module.startswith(r + ".") for r in roots)


@pytest.mark.parametrize(
    "path",
    [*FILES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_no_file_above_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("folder", sorted({p.parent for p in FILES}), ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_folder_above_12_files(folder):
    assert len([p for p in folder.iterdir() if p.is_file() and p.suffix == ".py" and p.stem != "__init__"]) <= 12


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_point_downwards(path):
    package = name(path).split(".")[0]
    for module in inside(path):
        there = module.split(".")[0]
        if there in FLOOR and package != "__init__":
            allowed = FLOOR[there] < FLOOR[package] or there == package or FLOOR[package] == len(FLOORS) - 1
            assert allowed or (there, package) in BESIDE, f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", [p for p in FILES if name(p).startswith("kinds.")], ids=name)
def test_no_kind_imports_another(path):
    own = ".".join(name(path).split(".")[:2])
    for module in inside(path):
        assert not module.startswith("kinds.") or under(module, {own}), f"{name(path)} imports {module}"


def test_no_circles():
    """No two files import each other, however long the way round, imports inside functions included."""
    names = {name(p).removesuffix(".__init__") for p in FILES}
    graph = {name(p).removesuffix(".__init__"): {m for m in inside(p) if m in names} for p in FILES}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module not in done:
            for other in sorted(graph[module] - {module}):
                visit(other, (*way, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_every_kind_is_found():
    folders = {p.name for p in (SOURCE / "kinds").iterdir() if (p / "__init__.py").exists()}
    assert folders == {kind.package.split(".")[2] for kind in registry.kinds().values()}
    for kind in registry.kinds().values():
        assert registry.importlib.import_module(kind.package).__doc__


@pytest.mark.parametrize("id_", registry.parts())
def test_every_part_is_there(id_):
    found = registry.part(id_)
    assert found is not None and registry.part_id(found) == id_


@pytest.mark.parametrize("path", FILES, ids=name)
def test_never_imported(path):
    banned = {
        "torchvision",
        "torchaudio",
        "timm",
        "lpips",
        "torch_fidelity",
        "cleanfid",
        "pickle",
        "joblib",
        "dill",
        "scipy",
    }
    assert not {i.split(".")[0] for i in imports(path)} & banned


def test_no_unsafe_loading():
    for path in FILES:
        text = path.read_text()
        for call in (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)):
            given = {k.arg: ast.unparse(k.value) for k in call.keywords}
            called = ast.unparse(call.func)
            assert called not in {"eval", "exec", "compile", "__import__"}, path
            assert called != "torch.load" or given.get("weights_only") == "True", path
            assert given.get("allow_pickle", "False") == "False", path
            if called == "yaml.load":
                assert "Loader" in given and "SafeLoader" in text and "UnsafeLoader" not in text, path


def test_files_of_strangers_are_read_in_one_place():
    """JSON and YAML by the readers that refuse what no sound file holds, arrays by those that check their headers."""
    own = {
        "core.schema.plain": {"json.load", "json.loads", "json.JSONDecoder", "yaml.load", "yaml.load_all"},
        "files.array_files": {"np.load", "np.loadtxt", "np.genfromtxt", "np.fromfile", "np.lib.format.open_memmap"},
        "nowhere": {"yaml.safe_load", "yaml.full_load", "yaml.unsafe_load"},
    }
    for path in FILES:
        called = {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)}
        foreign = set().union(*(calls for place, calls in own.items() if place != name(path)))
        assert not called & foreign, f"{name(path)} reads files on its own"
        assert not imports(path) & foreign, f"{name(path)} hides a reader behind another name"


def test_help_needs_no_torch_and_import_is_light():
    code = (
        "import sys; from ganworks.cli.main import main; main(['--help']); main(['train', '--help']);"
        " main(['recipes']); assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_number_of_verbs_and_short_names_is_frozen():
    """A new knob is a field of a dataclass with its full name; verbs and aliases are not added lightly."""
    from ganworks.cli.main import VERBS
    from ganworks.core.schema.words import ALIASES

    assert sorted(VERBS) == [
        "apply",
        "audit",
        "compare",
        "data",
        "eval",
        "explore",
        "features",
        "info",
        "keys",
        "predict",
        "recipes",
        "report",
        "sample",
        "serve",
        "studio",
        "train",
    ]
    assert sorted(ALIASES) == [
        "batch",
        "budget",
        "degrade",
        "device",
        "direction",
        "exclude",
        "features",
        "init",
        "labels",
        "loss",
        "lr",
        "scale",
        "seed",
        "size",
        "until",
    ]


def test_the_number_of_settings_is_frozen():
    """Counts every field that a user can set on the default recipe."""
    from dataclasses import fields

    from ganworks.core.settings import Optimizer, Train
    from ganworks.games.adversarial import Adversarial
    from ganworks.kinds.images.domain import Images

    counts = {cls.__name__: len(fields(cls)) for cls in (Images, Adversarial, Optimizer, Train)}
    assert counts == {"Images": 11, "Adversarial": 19, "Optimizer": 10, "Train": 15}, counts


def test_help_lists_every_setting():
    from dataclasses import fields

    from ganworks.cli.help import HELP
    from ganworks.core.settings import Optimizer, Train
    from ganworks.kinds.images.domain import Images

    words = set(re.findall(r"\w+", HELP["train"]))
    missing = {f.name for cls in (Images, Optimizer, Train) for f in fields(cls)} - words
    assert not missing


def test_there_is_one_training_loop():
    """Gradients are made for players by the engine alone; machine.py measures speed, classifier.py trains a judge."""
    allowed = {"training.engine", "training.speed", "metrics.classifier"}
    for path in FILES:
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        named = {n.func.attr for n in calls if isinstance(n.func, ast.Attribute)}
        assert "backward" not in named or name(path) in allowed, f"{name(path)} trains on its own"


def test_shared_code_knows_no_task():
    """No comparison with the name of a recipe or of a kind of data outside `kinds`."""
    kinds = {*registry.kinds(), *registry.named("domain")}
    for path in FILES:
        if name(path).split(".")[0] == "kinds":
            continue
        if name(path).split(".")[0] == "files" and name(path) != "files.recognise":
            continue  # file formats have names of columns and arrays that are kinds, too
        for node in (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Compare | ast.match_case)):
            words = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
            assert not words & (kinds | set(registry.recipes())), f"{name(path)} asks for {words}"


def test_one_place_prints_and_one_writes_csv():
    """Whatever reaches a terminal or a spreadsheet goes through the filters there."""
    streams, alone = {"stdout", "stderr", "__stdout__", "__stderr__"}, {"to_csv", "write_csv", "savetxt", "DictWriter"}
    for path in FILES:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        named = {n.id for n in nodes if isinstance(n, ast.Name)}
        dotted = [(getattr(n.value, "id", ""), n.attr) for n in nodes if isinstance(n, ast.Attribute)]
        shown = path.read_text().count("Screen(sys.stdout)")
        if name(path) != "core.console.voice":
            assert "print" not in named, f"{name(path)} prints on its own"
            own = 1 if name(path) == "report.terminal.screen" else 0  # the screen hands its stream to a voice at once
            assert len([d for d in dotted if d[0] == "sys" and d[1] in streams]) == shown + own, name(path)
            assert ("warnings", "formatwarning") not in dotted, name(path)
        if name(path) != "core.console.stop":
            assert "signal" not in {module for module, _ in dotted}, f"{name(path)} takes signals on its own"
        if name(path) != "files.tables.write":
            assert ("csv", "writer") not in dotted and not alone & {d[1] for d in dotted}, f"{name(path)} writes CSV"
