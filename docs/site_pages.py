"""Pages of the site that are made while it is built: the kinds' own pages, the reference, and those of the root.

`make docs` calls this through mkdocs (hooks). Kinds and modules are found by walking, so nothing is listed here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

from ganworks.core import registry

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ganworks"
TOP = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md",
       "SECURITY.md": "security-policy.md"}  # fmt: skip
_LINK = re.compile(r"(\]\()((?!https?:)[^)#]+)")


def kind_pages() -> dict[Path, str]:
    """Source file -> address on the site, of every kind that has a page, in the order of the kinds."""
    folders = {kind.name: SOURCE.parent / kind.package.replace(".", "/") for kind in registry.kinds().values()}
    return {folder / "help.md": f"kinds/{name}.md" for name, folder in folders.items() if (folder / "help.md").exists()}


def reference_pages() -> dict[str, str]:
    """Address on the site -> module, of every module that has something public."""
    pages = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        if not any(part.startswith("_") for part in parts if part != "__init__"):
            pages[f"reference/{module}.md"] = module
    return pages


def on_config(config: Any) -> Any:
    """Fill the lists of the navigation."""
    for entry in config.nav:
        for title, value in list(entry.items()) if isinstance(entry, dict) else []:
            if value == "KINDS":
                entry[title] = list(kind_pages().values())
            if value == "REFERENCE":
                entry[title] = _grouped(reference_pages())
    return config


def _grouped(pages: dict[str, str]) -> list[Any]:
    """The reference by package."""
    groups: dict[str, list[dict[str, str]]] = {}
    for address, module in pages.items():
        groups.setdefault(".".join(module.split(".")[:2]), []).append({module: address})
    return [{group: entries} for group, entries in groups.items()]


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand elsewhere, their pictures being in docs/ already."""
    addresses = _addresses()
    for source, address in addresses.items():
        if address in TOP.values() or address.startswith("kinds/"):
            files.append(File.generated(config, address, content=_moved(source.read_text("utf-8"), source, address)))
    for address, module in reference_pages().items():
        files.append(File.generated(config, address, content=f"# {module}\n\n::: {module}\n"))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links of the pages in docs/ to pages that stand elsewhere."""
    source = ROOT / "docs" / page.file.src_uri
    return _moved(markdown, source, page.file.src_uri) if source.exists() else markdown


def _addresses() -> dict[Path, str]:
    found = {ROOT / name: address for name, address in TOP.items()} | kind_pages()
    docs = ROOT / "docs"
    return found | {path: path.relative_to(docs).as_posix() for path in docs.rglob("*") if path.is_file()}


def _moved(text: str, source: Path, address: str) -> str:
    """Links between files of the repository as links between addresses of the site."""
    known = _addresses()

    def new(match: re.Match[str]) -> str:
        target = known.get(Path(os.path.normpath(source.parent / match[2])))
        if target is None:
            return match[0]
        return match[1] + os.path.relpath(target, PurePosixPath(address).parent)

    return _LINK.sub(new, text)
