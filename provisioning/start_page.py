"""The demo's start page: where everything is, who may sign in, and three buttons for the line."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from werkzeug.wrappers import Request, Response

from provisioning.relay import MODES, Relay

StartResponse = Callable[..., Any]

HOSTS = ("127.0.0.1", "localhost")
ROLES = {
    "agent": "代办员",
    "township": "乡镇窗口",
    "head": "中心负责人",
    "reviewer": "县部门审批",
    "approver": "部门审核",
    "staffing": "编办审核",
    "service": "政务办审核",
    "admin": "县管理员",
}
KINDS = {"county": "县中心", "township": "乡镇站", "village": "村站"}


class StartPage:
    """A WSGI app. It shows passwords and cuts lines, so it answers only this machine's own browser and
    commands.
    """

    def __init__(self, relay: Relay, *, port: int, secret: str, places: Callable[[], list[dict[str, Any]]]) -> None:
        self._relay = relay
        self._origins = {f"http://{host}:{port}" for host in HOSTS}
        self._hosts = {f"{host}:{port}" for host in HOSTS}
        self._secret = secret
        self._places = places
        templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
        self._template = templates.get_template("start_page.html")

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(Request(dict(environ)))(dict(environ), start_response)

    def _answer(self, request: Request) -> Response:
        # Another name for this address means that some page out there tries to read ours (DNS rebinding).
        if request.host not in self._hosts:
            return Response("只在本机使用。", 403)
        match request.method, request.path:
            case "GET", "/":
                return self._page()
            case "GET", "/line":
                return _json(self._state())
            case "POST", "/line":
                return self._switch(request)
            case _, "/" | "/line":
                return Response("", 405)
        return Response("没有这个页面。", 404)

    def _page(self) -> Response:
        page = self._template.render(
            mode=self._relay.mode, places=self._places(), roles=ROLES, kinds=KINDS, line=self._state()
        )
        response = Response(page, mimetype="text/html")
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    def _state(self) -> dict[str, Any]:
        relay = self._relay
        return {
            "mode": relay.mode,
            "connections": relay.connections,
            "bytes_up": relay.bytes_up,
            "bytes_down": relay.bytes_down,
        }

    def _switch(self, request: Request) -> Response:
        by_command = hmac.compare_digest(
            request.headers.get("Authorization", "").encode(), f"Bearer {self._secret}".encode()
        )
        if not by_command and request.headers.get("Origin") not in self._origins:
            return Response("只能从本页切换线路。", 403)
        if request.content_length is None or request.content_length > 1000:
            return Response("", 413)
        mode = request.form.get("mode")
        if mode not in MODES:
            return Response("线路只有断网、变慢、恢复三种。", 400)
        self._relay.switch(mode)
        return _json(self._state()) if by_command else Response("", 303, {"Location": "/"})


def _json(value: Mapping[str, Any]) -> Response:
    return Response(json.dumps(value), mimetype="application/json")
