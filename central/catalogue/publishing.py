"""Signed, numbered releases: what is approved goes out with what the last release had, in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from casework.canonical import Document, content_hash
from casework.documents import item as items
from casework.documents import paper as papers
from casework.documents import release as releases
from casework.documents import words as words_type
from casework.holidays import known_calendars
from casework.signing import sign_document
from casework.times import rfc3339
from central.catalogue import libraries
from central.catalogue.directories import Libraries, resolved
from central.catalogue.drafts import BY_COMMAND, DRAFTING, actor_of, following, logged, version_id
from central.catalogue.findings import CatalogueRefused
from central.catalogue.groups import grouped
from central.catalogue.lifecycle import WORKED_ON, in_library, is_withdrawn
from central.catalogue.wordings import WORDED, paper_drafts
from central.catalogue.words import EDITABLE, words_documents
from provisioning.county import County
from sync.store import Store

_publishing = threading.Lock()

TAKEN_BACK: Final = "taken-back"
"""In `drafting`: what a release brought and a later one took back, `{held: {id: hash of what it says | null}}`."""

MOST_DIFFERENCES: Final = 30
"""So many differences may stand on one whole list: a new station needs them all."""
_WHOLE_AGAIN: Final = 4
"""A list is stated whole again when the differences since the last whole one are this part of it: a quarter."""


@dataclass(frozen=True, slots=True)
class Publication:
    """The release that stations are to use now; `new` is False when nothing had changed since it was made. `changed`
    are the names of documents that are new, changed or gone; `back_to` is the release whose content this one has.
    """

    number: int
    at: str
    items: int
    changed: list[str]
    new: bool
    back_to: int | None = None


def publish(
    county: County, *, by: str = BY_COMMAND, calendars: Sequence[Document] | None = None, held: bool = False
) -> Publication:
    """Make the next release from the approved drafts and what the last release had, in one transaction.

    What did not change keeps its revision and the release it came with, so that a new release costs the line
    only what is new. `calendars` are unsigned calendars that come besides those of the last release; by
    default the announced years that it lacks. What was taken back stays out unless it was edited since, or `held`
    asks for it. Without any change there is no new release. Raises CatalogueRefused when there is nothing to publish.
    """
    with _publishing:
        last = newest_release(county.catalogue)
        published = _published(county.catalogue, last)
        if calendars is None:
            calendars = [calendar for calendar in known_calendars() if calendar["_id"] not in published]
        number = _next(last)
        changed = {document["_id"]: document for document in _changes(county, published, number, calendars)}
        words = _words_of(county, published, changed.values())
        changed |= {document["_id"]: document for document in _new_words(county, published, words)}
        dropped = _dropped(county, published) | _words_to_drop(published, words)
        if not held:
            waiting = _held(county)
            changed = {id_: document for id_, document in changed.items() if not _is_held(waiting, id_, document)}
            dropped = {id_ for id_ in dropped if not (id_ in waiting and waiting[id_] is None)}
        changed = {**_signed_anew(county, published, dropped, number), **changed}
        if not changed and not dropped and last is not None:
            return Publication(last["number"], last["at"], _items_in(published), [], new=False)
        what = f"第 {number} 版，{len(changed) + len(dropped)} 处改动{'，连同退回过的' if held else ''}"
        with logged(county, actor_of(county, by), "catalogue_published", what):
            return _release(county, last, published, list(changed.values()), dropped, number)


def take_back(county: County, to: int, *, by: str) -> Publication:
    """Publish a newer release with the content of release `to`: a number never goes back, its content may.

    Calendars stay as they are: a day off is not the catalogue's to take back. Approved drafts stay approved and are
    held: `publish` leaves out what was taken back until somebody edits it or asks for it. Raises CatalogueRefused when
    there is no such release, when it is what is used already, or when a document of it is not to be found any more.
    """
    with _publishing:
        last = newest_release(county.catalogue)
        published = _published(county.catalogue, last)
        number = _next(last)
        changed, dropped = _way_back(county, last, published, to, number)
        if not changed and not dropped:
            raise CatalogueRefused(f"第 {to} 版和现在用的第 {number - 1} 版一样，不用退。")
        what = f"第 {number} 版，内容和第 {to} 版一样"
        with logged(county, actor_of(county, by), "catalogue_taken_back", what):
            _hold(county, published, [*(document["_id"] for document in changed), *dropped], by)
            whole = _signed_anew(county, published, dropped, number) | {
                document["_id"]: document for document in changed
            }
            return _release(county, last, published, list(whole.values()), dropped, number, back_to=to)


@dataclass(frozen=True, slots=True)
class Pending:
    """What the next release would bring, and what waits for approval: (code, name) each; `papers` are worded anew,
    `held` was taken back and stays out, `withdrawn` goes out, `kept` are
    directories, blank forms and samples, of `words` (the dictionaries of the guide search) something was edited.
    """

    new: list[tuple[str, str]]
    changed: list[tuple[str, str]]
    unapproved: list[tuple[str, str]]
    papers: list[tuple[str, str]]
    held: list[tuple[str, str]] = field(default_factory=list)
    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    words: list[tuple[str, str]] = field(default_factory=list)


def pending(county: County) -> Pending:
    """In what the drafts differ from the newest release."""
    published = _published(county.catalogue, newest_release(county.catalogue))
    waiting = _held(county)
    found = Pending([], [], [], [])
    known = libraries.load(county)
    for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
        item, stored = as_published(draft["item"], known), in_library(draft)
        approved = as_published(stored, known) if stored is not None else None
        code, id_ = item["code"], items.item_id(item["code"])
        before = published.get(id_)
        if is_withdrawn(draft) and before is not None:
            (found.held if id_ in waiting and waiting[id_] is None else found.withdrawn).append((code, item["name"]))
        if approved is not None and (before is None or not items.is_same_content(before, approved)):
            fate = found.new if before is None else found.changed
            (found.held if _is_held(waiting, id_, approved) else fate).append((code, approved["name"]))
        if draft["state"] in WORKED_ON and (before is None or not items.is_same_content(before, item)):
            found.unapproved.append((code, item["name"]))
    worded = {document["_id"]: document for document in _new_papers(county, published)}
    dropped = _papers_to_drop(county, published)
    for code, title in WORDED.items():
        id_ = papers.paper_id(code)
        if id_ in worded:
            (found.held if _is_held(waiting, id_, worded[id_]) else found.papers).append((code, title))
        elif id_ in dropped:
            (found.held if id_ in waiting and waiting[id_] is None else found.papers).append((code, title))
    for document in libraries.new_kept(county, published):
        (found.held if _is_held(waiting, document["_id"], document) else found.kept).append(_named(document))
    for id_ in sorted(libraries.kept_to_drop(county, published)):
        (found.held if id_ in waiting and waiting[id_] is None else found.kept).append(_named(published[id_]))
    new_words = _new_words(county, published, words_documents(county)) if published else ()
    edited = {words["dictionary"] for words in new_words if not _is_held(waiting, words["_id"], words)}
    found.words.extend((name, title) for name, title in EDITABLE.items() if name in edited)
    return found


@dataclass(frozen=True, slots=True)
class WayBack:
    """What taking a release back would do, (code, name) each: what comes again, what is otherwise, what goes."""

    to: Document
    number: int
    again: list[tuple[str, str]]
    otherwise: list[tuple[str, str]]
    gone: list[tuple[str, str]]


def way_back(county: County, to: int) -> WayBack:
    """What `take_back` would do. Raises CatalogueRefused as it does."""
    last = newest_release(county.catalogue)
    published = _published(county.catalogue, last)
    changed, dropped = _way_back(county, last, published, to, _next(last))
    manifest = county.catalogue.get(releases.release_id(to))
    assert manifest is not None
    found = WayBack(manifest, _next(last) - 1, [], [], [])
    for document in changed:
        (found.otherwise if document["_id"] in published else found.again).append(_named(document))
    found.gone.extend(_named(published[id_]) for id_ in sorted(dropped))
    return found


@dataclass(frozen=True, slots=True)
class Released:
    """One line of the list of releases: how many items it has, how many documents it changed; None where the list of
    a release of long ago cannot be told any more."""

    number: int
    at: str
    items: int | None
    changed: int | None
    back_to: int | None


def released(catalogue: Store, most: int) -> list[Released]:
    """The newest releases, the newest first."""
    manifests = catalogue.range("release:", "release:\uffff", limit=most + 1, descending=True)
    lists = [_listing(catalogue, manifest) for manifest in manifests]
    found = []
    for place, manifest in enumerate(manifests[:most]):
        here = lists[place]
        before = lists[place + 1] if place + 1 < len(lists) else {}
        found.append(
            Released(
                manifest["number"],
                manifest["at"],
                _items_in(here) if here is not None else None,
                len(_differing(here, before)) if here is not None and before is not None else None,
                manifest.get("back_to"),
            )
        )
    return found


def published_items(county: County) -> list[Document]:
    """The items of the newest release, in the order of their codes."""
    published = _published(county.catalogue, newest_release(county.catalogue))
    return [document for id_, document in sorted(published.items()) if id_.startswith("item:")]


def coming_items(county: County) -> list[Document]:
    """The contents of the items of the next release: those of the newest one, with what was approved since in their
    place, and without what is withdrawn.
    """
    found: dict[str, Document] = {item["code"]: item for item in published_items(county)}
    known = libraries.load(county)
    for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
        if (approved := in_library(draft)) is not None:
            found[approved["code"]] = as_published(approved, known)
        elif is_withdrawn(draft):
            found.pop(draft["item"]["code"], None)
    return [found[code] for code in sorted(found)]


def published_item(county: County, code: str) -> Document | None:
    """The item as the newest release has it; None where that has none of this code."""
    last, wanted = newest_release(county.catalogue), items.item_id(code)
    if last is None or wanted not in (_listing(county.catalogue, last) or {}):
        return None
    return county.catalogue.get(wanted)


def published_words(county: County) -> dict[str, dict[str, list[str]]]:
    """The dictionaries of the newest release, `{name: {key: [ways]}}`; none before there is one."""
    last = newest_release(county.catalogue)
    listing = _listing(county.catalogue, last) if last is not None else None
    return words_type.merged(county.catalogue.read(id_ for id_ in listing or {} if id_.startswith("words:")))


def newest_release(catalogue: Store) -> Document | None:
    """The manifest with the highest number."""
    found = catalogue.range("release:", "release:\uffff", limit=1, descending=True)
    return found[0] if found else None


def newest_listing(catalogue: Store) -> releases.Listing:
    """What the newest release lists; nothing before the first."""
    last = newest_release(catalogue)
    return (_listing(catalogue, last) or {}) if last is not None else {}


def published_paper(catalogue: Store, code: str) -> Document | None:
    """The county's own words for a paper in the newest release; None where the default ones stand."""
    entry = newest_listing(catalogue).get(papers.paper_id(code))
    return catalogue.get(papers.paper_id(code), entry["rev"]) if entry is not None else None


def item_of_release(county: County, code: str, release: int) -> Document | None:
    """The item as that release published it, of now or of before (备案); None when nobody kept it."""
    now = county.catalogue.get(items.item_id(code))
    if now is not None and now.get("release") == release:
        return now
    kept = county.databases.open(DRAFTING).get(version_id(code, release))
    return kept["item"] if kept is not None else None


def items_of_release(county: County, release: int) -> list[Document]:
    """All items as that release listed them. Raises CatalogueRefused when it, its list or one of them is gone."""
    manifest = county.catalogue.get(releases.release_id(release))
    if manifest is None:
        raise CatalogueRefused(f"没有第 {release} 版。")
    wanted = _listing(county.catalogue, manifest)
    if wanted is None:
        raise CatalogueRefused(f"第 {release} 版的清单已经不全，导不出这一版。")
    found = []
    for id_, entry in wanted.items():
        if id_.startswith("item:"):
            item = _found_again(county, id_, entry)
            if item is None:
                raise CatalogueRefused(f"第 {release} 版的 {id_.partition(':')[2]} 已经不在了，导不出这一版。")
            found.append(item)
    return found


def _next(last: Document | None) -> int:
    number = 1 if last is None else int(last["number"]) + 1
    assert number <= 999_999, "release ids have six digits"
    return number


def _items_in(documents: Iterable[str]) -> int:
    return sum(id_.startswith("item:") for id_ in documents)


def _listing(catalogue: Store, manifest: Document) -> releases.Listing | None:
    try:
        return releases.whole_list(manifest, lambda number: catalogue.get(releases.release_id(number)))
    except releases.ReleaseRefused:
        return None


def _differing(one: releases.Listing, other: releases.Listing) -> set[str]:
    return {id_ for id_ in one.keys() | other.keys() if one.get(id_) != other.get(id_)}


def _published(catalogue: Store, last: Document | None) -> dict[str, Document]:
    """The documents of the last release, by id."""
    if last is None:
        return {}
    return {document["_id"]: document for document in catalogue.read(_listing(catalogue, last) or {})}


# Writing a release.


def _changes(
    county: County, published: Mapping[str, Document], number: int, calendars: Sequence[Document]
) -> Iterator[Document]:
    """What drafts and libraries have that the last release has not, each document following what it takes the place
    of; a source of another section is a line here."""
    yield from _new_items(county, published, number)
    yield from _new_calendars(county, published, calendars)
    yield from _new_papers(county, published)
    yield from libraries.new_kept(county, published)


def _dropped(county: County, published: Mapping[str, Document]) -> set[str]:
    """The ids that the next release has no more."""
    return (
        _papers_to_drop(county, published) | _withdrawn(county, published) | libraries.kept_to_drop(county, published)
    )


def _release(
    county: County,
    last: Document | None,
    published: Mapping[str, Document],
    changed: Sequence[Document],
    dropped: Collection[str],
    number: int,
    *,
    back_to: int | None = None,
) -> Publication:
    """Sign and write the release; what it takes the place of is kept first (备案)."""
    whole = {**published, **{document["_id"]: document for document in changed}}
    whole = {id_: document for id_, document in whole.items() if id_ not in dropped}
    if not _items_in(whole):
        raise CatalogueRefused("还没有审核通过的事项，没有可以发布的。")
    now = rfc3339(county.now())
    touched = [*(document["_id"] for document in changed), *sorted(dropped)]
    before = _listing(county.catalogue, last) if last is not None else None
    base = None
    if last is not None and before is not None and not _states_whole(county, last, len(touched), len(whole)):
        base = (int(last["number"]), before)
    manifest = sign_document(
        releases.build(number, now, map(_bare, whole.values()), base=base, back_to=back_to),
        county.key.id,
        county.key.sign,
    )
    _keep_versions(county, [published[id_] for id_ in touched if id_ in published], number)
    county.catalogue.save([*changed, following(None, manifest)])
    # The dictionaries of the guide search are not told one by one.
    names = [id_.partition(":")[2] for id_ in touched if not id_.startswith("words:")]
    return Publication(number, now, _items_in(whole), names, new=True, back_to=back_to)


def _states_whole(county: County, last: Document, touched: int, size: int) -> bool:
    """Whether the next release lists everything anew: the road from the last whole list has become long, or whoever
    comes new could not read it, because a key that signed it counts no more."""
    differences = 1
    here: Document | None = last
    while here is not None and releases.is_difference(here):
        differences += 1
        touched += releases.size(here)
        if here["key"] != county.key.id:
            return True
        here = county.catalogue.get(releases.release_id(here["base"]))
    return (
        here is None or here["key"] != county.key.id or differences > MOST_DIFFERENCES or touched * _WHOLE_AGAIN >= size
    )


def _keep_versions(county: County, replaced: Iterable[Document], number: int) -> None:
    """Keep what release `number` takes the place of: an item as a version of its own (备案), the rest by id."""
    kept = []
    for document in replaced:
        prefix, _, name = document["_id"].partition(":")
        body = {key: value for key, value in document.items() if not key.startswith("_")}
        if prefix == "item":
            version = {"_id": version_id(name, document["release"]), "item": body}
        else:
            version = {"_id": f"kept:{document['_id']}:{number:06d}", "document": body}
        kept.append(following(None, {**version, "until": number, "at": rfc3339(county.now())}))
    drafting = county.databases.open(DRAFTING)
    # After a crash between this and the release itself they are here already.
    known = {document["_id"] for document in drafting.read(version["_id"] for version in kept)}
    drafting.save([version for version in kept if version["_id"] not in known])


def _signed_anew(
    county: County, published: Mapping[str, Document], dropped: Collection[str], number: int
) -> dict[str, Document]:
    """What stays and an older key of the county signed: that key may not count for ever."""
    return {
        id_: _again(county, document, document, number)
        for id_, document in published.items()
        if document["key"] != county.key.id and id_ not in dropped
    }


def _again(county: County, before: Document | None, document: Document, number: int) -> Document:
    """The document's content, signed by the key of today, as the revision that follows `before`."""
    if document["_id"].startswith("item:"):
        body = {name: value for name, value in document.items() if not name.startswith("_")}
        return following(before, items.build(body, release=number, key=county.key.id, sign=county.key.sign))
    signed = sign_document({"_id": document["_id"], **_says(document)}, county.key.id, county.key.sign)
    return following(before, libraries.with_its_file(county, signed))


# Taking back.


def _way_back(
    county: County, last: Document | None, published: Mapping[str, Document], to: int, number: int
) -> tuple[list[Document], set[str]]:
    """(documents that become otherwise or come again, ids that go). Raises CatalogueRefused."""
    manifest = county.catalogue.get(releases.release_id(to)) if 0 < to <= 999_999 else None
    if manifest is None or last is None or to >= last["number"]:
        raise CatalogueRefused(f"没有比现在更早的第 {to} 版，退不回去。")
    wanted = _listing(county.catalogue, manifest)
    if wanted is None:
        raise CatalogueRefused(f"第 {to} 版的清单已经不全，退不回去。")
    changed = []
    for id_, entry in sorted(wanted.items()):
        if id_.startswith("calendar:"):
            continue
        there = published.get(id_)
        if there is not None and releases.hash_of(there) == entry["sha256"]:
            continue
        old = _found_again(county, id_, entry)
        if old is None:
            raise CatalogueRefused(f"第 {to} 版的 {id_} 没有留存，退不回去。")
        if there is None or _hash_of(there) != _hash_of(old):
            changed.append(_again(county, there or county.catalogue.get(id_), old, number))
    gone = {id_ for id_ in published.keys() - wanted.keys() if not id_.startswith("calendar:")}
    return changed, gone


def _found_again(county: County, id_: str, entry: Mapping[str, str]) -> Document | None:
    """The document that a release of before listed, from wherever it was kept."""
    prefix, _, name = id_.partition(":")
    store = county.databases.open(DRAFTING)
    start = f"version:{name}:" if prefix == "item" else f"kept:{id_}:"
    kept = store.range(start, start + "\uffff")
    bodies = [{"_id": id_, **(version.get("item") or version.get("document") or {})} for version in kept]
    there = [county.catalogue.get(id_), county.catalogue.get(id_, entry["rev"])]
    return next(
        (one for one in (*there, *bodies) if one is not None and releases.hash_of(one) == entry["sha256"]), None
    )


def _hold(county: County, published: Mapping[str, Document], ids: Iterable[str], by: str) -> None:
    """Note what of the last release is taken back, so that the next `publish` does not bring it again by the way."""
    held = _held(county) | {id_: _hash_of(published[id_]) if id_ in published else None for id_ in ids}
    drafting = county.databases.open(DRAFTING)
    body = {"_id": TAKEN_BACK, "held": held, "by": by, "at": rfc3339(county.now())}
    drafting.save([following(drafting.get(TAKEN_BACK), body)])


def _held(county: County) -> dict[str, str | None]:
    found = county.databases.open(DRAFTING).get(TAKEN_BACK)
    return dict(found["held"]) if found is not None else {}


def _is_held(held: Mapping[str, str | None], id_: str, document: Document) -> bool:
    return held.get(id_) == _hash_of(document)


def _hash_of(document: Document) -> str:
    """A hash of what a document says, publishing apart."""
    return content_hash(items.content_of(document) if "code" in document and "decides" in document else _says(document))


def _named(document: Document) -> tuple[str, str]:
    name = document["_id"].partition(":")[2]
    title = document.get("name") or document.get("title") or name
    return name, WORDED[name] if document["_id"].startswith("paper:") and name in WORDED else str(title)


# What is new.


def _new_items(county: County, published: Mapping[str, Document], number: int) -> Iterator[Document]:
    known = libraries.load(county)
    for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
        stored = in_library(draft)
        if stored is None:
            continue
        approved = as_published(stored, known)
        before = published.get(items.item_id(approved["code"]))
        # An item that an older key of the county signed is signed anew: that key may not count for ever.
        if before is not None and before["key"] == county.key.id and items.is_same_content(before, approved):
            continue
        # It may have been published before, and taken out since.
        before = before or county.catalogue.get(items.item_id(approved["code"]))
        yield following(before, items.build(approved, release=number, key=county.key.id, sign=county.key.sign))


def as_published(content: Document, known: Libraries) -> Document:
    """A content with all that it inherits and refers to, in the groups that people look it up by."""
    return grouped(resolved(content, known))


def _withdrawn(county: County, published: Mapping[str, Document]) -> set[str]:
    """The published items that the bodies agreed to withdraw (废置)."""
    drafts = county.databases.open(DRAFTING).range("draft:", "draft:\uffff")
    return {items.item_id(draft["item"]["code"]) for draft in drafts if is_withdrawn(draft)} & published.keys()


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


def _words_of(county: County, published: Mapping[str, Document], changed: Iterable[Document]) -> list[Document]:
    """The dictionaries, unsigned, for the items that there will be."""
    coming = {**published, **{document["_id"]: document for document in changed}}
    return words_documents(county, [document for id_, document in sorted(coming.items()) if id_.startswith("item:")])


def _new_words(county: County, published: Mapping[str, Document], wanted: Iterable[Document]) -> Iterator[Document]:
    for words in wanted:
        before = published.get(words["_id"])
        if before is None or before["key"] != county.key.id or _says(before) != _says(words):
            before = before or county.catalogue.get(words["_id"])
            yield following(before, sign_document(words, county.key.id, county.key.sign))


def _words_to_drop(published: Mapping[str, Document], wanted: Iterable[Document]) -> set[str]:
    return {id_ for id_ in published if id_.startswith("words:")} - {document["_id"] for document in wanted}


def _papers_to_drop(county: County, published: Mapping[str, Document]) -> set[str]:
    """The papers that go back to the default words."""
    back = {papers.paper_id(code) for code, words in paper_drafts(county).items() if words is None}
    return back & published.keys()


def _says(document: Document) -> Document:
    return {name: value for name, value in document.items() if not name.startswith("_") and name not in ("key", "sig")}


def _bare(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "_revisions"}
