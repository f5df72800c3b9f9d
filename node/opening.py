"""While a station is being opened: after a new version all of its cases are read anew, which takes minutes. Until then
nobody can act, and everybody who asks is told how far it is."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING, Generic, TypeVar

from web.app import POLICY, STATIC

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Opened = TypeVar("Opened")
log = logging.getLogger(__name__)

SOON_S = 2.0
"""What is opened within this time is waited for: then nobody sees anything of it."""
LOOK_AGAIN_S = 3
STYLE = "/static/yizhan.css"

_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{again}"><title>正在整理 · {place}</title>
<link rel="stylesheet" href="{style}"></head>
<body><main class="wrap"><section class="card refusal"><h1>{words}</h1>
<p>换了新版本，本站正在把办件重新整理一遍，一件也不会少。整理完这一页自己会打开，请不要关机。</p>
<p><progress max="{of}" value="{done}"></progress></p></section></main></body></html>
"""


class Opening(Generic[Opened]):
    """A WSGI app that says how far the opening is, and is the station's own once it is open."""

    def __init__(self, open_it: Callable[[Callable[[int, int], None]], Opened], *, place: str, station: str) -> None:
        """`open_it(progress)` is called in a thread of its own."""
        self._open_it = open_it
        self._place, self._station = place, station
        self._done = self._of = 0
        self._app: WSGIApplication | None = None
        self._over = threading.Event()
        self._opened: Opened | None = None
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="opening", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self._opened = self._open_it(self._tell)
        except BaseException as error:
            self._failed = error
        self._over.set()

    def _tell(self, done: int, of: int) -> None:
        self._done, self._of = done, of

    def wait(self, timeout_s: float | None = None) -> Opened | None:
        """What was opened; None when it takes longer. Raises what went wrong."""
        self._over.wait(timeout_s)
        if self._failed is not None:
            raise self._failed
        return self._opened

    def then(self, goes_on: Callable[[Opened], None], *, failed: Callable[[], None]) -> None:
        """Call this with what was opened, once it is; else `failed`, and `wait` says why."""

        def follow() -> None:
            try:
                opened = self.wait()
                assert opened is not None, "opened, or failed"
                goes_on(opened)
            except BaseException as error:
                self._failed = error
                log.exception("the station could not be opened")
                failed()

        threading.Thread(target=follow, name="opened", daemon=True).start()

    def become(self, app: WSGIApplication) -> None:
        """From now on this app answers."""
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._app is not None:
            return self._app(environ, start_response)
        path = str(environ.get("PATH_INFO", ""))
        words = f"正在整理办件：{self._done} 条记录，共 {self._of} 条" if self._of else "正在开机，马上就好"
        if path == "/healthz":
            told = {"status": "opening", "station": self._station, "release": None, "done": self._done, "of": self._of}
            return _answer(start_response, "200 OK", "application/json", json.dumps(told))
        if path == STYLE:
            style = (STATIC / "yizhan.css").read_text("utf-8")
            return _answer(start_response, "200 OK", "text/css; charset=utf-8", style)
        if path.startswith(("/api/", "/couch/")):
            said = {"error": "opening", "message": f"{words}。整理完再试。", "fields": {}}
            return _answer(start_response, "503 Service Unavailable", "application/json", json.dumps(said))
        page = _PAGE.format(
            again=LOOK_AGAIN_S,
            place=escape(self._place),
            style=STYLE,
            words=words,
            of=max(self._of, 1),
            done=self._done,
        )
        return _answer(start_response, "503 Service Unavailable", "text/html; charset=utf-8", page)


def _answer(start_response: StartResponse, status: str, content_type: str, content: str) -> list[bytes]:
    body = content.encode()
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(status, [*headers, *([("Retry-After", str(LOOK_AGAIN_S))] if status.startswith("503") else [])])
    return [body]
