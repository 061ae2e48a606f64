"""XMP packets (ISO 16684-1) with IPTC's digital source type and the note, written and read.

Packets are read as XML whatever program wrote them last: properties may be attributes or elements, under any prefix.
A document type or an entity is refused, so that a packet cannot be larger than its bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from ganworks.files.provenance.note import LARGEST, SOURCE, TERMS, parsed

_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_DC = "http://purl.org/dc/elements/1.1/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


@dataclass(frozen=True)
class Packet:
    """What a packet says. note: that of ganworks, or None. term: the digital source type, "" for none."""

    note: dict[str, Any] | None = None
    term: str = ""


def xmp(mark: dict[str, Any]) -> str:
    """The note as an XMP packet with IPTC's digital source type."""
    term = quoteattr(TERMS + str(mark.get("digitalSourceType", SOURCE)))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{_IPTC}" xmlns:dc="{_DC}" '
        f"Iptc4xmpExt:DigitalSourceType={term} dc:source={quoteattr(json.dumps(mark, default=str))}/></rdf:RDF>"
        '</x:xmpmeta><?xpacket end="w"?>'
    )


def read_xmp(packet: bytes | str | None) -> Packet:
    """What a packet of any origin says; nothing for what is damaged, too large or declares entities."""
    raw = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet or b""
    raw = raw.strip(b"\0 \t\r\n")
    if not raw or len(raw) > LARGEST:
        return Packet()
    values = _Values()
    try:
        values.parser.Parse(raw, True)
    except (expat.ExpatError, _RefusedError, ValueError):
        return Packet()
    term = next((t for t in values.found[f"{_IPTC} DigitalSourceType"] if t.startswith(TERMS)), "")
    notes = (parsed(text) for text in values.found[f"{_DC} source"])
    return Packet(next((found for found in notes if found is not None), None), term.removeprefix(TERMS))


class _RefusedError(Exception):
    """The packet declares a document type."""


class _Values:
    """Collects the texts of two properties, as attributes, as elements, as items of lists, or as resources."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {f"{_IPTC} DigitalSourceType": [], f"{_DC} source": []}
        self.open: list[str] = []
        self.text: list[str] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.text.append

    def _refuse(self, *_: Any) -> None:
        raise _RefusedError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        for attribute, value in attributes.items():
            if attribute in self.found:
                self.found[attribute].append(value)
        if name in self.found:
            self.open.append(name)
            self.found[name] += [attributes[f"{_RDF} resource"]] if f"{_RDF} resource" in attributes else []
        self.text.clear()

    def _end(self, name: str) -> None:
        text = "".join(self.text).strip()
        if self.open and text:
            self.found[self.open[-1]].append(text)
        self.text.clear()
        if self.open and name == self.open[-1]:
            self.open.pop()
