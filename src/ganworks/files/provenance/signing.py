"""Signed manifests of C2PA 2 (https://spec.c2pa.org): by the library c2pa-python, extra `provenance`.

A manifest says by whom, with which program and from which ingredients a file was made, and is bound to its bytes. Its
key and certificate are the user's; nothing is asked of the network: no time stamps, no revocation lists, no remote
manifests. A manifest holds the time and random identifiers: signed files of a seed differ in them, and in nothing else.

Where the format has no place in that library (.csv, .txt, .parquet, .npz ...), the manifest lies in NAME.c2pa beside
the file.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.files.provenance.note import SOURCE, TERMS

MIMES = {
    ".png": "image/png", ".apng": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".jpe": "image/jpeg",
    ".jfif": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif", ".tif": "image/tiff", ".tiff": "image/tiff",
    ".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".m4v": "video/mp4",
    ".mov": "video/quicktime", ".avi": "video/avi",
}  # fmt: skip
BESIDE = ".c2pa"  # suffix of a manifest that lies beside its file
KEY_VARIABLE = "GANWORKS_SIGN_KEY"
OTHER = "application/octet-stream"
_LARGEST = 1 << 20  # bytes of a certificate or key file
_SETTINGS = {
    "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True},
    "builder": {"thumbnail": {"enabled": False}},
}
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def library() -> Any:
    """The module `c2pa`; raises UsageError if it is not installed."""
    try:
        import c2pa
    except ImportError as error:
        raise UsageError("Signed manifests need c2pa-python: pip install 'ganworks[provenance]'.") from error
    return c2pa


@dataclass(frozen=True)
class Signer:
    """Signs files. certificate: PEM of the chain, the signer's own first. key: PEM of the private key."""

    certificate: bytes
    key: bytes = field(repr=False)
    algorithm: str = "es256"

    @staticmethod
    def load(words: str) -> Signer:
        """From "CERT.pem,KEY.pem", or "CERT.pem" with the path of the key in GANWORKS_SIGN_KEY.

        Raises UsageError for files that cannot be read or do not belong together, and without c2pa-python.
        """
        library()
        first, _, second = words.partition(",")
        second = second or os.environ.get(KEY_VARIABLE, "")
        if not first or not second:
            raise UsageError(
                f"sign=CERT.pem,KEY.pem names a certificate and its private key; the key may also be named by the "
                f"environment variable {KEY_VARIABLE}. `ganworks verify newcert=FOLDER` makes a pair for trials."
            )
        certificate, key = pem(first, "certificate"), pem(second, "private key")
        return Signer(certificate, key, _algorithm(certificate, key, first, second))

    @property
    def name(self) -> str:
        """Sixteen hexadecimal digits that tell certificates apart."""
        import hashlib

        return hashlib.sha256(self.certificate).hexdigest()[:16]

    def signed(
        self, content: bytes, name: str, mark: dict[str, Any] | None = None, parents: Sequence[tuple[str, bytes]] = ()
    ) -> tuple[bytes, bytes | None]:
        """(the file with its manifest, None), or where the format has no place (the file, the manifest to lie beside).

        parents: (name, content) of the ingredients that it was made from. Raises UsageError when the library refuses.
        """
        c2pa = library()
        mime = MIMES.get(Path(name).suffix.lower())
        try:
            with context_of(c2pa) as context, c2pa.Builder(_manifest(name, mark, mime, bool(parents)), context) as made:
                for title, data in parents:
                    _add_parent(made, title, data)
                if mime is None:
                    made.set_no_embed()
                output = io.BytesIO()
                with c2pa.Signer.from_info(self._info(c2pa)) as signer:
                    manifest = made.sign(signer, mime or OTHER, io.BytesIO(content), output)
        except c2pa.C2paError as error:
            raise UsageError(f"{name} cannot be signed: {str(error)[:300]}") from error
        return (content, bytes(manifest)) if mime is None else (output.getvalue(), None)

    def _info(self, c2pa: Any) -> Any:
        return c2pa.C2paSignerInfo(
            alg=self.algorithm.encode(), sign_cert=self.certificate, private_key=self.key, ta_url=None
        )


def _manifest(name: str, mark: dict[str, Any] | None, mime: str | None, edited: bool) -> str:
    from ganworks import __version__

    mark = mark or {}
    term = str(mark.get("digitalSourceType", SOURCE))
    action: dict[str, Any] = {
        "action": "c2pa.edited" if edited else "c2pa.created",
        "digitalSourceType": term if term.startswith("http") else TERMS + term,
        "softwareAgent": {"name": "ganworks", "version": __version__},
    }
    opened = [{"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}] if edited else []
    facts = {key: value for key, value in mark.items() if value is not None and key != "content"}
    return json.dumps({
        "claim_generator_info": [{"name": "ganworks", "version": __version__}],
        "title": name,
        "format": mime or OTHER,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [*opened, action]}},
            *([{"label": "org.ganworks.note", "data": facts}] if facts else []),
        ],
    }, default=str)  # fmt: skip


def _add_parent(made: Any, title: str, data: bytes) -> None:
    mime = MIMES.get(Path(title).suffix.lower(), OTHER)
    about = {"title": title, "relationship": "parentOf", "label": "parent"}
    made.add_ingredient(json.dumps(about), mime, io.BytesIO(data))


def context_of(c2pa: Any, anchors: str = "") -> Any:
    settings: dict[str, Any] = dict(_SETTINGS)
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def pem(path: str, what: str) -> bytes:
    try:
        with Path(path).expanduser().open("rb") as file:
            content = file.read(_LARGEST)
    except OSError as error:
        raise UsageError(f"The {what} {path} cannot be read: {error.strerror or error}.") from error
    if b"-----BEGIN" not in content:
        raise UsageError(f"The {what} {path} is not in PEM form (it has no line -----BEGIN ...).")
    return content


def _algorithm(certificate: bytes, key: bytes, first: str, second: str) -> str:
    """C2PA's name of the signature of a key pair; UsageError when they are no pair."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        own = x509.load_pem_x509_certificates(certificate)[0].public_key()
        private = serialization.load_pem_private_key(key, None)
    except TypeError as error:
        raise UsageError(f"The private key {second} is encrypted; decrypt it first.") from error
    except ValueError as error:
        raise UsageError(f"{first} or {second} is damaged: {str(error)[:160]}") from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if own.public_bytes(*form) != private.public_key().public_bytes(*form):
        raise UsageError(f"{second} is not the private key of {first}.")
    if isinstance(own, ec.EllipticCurvePublicKey) and own.curve.name in _CURVES:
        return _CURVES[own.curve.name]
    if isinstance(own, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(own, rsa.RSAPublicKey) and own.key_size >= 2048:
        return "ps256"
    known = "P-256, P-384, P-521, Ed25519, or RSA of 2,048 bits"
    raise UsageError(f"{first} has a key that C2PA does not take: use {known}.")
