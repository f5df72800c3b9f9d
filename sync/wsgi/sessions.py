"""`_session`: who one is, and signing in once for a while with a cookie.

https://docs.couchdb.org/en/stable/api/server/authn.html#cookie-authentication. The cookie carries name, roles
and end, signed; nothing is remembered here, so every process that knows the secret takes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Final

from werkzeug.wrappers import Request, Response

from sync.peer import BadRequest, NotBuilt, Unauthorized, Writer
from sync.wsgi.asked import body, not_allowed, parse_body
from sync.wsgi.responses import json_answer

COOKIE: Final = "AuthSession"
_MAX_FORM_BYTES: Final = 1 << 14
# A cookie that has lost this share of its life is given anew with the next answer.
_RENEW_AFTER: Final = 0.1


class CookieSessions:
    """Cookies for whoever knows a password.

    `check_password` says who somebody is, None for a wrong name or password. `now` gives seconds since 1970.
    """

    def __init__(
        self,
        check_password: Callable[[str, str], Writer | None],
        *,
        secret: bytes,
        now: Callable[[], float],
        ttl_s: int = 600,
    ) -> None:
        self._check_password = check_password
        self._secret = secret
        self._now = now
        self.ttl_s = ttl_s

    def writer(self, value: str) -> tuple[Writer, bool] | None:
        """Whom a cookie names, and whether it is time for a fresh one; None if it is not ours, or over."""
        text, _, signature = value.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text)):
            return None
        try:
            name, roles, ends = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError):
            return None
        left = ends - self._now()
        return (Writer(name, frozenset(roles)), left < self.ttl_s * (1 - _RENEW_AFTER)) if left > 0 else None

    def cookie(self, writer: Writer) -> str:
        """A fresh cookie for this writer."""
        content = json.dumps([writer.name, sorted(writer.roles), int(self._now()) + self.ttl_s]).encode()
        # Without padding: an equals sign would have to be quoted in a cookie, and not every client unquotes.
        text = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
        return f"{text}.{self._signature(text).decode()}"

    def signed_in(self, name: str, password: str) -> Writer:
        """Who has this name and password. Raises `Unauthorized`."""
        writer = self._check_password(name, password)
        if writer is None:
            raise Unauthorized("Name or password is incorrect.")
        return writer

    def _signature(self, text: str) -> bytes:
        digest = hmac.new(self._secret, text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=")


def session(request: Request, writer: Writer, sessions: CookieSessions | None, *, how: str) -> Response:
    """`/_session`. `how` names the handler that has recognised the writer."""
    match request.method:
        case "GET" | "HEAD":
            handlers = ["cookie", "default"] if sessions else ["default"]
            context = {"name": writer.name or None, "roles": sorted(writer.roles)}
            info = {"authentication_handlers": handlers} | ({"authenticated": how} if writer.name else {})
            return json_answer(200, {"ok": True, "userCtx": context, "info": info})
        case "POST" | "DELETE" if sessions is None:
            raise NotBuilt("There is no cookie session here: send the credentials with each request.")
        case "POST":
            assert sessions is not None
            known = sessions.signed_in(*_credentials(request))
            answer = json_answer(200, {"ok": True, "name": known.name, "roles": sorted(known.roles)})
            give_cookie(request, answer, sessions, known)
            return answer
        case "DELETE":
            answer = json_answer(200, {"ok": True})
            answer.set_cookie(COOKIE, "", max_age=0, path="/", httponly=True, samesite="Strict")
            return answer
    raise not_allowed("GET,HEAD,POST,DELETE")


def give_cookie(request: Request, answer: Response, sessions: CookieSessions, writer: Writer) -> None:
    """Put a fresh cookie into an answer."""
    answer.set_cookie(
        COOKIE,
        sessions.cookie(writer),
        max_age=sessions.ttl_s,
        path="/",
        httponly=True,
        # A page of somebody else's must not make a signed-in browser write.
        samesite="Strict",
        secure=request.is_secure,
    )


def _credentials(request: Request) -> tuple[str, str]:
    if request.mimetype == "application/json":
        posted = parse_body(body(request, _MAX_FORM_BYTES))
        given: Mapping[str, object] = posted if isinstance(posted, dict) else {}
    else:
        request.max_content_length = request.max_form_memory_size = _MAX_FORM_BYTES
        given = request.form
    # Both are in use: `name` in CouchDB's documentation, `username` in its clients.
    name, password = given.get("name", given.get("username")), given.get("password")
    if not isinstance(name, str) or not isinstance(password, str):
        raise BadRequest("A name and a password are needed.")
    return name, password
