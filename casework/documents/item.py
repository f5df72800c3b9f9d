"""A service item (政务服务事项): its guide, its form, and the terms under which a case is accepted."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from casework.canonical import Document, NotCanonical, canonical
from casework.conditions import CONDITION_SCHEMA
from casework.documents.document_type import (
    KEY_ID,
    SIGNATURE,
    SIGNED,
    DocumentType,
    nullable,
    shape,
    text,
)
from casework.flow import FLOW_SCHEMA
from casework.signing import Sign, sign_document

LEVELS = {"village": "村（社区）级", "township": "镇（乡、街道）级", "county": "县级"}
"""Who can decide (行使层级): GB/T 39046-2020 A.2 codes 6, 5 and 4, which `handling_level` uses as they
are.
"""

CASE_TYPES = ("即办件", "承诺件", "其他")  # GB/T 39046-2020 A.5
VILLAGE_ROLES = ("直办", "代办", "协办", "公开告知")
SERVICE_OBJECTS = ("自然人", "企业法人", "事业法人", "社会组织法人", "行政机关", "其他组织")
NECESSITIES = ("必要", "非必要", "容缺后补")  # GB/T 39046-2020, material's necessity 1, 2, 3
UNITS = ("工作日", "自然日")
WITHDRAW_UNTIL = {
    "never": "收件后不能撤回",
    "accepted": "受理前可以撤回",
    "decided": "作出决定前可以撤回",
}
"""Until which step a withdrawal is accepted at the counter: one rule of the item (domain.md, 2); `step:ID` is until
that step of its flow begins."""

_WITHDRAW_UNTIL = {"type": "string", "pattern": f"^({'|'.join(WITHDRAW_UNTIL)}|step:[a-z0-9][a-z0-9_-]{{0,39}})$"}

CODE = r"[0-9A-Za-z][0-9A-Za-z.-]{0,63}"

_TEXT = {"type": "string", "maxLength": 4000}
_LINE = {"type": "string", "minLength": 1, "maxLength": 200}
_LIMIT = nullable(shape({"n": {"type": "integer", "minimum": 0, "maximum": 3660}, "unit": {"enum": list(UNITS)}}))
_DECIDES = shape(
    {
        "level": {"enum": list(LEVELS)},
        "department": _LINE,
        "office": _LINE,
    }
)
_SHORT = {"type": "string", "maxLength": 40}
_MATERIAL = shape(
    {
        "id": text(r"[a-z0-9][a-z0-9_-]{0,39}"),
        "name": _LINE,
        "type": _SHORT,
        "form": _SHORT,
        "copies": {"type": "integer", "minimum": 0, "maximum": 99},
        "necessity": {"enum": list(NECESSITIES)},
        "source": _SHORT,
        "source_code": _SHORT,
        "note": _TEXT,
        "when": CONDITION_SCHEMA,
    },
    optional=frozenset({"source_code", "note", "when"}),
)
_ID = text(r"[a-z0-9][a-z0-9_-]{0,39}")
_SITUATION = shape(
    {
        "id": _ID,
        "title": _LINE,
        "options": {"type": "array", "minItems": 2, "maxItems": 12, "items": shape({"id": _ID, "title": _LINE})},
    }
)
"""A question about the case (情形) whose answer says which materials, fields and steps apply."""

_TERMS_FIELDS = {
    "item": text(CODE),
    "name": _LINE,
    "release": {"type": "integer", "minimum": 1},
    "decides": _DECIDES,
    "case_type": {"enum": list(CASE_TYPES)},
    "promised": _LIMIT,
    "legal": _LIMIT,
    "withdraw_until": _WITHDRAW_UNTIL,
    "form_version": {"type": "integer", "minimum": 1},
    "flow": nullable(FLOW_SCHEMA),
}

TERMS_SCHEMA = shape(_TERMS_FIELDS, optional=frozenset({"flow"}))
"""The shape of `terms`."""

_CONTENT_FIELDS: dict[str, Any] = {
    "code": text(CODE),
    "name": _LINE,
    "also_called": {"type": "array", "items": _LINE},
    "category": _LINE,
    "type": _LINE,
    "type_code": text(r"\d{2}"),
    "department": _LINE,
    "decides": _DECIDES,
    "handling_level": {"enum": list(LEVELS)},
    "village_role": {"enum": list(VILLAGE_ROLES)},
    "service_objects": {"type": "array", "items": {"enum": list(SERVICE_OBJECTS)}, "minItems": 1},
    "case_type": {"enum": list(CASE_TYPES)},
    "conditions": {"type": "array", "items": _TEXT},
    "situations": {"type": "array", "items": _SITUATION, "maxItems": 8},
    "materials": {"type": "array", "items": _MATERIAL},
    "legal": _LIMIT,
    "promised": _LIMIT,
    "limit_basis": _TEXT,
    "fee": shape(
        {
            "charged": {"type": "boolean"},
            "amount": nullable({"type": "integer", "minimum": 0}),
            "basis": _TEXT,
        }
    ),
    "visits": shape({"count": {"type": "integer", "minimum": 0}, "reason": _TEXT}),
    "steps": {
        "type": "array",
        "items": shape({"title": _LINE, "who": _LINE, "text": _TEXT}, optional=frozenset({"text"})),
    },
    "result": shape({"name": {"type": "string", "maxLength": 200}, "kind": _SHORT}),
    "where": {
        "type": "array",
        "items": shape(
            {"place": _LINE, "address": _TEXT, "hours": _TEXT, "phone": _SHORT},
            optional=frozenset({"address", "hours", "phone"}),
        ),
    },
    "phones": shape({"enquiry": _SHORT, "complaint": _SHORT}),
    # Where one turns against a decision (救济途径): who reviews it (复议机关), which court (管辖法院).
    "remedy": shape({"review": _LINE, "court": _LINE}, optional=frozenset({"review", "court"})),
    "basis": {
        "type": "array",
        "items": shape({"title": _LINE, "article": _TEXT, "text": _TEXT}, optional=frozenset({"article", "text"})),
    },
    "faq": {"type": "array", "items": shape({"question": _LINE, "answer": _TEXT})},
    "form": {"type": "object", "required": ["type"], "properties": {"type": {"const": "object"}}},
    "hints": {"type": "object"},
    "form_version": {"type": "integer", "minimum": 1},
    "proxy_allowed": {"type": "boolean"},
    "proxy_reason": _TEXT,
    "withdraw_until": _WITHDRAW_UNTIL,
    "flow": nullable(FLOW_SCHEMA),
    "note": _TEXT,
    "provenance": {"type": "string", "maxLength": 200},
}

_OPTIONAL_CONTENT = frozenset(
    {
        "flow",
        "remedy",
        "type_code",
        "limit_basis",
        "proxy_reason",
        "note",
        "provenance",
        "hints",
        "also_called",
        "faq",
        "where",
        "situations",
    }
)

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
