"""What people asked at a station and did not find, or found late: texts and counts, nobody's name. No case."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypedDict

from casework.canonical import Document, address, is_addressed
from casework.documents.document_type import CODE12, HASH32, HLC, SIGNED, DocumentType, nullable, shape, text
from casework.documents.item import CODE
from casework.documents.register import Key
from casework.signing import Sign, document_holds, sign_document
from casework.times import Hlc

LONGEST = 20
"""Characters; what is longer is a story, and stories are about somebody."""
MOST = 500
"""So many texts in one document; what is beyond comes the next day."""

# Digits as they are typed and as they are said: a number of a card, a phone, a house is nobody's question.
_DIGITS = re.compile(r"[\d〇零一二三四五六七八九幺两]{4}")

TYPE = DocumentType(
    name="misses",
    title="没查到的问法",
    id_pattern=f"misses:{CODE12}:{HLC}:{HASH32}",
    immutable=True,
    schema=shape(
        {
            "station": text(CODE12),
            "at": text(HLC),
            "asked": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST,
                "items": shape(
                    {
                        "text": text(most=LONGEST),
                        "times": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                        "item": nullable(text(CODE)),
                    }
                ),
            },
            **SIGNED,
        }
    ),
)


class Asked(TypedDict):
    """A text as it is compared (simplified), how often, and the item that was opened in the end, if any."""

    text: str
    times: int
    item: str | None


def may_go_home(said: str) -> bool:
    """Whether a simplified text may leave its station, names apart, which only the station knows."""
    return 2 <= len(said) <= LONGEST and _DIGITS.search(said) is None


def compose(*, station: str, at: Hlc, asked: Iterable[Asked], key: str, sign: Sign) -> Document:
    """A complete record with `_id` and `_rev`, signed by the station."""
    body: Document = {"station": station, "at": at.text(), "asked": [dict(one) for one in asked]}
    return address(f"misses:{station}:{at.text()}", sign_document(body, key, sign))


def misses_hold(document: Document, key: Key) -> bool:
    """Whether a record is what its station signed: its shape, its hash, its signature, its own name in the id."""
    return (
        not TYPE.problems(document)
        and document["_id"].startswith(f"misses:{document['station']}:{document['at']}:")
        and key.station == document["station"]
        and is_addressed(document)
        and document_holds(document, key.public_key)
    )
