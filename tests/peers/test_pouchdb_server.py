"""pouchdb-server and us: our `yizhan sync replicate` to and from it, and its own replicator with our server."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.patience import PATIENCE_S, until
from tests.peers.conftest import Site
from tests.peers.pouch import ROOT, Document, Node, Pouch
from tests.peers.trees import random_tree, seen

_FILE = Random(8).randbytes(300_000)


def replicated(source: str, target: str) -> Document:
    """`yizhan sync replicate SOURCE TARGET --json` as a process: its figures."""
    done = subprocess.run(
        [sys.executable, "-m", "yizhan", "sync", "replicate", source, target, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: Document = json.loads(done.stdout)
    return figures


def fill(database: Pouch) -> list[str]:
    """200 documents, one with a file, one deleted, and 20 random trees; their ids."""
    database.bulk_docs([{"_id": f"d{number:03}", "number": number, "text": "驿站"} for number in range(200)])
    data = base64.b64encode(_FILE).decode()
    database.put({"_id": "file", "_attachments": {"f.bin": {"content_type": "image/png", "data": data}}})
    gone = database.put({"_id": "gone"})
    database.remove("gone", gone["rev"])
    random = Random(31)
    trees = [f"tree{number:02}" for number in range(20)]
    database.bulk_docs([leaf for id_ in trees for leaf in random_tree(id_, random)], {"new_edits": False})
    return ["d000", "d199", "gone", *trees]


def whole(database: Pouch) -> dict[str, Any]:
    return {row["id"]: row["doc"] for row in database.all_docs({"include_docs": True})["rows"]}


def has_the_file(database: Pouch) -> bool:
    inline = database.get("file", {"attachments": True})["_attachments"]["f.bin"]
    return base64.b64decode(inline["data"]) == _FILE


def test_we_pull_from_it_into_a_folder_and_push_from_there_to_another(
    node: Node, pouchdb_server: Site, tmp_path: Path
) -> None:
    source, target = node.database(pouchdb_server.make()), node.database(pouchdb_server.make())
    ids = fill(source)
    folder = f"{tmp_path}/couch/copy"
    down = replicated(source.name, folder)
    assert down["doc_write_failures"] == 0
    assert down["bytes_received"] > len(_FILE)
    up = replicated(folder, target.name)
    assert up["doc_write_failures"] == 0
    assert up["docs_written"] == down["docs_written"]
    assert whole(source) == whole(target)
    assert seen(source, ids) == seen(target, ids)
    assert has_the_file(target)
    # A second run has nothing to do.
    assert replicated(source.name, folder)["docs_written"] == 0
    assert replicated(folder, target.name)["docs_written"] == 0


def test_we_carry_between_it_and_our_server(node: Node, site: Site, pouchdb_server: Site) -> None:
    ours, theirs = node.database(site.make()), node.database(pouchdb_server.make())
    ids = fill(ours)
    assert replicated(ours.name, theirs.name)["doc_write_failures"] == 0
    assert whole(ours) == whole(theirs)
    assert seen(ours, ids) == seen(theirs, ids)
    assert has_the_file(theirs)
    theirs.put({"_id": "answer"})
    edited = theirs.get("d000")
    theirs.put({**edited, "number": -1})
    back = replicated(theirs.name, ours.name)
    assert (back["docs_written"], back["doc_write_failures"]) == (2, 0)
    assert whole(ours) == whole(theirs)


def test_its_own_replicator_carries_both_ways_with_our_server(node: Node, site: Site, pouchdb_server: Site) -> None:
    ours, theirs = node.database(site.make()), node.database(pouchdb_server.make())
    ids = fill(ours)
    name = theirs.name.rpartition("/")[2]
    assert pouchdb_server.ask("POST", "/_replicate", {"source": ours.name, "target": name})["ok"] is True
    assert whole(ours) == whole(theirs)
    assert seen(ours, ids) == seen(theirs, ids)
    assert has_the_file(theirs)
    theirs.put({"_id": "answer"})
    assert pouchdb_server.ask("POST", "/_replicate", {"source": name, "target": ours.name})["ok"] is True
    assert whole(ours) == whole(theirs)


def test_its_own_replicator_follows_our_feed(
    node: Node, site: Site, pouchdb_server: Site, local: Callable[[], str]
) -> None:
    ours, theirs = node.database(site.make()), node.database(pouchdb_server.make())
    name = theirs.name.rpartition("/")[2]
    asked = {"source": ours.name, "target": name, "continuous": True}
    pouchdb_server.ask("POST", "/_replicate", asked)
    for number in range(3):
        ours.put({"_id": str(number)})
        until(lambda: whole(ours) == whole(theirs), "both hold the same")
    ours.remove(ours.get("0"))
    until(lambda: set(whole(theirs)) == {"1", "2"}, "both are there")
    pouchdb_server.ask("POST", "/_replicate", {**asked, "cancel": True})
