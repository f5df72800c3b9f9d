"""A batch of the log of acts (操作日志): who read or changed which case, each entry chained to the one before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from casework.canonical import Document, address, canonical, is_addressed
from casework.documents.document_type import (
    CODE12,
    HASH32,
    HASH64,
    HLC,
    KEY_ID,
    SIGNED,
    DocumentType,
    nullable,
    shape,
    text,
)
from casework.documents.register import Key
from casework.signing import Sign, document_holds, sign_document
from casework.times import Hlc

ACTS = {
    "opened": "打开办件",
    "listed": "看办件列表",
    "listed_in_full": "看列表（含完整号码）",
    "revealed": "显示完整号码",
    "printed": "打印文书",
    "file_opened": "打开照片或文件",
    "signed_in": "登录",
    "signed_out": "退出",
    "touch_opened": "把机器交给来访者自助查询",
    "touch_closed": "收回来访者用的机器",
    "refused": "被拒绝",
    "not_saved": "没有存上",
    "log_read": "查操作日志",
    "log_exported": "导出操作日志",
    "catalogue_save": "改事项",
    "catalogue_kept_aside": "改事项（和别人撞上，留着待定）",
    "catalogue_settle": "定下两份改动",
    "catalogue_discard": "放弃事项的修改",
    "catalogue_submit": "提交事项",
    "catalogue_recall": "收回事项",
    "catalogue_approve": "审核通过事项",
    "catalogue_send_back": "退回事项",
    "catalogue_withdraw": "申请废置事项",
    "catalogue_imported": "导入事项",
    "catalogue_published": "发布目录",
    "catalogue_taken_back": "退回到以前的目录",
    "catalogue_words": "改词库",
    "catalogue_paper": "改文书样式",
    "catalogue_rules": "改审核规则",
    "catalogue_library": "改目录、法规等库",
    "retention_set": "改日志保存期",
    "pruned": "删除过期日志",
}
"""What an entry may say was done; `wrote:<kind of event>` besides."""

WROTE = "wrote:"
BEGINNING = "0" * 64
"""What the first entry of a log is chained to."""
LINK = 8
"""So many hex digits of an entry's hash go into a batch beside it: enough to say which entry was altered, while the
whole hash at both ends says whether any was."""
MOST_ENTRIES = 1000

_INCARNATION = r"[0-9A-Za-z_-]{1,64}"

# No other fields, unlike in other documents: what is chained is what is shown. A new one comes to the county first.
_ENTRY = {"additionalProperties": False} | shape(
    {
        "at": text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
        "account": text(most=100),
        "name": text(most=60),
        "role": text(most=40),
        "act": text(r"[a-z][a-z0-9_]{0,39}(:[a-z][a-z0-9_]{0,39})?"),
        "case": nullable(text(most=60)),
        "what": text(most=200),
    }
)

TYPE = DocumentType(
    name="audit",
    title="操作日志",
    id_pattern=f"audit:{CODE12}:{HLC}:{HASH32}",
    immutable=True,
    schema=shape(
        {
            "station": text(CODE12),
            "incarnation": text(_INCARNATION),
            "serial": {"type": "integer", "minimum": 1},
            "prev": nullable(text(r"audit:.{1,200}")),
            "position": {"type": "integer", "minimum": 1},
            "before": text(HASH64),
            "entries": {"type": "array", "items": _ENTRY, "minItems": 1, "maxItems": MOST_ENTRIES},
            "links": {"type": "array", "items": text(rf"[0-9a-f]{{{LINK}}}")},
            "last": text(HASH64),
            **SIGNED,
        }
    ),
)


class Entry(TypedDict):
    """One act: `at` RFC 3339, the account, name and role of who did it, the case or null, and a short word of no
    personal data.
    """

    at: str
    account: str
    name: str
    role: str
    act: str
    case: str | None
    what: str


def chained(before: str, entry: Mapping[str, Any]) -> str:
    """The hash of an entry: SHA-256 over the hash before it (64 hex, as text) and its RFC 8785 form.

    Raises NotCanonical.
    """
    return hashlib.sha256(before.encode("ascii") + canonical(dict(entry))).hexdigest()


def compose(
    *,
    station: str,
    incarnation: str,
    serial: int,
    prev: str | None,
    position: int,
    before: str,
    entries: Sequence[Entry],
    hashes: Sequence[str],
    at: Hlc | str,
    key: str,
    sign: Sign,
) -> Document:
    """A complete batch with `_id` and `_rev`, signed by the station.

    `incarnation` names the log (one for as long as its file lasts), `serial` and `prev` chain its batches, `position`
    is the running number of the first entry, `before` the hash that it is chained to. `hashes` are those of the
    entries as the log holds them: what was altered since they were written no longer fits them, and everybody sees it.
    """
    stamp = at.text() if isinstance(at, Hlc) else at
    body: Document = {
        "station": station,
        "incarnation": incarnation,
        "serial": serial,
        "prev": prev,
        "position": position,
        "before": before,
        "entries": [dict(entry) for entry in entries],
        "links": [found[:LINK] for found in hashes],
        "last": hashes[-1],
    }
    return address(f"audit:{station}:{stamp}", sign_document(body, key, sign))


_TEXTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("_id", re.compile(TYPE.id_pattern)),
    ("station", re.compile(CODE12)),
    ("incarnation", re.compile(_INCARNATION)),
    ("before", re.compile(HASH64)),
    ("last", re.compile(HASH64)),
    ("key", re.compile(KEY_ID)),
)
_LINK = re.compile(rf"[0-9a-f]{{{LINK}}}")


def is_batch_shaped(document: Document) -> bool:
    """The structural check, by hand: `TYPE.problems` says the same in sentences and takes far longer, and a county
    reads millions of entries.
    """
    for name, pattern in _TEXTS:
        value = document.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            return False
    entries, links, prev = document.get("entries"), document.get("links"), document.get("prev")
    return (
        document["_id"].startswith(f"audit:{document['station']}:")
        and all(type(document.get(name)) is int and document[name] >= 1 for name in ("serial", "position"))
        and (prev is None or isinstance(prev, str))
        and isinstance(entries, list)
        and isinstance(links, list)
        and 1 <= len(entries) == len(links) <= MOST_ENTRIES
        and all(isinstance(link, str) and _LINK.fullmatch(link) for link in links)
        and all(map(_is_entry, entries))
    )


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == _ENTRY["properties"].keys()
        and all(isinstance(entry[name], str) and len(entry[name]) <= 200 for name in _ENTRY_TEXTS)
        and (entry["case"] is None or isinstance(entry["case"], str))
    )


_ENTRY_TEXTS = ("at", "account", "name", "role", "act", "what")


def batch_holds(document: Document, key: Key) -> bool:
    """Whether a batch is what its station signed: its shape, its hash, its signature, its own name in the id. It says
    nothing of the entries: those are `altered_at`'s.
    """
    return (
        is_batch_shaped(document)
        and key.station == document["station"]
        and is_addressed(document)
        and document_holds(document, key.public_key)
    )


def hashes_of(document: Document) -> list[str]:
    """The hash of each entry, worked out from what stands before the first one."""
    found, before = [], str(document["before"])
    for entry in document["entries"]:
        before = chained(before, entry)
        found.append(before)
    return found


def altered_at(document: Document) -> int | None:
    """The running number of the first entry that does not fit the chain; None when all do."""
    hashes = hashes_of(document)
    for place, (found, link) in enumerate(zip(hashes, document["links"], strict=True)):
        if not found.startswith(link):
            return int(document["position"]) + place
    return None if hashes[-1] == document["last"] else int(document["position"]) + len(hashes) - 1
