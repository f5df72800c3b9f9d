"""A question or a small service at the 咨询台: what about, what became of it, and who took it (首问负责). No case."""

from __future__ import annotations

import re
from collections.abc import Sequence

from casework.canonical import Document, address, is_addressed
from casework.channels import CHANNELS
from casework.documents.document_type import CODE12, HASH32, HLC, SIGNED, DocumentType, nullable, shape, text
from casework.documents.event import By
from casework.documents.item import CODE
from casework.documents.register import Key
from casework.signing import Sign, document_holds, sign_document
from casework.times import Hlc

KINDS = {
    "policy": "问政策",
    "materials": "问材料",
    "progress": "查进度",
    "where": "问去哪办",
    "form": "帮填表",
    "copy": "复印打印",
    "phone": "帮用手机",
    "payment": "代缴费",
    "parcel": "代收代寄",
    "other": "其他",
}
"""What people come for, besides cases; `other` has its own words."""

OWN_WORDS = "enquiries"
"""The code under which a county keeps its own list of them, among the words that a release carries."""
MOST_KINDS = 20

DONE = {"answered": "答复了", "done": "办了", "referred": "引到别处"}

TYPE = DocumentType(
    name="enquiry",
    title="咨询记录",
    id_pattern=f"enquiry:{CODE12}:{HLC}:{HASH32}",
    immutable=True,
    schema=shape(
        {
            "station": text(CODE12),
            "at": text(HLC),
            "kind": {"enum": list(KINDS)},
            "text": text(most=60),
            "item": nullable(text(CODE)),
            "item_name": text(most=200),
            "done": {"enum": list(DONE)},
            "channel": {"enum": list(CHANNELS)},
            "by": shape(
                {
                    "account": {"type": "string", "minLength": 1, "maxLength": 60},
                    "name": {"type": "string", "minLength": 1, "maxLength": 60},
                    "role": {"type": "string", "minLength": 1, "maxLength": 40},
                    "department": nullable({"type": "string", "minLength": 1, "maxLength": 40}),
                }
            ),
            **SIGNED,
        }
    ),
)

_DIGITS = re.compile(r"\d[\d \-]{5,}\d")


def problems_of(words: str) -> str | None:
    """Why these words may not stand in a record that names nobody; None when they may."""
    if not words.strip():
        return "请写问什么，可以从常用的里选。"
    if len(words) > 60:
        return "写短一点，60 个字以内。"
    if _DIGITS.search(words):
        return "这里不写电话和证件号码，写问的是什么就行。"
    return None


def kinds_of(own: Sequence[str] | None) -> dict[str, str]:
    """What people come for, as the desk offers it: the county's own list where it has one, `other` last.

    What stands in our list keeps its kind there; a word of the county's own is recorded as `other` with that word, so
    that every station can read it, whichever list it has.
    """
    known = {word: kind for kind, word in KINDS.items()}
    offered = {known.get(word, word): word for word in own or KINDS.values()}
    return {kind: word for kind, word in offered.items() if kind != "other"} | {"other": KINDS["other"]}


def kinds_problems(words: Sequence[str]) -> str | None:
    """Why this cannot be a county's list; None when it can."""
    if not 1 <= len(words) <= MOST_KINDS:
        return f"写 1 到 {MOST_KINDS} 种，一行一种。"
    if len(set(words)) < len(words):
        return "有一种写了两遍。"
    return next((f"“{word[:20]}”：{wrong}" for word in words if (wrong := problems_of(word)) is not None), None)


def kind_of(words: str) -> tuple[str, str]:
    """(kind, text): one of the usual kinds by its word, else `other` with these words."""
    tidy = words.strip()
    kind = next((kind for kind, word in KINDS.items() if word == tidy), "other")
    return kind, "" if kind != "other" or tidy == KINDS["other"] else tidy


def compose(
    *,
    station: str,
    at: Hlc,
    kind: str,
    words: str,
    item: str | None,
    item_name: str,
    done: str,
    channel: str,
    by: By,
    key: str,
    sign: Sign,
) -> Document:
    """A complete record with `_id` and `_rev`, signed by the station; `words` are for `other`."""
    body: Document = {
        "station": station,
        "at": at.text(),
        "kind": kind,
        "text": words,
        "item": item,
        "item_name": item_name,
        "done": done,
        "channel": channel,
        "by": dict(by),
    }
    return address(f"enquiry:{station}:{at.text()}", sign_document(body, key, sign))


def enquiry_holds(document: Document, key: Key) -> bool:
    """Whether a record is what its station signed: its shape, its hash, its signature, its own name in the id."""
    return (
        not TYPE.problems(document)
        and document["_id"].startswith(f"enquiry:{document['station']}:{document['at']}:")
        and key.station == document["station"]
        and is_addressed(document)
        and document_holds(document, key.public_key)
    )
