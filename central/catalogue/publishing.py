"""Signed, numbered releases: what is approved goes out with what the last release had, in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from casework.canonical import Document
from casework.documents import item as items
from casework.documents import paper as papers
from casework.documents import release as releases
from casework.holidays import known_calendars
from casework.papers import PAPERS
from casework.signing import sign_document
from casework.times import rfc3339
from central.catalogue.drafts import APPROVED, DRAFTING, following
from central.catalogue.findings import CatalogueRefused
from central.catalogue.wordings import paper_drafts
from central.catalogue.words import EDITABLE, words_documents
from provisioning.county import County
from provisioning.register import CATALOGUE
from sync.store import Store

_publishing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Publication:
    """The release that stations are to use now; `new` is False when nothing had changed since it was made.

    `changed` names items, calendars and papers; the dictionaries of the guide search are not told one by one.
    """

    number: int
    at: str
    items: int
    changed: list[str]
    new: bool


def publish(county: County, *, calendars: Sequence[Document] | None = None) -> Publication:
    """Make the next release from the approved drafts and what the last release had, in one transaction.

    What did not change keeps its revision and the release it came with, so that a new release costs the line
    only what is new. `calendars` are unsigned calendars that come besides those of the last release; by
    default the announced years that it lacks. Without any change there is no new release. Raises
    CatalogueRefused when there is nothing to publish.
    """
    with _publishing:
        catalogue = county.databases.open(CATALOGUE)
        last = newest_release(catalogue)
        number = 1 if last is None else last["number"] + 1
        assert number <= 999_999, "release ids have six digits"
        published = _published(catalogue, last)
        if calendars is None:
            calendars = [calendar for calendar in known_calendars() if calendar["_id"] not in published]
        changed = [
            *_new_items(county, published, number),
            *_new_calendars(county, published, calendars),
            *_new_papers(county, published),
        ]
        words, old_words = _words(county, published, changed)
        changed += words
        dropped = _papers_to_drop(county, published) | old_words
        if not changed and not dropped and last is not None:
            return Publication(last["number"], last["at"], len(last["items"]), [], new=False)
        whole = {**published, **{document["_id"]: document for document in changed}}
        whole = {id_: document for id_, document in whole.items() if id_ not in dropped}
        release_items = [document for id_, document in whole.items() if id_.startswith("item:")]
        if not release_items:
            raise CatalogueRefused("还没有审核通过的事项，没有可以发布的。")
        release_calendars = [document for id_, document in whole.items() if id_.startswith("calendar:")]
        release_papers = [document for id_, document in whole.items() if id_.startswith("paper:")]
        release_words = [document for id_, document in whole.items() if id_.startswith("words:")]
        manifest = sign_document(
            releases.build(
                number,
                rfc3339(county.now()),
                map(_bare, release_items),
                map(_bare, release_calendars),
                map(_bare, release_papers),
                map(_bare, release_words),
            ),
            county.key.id,
            county.key.sign,
        )
        catalogue.save([*changed, following(None, manifest)])
        ids = (*(document["_id"] for document in changed), *sorted(dropped))
        names = [id_.partition(":")[2] for id_ in ids if not id_.startswith("words:")]
        return Publication(number, manifest["at"], len(release_items), names, new=True)


@dataclass(frozen=True, slots=True)
class Pending:
    """What the next release would bring, and what waits for approval: (code, name) each; `papers` are worded anew, of
    `words` (the dictionaries of the guide search) something was edited.
    """

    new: list[tuple[str, str]]
    changed: list[tuple[str, str]]
    unapproved: list[tuple[str, str]]
    papers: list[tuple[str, str]]
    words: list[tuple[str, str]]


def pending(county: County) -> Pending:
    """In what the drafts differ from the newest release."""
    published = _published(county.catalogue, newest_release(county.catalogue))
    found = Pending([], [], [], [], [])
    for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
        item = draft["item"]
        before = published.get(items.item_id(item["code"]))
        if before is not None and items.is_same_content(before, item):
            continue
        fate = found.unapproved if draft["state"] != APPROVED else found.new if before is None else found.changed
        fate.append((item["code"], item["name"]))
    worded = {document["code"] for document in _new_papers(county, published)}
    dropped = {id_.partition(":")[2] for id_ in _papers_to_drop(county, published)}
    found.papers.extend((code, PAPERS[code].title) for code in PAPERS if code in worded | dropped)
    edited = {
        document["dictionary"] for document in _new_words(county, published, words_documents(county)) if published
    }
    found.words.extend((name, title) for name, title in EDITABLE.items() if name in edited)
    return found


def published_items(county: County) -> list[Document]:
    """The items of the newest release, in the order of their codes."""
    published = _published(county.catalogue, newest_release(county.catalogue))
    return [document for id_, document in sorted(published.items()) if id_.startswith("item:")]


def newest_release(catalogue: Store) -> Document | None:
    """The manifest with the highest number."""
    found = catalogue.range("release:", "release:\uffff", limit=1, descending=True)
    return found[0] if found else None


def published_paper(catalogue: Store, code: str) -> Document | None:
    """The county's own words for a paper in the newest release; None where the default ones stand."""
    entry = (newest_release(catalogue) or {}).get("papers", {}).get(code)
    return catalogue.get(papers.paper_id(code), entry["rev"]) if entry is not None else None


def _published(catalogue: Store, last: Document | None) -> dict[str, Document]:
    """The documents of the last release, by id."""
    if last is None:
        return {}
    return {document["_id"]: document for document in catalogue.read(id_ for id_, _, _ in releases.listed(last))}


def _new_items(county: County, published: Mapping[str, Document], number: int) -> Iterator[Document]:
    for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
        if draft["state"] != APPROVED:
            continue
        before = published.get(items.item_id(draft["item"]["code"]))
        # An item that an older key of the county signed is signed anew: that key may not count for ever.
        if before is not None and before["key"] == county.key.id and items.is_same_content(before, draft["item"]):
            continue
        yield following(before, items.build(draft["item"], release=number, key=county.key.id, sign=county.key.sign))


def _new_calendars(
    county: County, published: Mapping[str, Document], calendars: Iterable[Document]
) -> Iterator[Document]:
    for calendar in calendars:
        before = published.get(calendar["_id"])
        if before is not None and before["key"] == county.key.id and _says(before) == _says(calendar):
            continue
        yield following(before, sign_document(calendar, county.key.id, county.key.sign))


def _new_papers(county: County, published: Mapping[str, Document]) -> Iterator[Document]:
    for code, words in paper_drafts(county).items():
        if words is None:
            continue
        paper, before = papers.build(code, words), published.get(papers.paper_id(code))
        if before is not None and before["key"] == county.key.id and _says(before) == _says(paper):
            continue
        # It may have been worded before, and gone back to the default since.
        before = before or county.catalogue.get(paper["_id"])
        yield following(before, sign_document(paper, county.key.id, county.key.sign))


def _papers_to_drop(county: County, published: Mapping[str, Document]) -> set[str]:
    """The papers that go back to the default words."""
    back = {papers.paper_id(code) for code, words in paper_drafts(county).items() if words is None}
    return back & published.keys()


def _words(
    county: County, published: Mapping[str, Document], changed: Iterable[Document]
) -> tuple[list[Document], set[str]]:
    """The dictionaries that say something new, for the items that there will be; and which are no more."""
    coming = {**published, **{document["_id"]: document for document in changed}}
    items = [document for id_, document in sorted(coming.items()) if id_.startswith("item:")]
    wanted = words_documents(county, items)
    old = {id_ for id_ in published if id_.startswith("words:")} - {document["_id"] for document in wanted}
    return list(_new_words(county, published, wanted)), old


def _new_words(county: County, published: Mapping[str, Document], wanted: Iterable[Document]) -> Iterator[Document]:
    for words in wanted:
        before = published.get(words["_id"])
        if before is not None and before["key"] == county.key.id and _says(before) == _says(words):
            continue
        before = before or county.catalogue.get(words["_id"])
        yield following(before, sign_document(words, county.key.id, county.key.sign))


def _says(document: Document) -> Document:
    return {name: value for name, value in document.items() if not name.startswith("_") and name not in ("key", "sig")}


def _bare(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "_revisions"}
