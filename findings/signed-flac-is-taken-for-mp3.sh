#!/usr/bin/env bash
# c2pa-python 0.38.1: a FLAC file that it signs no longer begins as a FLAC file.
#
# One would guess: signing embeds the manifest where the format has a place for foreign data (FLAC: an APPLICATION block), so
# that the file still begins with "fLaC", the marker that RFC 9639 puts first, and is told as FLAC by its first bytes.
#
# Seen: the signed file begins with an ID3v2.4 tag that holds the manifest; "fLaC" follows 2.7 kB later. libsndfile decodes it
# as before, sample for sample; but what goes by the first bytes takes it for MP3: filetype 1.2.0 and puremagic 1.30 say so, and
# mutagen 1.48.1, given the bytes without a name, raises HeaderNotFoundError "can't sync to MPEG frame". All three know the
# unsigned file. Whoever sorts, tags or refuses uploads by them loses signed FLAC.
#
# Fails when that changes. Needs Python 3.11+ and the network; installs into a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check c2pa-python==0.38.1 cryptography==50.0.2 soundfile==0.14.0 \
    numpy==2.4.6 filetype==1.2.0 puremagic==1.30 mutagen==1.48.1
cat > "$folder/seen.py" <<'PY'
import datetime
import io
import json

import c2pa
import filetype
import mutagen
import numpy as np
import puremagic
import soundfile
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def self_signed():
    """(certificate, key) as PEM, of the profile that the library asks for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trial"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "t")])
    made = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=9))
    made = made.add_extension(x509.BasicConstraints(False, None), True)
    made = made.add_extension(x509.KeyUsage(True, *[False] * 8), True)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return made.sign(key, hashes.SHA256()).public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


sound = io.BytesIO()
soundfile.write(sound, (0.3 * np.sin(np.arange(8000) / 9)).astype(np.float32), 8000, format="FLAC")
action = {"action": "c2pa.created", "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"}
claim = {"claim_generator_info": [{"name": "trial", "version": "1"}],
         "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]}
certificate, key = self_signed()
about = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=certificate, private_key=key, ta_url=None)
signed = io.BytesIO()
with c2pa.Builder(json.dumps(claim)) as builder, c2pa.Signer.from_info(about) as signer:
    builder.sign(signer, "audio/flac", io.BytesIO(sound.getvalue()), signed)

seen = {}
for name, content in (("unsigned", sound.getvalue()), ("signed", signed.getvalue())):
    try:
        kind = type(mutagen.File(io.BytesIO(content))).__name__
    except mutagen.MutagenError as error:
        kind = type(error).__name__
    seen[name] = [content[:4], filetype.guess(content).mime, puremagic.from_string(content), kind]
    print(f"{name:9} begins {content[:4]!r:12} filetype {seen[name][1]:14} puremagic {seen[name][2]:6} mutagen {kind}")
print(f"The marker fLaC stands at byte {signed.getvalue().find(b'fLaC')} of the signed file.")
same = [soundfile.read(io.BytesIO(made.getvalue()))[0] for made in (sound, signed)]
assert np.array_equal(*same), "the samples are the same"
assert seen == {
    "unsigned": [b"fLaC", "audio/x-flac", ".flac", "FLAC"],
    "signed": [b"ID3\x04", "audio/mpeg", ".mp3", "HeaderNotFoundError"],
}, seen
PY
"$folder/venv/bin/python" "$folder/seen.py"
echo "As described, c2pa-python 0.38.1."
