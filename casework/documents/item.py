"""A service item (政务服务事项): its guide, its form, and the terms under which a case is accepted."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from casework.canonical import Document, NotCanonical, canonical
from casework.documents.document_type import KEY_ID, SIGNATURE, SIGNED, DocumentType, nullable, shape, text
from casework.flow import FLOW_SCHEMA
from casework.guide import elements
from casework.guide.elements import CODE, DECIDES, DECIDING_LEVELS, ENUMERATIONS, ID, UNITS, WITHDRAW_UNTIL
from casework.signing import Sign, sign_document

__all__ = ["CODE", "UNITS", "WITHDRAW_UNTIL"]

LEVELS = {name: ENUMERATIONS["level"].word(name) for name in DECIDING_LEVELS}
"""Who can decide. `handling_level` (行使层级) may be higher: what a county decides by delegation."""

CASE_TYPES = tuple(ENUMERATIONS["case_type"].codes)

_LINE = {"type": "string", "minLength": 1, "maxLength": 200}
_LIMIT = nullable(shape({"n": {"type": "integer", "minimum": 0, "maximum": 3660}, "unit": {"enum": list(UNITS)}}))
_WITHDRAW_UNTIL = {"type": "string", "pattern": f"^({'|'.join(WITHDRAW_UNTIL)}|step:{ID})$"}

_TERMS_FIELDS = {
    "item": text(CODE),
    "name": _LINE,
    "release": {"type": "integer", "minimum": 1},
    "decides": DECIDES,
    "case_type": {"enum": list(CASE_TYPES)},
    "promised": _LIMIT,
    "legal": _LIMIT,
    "withdraw_until": _WITHDRAW_UNTIL,
    "form_version": {"type": "integer", "minimum": 1},
    "flow": nullable(FLOW_SCHEMA),
}

TERMS_SCHEMA = shape(_TERMS_FIELDS, optional=frozenset({"flow"}))
"""The shape of `terms`."""

_CONTENT_FIELDS: dict[str, Any] = elements.content_fields()
_OPTIONAL_CONTENT = elements.OPTIONAL

CONTENT_SCHEMA = shape(_CONTENT_FIELDS, optional=_OPTIONAL_CONTENT)
"""What an editor or an import gives to `build`: everything but what publishing adds (house.md,
"Catalogue").
"""

TYPE = DocumentType(
    name="item",
    title="政务服务事项",
    id_pattern=f"item:{CODE}",
    immutable=False,
    schema=shape(
        {
            **_CONTENT_FIELDS,
            "release": {"type": "integer", "minimum": 1},
            "terms": TERMS_SCHEMA,
            "terms_sig": text(SIGNATURE),
            "terms_key": text(KEY_ID),
            **SIGNED,
        },
        optional=_OPTIONAL_CONTENT,
    ),
)


class Decides(TypedDict):
    """Who decides (决定机关): `level` is village, township or county; departments compare by name, such as
    民政.
    """

    level: str
    department: str
    office: str


class Limit(TypedDict):
    """A time limit (时限): `n` of `unit` 工作日 or 自然日; 0 means 即办."""

    n: int
    unit: str


class Terms(TypedDict):
    """What a case is accepted under (受理所依据的条款). Signed by the county apart from the item, so that a
    case
    carries them and can be read without any catalogue."""

    item: str
    name: str
    release: int
    decides: Decides
    case_type: str
    promised: Limit | None
    legal: Limit | None
    withdraw_until: str
    form_version: int
    flow: NotRequired[dict[str, Any] | None]


def item_id(code: str) -> str:
    """`item:CODE`."""
    return f"item:{code}"


def terms(item: Document) -> Terms:
    """The terms of an item that has its `release`. An item without a flow of its own has none in its terms."""
    agreed = Terms(
        item=item["code"],
        name=item["name"],
        release=item["release"],
        decides=Decides(
            level=item["decides"]["level"],
            department=item["decides"]["department"],
            office=item["decides"]["office"],
        ),
        case_type=item["case_type"],
        promised=item["promised"],
        legal=item["legal"],
        withdraw_until=item["withdraw_until"],
        form_version=item["form_version"],
    )
    if item.get("flow") is not None:
        agreed["flow"] = item["flow"]
    return agreed


def terms_payload(signed_terms: Any) -> bytes:
    """The bytes that `terms_sig` covers. Raises NotCanonical."""
    return canonical(signed_terms)


def build(content: Document, *, release: int, key: str, sign: Sign) -> Document:
    """The item as it is published with `release`: content (CONTENT_SCHEMA), terms and both of the county's
    signatures.

    An item that did not change keeps the release that it was published with. `content` may be a published
    item: what publishing adds is made anew. Raises NotCanonical.
    """
    kept = {name: value for name, value in content.items() if name not in _PUBLISHING and not name.startswith("_")}
    body: Document = {"_id": item_id(content["code"]), **kept, "release": release}
    if "_rev" in content:
        body["_rev"] = content["_rev"]  # the revision that this one follows
    agreed = terms(body)
    body = {**body, "terms": agreed, "terms_sig": sign(terms_payload(agreed)), "terms_key": key}
    return sign_document(body, key, sign)


def is_same_content(one: Document, other: Document) -> bool:
    """Whether two items say the same, publishing apart: then a new release can keep the older document."""
    try:
        return canonical(content_of(one)) == canonical(content_of(other))
    except NotCanonical:
        return False


_PUBLISHING = frozenset({"release", "terms", "terms_sig", "terms_key", "key", "sig"})


def content_of(item: Document) -> Document:
    """What an editor gave: the item without what publishing and a database added."""
    return {name: value for name, value in item.items() if name not in _PUBLISHING and not name.startswith("_")}
