"""Every type of document that travels: one file each, one line each in TYPES."""

from __future__ import annotations

from casework.documents import (
    account,
    audit,
    blank,
    calendar,
    chunk,
    directory,
    enquiry,
    event,
    item,
    misses,
    paper,
    receipt,
    register,
    release,
    station,
    words,
)
from casework.documents.document_type import DocumentType

TYPES: dict[str, DocumentType] = {
    type_.name: type_
    for type_ in (
        event.TYPE,
        chunk.TYPE,
        receipt.TYPE,
        item.TYPE,
        release.TYPE,
        register.TYPE,
        account.TYPE,
        station.TYPE,
        calendar.TYPE,
        audit.TYPE,
        paper.TYPE,
        enquiry.TYPE,
        directory.TYPE,
        blank.TYPE,
        misses.TYPE,
        words.TYPE,
    )
}
