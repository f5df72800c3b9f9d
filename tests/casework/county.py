"""A small county in memory: keys, register, an item, and pens that write events the way stations do."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from casework.calendar import Calendar
from casework.canonical import Document
from casework.case import Case
from casework.documents import event as event_type
from casework.documents import item as item_type
from casework.documents import register as register_type
from casework.documents.event import By
from casework.documents.register import Register
from casework.fold import fold
from casework.holidays import known_calendars
from casework.signing import Sign, base64url, sign_document, signer
from casework.times import Hlc, from_milliseconds, milliseconds, rfc3339

COUNTY = "600101000000"
TOWNSHIP = "600101101000"
VILLAGE = "600101101201"
NEIGHBOUR = "600101101202"  # another village of the same township
OTHER_TOWNSHIP = "600101200000"
STATIONS = {
    COUNTY: ("county", None, "驿山县政务服务中心"),
    TOWNSHIP: ("township", COUNTY, "河口镇便民服务中心"),
    VILLAGE: ("village", TOWNSHIP, "柳树湾村便民服务站"),
    NEIGHBOUR: ("village", TOWNSHIP, "石桥村便民服务站"),
    OTHER_TOWNSHIP: ("township", COUNTY, "青山乡便民服务中心"),
}
NUMBER = f"{VILLAGE}-20260916-0007-9M4TD"
MORNING = datetime(2026, 9, 16, 1, 21, tzinfo=UTC)  # 09:21 in China, a Wednesday

CALENDAR = Calendar.of(known_calendars())

AGENT: By = {"account": "wang", "name": "王某某", "role": "agent", "department": None}
WINDOW: By = {"account": "he", "name": "何某某", "role": "township", "department": None}
REVIEWER: By = {"account": "zhao", "name": "赵某某", "role": "reviewer", "department": "民政"}
STRANGER: By = {"account": "qian", "name": "钱某某", "role": "reviewer", "department": "残联"}
ADMIN: By = {"account": "sun", "name": "孙某某", "role": "admin", "department": None}


@cache
def private_key(name: str) -> ec.EllipticCurvePrivateKey:
    # The same key for a name in every process: a failing seed of the simulation is replayed to the byte.
    return ec.derive_private_key(int.from_bytes(sha256(name.encode()).digest()) >> 1, ec.SECP256R1())


def sign_as(key: str) -> Sign:
    """As `casework.signing.signer`, but the same signature each time (RFC 6979): a seed is replayed to the byte."""
    algorithm = ec.ECDSA(SHA256(), deterministic_signing=True)

    def sign(payload: bytes) -> str:
        r, s = decode_dss_signature(private_key(key).sign(payload, algorithm))
        return base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    return sign


def sign_afresh(key: str) -> Sign:
    """As the product signs: another signature each time, of the same as well."""
    return signer(private_key(key))


@cache
def certificate(name: str, issuer: str = "authority") -> x509.Certificate:
    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer))
        .public_key(private_key(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=name == "authority", path_length=None), critical=True)
        .sign(private_key(issuer), SHA256())
    )


def key_entry(station: str, serial: int = 1, *, revoked: Document | None = None) -> Document:
    kind, parent, name = STATIONS[station]
    der = certificate(f"{station}:{serial}").public_bytes(Encoding.DER)
    return {
        "id": f"{station}:{serial}",
        "station": station,
        "kind": kind,
        "parent": parent,
        "name": name,
        "certificate": base64.b64encode(der).decode(),
        "since": "2026-01-01T00:00:00.000Z",
        "revoked": revoked,
    }


def register_document(entries: Sequence[Document] | None = None, *, number: int = 1) -> Document:
    body = register_type.build(
        number,
        "600101",
        entries if entries is not None else [key_entry(station) for station in STATIONS],
        "2026-01-01T00:00:00.000Z",
        certificate("authority").public_bytes(Encoding.PEM).decode(),
    )
    return sign_document(body, register_type.AUTHORITY, sign_as("authority"))


@cache
def register() -> Register:
    return Register.of(register_document(), authority=None)


PLAIN_FORM: Document = {
    "type": "object",
    "title": "通用申请表",
    "additionalProperties": False,
    "required": ["reason"],
    "properties": {"reason": {"title": "申请事由", "type": "string", "minLength": 2, "examples": ["因病申请"]}},
}


def item_content(**changes: Any) -> Document:
    content: Document = {
        "code": "60010100MZ-JF-0001",
        "name": "最低生活保障对象认定与保障金给付",
        "also_called": ["低保"],
        "category": "困难救助",
        "type": "行政给付",
        "type_code": "05",
        "department": "民政",
        "decides": {"level": "county", "department": "民政", "office": "县民政局"},
        "handling_level": "township",
        "village_role": "代办",
        "service_objects": ["自然人"],
        "case_type": "承诺件",
        "conditions": ["家庭人均收入低于本县标准"],
        "materials": [
            {
                "id": "m01",
                "name": "申请表",
                "type": "原件",
                "form": "纸质",
                "copies": 1,
                "necessity": "必要",
                "source": "申请人自备",
            },
            {
                "id": "m02",
                "name": "居民身份证",
                "type": "复印件",
                "form": "纸质",
                "copies": 1,
                "necessity": "必要",
                "source": "政府部门核发",
            },
            {
                "id": "m03",
                "name": "授权委托书",
                "type": "原件",
                "form": "纸质",
                "copies": 1,
                "necessity": "非必要",
                "source": "申请人自备",
            },
        ],
        "legal": {"n": 30, "unit": "工作日"},
        "promised": {"n": 20, "unit": "工作日"},
        "fee": {"charged": False, "amount": None, "basis": ""},
        "visits": {"count": 1, "reason": "交验原件"},
        "steps": [{"title": "受理", "who": "村站"}],
        "result": {"name": "", "kind": "资金"},
        "phones": {"enquiry": "0000-0000001", "complaint": "0000-0000002"},
        "basis": [{"title": "社会救助暂行办法"}],
        "form": PLAIN_FORM,
        "form_version": 1,
        "proxy_allowed": True,
        "withdraw_until": "decided",
    }
    return {**content, **changes}


FLOW: Document = {
    "accepts": "township",
    "steps": [
        {
            "id": "visit",
            "title": "现场踏勘",
            "kind": "inspection",
            "who": {"level": "township"},
            "days": {"n": 5, "unit": "工作日"},
        },
        {
            "id": "notice",
            "title": "村内公示",
            "kind": "public_notice",
            "who": {"level": "village"},
            "days": {"n": 7, "unit": "自然日"},
            "after": ["visit"],
            "skippable": True,
        },
        {
            "id": "land",
            "title": "自然资源部门会审",
            "kind": "cohandling",
            "who": {"level": "county", "department": "残联"},
            "days": {"n": 3, "unit": "工作日"},
            "after": ["visit"],
        },
        {
            "id": "moved",
            "title": "异地新建核查",
            "kind": "handling",
            "who": {"level": "township"},
            "when": {"form.reason": ["异地新建"]},
            "after": ["visit"],
        },
    ],
    "extension": {"most": 10},
}
"""A flow with an inspection, two parallel steps after it, and one that applies only where one builds elsewhere."""


@cache
def _item(level: str, withdraw_until: str, days: int, flow: bool) -> Document:
    office = {"county": "县民政局", "township": "河口镇人民政府", "village": "村民委员会"}[level]
    content = item_content(
        decides={"level": level, "department": "民政", "office": office},
        withdraw_until=withdraw_until,
        promised=None if days < 0 else {"n": days, "unit": "工作日"},
        flow=FLOW if flow else None,
    )
    return item_type.build(content, release=1, key=f"{COUNTY}:1", sign=sign_as(f"{COUNTY}:1"))


def item(*, level: str = "county", withdraw_until: str = "decided", days: int = 20, flow: bool = False) -> Document:
    return _item(level, withdraw_until, days, flow)


def intake_data(of: Document | None = None, **changes: Any) -> Document:
    of = of or item()
    data: Document = {
        "item": of["code"],
        "terms": of["terms"],
        "terms_sig": of["terms_sig"],
        "terms_key": of["terms_key"],
        "applicant": {
            "name": "张某某",
            "id_type": "居民身份证",
            "id_number": "600000196001010016",
            "phone": "13000000001",
        },
        "form": {"reason": "因病申请"},
        "materials": [
            {"id": material["id"], "name": material["name"], "state": "missing"} for material in of["materials"]
        ],
    }
    return {**data, **changes}


@dataclass
class Pen:
    """One process at one station: its clock, its running number, its last stamp."""

    station: str
    by: By
    case: str = NUMBER
    incarnation: str = ""
    key_serial: int = 1
    now: datetime = MORNING
    offset_ms: int = 0
    serial: int = 0
    last: Hlc | None = None
    prev: str | None = None
    log: list[Document] = field(default_factory=list)

    def write(
        self, kind: str, data: Mapping[str, Any], seen: Sequence[Document | str] = (), *, by: By | None = None
    ) -> Document:
        self.now += timedelta(seconds=1)
        corrected = milliseconds(self.now) + self.offset_ms
        self.last = Hlc.tick(corrected, self.last, self.station)
        self.serial += 1
        key = f"{self.station}:{self.key_serial}"
        document = event_type.compose(
            case=self.case,
            kind=kind,
            data=data,
            by=by or self.by,
            station=self.station,
            incarnation=self.incarnation or f"{self.by['account']}-1",
            key=key,
            at=self.last,
            clock={"raw": rfc3339(self.now), "offset": self.offset_ms, "how": "county"},
            seen=[other if isinstance(other, str) else other["_id"] for other in seen],
            home=f"station-{self.case[:12]}",
            serial=self.serial,
            prev=self.prev,
            sign=sign_as(key),
        )
        self.prev = document["_id"]
        self.log.append(document)
        return document


def agent(**changes: Any) -> Pen:
    return Pen(VILLAGE, AGENT, **changes)


def window(**changes: Any) -> Pen:
    return Pen(TOWNSHIP, WINDOW, **changes)


def reviewer(**changes: Any) -> Pen:
    return Pen(COUNTY, REVIEWER, **changes)


def read(*events: Document, by: Register | None = None, calendar: Calendar = CALENDAR) -> Case:
    return fold(events, by or register(), calendar)


def reasons(case: Case) -> dict[str, str]:
    return {entry["id"]: entry["code"] for entry in case["quarantined"]}


def at(minutes: float) -> datetime:
    return from_milliseconds(milliseconds(MORNING) + int(minutes * 60_000))
