"""The station's link to its county: the nonce for the next contact, and the token that opens `/couch/`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from provisioning.contact import Contact, StationReport, contact
from provisioning.keys import StationKey
from provisioning.line import Post
from provisioning.tokens import LIFETIME
from sync.peer import PeerError


class CountyLink:
    """Makes contacts, one at a time. Nonce and token live in memory only: a new start asks for new ones."""

    def __init__(self, post: Post, county_url: str, key: StationKey, *, raw_now: Callable[[], datetime]) -> None:
        self._post = post
        self._county_url = county_url
        self._key = key
        self._raw_now = raw_now
        self._lock = threading.Lock()
        self._nonce: str | None = None
        self._told: StationReport | None = None
        self._token: str | None = None
        self._session: str | None = None
        self._takes_sessions = True
        self._renew_at: datetime | None = None

    def contact(self, report: StationReport) -> Contact:
        """One contact; a token is asked for when there is none or half its life is over."""
        with self._lock:
            want_token = self._renew_at is None or self._raw_now() >= self._renew_at
            try:
                made = contact(
                    self._post,
                    self._county_url,
                    self._key,
                    self._nonce,
                    report,
                    now=self._raw_now,
                    want_token=want_token,
                    told=self._told,
                )
            except PeerError:
                # The answer may have been lost after the county used up the nonce, and kept the report.
                self._nonce = self._told = None
                raise
            self._nonce, self._told = made.nonce, report
            if made.token is not None:
                self._token, self._session = made.token, made.session
                # By our own clock, right or wrong: what counts is how much time goes by.
                self._renew_at = self._raw_now() + LIFETIME / 2
            return made

    def refused(self) -> None:
        """The county would not take the token: ask for another with the next contact."""
        with self._lock:
            self._renew_at = None
            # Whoever serves the databases there may know tokens only: the long form has its turn, and then the short.
            self._takes_sessions = not self._takes_sessions

    def authorization(self) -> str | None:
        shown = (self._session if self._takes_sessions else None) or self._token
        return f"Bearer {shown}" if shown is not None else None
