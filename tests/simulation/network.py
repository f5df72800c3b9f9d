"""A seeded network: real HTTP bytes between the production client and the production server, in one process.

Each request gets one fate, drawn from the weather of its line. What a line can do to it: lose it, lose the answer,
carry it twice, carry it again much later, cut the answer short, flip bits in it, answer in the county's place (a login
page, a proxy's error, a redirect, a flood without end, the answer to an earlier question), or change what it carries.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

WsgiApp = Callable[..., Iterable[bytes]]
Log = Callable[[str], None]

FLOOD_BYTES = 3 << 20
# A late request arrives after so many others; it may well be hours later.
LATE_REQUESTS = (5, 200)


@dataclass(frozen=True)
class Weather:
    """How likely each fate of a request is; the rest arrives as it was sent."""

    lost: float = 0.0
    answer_lost: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    cut_short: float = 0.0
    garbled: float = 0.0
    portal: float = 0.0
    proxy: float = 0.0
    redirect: float = 0.0
    flood: float = 0.0
    stale: float = 0.0
    lie: float = 0.0
    down: bool = False


FAIR = Weather()
CUT = Weather(down=True)
THIN = Weather(lost=0.02, answer_lost=0.03, twice=0.03, late=0.02, cut_short=0.03)
LIAR = Weather(stale=0.05, lie=0.5)
STRANGE = Weather(
    lost=0.02, answer_lost=0.02, twice=0.02, late=0.02, cut_short=0.04, garbled=0.08, portal=0.04, proxy=0.03,
    redirect=0.02, flood=0.01, stale=0.06, lie=0.25,
)  # fmt: skip
WORST = Weather(
    lost=0.12, answer_lost=0.12, twice=0.06, late=0.06, cut_short=0.1, garbled=0.1, portal=0.05, proxy=0.05,
    redirect=0.03, flood=0.01, stale=0.1, lie=0.1,
)  # fmt: skip
WEATHERS = {"fair": FAIR, "thin": THIN, "strange": STRANGE, "lying": LIAR, "worst": WORST, "cut": CUT}


@dataclass
class _Line:
    """What goes from one place to another, and what of it has not arrived yet."""

    weather: Weather = FAIR
    late: list[tuple[int, bytes]] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)


class Network:
    """All lines of one world. Places are served by WSGI apps that may change (a restart) or be gone (None)."""

    def __init__(self, random: Random, log: Log) -> None:
        self._random = random
        self._log = log
        self._lines: dict[tuple[str, str], _Line] = {}
        self.serve: Callable[[str], WsgiApp | None] = lambda _place: None
        self.requests = 0
        self.fates: dict[str, int] = {}

    def line(self, caller: str, place: str) -> _Line:
        return self._lines.setdefault((caller, place), _Line())

    def forget_what_is_under_way(self, place: str) -> None:
        """Requests that were still on their way to a place that is another one now."""
        for (_, to), line in self._lines.items():
            if to == place:
                line.late.clear()

    def pool(self, caller: str) -> urllib3.PoolManager:
        """The production client's connection pool, on this network."""
        network = self
        places: dict[str, HTTPConnectionPool] = {}

        class Connection(HTTPConnection):
            def _new_conn(self) -> Any:
                return _Socket(network, caller, self.host)

            @property
            def is_connected(self) -> bool:
                return self.sock is not None

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        class Pools(urllib3.PoolManager):
            """Places are all that tells lines apart: no settings to compare with each request."""

            def connection_from_host(self, host: str | None, *_: Any, **__: Any) -> HTTPConnectionPool:
                assert host is not None
                if host not in places:
                    places[host] = Pool(host, 80, maxsize=2)
                return places[host]

        return Pools()

    def exchange(self, caller: str, place: str, request: bytes) -> bytes:
        """One request and what comes back, whoever it is from. Raises OSError as a socket does."""
        self.requests += 1
        line = self.line(caller, place)
        weather = line.weather
        self._deliver_late(place, line)
        if weather.down:
            raise ConnectionRefusedError("no line")
        fate = self._fate(weather)
        if fate is not None:
            self.fates[fate] = self.fates.get(fate, 0) + 1
            first = request.split(b"\r\n", 1)[0].decode("latin-1")
            self._log(f"    {caller[-3:]} > {place[-6:]} {first[:70]}: {fate}")
        answer = self._carried(fate, line, place, request)
        line.answers.append(answer)
        del line.answers[:-12]
        return answer

    def _fate(self, weather: Weather) -> str | None:
        drawn = self._random.random()
        for name, share in vars(weather).items():
            if name != "down":
                if drawn < share:
                    return name
                drawn -= share
        return None

    def _carried(self, fate: str | None, line: _Line, place: str, request: bytes) -> bytes:
        random = self._random
        match fate:
            case "lost":
                raise ConnectionResetError("the line broke before the request arrived")
            case "late":
                line.late.append((self.requests + random.randint(*LATE_REQUESTS), request))
                raise TimeoutError("the answer did not come in time")
            case "portal":
                return _page(200, "OK", random.choice(["text/html", "application/json"]), b"<html>Please log in</html>")
            case "proxy":
                status = random.choice([407, 500, 502, 503, 504])
                return _page(status, "Oh", "text/html", b"<h1>The proxy has a problem</h1>")
            case "redirect":
                return _page(302, "Found", "text/html", b"", f"Location: http://{place}/login\r\n")
            case "flood":
                return _page(200, "OK", "application/json", b" " * FLOOD_BYTES)
            case "stale" if line.answers:
                if random.random() < 0.5:
                    self._ask(place, request)
                return random.choice(line.answers)
            case "lie" if random.random() < 0.5:
                return self._ask(place, _changed(request, random))
        if fate == "twice":
            self._ask(place, request)
        answer = self._ask(place, request)
        match fate:
            case "answer_lost":
                raise ConnectionResetError("the line broke before the answer arrived")
            case "cut_short":
                return answer[: random.randrange(len(answer))]
            case "garbled":
                return _flipped(answer, random)
            case "lie":
                return _changed(answer, random)
        return answer

    def _deliver_late(self, place: str, line: _Line) -> None:
        due = [request for at, request in line.late if at <= self.requests]
        line.late = [(at, request) for at, request in line.late if at > self.requests]
        for request in due:
            self._log(f"    late > {place[-6:]} {request.split(b' HTTP', 1)[0].decode('latin-1')[:70]}")
            try:
                self._ask(place, request)
            except OSError:
                # Nobody waits for this answer any more.
                continue

    def _ask(self, place: str, request: bytes) -> bytes:
        app = self.serve(place)
        if app is None:
            raise ConnectionRefusedError("nobody there")
        return _answer(app, request)


class _Socket:
    """As much of a socket as http.client asks for."""

    def __init__(self, network: Network, caller: str, place: str) -> None:
        self._network, self._caller, self._place = network, caller, place
        self._sent = bytearray()

    def sendall(self, data: Any) -> None:
        self._sent += data

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        request, self._sent = bytes(self._sent), bytearray()
        return io.BufferedReader(io.BytesIO(self._network.exchange(self._caller, self._place, request)))  # type: ignore[arg-type]

    def settimeout(self, _timeout: float | None) -> None: ...
    def setsockopt(self, *_: Any) -> None: ...
    def shutdown(self, _how: int) -> None: ...
    def close(self) -> None: ...


def _answer(app: WsgiApp, request: bytes) -> bytes:
    head, body = _parted(request)
    first, *headers = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method, "REQUEST_URI": target, "SCRIPT_NAME": "", "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query, "SERVER_NAME": "county", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)), "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(), "wsgi.multithread": False,
        "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.input_terminated": True,
    }  # fmt: skip
    for header in headers:
        name, _, value = header.partition(":")
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value.strip()
    said: list[Any] = []

    def start_response(status: str, answered: Sequence[tuple[str, str]], _exc_info: Any = None) -> Callable[..., None]:
        said[:] = [status, answered]
        return lambda data: None

    result = app(environ, start_response)
    try:
        content = b"".join(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    status, answered = said
    lines = [f"HTTP/1.1 {status}"] + [f"{k}: {v}" for k, v in answered if k.lower() != "content-length"]
    return ("\r\n".join([*lines, f"Content-Length: {len(content)}"]) + "\r\n\r\n").encode("latin-1") + content


def _parted(message: bytes) -> tuple[bytes, bytes]:
    head, _, body = message.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return head, body
    whole = bytearray()
    while body:
        length, _, body = body.partition(b"\r\n")
        size = int(length.split(b";")[0], 16)
        whole += body[:size]
        body = body[size + 2 :] if size else b""
    return head, bytes(whole)


def _page(status: int, reason: str, content_type: str, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def _flipped(message: bytes, random: Random) -> bytes:
    head, body = _parted(message)
    damaged = bytearray(body or head)
    for _ in range(random.randint(1, 3)):
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return head + b"\r\n\r\n" + damaged if body else bytes(damaged) + b"\r\n\r\n"


def _changed(message: bytes, random: Random) -> bytes:
    """The same message about other documents: a body, a revision or an id is not what was sent; all else fits."""
    head, body = _parted(message)
    packed = b"content-encoding: gzip" in head.lower()
    try:
        told = json.loads(gzip.decompress(body) if packed else body)
    except (ValueError, OSError, EOFError):
        return message
    documents = [one for one in _documents(told) if str(one["_id"]).startswith(("event:", "chunk:", "item:"))]
    if not documents:
        return message
    victim = random.choice(documents)
    match random.choice(["body", "body", "revision", "other"]):
        case "body":
            victim["data"] = f"changed on the way ({random.getrandbits(32)})"
        case "revision":
            victim["_rev"] = f"{victim['_rev'][:-4]}beef"
        case "other":
            other = random.choice(documents)
            kept = {key: victim[key] for key in ("_id", "_rev")}
            copied = {**other, **kept}
            victim.clear()
            victim.update(copied)
    content = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    content = gzip.compress(content, 1, mtime=0) if packed else content
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length", b"transfer-enc"))]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(content)]) + b"\r\n\r\n" + content


def _documents(told: object) -> list[dict[str, Any]]:
    if isinstance(told, list):
        return [one for part in told for one in _documents(part)]
    if isinstance(told, dict):
        if isinstance(told.get("_id"), str) and isinstance(told.get("_rev"), str):
            return [told]
        return [one for part in told.values() for one in _documents(part)]
    return []
