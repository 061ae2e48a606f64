"""`ganworks audit PATH`: opens data as a training would, makes every check that its kind allows, keeps what was found.

Nothing is changed and nothing is dropped: what should be left out is written as a list
(`files.packing.exclusions`) that a training honours when it is told to.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganworks.audit.data import checks, collapsed, records
from ganworks.audit.data.checks import Examined
from ganworks.audit.evidence import Evidence, quiet
from ganworks.audit.found import DataAudit
from ganworks.audit.sheet import page
from ganworks.core import registry
from ganworks.core.abilities.examining import GivesEvidence
from ganworks.core.config import find_class, override
from ganworks.core.console.text import counted, json_text
from ganworks.core.contracts import SkipsUnreadable, Work
from ganworks.core.errors import UsageError
from ganworks.core.machine.places import TakenError, place
from ganworks.core.schema.plain import read_json
from ganworks.files.atomic import replace_file
from ganworks.files.recognise import Found, recognise

CHECKS = (
    checks.exact_copies,
    checks.near_copies,
    checks.wrong_labels,
    checks.strange,
    checks.shared_patches,
    collapsed.same_squares,
    checks.shifted_sources,
    checks.empty_ones,
    records.constant_columns,
    records.personal_data,
    records.unusual_files,
    records.places_in_metadata,
)
RECORD, LIST, PAGE = "audit.json", "exclude.csv", "audit.html"


def audit_data(
    path: Any,
    recipe: str | None = None,
    features: str = "",
    settings: Mapping[str, Any] | None = None,
    work: Work = quiet,
) -> DataAudit:
    """Audit a data source; nothing is written.

    recipe: the recipe to read the data for; None recognises it. features: a published network to look through, its name
    or file; "" for features of our own. settings: those of the recipe's domain. Raises UsageError.
    """
    began = time.monotonic()
    found = recognise(path) if recipe is None else Found(recipe, "")
    evidence = opened(path, found.recipe, features, settings or {}, work)
    at = Examined(evidence, work)
    findings = [finding for check in CHECKS if (finding := check(at)) is not None]
    about = {
        "path": str(path) if isinstance(path, str | Path) else "<array>",
        "recipe": found.recipe,
        "because": found.because,
        "settings": {name: str(value) for name, value in (settings or {}).items()},
        "features": evidence.by,
        "looked_at_with_features": len(at.rows) if evidence.vectors else 0,
        "seconds": round(time.monotonic() - began, 1),
    }
    return DataAudit(evidence, findings, about)


def opened(path: Any, recipe: str, features: str, settings: Mapping[str, Any], work: Work) -> Evidence:
    """The evidence of a source, read by the domain of a recipe; UsageError where that gives none."""
    domain_id = registry.find_recipe(recipe).domain
    domain = find_class(domain_id)()
    if not isinstance(domain, GivesEvidence):
        raise UsageError(
            f'Data of the recipe "{recipe}" is not audited. `ganworks audit {path} recipe=image` looks at pictures one '
            "by one; tables, texts, recordings and series are audited, too."
        )
    lenient = {"on_corrupt": "skip"} if isinstance(domain, SkipsUnreadable) else {}
    return override(domain, {**lenient, **settings}).evidence(path, features, work)


def keep(audit: DataAudit, out: str | Path | None = None) -> Path:
    """Write audit.json, exclude.csv and audit.html into a folder; returns the folder.

    out: a new or empty folder, or one of an earlier audit; None: audits/<data>-<n>. Raises UsageError, GanworksError.
    """
    folder = _free(audit) if out is None else place(out)
    if folder.exists() and not _ours(folder):
        raise TakenError(f"{folder} exists already and is no audit. Give another out=.")
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / LIST, audit.exclusions())
    replace_file(folder / PAGE, page(audit))
    replace_file(folder / RECORD, json_text(audit.to_dict(), indent=1))
    return folder


def _free(audit: DataAudit) -> Path:
    stem = Path(audit.about["path"]).name.split(".")[0].strip("<>").replace(":", "-") or "data"
    return next(f for n in range(1, 10_000) if not (f := Path("audits") / f"{stem}-{n}").exists())


def _ours(folder: Path) -> bool:
    record = folder / RECORD
    if not folder.is_dir() or (any(folder.iterdir()) and not record.is_file()):
        return False
    return not record.is_file() or read_json(record.read_bytes(), str(record)).get("software") == "ganworks"


def next_steps(audit: DataAudit, folder: Path) -> list[str]:
    """The lines that say where everything is and what to do with it."""
    lines = ["", f"Sheet      {folder / PAGE}", f"Record     {folder / RECORD}"]
    if not audit.out:
        return [*lines, "", "Nothing is proposed to be left out."]
    asked = "".join(f" {shlex.quote(f'domain.{name}={value}')}" for name, value in audit.about["settings"].items())
    listed = folder / LIST
    return [
        *lines,
        f"List       {listed} ({counted(len(audit.out), 'example')}; take lines out of it that are right)",
        "",
        "Nothing was dropped. To train without what is listed:",
        f"  ganworks train {audit.about['recipe']} {shlex.quote('data=' + audit.about['path'])}{asked} "
        f"{shlex.quote(f'exclude={listed}')}",
    ]
