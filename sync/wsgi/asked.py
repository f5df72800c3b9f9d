"""What a request asks for: its path, its query, its body. Raises `BadRequest` for what cannot be meant."""

from __future__ import annotations

import tempfile
from typing import IO, Any, Final
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from werkzeug.wrappers import Request

from sync.bodies import parse_json
from sync.files import IncomingFile
from sync.packing import unpacked
from sync.peer import BadRequest, Document, PeerError, TooLarge
from sync.revisions import BadRevision, parse_revision, path_of

_PIECE_BYTES: Final = 1 << 18


def segments(request: Request) -> list[str]:
    """The path under this app, cut at its slashes before `%2F` is read as one: ids have slashes too."""
    mounted = request.environ.get("SCRIPT_NAME", "").count("/")
    parts = _path(request).split("/")[1 + mounted :]
    try:
        found = [unquote_to_bytes(part).decode() for part in parts]
    except UnicodeDecodeError as problem:
        raise BadRequest("The path is not UTF-8.") from problem
    return found[:-1] if found and found[-1] == "" else found


def _path(request: Request) -> str:
    """The path as it was sent, still quoted, whatever this app is mounted under included."""
    raw = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI")
    if not isinstance(raw, str) or not raw:
        # Without the raw path an encoded slash cannot be told from a real one.
        given = request.environ.get("SCRIPT_NAME", "") + request.environ.get("PATH_INFO", "")
        return quote_from_bytes(given.encode("latin-1"))
    path = raw.split("?", 1)[0]
    return "/" + path.split("://", 1)[1].partition("/")[2] if "://" in path else path


def location(request: Request, *below: str) -> str:
    """The URL that was asked, or that of something below it, for the `Location` of what was made there."""
    return "/".join((request.host_url + _path(request).strip("/"), *(quote(name, safe="") for name in below)))


def only(request: Request, method: str) -> None:
    """Raises 405 for any other method (HEAD is a GET)."""
    if request.method != method and not (method == "GET" and request.method == "HEAD"):
        raise not_allowed("GET,HEAD" if method == "GET" else method)


class MethodNotAllowed(PeerError):
    """Another method is meant; the answer names those that there are."""

    code, status = "method_not_allowed", 405

    def __init__(self, methods: str) -> None:
        super().__init__(f"Only {methods} allowed")
        self.headers = {"Allow": methods}


def not_allowed(methods: str) -> PeerError:
    """The 405 that names what is allowed."""
    return MethodNotAllowed(methods)


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A query parameter that is `true` or `false`."""
    value = request.args.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise BadRequest(f"Invalid value for boolean parameter {name}: {value[:40]!r}", code="query_parse_error")
    return value == "true"


def integer(request: Request, name: str, default: int) -> int:
    """A query parameter that is a number from 0 on."""
    value = request.args.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise BadRequest(f"Invalid value for {name}: {value[:40]!r}", code="query_parse_error")
    return int(value)


def parameter(request: Request, *names: str) -> Any:
    """A query parameter that is JSON; the first of these names that is there."""
    for name in names:
        if name in request.args:
            try:
                return parse_body(request.args[name].encode())
            except BadRequest as problem:
                raise BadRequest(f"Invalid JSON in {name}.") from problem
    return None


def parse_body(data: bytes) -> Any:
    """A body that is JSON, without halves of characters."""
    return parse_json(data, whole_characters=True)


def checked(rev: object) -> str:
    """A revision id."""
    try:
        parse_revision(rev)
    except BadRevision as problem:
        raise BadRequest(str(problem)) from problem
    assert isinstance(rev, str)
    return rev


def revision_path(doc: Document) -> tuple[str, ...]:
    """The revision that a document brings, and its ancestors."""
    try:
        return path_of(doc.get("_rev"), doc.get("_revisions"))
    except BadRevision as problem:
        raise BadRequest(str(problem)) from problem


def is_packed(request: Request) -> bool:
    """Whether the body comes packed by gzip. Raises 415 for every other way of packing."""
    packing = request.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if packing not in ("identity", "gzip"):
        raise PeerError(f"{packing[:40]} is not a supported content encoding.", code="bad_content_type", status=415)
    return packing == "gzip"


def body_file(request: Request, limit: int) -> tuple[IO[bytes], int]:
    """The body as it came (packed, if it is), as a file open at its beginning, and its length."""
    length = request.content_length or 0
    if length > limit:
        raise TooLarge(f"The request is longer than {limit} bytes.")
    source = request.environ["wsgi.input"]
    if getattr(source, "seekable", lambda: False)() and source.tell() == 0:
        # The server has written it to a file already.
        return source, length
    # Gone with the last hand that holds it.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    left = length
    while left > 0 and (piece := source.read(min(left, _PIECE_BYTES))):
        file.write(piece)
        left -= len(piece)
    file.seek(0)
    return file, length - left


def unpacked_file(file: IO[bytes], length: int, limit: int) -> tuple[IO[bytes], int]:
    """A packed body as a file of what is in it."""
    plain = tempfile.TemporaryFile()  # noqa: SIM115
    for piece in IncomingFile(file, 0, length, packed=True, limit=limit).pieces():
        plain.write(piece)
    size = plain.tell()
    plain.seek(0)
    return plain, size


def body(request: Request, limit: int) -> bytes:
    """The whole body, unpacked; bounded on both sides of the unpacking. Raises `TooLarge` too."""
    if (request.content_length or 0) > limit:
        raise TooLarge(f"The request is longer than {limit} bytes.")
    request.max_content_length = limit
    data = request.get_data(cache=False)
    return unpacked(data, limit) if is_packed(request) else data
