"""`ganworks verify`: what files say of their origin, and whether it holds."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ganworks.cli.words import Options, one, only
from ganworks.core.console.text import counted, printable
from ganworks.core.console.voice import say
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine.places import TakenError, place
from ganworks.files.provenance.verifying import Verdict
from ganworks.files.provenance.verifying import verify as look
from ganworks.files.watermark.mark import Watermark
from ganworks.report.terminal.meters import Meters

OPTIONS = ("watermark", "trust", "format", "reproduce", "newkey", "newcert")
_FORMATS = ("text", "json")
_BESIDE = (".mark.json", ".unmarked.json", ".c2pa")
_RECORDS = ("samples.json", "mark.json", "done.jsonl", "applied.jsonl", "settings.json")


class TamperedError(GanworksError):
    """Files are not what their marks say (exit code 3)."""

    exit_code = 3


class UnmarkedError(GanworksError):
    """Nothing says where files come from (exit code 4)."""

    exit_code = 4


def verify(places: list[str], options: Options) -> None:
    """ganworks verify FILE|FOLDER key=value ..."""
    only(options, OPTIONS, "verify")
    if "newkey" in options or "newcert" in options:
        _make(options)
        return
    path = Path(one(places, "a file or a folder", "verify"))
    form = options.get("format", "text")
    if form not in _FORMATS:
        raise UsageError(f"format can be text or json, not {form[:40]!r}.")
    if not path.exists():
        raise UsageError(f'There is nothing at "{printable(str(path))}" to verify.')
    key = options.get("watermark", os.environ.get("GANWORKS_WATERMARK", ""))
    watermark = Watermark.load(key) if key else None
    files = _files(path) if path.is_dir() else [path]
    verdicts = []
    with Meters() as meters:
        for done, file in enumerate(files):
            if len(files) > 1:
                meters("Verifying", done, len(files))
            verdicts.append(look(file, watermark, options.get("trust")))
    if "reproduce" in options:
        from ganworks.cli.trust.reproduce import reproduce

        for verdict in verdicts:
            reproduce(verdict, options["reproduce"])
    if form == "json":
        found = [verdict.as_json() for verdict in verdicts]
        say(*json.dumps(found if path.is_dir() else found[0], indent=1).split("\n"))
    else:
        _tell(verdicts)
    _refuse(verdicts)


def _files(folder: Path) -> list[Path]:
    """The files below a folder in order of their names, without notes, manifests and records."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    found = [p for p in found if not p.name.endswith(_BESIDE) and p.name not in _RECORDS]
    if not found:
        raise UsageError(f'"{printable(str(folder))}" holds no files to verify.')
    return found


def _tell(verdicts: list[Verdict]) -> None:
    for verdict in verdicts if len(verdicts) == 1 else verdicts[:20]:
        say(f"{printable(str(verdict.path))}: {verdict.outcome}", *(f"  {line}" for line in lines(verdict)))
    if len(verdicts) > 1:
        counts = {name: sum(v.outcome == name for v in verdicts) for name in sorted({v.outcome for v in verdicts})}
        shown = " (the first 20 are listed; format=json lists all)" if len(verdicts) > 20 else ""
        say("", f"{counted(len(verdicts), 'file')}: {', '.join(f'{n:,} {name}' for name, n in counts.items())}{shown}.")


def lines(verdict: Verdict) -> list[str]:
    """What is known of a file, in sentences."""
    found, note, signed = [], verdict.marks.note, verdict.signature
    if note is not None:
        facts = [
            f"{name} {str(note[name])[:64]}"
            for name in ("recipe", "model", "seed", "index", "label", "input")
            if name in note
        ]
        found.append(printable(f"Note of ganworks: {', '.join(facts) or 'no facts'}."))
    if verdict.marks.term:
        found.append(printable(f"IPTC digital source type: {verdict.marks.term[:80]}."))
    if verdict.matches is not None:
        held = "is the one that the note was written for" if verdict.matches else "is NOT the one of the note"
        found.append(f"The content {held}.")
    states = {
        "trusted": f"Signed by {signed.by}; the certificate is trusted.",
        "valid": f"Signed by {signed.by}; the signature holds, the certificate is not trusted (see trust=).",
        "invalid": f"The signature does not hold: {', '.join(signed.reasons[:4]) or 'no reason given'}.",
    }
    found += [printable(states[signed.state])] if signed.state in states else []
    if (seen := verdict.watermark) is not None:
        what = "found" if seen.found else "not found"
        found.append(
            f"The watermark of this key is {what}: p = {seen.p:.1e}{f' in {seen.place}' if seen.found else ''}."
        )
    return [*found, *verdict.said] or ["No note, no signature; that says nothing about its origin."]


def _refuse(verdicts: list[Verdict]) -> None:
    wrong = [v for v in verdicts if v.outcome == "tampered"]
    if wrong:
        what = counted(len(wrong), "file is not what its marks say", "files are not what their marks say")
        raise TamperedError(f"{what}: {', '.join(printable(v.path.name) for v in wrong[:5])}")
    unknown = [v for v in verdicts if v.outcome == "unknown"]
    if unknown:
        what = counted(len(unknown), "file has no mark that can be read", "files have no mark that can be read")
        raise UnmarkedError(f"{what}: {', '.join(printable(v.path.name) for v in unknown[:5])}")


def _make(options: Options) -> None:
    """newkey=FILE, newcert=FOLDER: secrets for watermarks and for trials of signatures, read by nobody else."""
    if "newkey" in options:
        from ganworks.files.watermark.key import new_key

        path = place(options["newkey"], "newkey")
        _secret(path, new_key())
        say(f"A new watermark key is in {path}. Keep it secret and keep a copy: without it, no watermark is found.")
    if "newcert" in options:
        from ganworks.files.provenance.certificates import self_signed

        folder = place(options["newcert"], "newcert")
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = self_signed()
        _secret(folder / "key.pem", key)
        _secret(folder / "cert.pem", certificate)
        say(
            f"A self-signed certificate is in {folder / 'cert.pem'}, its private key in {folder / 'key.pem'}.",
            "Signatures by it are valid but not trusted; for the public, get one from an authority of C2PA's list.",
        )


def _secret(path: Path, content: bytes) -> None:
    """A new file that only its owner reads; nothing is overwritten."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise TakenError(f"{path} is there already, and keys are never overwritten. Name another place.") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
