"""A blank form or a sample (空白表、样表): its file is an attachment, whose hash the signed document names."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.documents.document_type import HASH64, SIGNED, DocumentType, shape, text

ID = r"[a-z0-9][a-z0-9_-]{0,39}"
FILE = "file"
"""The attachment's name; what the file is called stands in the document."""

KINDS = {"blank": "空白表", "sample": "样表", "result": "结果样本"}

MEDIA_TYPES = {
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".png": "image/png",
    ".jpg": "image/jpeg",
}
"""By the file name's ending: what a village can open and print."""

MOST_BYTES = 512 << 10
"""Every blank goes down every line, to every station: half a megabyte takes five minutes at 2G."""

_BEGINNINGS = {
    ".pdf": (b"%PDF-",),
    ".docx": (b"PK\x03\x04",),
    ".xlsx": (b"PK\x03\x04",),
    ".doc": (b"\xd0\xcf\x11\xe0",),
    ".xls": (b"\xd0\xcf\x11\xe0",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
}

FIELDS = {
    "title": {"title": "名称", "type": "string", "minLength": 1, "maxLength": 200},
    "kind": {"title": "是什么", "enum": list(KINDS), "x-titles": KINDS},
}

_FILE_SCHEMA = shape(
    {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "media_type": {"enum": sorted(set(MEDIA_TYPES.values()))},
        "bytes": {"type": "integer", "minimum": 1, "maximum": MOST_BYTES},
        "sha256": text(HASH64),
    }
)

TYPE = DocumentType(
    name="blank",
    title="空白表和样表",
    id_pattern=f"blank:{ID}",
    immutable=False,
    schema=shape({"id": text(ID), **FIELDS, "file": _FILE_SCHEMA, **SIGNED}),
)


def blank_id(identifier: str) -> str:
    """`blank:ID`."""
    return f"blank:{identifier}"


def about(name: str, content: bytes) -> dict[str, Any]:
    """What the document says of its file. Raises ValueError with a sentence for a file that cannot be taken."""
    ending = "." + name.rpartition(".")[2].lower() if "." in name else ""
    ending = {".jpeg": ".jpg"}.get(ending, ending)
    if ending not in MEDIA_TYPES:
        raise ValueError(f"只收这几种文件：{'、'.join(one.removeprefix('.') for one in MEDIA_TYPES)}。")
    if not content:
        raise ValueError("这个文件是空的。")
    if len(content) > MOST_BYTES:
        raise ValueError(
            f"文件有 {-(-len(content) // 1024)} KB，最多 {MOST_BYTES // 1024} KB：站点的线路慢，先压缩或删去图片。"
        )
    if not content.startswith(_BEGINNINGS[ending]):
        raise ValueError(f"文件的内容不是 {ending.removeprefix('.')}，可能只改了名字。")
    return {
        "name": name[-200:],
        "media_type": MEDIA_TYPES[ending],
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def build(identifier: str, entry: Mapping[str, Any]) -> Document:
    """The unsigned document, without its file (`with_file`); the county signs it. `entry` has title, kind and file."""
    said = {name: value for name, value in entry.items() if not name.startswith("_")}
    return {**said, "_id": blank_id(identifier), "id": identifier}


def with_file(document: Document, content: bytes) -> Document:
    """The document with its file, as a database takes it."""
    data = base64.b64encode(content).decode("ascii")
    return {
        **document,
        "_attachments": {FILE: {"content_type": document["file"]["media_type"], "data": data}},
    }


def is_its_file(document: Mapping[str, Any], content: bytes) -> bool:
    """Whether this is the file that the county signed."""
    said = document["file"]
    return bool(len(content) == said["bytes"]) and hashlib.sha256(content).hexdigest() == said["sha256"]


def file_in(document: Mapping[str, Any]) -> bytes | None:
    """The file that a document carries inline; None when it carries none, or something else."""
    data = (document.get("_attachments") or {}).get(FILE, {}).get("data")
    if not isinstance(data, str):
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def carries_its_file_alone(document: Mapping[str, Any]) -> bool:
    """Whether a signed document comes with no file that the county has not signed. One that is too large to lie in the
    document is judged when it is shown (`is_its_file`)."""
    files = document.get("_attachments")
    if not str(document.get("_id", "")).startswith("blank:") or document.get("_deleted"):
        return not files
    if not isinstance(files, dict) or set(files) != {FILE}:
        return False
    content = file_in(document)
    return content is None or is_its_file(document, content)
