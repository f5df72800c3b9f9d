"""One good example of every document type and of every kind's data; the registries ask for them."""

from __future__ import annotations

from typing import Any

from casework.canonical import Document
from casework.documents import (
    account,
    audit,
    blank,
    chunk,
    directory,
    enquiry,
    misses,
    paper,
    receipt,
    release,
    station,
    words,
)
from casework.holidays import known_calendars
from casework.signing import sign_document
from casework.times import Hlc, milliseconds, rfc3339
from tests.casework.county import (
    COUNTY,
    MORNING,
    NUMBER,
    OTHER_TOWNSHIP,
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
        "release": county_signed(release.build(1, rfc3339(MORNING), [stored(item()), *calendars])),
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
        "paper": county_signed(
            paper.build(
                "receipt",
                {
                    "title": "受理通知书",
                    "paragraphs": ["{applicant}：您申请办理的{item}已受理。"],
                    "remedy": "",
                    "seal": "公章",
                },
            )
        ),
        "directory": county_signed(
            directory.build(
                "000164213000",
                {
                    "title": "社会救助",
                    "parent": None,
                    "order": 1,
                    "gives": {"basis": [{"title": "社会救助暂行办法"}], "power_source": "法定本级行使"},
                },
            )
        ),
        "blank": county_signed(
            blank.build(
                "subsistence",
                {
                    "title": "最低生活保障申请表",
                    "kind": "blank",
                    "file": blank.about("申请表.pdf", b"%PDF-1.7 a form"),
                },
            )
        ),
        "words": county_signed(words.build("same", {"丢": ["弄丢", "[不见|找不到]了"]})),
        "enquiry": enquiry.compose(
            station=VILLAGE,
            at=Hlc(milliseconds(MORNING), 0, VILLAGE),
            kind="materials",
            words="",
            item=None,
            item_name="",
            done="answered",
            channel="market_day",
            by={"account": "wang", "name": "王某某", "role": "agent", "department": None},
            key=f"{VILLAGE}:1",
            sign=sign_as(f"{VILLAGE}:1"),
        ),
        "misses": misses.compose(
            station=VILLAGE,
            at=Hlc(milliseconds(MORNING), 0, VILLAGE),
            asked=[
                {"text": "老汉钱", "times": 3, "item": "60010100MZ-JF-0007"},
                {"text": "养猪的补助", "times": 1, "item": None},
            ],
            key=f"{VILLAGE}:1",
            sign=sign_as(f"{VILLAGE}:1"),
        ),
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
        "correction_requested": {
            "points": [{"text": "身份证复印件看不清，重新复印一份", "material": "m01"}],
            "days": 15,
        },
        "corrected": {"note": "材料当面补齐"},
        "accepted": {"happened_at": "2026-09-15T02:00:00.000Z"},
        "not_accepted": {"reason": "不属于本机关职权", "basis": "行政许可法第三十二条第一款第二项"},
        "proxy_appointed": {
            "name": "王某某",
            "agent": True,
            "matters": ["提交材料", "领取结果"],
            "authority": "代为提交材料、领取结果",
            "from": "2026-09-16",
            "until": "2026-12-31",
            "signed": "thumbprint",
            "witness": "李某某",
        },
        "proxy_ended": {"reason": "办完了"},
        "forwarded": {"to_station": OTHER_TOWNSHIP, "reason": "户籍在青山乡"},
        "sent_back": {"to_station": VILLAGE, "reason": "户主姓名和户口簿不一致"},
        "handed_over": {"slip": "LZ-20260916-01", "to": "河口镇便民服务中心", "papers": ["m01", "m02"]},
        "taken_over": {"handover": earlier, "at": "河口镇便民服务中心", "missing": ["m02"], "extra": []},
        "step_started": {"step": "inspect", "planned_on": "2026-09-20", "text": "上午九点到现场"},
        "step_done": {"step": "inspect", "result": "conditional", "text": "四至要按图纸"},
        "step_skipped": {"step": "notice", "reason": "原址翻建，不用公示"},
        "suspended": {"procedure": "hearing", "reason": "邻居申请听证", "days": 20},
        "resumed": {"note": "听证开完了"},
        "extended": {"days": 10, "reason": "相邻关系复杂", "approved_by": "刘某某"},
        "fee_noticed": {"amount": 1000, "basis": "工本费标准"},
        "fee_paid": {"amount": 1000, "voucher": "No.0012345"},
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
        "decision_corrected": {"said": "姓名写错一个字", "certificate": "兹证明王某某……"},
        "decision_revoked": {"reason": "申请人隐瞒收入", "basis": "行政许可法第六十九条第二款"},
        "returned": {"reason": "逾期没有补正"},
        "withdrawn": {"reason": "不办了"},
        "voided": {"reason": "收错了事项", "instead": f"{VILLAGE}-20260916-0008-AAAAA"},
        "closed": {"note": "当场办结"},
        "delivered": {
            "to": {"who": "proxy", "name": "王某某"},
            "proof": "signature",
            "papers": ["农村宅基地批准书"],
        },
        "filed": {"volume": "2026-宅基地-0007", "retention": "permanent"},
        "rated": {"level": 2},
        "paper_issued": {
            "paper": "correction",
            "number": f"{NUMBER}-BZ",
            "version": 1,
            "about": earlier,
            "says": "d" * 32,
        },
        "clock_corrected": {"events": [earlier], "offset": 86_400_000, "how": "办事人确认日期"},
        "admitted": {"event": earlier, "reason": "电话核实，确是本人所写"},
        "settled": {"point": "c" * 32, "value": earlier, "reason": "电话核实"},
    }
