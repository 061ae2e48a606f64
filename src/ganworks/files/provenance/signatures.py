"""Reads and validates the C2PA manifest of a file of any origin, without the network."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.files.provenance.signing import BESIDE, MIMES, OTHER, context_of, library, pem

_CLAIMED = b"c2pa.claim"  # stands in every manifest
LARGEST = 1 << 30  # bytes of a file whose manifest is read


@dataclass(frozen=True)
class Signature:
    """What a manifest says, and whether it holds.

    state: "trusted" | "valid" (but by a certificate that is not trusted) | "invalid" | "not_present". by: who signed.
    term: the digital source type. program: what made the claim. reasons: what is wrong, in C2PA's codes.
    """

    state: str = "not_present"
    by: str = ""
    term: str = ""
    program: str = ""
    reasons: tuple[str, ...] = ()
    note: dict[str, Any] | None = field(default=None)


def signature_of(path: Path, trust: str | None = None) -> Signature:
    """The signature of a file, or the one in NAME.c2pa beside it. trust: a PEM file of certificates that are trusted.

    Raises UsageError without c2pa-python, for a `trust` that cannot be read, and for more than 1 GB.
    """
    if path.stat().st_size > LARGEST:
        raise UsageError(f"{path} has more than {LARGEST >> 30} GB; its manifest is not read.")
    beside = path.with_name(path.name + BESIDE)
    manifest = beside.read_bytes() if beside.is_file() and beside.stat().st_size <= LARGEST >> 4 else None
    return signature_in(path.read_bytes(), path.name, trust, manifest)


def signature_in(content: bytes, name: str, trust: str | None = None, manifest: bytes | None = None) -> Signature:
    """The same of bytes. manifest: that which lay beside them."""
    c2pa = library()
    mime = MIMES.get(Path(name).suffix.lower())
    if mime is None and manifest is None:
        return Signature()
    try:
        with context_of(c2pa, pem(trust, "certificate").decode("ascii", "replace") if trust else "") as context:
            given = {} if manifest is None else {"manifest_data": manifest}
            with c2pa.Reader(mime or OTHER, io.BytesIO(content), context=context, **given) as reader:
                return _read(reader)
    except c2pa.C2paError.ManifestNotFound:
        return Signature()
    except c2pa.C2paError as error:
        state = "invalid" if manifest is not None or _CLAIMED in content else "not_present"
        return Signature(state, reasons=(str(error)[:200],))


def _read(reader: Any) -> Signature:
    found = read_json(reader.json(), "the manifest")
    active = found.get("manifests", {}).get(found.get("active_manifest"), {})
    results = found.get("validation_results", {}).get("activeManifest", {})
    state = {"Trusted": "trusted", "Valid": "valid"}.get(str(reader.get_validation_state()), "invalid")
    failures = tuple(str(item.get("code")) for item in results.get("failure", []))
    who = active.get("signature_info", {})
    name = ", ".join(str(who[key]) for key in ("common_name", "issuer") if who.get(key))
    actions = [a for part in active.get("assertions", []) for a in _actions(part)]
    term = next((str(a["digitalSourceType"]).rpartition("/")[2] for a in actions if "digitalSourceType" in a), "")
    notes = [part.get("data") for part in active.get("assertions", []) if part.get("label") == "org.ganworks.note"]
    program = next((str(info.get("name", "")) for info in active.get("claim_generator_info", [])), "")
    return Signature(state, name, term, program, failures, next(iter(notes), None))


def _actions(part: dict[str, Any]) -> list[dict[str, Any]]:
    data = part.get("data")
    listed = data.get("actions", []) if isinstance(data, dict) and "actions" in str(part.get("label")) else []
    return [action for action in listed if isinstance(action, dict)]
