"""The dictionaries of the guide search: ours, with the county's own edits over them, and what is made of both.

A dictionary is `{key: [ways]}`. `said`: an item's name (or a part of one that tells it) → what people say for it.
`same`: a word → other words for the same. `acts`: what is to be done → how that is said. `filler`, `blocked`, `endings`
are sorted under headings. The county edits these; `simplified`, `characters` and `readings` are made for it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from casework.canonical import Document
from casework.documents import words as words_type
from casework.guide.words import MOST_WAYS, Words, expanded
from casework.times import rfc3339
from central.catalogue import asking
from central.catalogue.drafts import DRAFTING, actor_of, following, logged
from central.catalogue.findings import CatalogueRefused
from provisioning.county import County
from sync.peer import Conflict

Entries = Mapping[str, Sequence[str]]

_DEFAULTS: Final = Path(__file__).with_name("words")
EDITABLE: Final = {
    "said": "群众的说法",
    "same": "同一个意思",
    "acts": "要做的事",
    "filler": "客套话和问法",
    "blocked": "不回答的词",
    "endings": "名称的结尾",
}
"""What the county edits, and what each is called."""

PARTS: Final = 16
"""`said` travels in so many documents: whoever adds a saying sends a sixteenth of it over the line."""

TRIES: Final = 10
"""How often an edit looks again when somebody else edits at the same moment."""

_TOO_SHORT: Final = {
    "said": "会把不相干的问句也算成这件事",
    "filler": "会从所有的问句里去掉",
    "blocked": "会把不相干的问句也挡掉",
}
"""Where one character is refused, and why; what comes with the program is weighed by those who made it."""

_ODD: Final = re.compile(r"[<>{}\x00-\x1f\x7f]")
_LONGEST_WAY: Final = 40
_LONGEST_KEY: Final = 200


# -- what there is -----------------------------------------------------------------------------------------------------


@cache
def defaults() -> dict[str, dict[str, tuple[str, ...]]]:
    """The dictionaries that come with the program, by name; ways in the files are parted by blanks."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for path in sorted(_DEFAULTS.glob("*.toml")):
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
        dictionary = found.setdefault(path.stem.partition("-")[0], {})
        for key, ways in entries.items():
            assert key not in dictionary, f"{path.name}: {key} stands twice"
            dictionary[key] = tuple(dict.fromkeys(ways.split()))
    return found


def edits(county: County) -> dict[str, dict[str, dict[str, list[str]]]]:
    """What the county changed: `{dictionary: {"add": {key: [ways]}, "remove": {key: [ways]}}}`."""
    drafts = county.databases.open(DRAFTING).range("words:", "words:\uffff")
    return {draft["name"]: {"add": draft["add"], "remove": draft["remove"]} for draft in drafts}


def dictionary(county: County, name: str, *, with_drafts: bool = True) -> dict[str, list[str]]:
    """One dictionary as the next release would hold it: `{key: [ways]}`, keys in their order, ours before the county's.

    Without drafts as it comes with the program. A key whose ways were all removed is not there.
    """
    return _layered(name, edits(county).get(name, {}) if with_drafts else {})


def _layered(name: str, changes: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    add, remove = changes.get("add", {}), changes.get("remove", {})
    ours = defaults().get(name, {})
    found: dict[str, list[str]] = {}
    for key in dict.fromkeys((*ours, *add)):
        gone = set(remove.get(key, ()))
        ways = list(dict.fromkeys(way for way in (*ours.get(key, ()), *add.get(key, ())) if way not in gone))
        if ways:
            found[key] = ways
    return found


# -- editing -----------------------------------------------------------------------------------------------------------


def edit_dictionary(
    county: County,
    name: str,
    *,
    add: Entries | None = None,
    remove: Entries | None = None,
    by: str,
) -> dict[str, str]:
    """Keep these changes for the next release, besides those made before: a way that was removed can be added again.

    `add` and `remove` are `{key: [ways]}`. Returns what must be mended first, `{"add.KEY.WAY": sentence}`; then nothing
    was kept. Publishing brings them to the stations.
    """
    for _ in range(TRIES):
        wrong = _problems(county, name, add or {}, remove or {})
        if wrong:
            return wrong
        drafting = county.databases.open(DRAFTING)
        known = drafting.get(f"words:{name}")
        body = _edited(name, known, add or {}, remove or {}) | {"by": by, "at": rfc3339(county.now())}
        if all((known or {"add": {}, "remove": {}})[part] == body[part] for part in ("add", "remove")):
            return {}
        # Edits are numbered: of two at the same moment one finds its number taken, and looks again.
        edit: Document = {
            "_id": f"edit:{name}:{body['edits']:06d}",
            "dictionary": name,
            "add": {key: list(ways) for key, ways in (add or {}).items()},
            "remove": {key: list(ways) for key, ways in (remove or {}).items()},
            "by": by,
            "at": body["at"],
        }
        try:
            with logged(county, actor_of(county, by), "catalogue_words", _told(edit)):
                drafting.save([following(known, body), edit])
        except Conflict:
            continue
        return {}
    raise CatalogueRefused("同时有人在改这个词库，请再试一次。")


def _told(edit: Document) -> str:
    """An edit in the words of the log of acts: 群众的说法：加上 吃低保（最低生活保障）"""
    done = [
        f"{word} {'、'.join(ways)}（{key}）"
        for word, entries in (("加上", edit["add"]), ("拿掉", edit["remove"]))
        for key, ways in entries.items()
    ]
    return f"{EDITABLE[edit['dictionary']]}：{'；'.join(done)}"


def _edited(name: str, known: Document | None, add: Entries, remove: Entries) -> Document:
    """What the county's changes of a dictionary are after these."""
    before = known or {"add": {}, "remove": {}, "edits": 0}
    added = {key: list(ways) for key, ways in before["add"].items()}
    removed = {key: list(ways) for key, ways in before["remove"].items()}
    ours = defaults().get(name, {})
    for key, ways in add.items():
        for way in ways:
            _drop(removed, key, way)
            if way not in ours.get(key, ()):
                _put(added, key, way)
    for key, ways in remove.items():
        for way in ways:
            _drop(added, key, way)
            if way in ours.get(key, ()):
                _put(removed, key, way)
    return {
        "_id": f"words:{name}",
        "name": name,
        "add": added,
        "remove": removed,
        "edits": before.get("edits", 0) + 1,
    }


def edits_made(county: County, name: str, *, limit: int = 20) -> list[Document]:
    """Who changed what of a dictionary, the latest first: `{add, remove, by, at}` each."""
    first, last = f"edit:{name}:", f"edit:{name}:\uffff"
    return county.databases.open(DRAFTING).range(first, last, limit=limit, descending=True)


def _put(entries: dict[str, list[str]], key: str, way: str) -> None:
    ways = entries.setdefault(key, [])
    if way not in ways:
        ways.append(way)


def _drop(entries: dict[str, list[str]], key: str, way: str) -> None:
    if way in entries.get(key, ()):
        entries[key].remove(way)
        if not entries[key]:
            del entries[key]


def _problems(county: County, name: str, add: Entries, remove: Entries) -> dict[str, str]:
    if name not in EDITABLE:
        return {"name": f"没有叫“{name}”的词库可以改。能改的是：{'、'.join(EDITABLE.values())}。"}
    wrong: dict[str, str] = {}
    now = dictionary(county, name)
    for key, ways in remove.items():
        for way in ways:
            if way not in now.get(key, ()):
                wrong[f"remove.{key}.{way}"] = f"“{key}”下面没有“{way}”，不用删。"
    words = Words.compiled(next_words(county, sounds=False))
    owner = {words.plain(way): key for key, ways in now.items() for one in ways for way in expanded(one)}
    for key, ways in add.items():
        if _ODD.search(key):
            wrong[f"add.{key}"] = f"“{key[:20]}”里有 < > 这样的符号或换行：只写字。"
            continue
        if not words.plain(key) or len(key) > _LONGEST_KEY:
            wrong[f"add.{key}"] = f"“{key[:20]}”要有 1 到 {_LONGEST_KEY} 个字，不能全是标点。"
            continue
        if name == "said" and key not in now and not _means_something(county, words, key):
            wrong[f"add.{key}"] = f"没有名称里带“{key}”的事项：写事项的名称，或者名称里能认出它的一段。"
            continue
        for way in ways:
            # What came with the program may be put back as it was.
            ours = way in defaults().get(name, {}).get(key, ())
            if sentence := None if ours else _way_problem(name, key, way, words, owner):
                wrong[f"add.{key}.{way}"] = sentence
    return wrong


def _way_problem(name: str, key: str, way: str, words: Words, owner: Mapping[str, str]) -> str | None:
    if _ODD.search(way):
        return f"“{way[:20]}”里有 < > 这样的符号或换行：只写字，一次一个说法。"
    if not words.plain(way) or len(way) > _LONGEST_WAY:
        return f"“{way[:20]}”要有 1 到 {_LONGEST_WAY} 个字，不能全是标点。"
    if re.search(r"\[[^\]]*(\[|$)|^[^\[]*\]", way):
        return f"“{way}”的方括号没有成对：写成 [补|换]残疾证。"
    ways = expanded(way)
    if len(ways) == MOST_WAYS:
        return f"“{way}”一条就代表了 {MOST_WAYS} 种以上的说法，拆成几条。"
    for one in ways:
        plain = words.plain(one)
        if not plain:
            return f"“{way}”里有一种选法什么也没有。"
        if name in _TOO_SHORT and len(plain) < 2:
            return f"“{one}”只有一个字，{_TOO_SHORT[name]}。写长一点。"
        other = owner.get(plain)
        if other is None or other == key:
            continue
        if name == "said":
            return f"“{one}”已经是“{other}”的说法。要改指“{key}”，先到那里拿掉它，再加到这里。"
        if name in ("same", "acts"):
            return f"“{one}”已经在“{other}”下面，一个词只能算一个意思。要挪过来，先到那里拿掉。"
    return None


def _means_something(county: County, words: Words, key: str) -> bool:
    wanted = words.plain(key)
    drafts = county.databases.open(DRAFTING).range("draft:", "draft:\uffff")
    items = county.catalogue.range("item:", "item:\uffff")
    return any(wanted in words.plain(item["name"]) for item in (*(draft["item"] for draft in drafts), *items))


# -- what the next release holds ---------------------------------------------------------------------------------------


def next_words(
    county: County, items: Iterable[Mapping[str, Any]] = (), *, with_drafts: bool = True, sounds: bool = True
) -> dict[str, Entries]:
    """Every dictionary as the next release would hold it, as `Words.compiled` and the index take them."""
    changes = edits(county) if with_drafts else {}
    found: dict[str, Entries] = {name: _layered(name, changes.get(name, {})) for name in defaults()}
    return {**found, **made(found, items)} if sounds else found


def words_documents(county: County, items: Iterable[Mapping[str, Any]] | None = None) -> list[Document]:
    """The unsigned documents of the next release: `items` are its items, whose names need their readings.

    Without items only of what the county edits; that asks for no pinyin, and is quick.
    """
    found = []
    entries_of = next_words(county, items or (), sounds=items is not None)
    for name, entries in entries_of.items():
        if items is None and name not in EDITABLE:
            continue
        if name != "said":
            found.append(words_type.build(name, entries))
            continue
        parts: list[dict[str, Sequence[str]]] = [{} for _ in range(PARTS)]
        for key, ways in entries.items():
            parts[sha256(key.encode()).digest()[0] % PARTS][key] = ways
        found += [words_type.build(f"said-{place:02d}", part) for place, part in enumerate(parts) if part]
    return found


# -- what is made ------------------------------------------------------------------------------------------------------


def made(entries: Mapping[str, Entries], items: Iterable[Mapping[str, Any]] = ()) -> Mapping[str, Entries]:
    """The dictionaries `simplified`, `characters` and `readings` for these ones and the names of these items.

    Raises LanguageMissing, LanguageFailed.
    """
    return asking.tables(entries.get("simplified", {}), _read_aloud(entries, items))


def _read_aloud(entries: Mapping[str, Entries], items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        yield item["name"]
        yield from item.get("also_called", ())
    for name in ("said", "same", "filler", "acts"):
        for key, ways in entries.get(name, {}).items():
            yield key
            for way in ways:
                yield from expanded(way)
