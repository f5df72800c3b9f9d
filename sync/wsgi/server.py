"""The server's own answers: what it is, which databases there are, random ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from werkzeug.wrappers import Request, Response

from sync.peer import BadRequest, Document, NotBuilt, PeerError
from sync.served import Folder
from sync.wsgi.asked import body, flag, integer, location, only, parameter, parse_body
from sync.wsgi.responses import json_answer

VERSION: Final = "3.4.3"
# The only databases of CouchDB whose names begin with an underscore.
SYSTEM_DATABASES: Final = frozenset(("_users", "_replicator", "_global_changes"))
_MOST_UUIDS: Final = 1000
_MOST_INFOS: Final = 100


def welcome(request: Request) -> Response:
    """`GET /`."""
    only(request, "GET")
    return json_answer(200, {"couchdb": "Welcome", "version": VERSION, "features": [], "vendor": {"name": "Yizhan"}})


def up(request: Request) -> Response:
    """`GET /_up`."""
    only(request, "GET")
    return json_answer(200, {"status": "ok", "seeds": {}})


def all_dbs(request: Request, names: Sequence[str]) -> Response:
    """`GET /_all_dbs`: those of `names` (sorted) that the range names."""
    only(request, "GET")
    return json_answer(200, _in_range(request, names))


def _in_range(request: Request, names: Sequence[str]) -> list[str]:
    start = parameter(request, "startkey", "start_key")
    end = parameter(request, "endkey", "end_key")
    if not isinstance(start, str | None) or not isinstance(end, str | None):
        raise BadRequest("startkey and endkey must be strings.")
    descending = flag(request, "descending")
    included = flag(request, "inclusive_end", default=True)
    low, high = (end, start) if descending else (start, end)
    found = [name for name in names if (low is None or name >= low) and (high is None or name <= high)]
    if not included and end in found:
        found.remove(end)
    if descending:
        found.reverse()
    skip = integer(request, "skip", 0)
    return found[skip : skip + integer(request, "limit", len(found))]


def dbs_info(request: Request, names: Sequence[str], databases: Folder, max_body_bytes: int) -> Response:
    """`/_dbs_info`: what several databases are; `names` are those that may be seen."""
    if request.method == "POST":
        asked = parse_body(body(request, max_body_bytes))
        keys = asked.get("keys") if isinstance(asked, dict) else None
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise BadRequest("`keys` body member must be an array of names.")
        if len(keys) > _MOST_INFOS:
            raise BadRequest(f"`keys` has more than {_MOST_INFOS} names.")
    else:
        only(request, "GET")
        keys = _in_range(request, names)
    seen = set(names)
    return json_answer(200, [_info(name, databases) if name in seen else _no_info(name, "not_found") for name in keys])


def _info(name: str, databases: Folder) -> Document:
    try:
        store = databases.existing(name)
        return _no_info(name, "not_found") if store is None else {"key": name, "info": store.info()}
    except PeerError as problem:
        # A damaged file is told in its own row.
        return _no_info(name, problem.code)


def _no_info(name: str, error: str) -> Document:
    return {"key": name, "error": error}


def uuids(request: Request, databases: Folder) -> Response:
    """`GET /_uuids`."""
    only(request, "GET")
    count = integer(request, "count", 1)
    if count > _MOST_UUIDS:
        raise BadRequest("count parameter too large")
    bits = databases.random.getrandbits
    answer = json_answer(200, {"uuids": [f"{bits(128):032x}" for _ in range(count)]})
    answer.headers["Cache-Control"] = "no-cache"
    return answer


def create(request: Request, databases: Folder, name: str) -> Response:
    """`PUT /db`, by somebody who may."""
    if flag(request, "partitioned"):
        raise BadRequest("Partitioned feature is not enabled.")
    if databases.create(name) is None:
        raise PeerError("The database could not be created, the file already exists.", code="file_exists", status=412)
    answer = json_answer(201, {"ok": True})
    answer.headers["Location"] = location(request)
    return answer


def delete(request: Request, databases: Folder, name: str) -> Response:
    """`DELETE /db`, by somebody who may."""
    if "rev" in request.args:
        raise BadRequest(
            "You tried to DELETE a database with a ?rev= parameter. Did you mean to DELETE a document instead?"
        )
    databases.delete(name)
    return json_answer(200, {"ok": True})


def left_out(name: str) -> PeerError:
    """What is not here on purpose."""
    return NotBuilt(f"{name[:60]} is left out here: this server keeps and replicates documents.")
