"""Which answer a path within a database gets, and what is left out on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from werkzeug.wrappers import Response

from sync.bodies import check_id
from sync.peer import BadRequest, NotBuilt, PeerError
from sync.wsgi.attachments import attachment
from sync.wsgi.bulk import bulk_docs, bulk_get, missing_revs, revs_diff
from sync.wsgi.call import DatabaseCall
from sync.wsgi.changes import changes
from sync.wsgi.database import compact, database, ensure_full_commit, revs_limit, security
from sync.wsgi.documents import document
from sync.wsgi.listing import all_docs, all_docs_queries, design_docs, design_docs_queries
from sync.wsgi.local_documents import local
from sync.wsgi.server import left_out

ANSWERS: Final[dict[str, Callable[[DatabaseCall], Response]]] = {
    "_all_docs": all_docs,
    "_bulk_docs": bulk_docs,
    "_bulk_get": bulk_get,
    "_changes": changes,
    "_compact": compact,
    "_design_docs": design_docs,
    "_ensure_full_commit": ensure_full_commit,
    "_missing_revs": missing_revs,
    "_revs_diff": revs_diff,
    "_revs_limit": revs_limit,
    "_security": security,
}
QUERIES: Final[dict[str, Callable[[DatabaseCall], Response]]] = {
    "_all_docs": all_docs_queries,
    "_design_docs": design_docs_queries,
}
# What replication does not need; a wrong answer would be worse than none.
LEFT_OUT: Final = frozenset(
    (
        "_all_docs",
        "_auto_purge",
        "_compact",
        "_design_docs",
        "_explain",
        "_find",
        "_index",
        "_list",
        "_local_docs",
        "_nouveau_cleanup",
        "_partition",
        "_purge",
        "_purged_infos",
        "_purged_infos_limit",
        "_search",
        "_search_cleanup",
        "_shards",
        "_show",
        "_sync_shards",
        "_temp_view",
        "_time_seq",
        "_update",
        "_view",
        "_view_cleanup",
    )
)


def answer(call: DatabaseCall, rest: Sequence[str]) -> Response:
    """The answer for the path below the database's name."""
    match rest:
        case [] | [""]:
            return database(call)
        case [name] if name in ANSWERS:
            return ANSWERS[name](call)
        case [name, "queries"] if name in QUERIES:
            return QUERIES[name](call)
        case ["_local", name] if name:
            return local(call, name)
        case ["_local", *more]:
            raise _no_local_document(more)
        case ["_design", name, *more] if name:
            if more and more[0][:1] == "_":
                raise NotBuilt("Design functions are not run here; design documents are kept and replicated.")
            return _of_document(call, f"_design/{name}", more)
        case [id_, *more]:
            if id_.startswith("_local/"):
                name = id_.removeprefix("_local/")
                if more or not name:
                    raise _no_local_document(more)
                return local(call, name)
            if id_ in LEFT_OUT:
                raise left_out(id_)
            return _of_document(call, check_id(id_), more)
    raise AssertionError("every path was matched")


def _no_local_document(more: Sequence[str]) -> PeerError:
    return BadRequest("_local documents do not accept attachments." if more else "Invalid _local document id.")


def _of_document(call: DatabaseCall, id_: str, file: Sequence[str]) -> Response:
    return attachment(call, id_, "/".join(file)) if file else document(call, id_)
