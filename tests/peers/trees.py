"""Documents with histories, and what two databases must agree on."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.peers.pouch import Document, Pouch


def revision(
    id_: str, generation: int, suffix: str, *ancestors: str, deleted: bool = False, **content: Any
) -> Document:
    """A document as `new_edits=false` takes it; ancestors are the hashes, nearest first."""
    document = {
        "_id": id_,
        "_rev": f"{generation}-{suffix}",
        "_revisions": {"start": generation, "ids": [suffix, *ancestors]},
        **content,
    }
    return {**document, "_deleted": True} if deleted else document


def hash_like(random: Random) -> str:
    return f"{random.getrandbits(128):032x}"


def random_tree(id_: str, random: Random) -> list[Document]:
    """Every leaf of a random revision tree: up to 6 branches, up to 8 deep, a third of them deleted."""
    paths: list[list[str]] = [[hash_like(random)]]
    for _ in range(random.randint(0, 12)):
        path = random.choice(paths)
        if random.random() < 0.4 and len(paths) < 6:
            cut = random.randint(0, len(path) - 1)
            paths.append([hash_like(random), *path[cut:]])
        elif len(path) < 8:
            path.insert(0, hash_like(random))
    return [revision(id_, len(path), *path, deleted=random.random() < 0.33, n=random.randint(0, 999)) for path in paths]


def seen(database: Pouch, ids: list[str]) -> dict[str, Any]:
    """For each id: the winner with its conflicts, and every leaf with its content and whole history."""
    found: dict[str, Any] = {}
    for id_ in ids:
        leaves = database.get(id_, {"open_revs": "all", "revs": True})
        rows = sorted((row["ok"] for row in leaves), key=lambda leaf: leaf["_rev"])
        winner = database.all_docs({"keys": [id_], "include_docs": True, "conflicts": True})["rows"][0]
        document = winner.get("doc") or {}
        found[id_] = {
            "winner": winner["value"],
            "conflicts": sorted(document.get("_conflicts", [])),
            "leaves": rows,
        }
    return found
