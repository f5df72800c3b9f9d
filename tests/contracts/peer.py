"""What every Peer must do: one conformance class that each kind of Peer inherits."""

from __future__ import annotations

import base64

import pytest

from sync.peer import BadRequest, Conflict, Document, Peer


def kept(id_: str, rev: str, *ancestors: str, deleted: bool = False, **content: object) -> Document:
    """A document that keeps its revision, with its ancestors' hashes, newest first."""
    generation, _, digest = rev.partition("-")
    doc: Document = {
        "_id": id_,
        "_rev": rev,
        "_revisions": {"start": int(generation), "ids": [digest, *ancestors]},
        **content,
    }
    return {**doc, "_deleted": True} if deleted else doc


class PeerContract:
    """Inherit and give a fixture `peer`: an empty database."""

    def test_an_empty_database_has_nothing(self, peer: Peer) -> None:
        info = peer.info()
        assert (info["doc_count"], info["doc_del_count"]) == (0, 0)
        found = peer.changes()
        assert found.results == []
        assert peer.changes(found.last_seq).results == []

    def test_an_edit_gets_a_revision_that_can_be_read_back(self, peer: Peer) -> None:
        (written,) = peer.bulk_docs([{"_id": "a", "name": "云岭·𠀀", "n": 2**60, "deep": [{"x": None}]}])
        assert written.error is None
        assert written.rev.startswith("1-")
        (fetched,) = peer.bulk_get([("a", written.rev)])
        assert fetched.document == {
            "_id": "a",
            "_rev": written.rev,
            "_revisions": {"start": 1, "ids": [written.rev[2:]]},
            "name": "云岭·𠀀",
            "n": 2**60,
            "deep": [{"x": None}],
        }

    def test_an_edit_that_follows_no_leaf_is_a_conflict(self, peer: Peer) -> None:
        first = peer.bulk_docs([{"_id": "a", "n": 1}])[0].rev
        second = peer.bulk_docs([{"_id": "a", "_rev": first, "n": 2}])[0]
        assert second.error is None
        assert second.rev.startswith("2-")
        answers = peer.bulk_docs([{"_id": "a", "_rev": first, "n": 3}, {"_id": "a", "n": 4}, {"_id": "b"}])
        assert [answer.error for answer in answers] == ["conflict", "conflict", None]

    def test_a_deleted_document_can_live_again(self, peer: Peer) -> None:
        first = peer.bulk_docs([{"_id": "a", "n": 1}])[0].rev
        gone = peer.bulk_docs([{"_id": "a", "_rev": first, "_deleted": True}])[0].rev
        assert [(row.id, row.deleted) for row in peer.changes().results] == [("a", True)]
        again = peer.bulk_docs([{"_id": "a", "n": 2}])[0]
        assert again.error is None
        assert again.rev.startswith("3-")
        (fetched,) = peer.bulk_get([("a", again.rev)])
        assert fetched.document is not None
        assert fetched.document["_revisions"]["ids"][1:] == [gone[2:], first[2:]]

    def test_revisions_from_elsewhere_are_kept_as_they_are(self, peer: Peer) -> None:
        docs = [kept("a", "3-c", "b", "a", n=3), kept("a", "3-d", "b", "a", n=4), kept("b", "1-x", n=1)]
        assert [answer.error for answer in peer.bulk_docs(docs, new_edits=False)] == [None] * 3
        rows = {row.id: row for row in peer.changes(style="all_docs").results}
        assert rows["a"].revs == ("3-d", "3-c")
        assert rows["b"].revs == ("1-x",)
        assert {row.id: row.revs for row in peer.changes().results}["a"] == ("3-d",)

    def test_the_same_revision_again_changes_nothing(self, peer: Peer) -> None:
        docs = [kept("a", "2-b", "a", n=1)]
        peer.bulk_docs(docs, new_edits=False)
        before = peer.changes().last_seq
        assert peer.bulk_docs(docs, new_edits=False)[0].error is None
        assert peer.changes(before).results == []

    def test_a_tombstone_on_the_winner_lets_the_other_leaf_win(self, peer: Peer) -> None:
        peer.bulk_docs([kept("a", "2-b", "a", n="b"), kept("a", "2-c", "a", n="c")], new_edits=False)
        peer.bulk_docs([kept("a", "3-d", "c", "a", deleted=True)], new_edits=False)
        (row,) = peer.changes(style="all_docs", include_docs=True).results
        assert row.revs == ("2-b", "3-d")
        assert not row.deleted
        assert row.doc is not None
        assert row.doc["n"] == "b"

    def test_a_deleted_leaf_never_wins_over_a_live_one(self, peer: Peer) -> None:
        peer.bulk_docs([kept("a", "9-z", "y", deleted=True), kept("a", "1-a", n=1)], new_edits=False)
        (row,) = peer.changes().results
        assert (row.revs, row.deleted) == (("1-a",), False)

    def test_revs_diff_names_what_is_missing_and_what_may_be_its_ancestor(self, peer: Peer) -> None:
        peer.bulk_docs([kept("a", "2-b", "a"), kept("b", "1-x")], new_edits=False)
        answer = peer.revs_diff({"a": ["2-b", "1-a", "3-c", "1-q"], "b": ["1-x"], "c": ["1-z"]})
        assert set(answer) == {"a", "c"}
        assert sorted(answer["a"].missing) == ["1-q", "3-c"]
        assert answer["a"].possible_ancestors == ["2-b"]
        assert answer["c"].missing == ["1-z"]

    def test_bulk_get_answers_in_order_and_says_what_is_not_there(self, peer: Peer) -> None:
        peer.bulk_docs([kept("a", "1-a", n=1), kept("b", "1-b", n=2)], new_edits=False)
        fetched = peer.bulk_get([("b", "1-b"), ("x", "1-x"), ("a", "7-q"), ("a", "1-a")])
        assert [(one.id, one.rev) for one in fetched] == [
            ("b", "1-b"),
            ("x", "1-x"),
            ("a", "7-q"),
            ("a", "1-a"),
        ]
        assert [one.document is None for one in fetched] == [False, True, True, False]
        assert fetched[1].error == "not_found"

    def test_a_document_is_in_the_feed_once_at_its_latest_place(self, peer: Peer) -> None:
        rev = peer.bulk_docs([{"_id": "a"}])[0].rev
        peer.bulk_docs([{"_id": "b"}])
        between = peer.changes().last_seq
        peer.bulk_docs([{"_id": "a", "_rev": rev, "n": 1}])
        assert [row.id for row in peer.changes().results] == ["b", "a"]
        assert [row.id for row in peer.changes(between).results] == ["a"]

    def test_the_feed_can_be_read_in_pages(self, peer: Peer) -> None:
        peer.bulk_docs([{"_id": f"doc{number:02}"} for number in range(7)])
        seen: list[str] = []
        since: int | str = 0
        while page := peer.changes(since, limit=3).results:
            assert len(page) <= 3
            seen += [row.id for row in page]
            since = page[-1].seq
        assert seen == [f"doc{number:02}" for number in range(7)]

    def test_the_feed_can_be_limited_to_ids_and_turned_round(self, peer: Peer) -> None:
        peer.bulk_docs([{"_id": name} for name in ("a", "b", "c")])
        assert [row.id for row in peer.changes(doc_ids=["c", "a", "zz"]).results] == ["a", "c"]
        assert [row.id for row in peer.changes(descending=True, limit=2).results] == ["c", "b"]

    def test_local_documents_follow_their_own_revision_and_stay_out_of_the_feed(self, peer: Peer) -> None:
        assert peer.get_local("check/point") is None
        rev = peer.put_local("check/point", {"seq": 1})
        assert peer.get_local("check/point") == {"_id": "_local/check/point", "_rev": rev, "seq": 1}
        with pytest.raises(Conflict):
            peer.put_local("check/point", {"seq": 2})
        second = peer.put_local("check/point", {"_rev": rev, "seq": 2})
        with pytest.raises(Conflict):
            peer.put_local("check/point", {"_rev": rev, "seq": 3})
        assert second != rev
        assert peer.changes().results == []

    def test_attachments_travel_with_their_document(self, peer: Peer) -> None:
        data = bytes(range(256)) * 50
        inline = {"photo/1.jpg": {"content_type": "image/jpeg", "data": base64.b64encode(data).decode()}}
        rev = peer.bulk_docs([{"_id": "a", "_attachments": inline}])[0].rev
        found = peer.attachment("a", "photo/1.jpg")
        assert found is not None
        assert (found.content_type, found.data) == ("image/jpeg", data)
        (fetched,) = peer.bulk_get([("a", rev)])
        assert fetched.document is not None
        assert base64.b64decode(fetched.document["_attachments"]["photo/1.jpg"]["data"]) == data
        stub = {"photo/1.jpg": {"stub": True, "digest": found.digest, "content_type": "image/jpeg"}}
        second = peer.bulk_docs([{"_id": "a", "_rev": rev, "n": 1, "_attachments": stub}])[0]
        assert second.error is None
        again = peer.attachment("a", "photo/1.jpg", rev=second.rev)
        assert again is not None
        assert again.data == data
        assert peer.attachment("a", "other") is None
        assert peer.attachment("b", "photo/1.jpg") is None

    def test_a_stub_of_a_file_that_is_not_here_is_refused(self, peer: Peer) -> None:
        stub = {"x": {"stub": True, "digest": "md5-nothing", "content_type": "text/plain"}}
        (answer,) = peer.bulk_docs([kept("a", "1-a", _attachments=stub)], new_edits=False)
        assert answer.error == "missing_stub"
        assert peer.changes().results == []

    @pytest.mark.parametrize(
        "document",
        [
            {"_id": ""},
            {"_id": "_odd"},
            {"_id": "x" * 5000},
            {"_id": "a", "_unknown": 1},
            {"_id": "a", "_rev": "nonsense"},
            {"_id": "a", "_rev": "100000000000000000000-a"},
            {"_id": "a", "_deleted": "yes"},
            {"_id": "a", "_attachments": {"f": {"data": "not base64!"}}},
        ],
        ids=lambda document: str(document)[:50],
    )
    def test_what_cannot_be_a_document_is_refused(self, peer: Peer, document: Document) -> None:
        with pytest.raises(BadRequest):
            peer.bulk_docs([document])
        assert peer.info()["doc_count"] == 0

    def test_nesting_without_end_is_refused(self, peer: Peer) -> None:
        deep: object = 1
        for _ in range(300):
            deep = [deep]
        with pytest.raises(BadRequest):
            peer.bulk_docs([{"_id": "a", "deep": deep}])

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
    def test_numbers_that_json_does_not_have_are_refused(self, peer: Peer, number: float) -> None:
        with pytest.raises(BadRequest):
            peer.bulk_docs([{"_id": "a", "n": number}])

    def test_a_lone_surrogate_is_refused(self, peer: Peer) -> None:
        with pytest.raises(BadRequest):
            peer.bulk_docs([{"_id": "a", "name": "\ud800"}])

    def test_one_bad_document_from_elsewhere_does_not_hold_up_the_others(self, peer: Peer) -> None:
        answers = peer.bulk_docs(
            [kept("a", "1-a"), {"_id": "b", "_rev": "99999999999999999999-x"}, kept("c", "1-c")],
            new_edits=False,
        )
        assert [answer.error is None for answer in answers] == [True, False, True]
        assert [row.id for row in peer.changes().results] == ["a", "c"]

    def test_design_documents_are_kept_like_others(self, peer: Peer) -> None:
        rev = peer.bulk_docs([{"_id": "_design/app", "language": "javascript"}])[0].rev
        assert peer.bulk_get([("_design/app", rev)])[0].document is not None
