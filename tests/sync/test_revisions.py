"""Revision trees: the same whatever the order of merging; winner and leaves as CouchDB computes them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.revisions import (
    MAX_GENERATION,
    BadRevision,
    RevisionTree,
    next_revision,
    parse_revision,
    path_of,
    revisions_field,
)

Path = tuple[str, ...]


@st.composite
def families(draw: st.DrawFn) -> list[tuple[Path, bool]]:
    """Edits of one document: full or stemmed paths out of one consistent history, some of them deletions."""
    parents: dict[str, str | None] = {}
    for number in range(draw(st.integers(1, 12))):
        parent = draw(st.sampled_from([None, *parents])) if parents else None
        generation = int(parent.partition("-")[0]) + 1 if parent else 1
        parents[f"{generation}-{draw(st.sampled_from('abcdef0123456789'))}{number:x}"] = parent
    edits = []
    for rev in parents:
        path = [rev]
        while (parent := parents[path[-1]]) is not None:
            path.append(parent)
        # A peer that has forgotten early ancestors sends fewer of them.
        known = draw(st.integers(1, len(path)))
        edits.append((tuple(path[:known]), draw(st.booleans())))
    return edits


def merged(edits: list[tuple[Path, bool]]) -> RevisionTree:
    tree = RevisionTree()
    for path, deleted in edits:
        tree = tree.merge(path, deleted=deleted)
    return tree


@given(families(), st.randoms(use_true_random=False))
def test_any_order_of_merging_gives_the_same_leaves_and_winner(edits: list[tuple[Path, bool]], random: Random) -> None:
    # Oldest first, as the edits were made.
    in_order = merged(sorted(edits, key=lambda edit: parse_revision(edit[0][0])))
    shuffled = list(edits)
    random.shuffle(shuffled)
    tree = merged(shuffled)
    assert tree.parents == in_order.parents
    assert tree.leaves() == in_order.leaves()
    assert tree.winner() == in_order.winner()


@given(families())
def test_merging_again_changes_nothing(edits: list[tuple[Path, bool]]) -> None:
    tree = merged(edits)
    for path, deleted in edits:
        assert tree.merge(path, deleted=deleted) is tree


@given(families())
def test_a_tree_survives_being_written_down(edits: list[tuple[Path, bool]]) -> None:
    tree = merged(edits)
    assert RevisionTree.from_text(tree.to_text()) == tree


@given(families())
def test_the_winner_is_the_first_by_couchdbs_order(edits: list[tuple[Path, bool]]) -> None:
    tree = merged(edits)
    followed = {parent for path, _ in edits for parent in path[1:]}
    leaves = [(path[0], deleted) for path, deleted in edits if path[0] not in followed]
    best = max(leaves, key=lambda leaf: (not leaf[1], parse_revision(leaf[0])))
    assert tree.winner() == best[0]
    assert set(tree.leaves()) == {rev for rev, _ in leaves}
    assert set(tree.conflicts()) == {rev for rev, deleted in leaves if not deleted} - {best[0]}
    assert set(tree.deleted_conflicts()) == {rev for rev, deleted in leaves if deleted} - {best[0]}


@given(families(), st.integers(1, 4))
def test_stemming_keeps_the_leaves_and_no_path_longer_than_the_limit(
    edits: list[tuple[Path, bool]], limit: int
) -> None:
    whole = merged(edits)
    leaf = whole.winner()
    tree = RevisionTree().merge(whole.path(leaf), deleted=False, revs_limit=limit)
    assert tree.leaves() == [leaf]
    assert tree.path(leaf) == whole.path(leaf)[:limit]


def test_a_stemmed_tree_grows_and_forgets() -> None:
    tree = RevisionTree()
    for generation in range(1, 11):
        path = [f"{number}-x" for number in range(generation, max(0, generation - 2), -1)]
        tree = tree.merge(path, deleted=False, revs_limit=4)
    assert tree.path("10-x") == ("10-x", "9-x", "8-x", "7-x")
    assert "6-x" not in tree


def test_generations_count_as_numbers_and_hashes_as_ascii() -> None:
    tree = merged([(("9-zz",), False), (("10-aa",), False), (("10-Zz",), False)])
    assert tree.leaves() == ["10-aa", "10-Zz", "9-zz"]


def test_possible_ancestors_are_leaves_older_than_what_is_missing() -> None:
    tree = merged([(("2-b", "1-a"), False), (("3-q", "2-p"), False)])
    assert tree.missing(["2-b", "3-c", "1-a"]) == ["3-c"]
    assert tree.possible_ancestors(["3-c"]) == ["2-b"]
    assert tree.possible_ancestors(["1-z"]) == []


def test_latest_opens_the_leaves_that_descend_even_if_they_lost_or_are_deleted() -> None:
    tree = merged([(("3-z", "2-z", "1-a"), False), (("3-b", "2-b", "1-a"), True)])
    assert tree.winner() == "3-z"
    assert tree.leaves_after("2-b") == ["3-b"]
    assert tree.leaves_after("2-z") == ["3-z"]
    assert tree.leaves_after("1-a") == ["3-z", "3-b"]
    assert tree.leaves_after("9-x") == []


@pytest.mark.parametrize(
    "rev",
    [
        "",
        "1",
        "-a",
        "1-",
        "0-a",
        "01-a",
        "-1-a",
        "1-a b",
        "1-ä",
        "１-a",
        f"{MAX_GENERATION + 1}-a",
        "9" * 5000 + "-a",
        7,
        None,
        "1-" + "x" * 500,
    ],
    ids=lambda rev: str(rev)[:20],
)
def test_what_is_no_revision_is_refused(rev: object) -> None:
    with pytest.raises(BadRevision):
        parse_revision(rev)


@pytest.mark.parametrize(
    "revisions",
    [
        [],
        {"start": 1, "ids": []},
        {"start": 1, "ids": ["a", "b"]},
        {"start": "1", "ids": ["a"]},
        {"start": True, "ids": ["a"]},
        {"start": 2**53, "ids": ["a"]},
        {"start": 1, "ids": [1]},
        {"start": 1, "ids": ["z"]},
    ],
)
def test_a_history_that_does_not_hang_together_is_refused(revisions: object) -> None:
    with pytest.raises(BadRevision):
        path_of("1-a", revisions)


def test_a_path_and_its_field_are_the_same_thing() -> None:
    path = ("3-c", "2-b", "1-a")
    assert path_of("3-c", revisions_field(path)) == path


def test_the_same_edit_gets_the_same_revision_and_another_edit_another() -> None:
    one = next_revision("1-a", deleted=False, body=b'{"n":1}')
    assert one == next_revision("1-a", deleted=False, body=b'{"n":1}')
    assert one.startswith("2-")
    others = {
        next_revision("1-b", deleted=False, body=b'{"n":1}'),
        next_revision("1-a", deleted=True, body=b'{"n":1}'),
        next_revision("1-a", deleted=False, body=b'{"n":2}'),
        next_revision("1-a", deleted=False, body=b'{"n":1}', attachments=["f\nmd5-x"]),
    }
    assert len(others | {one}) == 5
    with pytest.raises(BadRevision):
        next_revision(f"{MAX_GENERATION}-a", deleted=False, body=b"{}")
