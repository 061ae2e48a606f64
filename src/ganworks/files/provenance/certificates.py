"""A self-signed certificate for trials of signatures: valid, but trusted by nobody."""

from __future__ import annotations

import datetime

from ganworks.core.errors import UsageError

_YEARS = 5


def self_signed(name: str = "ganworks trial") -> tuple[bytes, bytes]:
    """(certificate, private key) as PEM: P-256, for e-mail protection, as C2PA's profile of certificates wants it.

    Raises UsageError without the extra `provenance`.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise UsageError("Certificates need cryptography: pip install 'ganworks[provenance]'.") from error
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "self-signed")]
    )
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
    uses = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    for part, critical in (
        (x509.BasicConstraints(False, None), True),
        (uses, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
        (identifier, False),
        (authority, False),
    ):
        made = made.add_extension(part, critical)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.sign(key, hashes.SHA256()).public_bytes(pem), private
