"""Every command and every block of Python in the README and the docs is run, with a small budget."""

import re
import shlex
import sys
from pathlib import Path

import doc_folders
import pytest

from ganworks.cli import main as cli
from ganworks.core import registry
from ganworks.use.evaluate import evaluate_run

ROOT = Path(__file__).parents[1]
SMALL = {"train": ["train.precision=fp32", "train.threads=1"], "eval": ["count=200"]}  # added to the commands of a page
NARROW = {"biggan": "networks.width=2", "stylegan2": "networks.width=16"}  # recipes whose networks are large
KINDS = ROOT / "src" / "ganworks" / "kinds"
PAGES = [
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").glob("*.md") if p.stem != "benchmarks"),
    *sorted(KINDS.rglob("help.md")),
]


def name_of(page: Path) -> str:
    """A word for a page: the kind's folder, or the file's name."""
    return page.parent.name if page.stem == "help" else page.stem


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)


def cheap(text: str) -> str:
    """The same with a budget of 64 examples."""
    return re.sub(r"""budget=(["']?)[\w.]+\1""", r"budget=\g<1>64\g<1>", text)


def small(words: list[str]) -> list[str]:
    """What makes a command cheap."""
    return [*SMALL.get(words[1], []), *(NARROW[word] for word in words[2:3] if word in NARROW and words[1] == "train")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data of every kind."""
    folder = tmp_path_factory.mktemp("docs")
    doc_folders.everything(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_run(page, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setitem(evaluate_run.__kwdefaults__, "count", 200)
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(cheap(line), comments=True)
            if words and words[0] == "ganworks":
                assert cli.main([*words[1:], *small(words)]) == 0, f"{line}\n{capsys.readouterr().err}"
    for number, block in enumerate(blocks(page, "python")):
        name = f"block_{name_of(page).replace('-', '_')}_{number}"
        (place / f"{name}.py").write_text(cheap(block))
        namespace = {"__name__": "__main__", "__file__": str(place / f"{name}.py")}
        module = type(sys)("__main__")
        module.__dict__.update(namespace)
        monkeypatch.setitem(sys.modules, "__main__", module)
        exec(compile(cheap(block), f"{name_of(page)} block {number}", "exec"), module.__dict__)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", prose):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_recipe():
    text = (ROOT / "README.md").read_text()
    missing = [name for name in registry.recipes() if f"`{name}`" not in text]
    assert not missing, f"README.md names no {', '.join(missing)}"


def test_every_kind_has_a_page_that_is_linked():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    linked = {
        (page.parent / target).resolve() for page in pages for target in re.findall(r"\]\(([^)#]+)", page.read_text())
    }
    for name, kind in registry.kinds().items():
        help_page = KINDS / Path(*kind.package.removeprefix("ganworks.kinds.").split(".")) / "help.md"
        assert help_page in linked, f"no page links to that of {name}"
