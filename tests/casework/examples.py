"""One good example of every document type and of every kind's data; the registries ask for them."""

from __future__ import annotations

from typing import Any

from casework.canonical import Document
from casework.documents import account, audit, chunk, receipt, release, station
from casework.holidays import known_calendars
from casework.signing import sign_document
from casework.times import Hlc, milliseconds, rfc3339
from tests.casework.county import (
    COUNTY,
    MORNING,
    NUMBER,
    TOWNSHIP,
    VILLAGE,
    agent,
    intake_data,
    item,
    register_document,
    sign_as,
)

KEY = f"{COUNTY}:1"


def county_signed(body: Document) -> Document:
    return sign_document(body, KEY, sign_as(KEY))


def stored(document: Document) -> Document:
    return {**document, "_rev": "1-" + "a" * 32}


def documents() -> dict[str, Document]:
    received = agent().write("received", intake_data())
    calendars = [stored(county_signed(year)) for year in known_calendars()]
    return {
        "event": received,
        "chunk": chunk.cut(NUMBER, b"a photo")[0][0],
        "receipt": receipt.compose(
            case=NUMBER,
            heads=[received["_id"]],
            at=rfc3339(MORNING),
            hlc=Hlc(milliseconds(MORNING), 0, COUNTY),
            key=KEY,
            sign=sign_as(KEY),
        ),
        "item": item(),
        "release": county_signed(release.build(1, rfc3339(MORNING), [stored(item())], calendars)),
        "register": register_document(),
        "account": county_signed(
            account.build(
                username="wang.agent",
                name="王某某",
                roles=["agent"],
                station=VILLAGE,
                department=None,
                password_hash="$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
                title="代办员",
            )
        ),
        "station": county_signed(
            station.build(code=VILLAGE, name="柳树湾村便民服务站", kind="village", parent=TOWNSHIP)
        ),
        "calendar": calendars[1],
        "audit": batch(),
    }


def batch() -> Document:
    entry = audit.Entry(
        at=rfc3339(MORNING), account="wang", name="王某某", role="agent", act="opened", case=NUMBER, what=""
    )
    key = f"{VILLAGE}:1"
    return audit.compose(
        station=VILLAGE,
        incarnation="0123456789abcdef",
        serial=1,
        prev=None,
        position=1,
        before=audit.BEGINNING,
        entries=[entry],
        hashes=[audit.chained(audit.BEGINNING, entry)],
        at=Hlc(milliseconds(MORNING), 0, VILLAGE),
        key=key,
        sign=sign_as(key),
    )


def kinds() -> dict[str, dict[str, Any]]:
    earlier = agent().write("received", intake_data())["_id"]
    return {
        "received": intake_data(channel="counter"),
        "accepted": {},
        "material_added": {
            "material": "m01",
            "file": {
                "id": "a" * 32,
                "name": "申请表.jpg",
                "type": "image/jpeg",
                "size": 7,
                "sha256": "a" * 64,
                "chunks": ["b" * 32],
            },
        },
        "field_corrected": {"path": "applicant.phone", "value": "13000000002", "reason": "换了号"},
        "decided": {"outcome": "refused", "reason": "收入超过标准", "basis": "社会救助暂行办法第九条"},
        "withdrawn": {"reason": "不办了"},
        "clock_corrected": {"events": [earlier], "offset": 86_400_000, "how": "办事人确认日期"},
        "settled": {"point": "c" * 32, "value": earlier, "reason": "电话核实"},
    }
