"""What is said at the 咨询台 becomes a signed record in the station's own database: no case's, nobody's name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from casework.canonical import Document
from casework.documents import enquiry
from casework.times import Hlc, milliseconds
from sync.peer import Writer
from sync.store import Store
from web.cases.desk import Key, Person
from web.cases.enquiries import Enquiries


class EnquiryDesk:
    """Thread-safe. What `note` was given is durable when it returns; it goes up with the next contact."""

    def __init__(
        self,
        enquiries: Enquiries,
        *,
        station: str,
        home: Callable[[], Store],
        writer: Writer,
        key: Callable[[], Key],
        now: Callable[[], datetime],
    ) -> None:
        self._enquiries = enquiries
        self._station = station
        self._home = home
        self._writer = writer
        self._key = key
        self._now = now
        self._lock = threading.Lock()

    def note(self, words: str, item: Document | None, done: str, channel: str, by: Person) -> Document:
        kind, text = enquiry.kind_of(words)
        with self._lock:
            stamp = self._enquiries.last_stamp(self._station)
            last = Hlc.parse(stamp) if stamp is not None else None
            document = enquiry.compose(
                station=self._station,
                at=Hlc.tick(milliseconds(self._now()), last, self._station),
                kind=kind,
                words=text,
                item=item["code"] if item is not None else None,
                item_name=item["name"] if item is not None else "",
                done=done,
                channel=channel,
                by=by.signature(),
                key=self._key().id,
                sign=self._key().sign,
            )
            home = self._home()
            home.save([document], writer=self._writer)
            self._enquiries.follow([home.database])
            return document
