"""What the HTTP server refuses before the app hears of it, said in CouchDB's shape.

CouchDB's replicator reads every answer below 500 as JSON. At one that is none it begins again for ever; at a 413 that
is, it leaves out the one document.
"""

from __future__ import annotations

from typing import Final

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask

from sync.bodies import envelope_bytes

_CODES: Final = {413: "too_large", 501: "not_implemented"}


class _Refusal(ErrorTask):
    def execute(self) -> None:
        # The stubs take the parser for what it found.
        asked: HTTPRequestParser = self.request  # type: ignore[assignment]
        problem = asked.error
        if problem is None or "text/html" in asked.headers.get("ACCEPT", ""):
            # Somebody with a browser.
            super().execute()
            return
        told = {"error": _CODES.get(problem.code, "bad_request"), "reason": f"{problem.reason}: {problem.body}"}
        body = envelope_bytes(told) + b"\n"
        self.status = f"{problem.code} {problem.reason}"
        self.response_headers = [("Content-Type", "application/json")]
        # The body that nobody reads is still on its way.
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class CouchChannel(HTTPChannel):
    """One connection to a server of documents."""

    error_task_class = _Refusal

    def send_continue(self) -> None:
        """To whoever asks before they send: go on. Waitress says so even to what it has refused, and waits."""
        if self.request is None or self.request.error is None:
            super().send_continue()
