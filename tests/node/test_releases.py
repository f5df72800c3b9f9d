"""A station and releases that are said as differences: it waits, switches whole, keeps what cases need, and tells."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casework.canonical import Document
from casework.documents import release as releases
from casework.documents.release import MOST_ENTRIES, ReleaseProblem
from casework.signing import sign_document
from central.catalogue.drafts import import_items
from central.catalogue.publishing import publish, take_back
from central.catalogue.records import FORMAT
from central.catalogue.wordings import word_paper
from node.freshness import freshness
from node.guides import Catalogue, ReleaseInUse
from node.kept_items import KEPT_FOR, KeptItems
from provisioning import sample_county
from provisioning.county import County, county_opened
from provisioning.operations import init_county
from sync.replicator import replicate
from sync.store import Store
from web.localfile import LocalFile

SAMPLE = sample_county.load("items")
ROOT = Path(__file__).parents[2]
MORNING = datetime(2026, 9, 16, 1, tzinfo=UTC)
ITEMS = 12


def now() -> datetime:
    return MORNING


def change(county: County, *places: int, said: str = "新的条件", count: int = ITEMS) -> int:
    """Publish a release in which these items say something else; its number."""
    file = {"format": FORMAT, "forms": SAMPLE["forms"], "items": deepcopy(SAMPLE["items"][:count])}
    for place in places:
        file["items"][place]["conditions"] = [said]
    assert import_items(county, file, approve=True, by="test").imported
    return publish(county).number


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "county"
    init_county(
        folder, code="600101", name="驿山县政务服务中心", listen="127.0.0.1:0", contact_interval_s=3, now=now,
        random=Random(1),
    )  # fmt: skip
    with county_opened(folder, now=now, random=Random(2)) as county:
        change(county)
    return folder


@pytest.fixture
def county(made: Path, tmp_path: Path) -> Iterator[County]:
    shutil.copytree(made, tmp_path / "county")
    with county_opened(tmp_path / "county", now=now, random=Random(2)) as opened:
        yield opened


class Station:
    """A station's catalogue, fed by hand with the documents that a line would bring."""

    def __init__(self, folder: Path, county: County) -> None:
        folder.mkdir()
        self.county = county
        self.folder = folder
        self.store = Store(folder / "catalogue.sqlite3", name="catalogue", random=Random(3))
        self.replaced: list[Document] = []
        self.catalogue = self.open("guides.sqlite3")

    def open(self, name: str) -> Catalogue:
        return Catalogue(
            self.folder / name,
            store=self.store,
            register=self.county.register,
            now=now,
            replaced=self.replaced.extend,
        )

    def pull(self, *, without: str = "no such id") -> None:
        ids = [row.id for row in self.county.catalogue.changes().results if not row.id.startswith(without)]
        replicate(self.county.catalogue, self.store, now=now, random=Random(4), doc_ids=ids)

    def write(self, document: Document) -> None:
        (written,) = self.store.bulk_docs([document], new_edits=False)
        assert written.error is None, written

    def told(self) -> tuple[int | None, set[tuple[str, str]]]:
        number = self.catalogue.release.number if self.catalogue.release is not None else None
        return number, {(problem.document, problem.what) for problem in self.catalogue.problems}

    def forged(self, number: int, **changes: Any) -> Document:
        """The newest manifest under another number, changed and signed by the county all the same."""
        newest = self.county.catalogue.range("release:", "release;", limit=1, descending=True)[0]
        said = {**newest, "_id": f"release:{number:06d}", "_rev": "1-" + f"{number:032x}", "number": number, **changes}
        return sign_document(said, self.county.key.id, self.county.key.sign)


@pytest.fixture
def station(tmp_path: Path, county: County) -> Iterator[Station]:
    station = Station(tmp_path / "station", county)
    station.pull()
    assert station.catalogue.refresh()
    yield station
    station.catalogue.close()
    station.store.close()


def everything(catalogue: Catalogue) -> dict[str, list[tuple[Any, ...]]]:
    """Every table but since when it is in use."""
    reader = catalogue._reader
    tables = [name for (name,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: sorted(reader.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in tables}
    return {**found, "guide_release": [(row[0], row[1]) for row in found["guide_release"]]}


def answers(catalogue: Catalogue) -> tuple[Any, ...]:
    """What it says, for another process to compare: the index adds floats up in an order of its process."""
    documents = sorted(catalogue._reader.execute("SELECT * FROM guide_documents"))
    hits = [(hit.code, round(hit.score, 3)) for hit in catalogue.search("低保", limit=5)]
    release = catalogue.release
    return release.number if release is not None else None, documents, catalogue.items(), catalogue.categories(), hits


# Through a chain.


def test_differences_are_followed_one_by_one_and_at_once_by_who_comes_new(station: Station, county: County) -> None:
    for place in range(3):
        change(county, *range(place + 1))
        station.pull()
        assert station.catalogue.refresh()
    assert all("base" in county.catalogue.get(f"release:{n:06d}") for n in (2, 3, 4))  # type: ignore[operator]
    new = station.open("new.sqlite3")
    assert new.refresh()
    assert everything(new) == everything(station.catalogue)
    # Its items were replaced by newer revisions since: the chain's manifests are enough.
    fresh = Station(station.folder / "fresh", county)
    fresh.pull()
    assert fresh.catalogue.refresh()
    assert everything(fresh.catalogue) == everything(station.catalogue)


def test_a_release_whose_base_is_not_here_waits_for_it(county: County, tmp_path: Path) -> None:
    change(county, 0)
    change(county, 1)
    new = Station(tmp_path / "new", county)
    new.pull(without="release:000001")
    assert new.catalogue.refresh() is False
    assert new.told()[0] is None
    assert ("release:000001", "missing") in new.told()[1]
    new.pull()
    assert new.catalogue.refresh()
    assert new.told() == (3, set())


def test_who_knows_the_base_s_list_does_not_need_its_manifest(station: Station, county: County) -> None:
    change(county, 0)
    station.pull()
    station.store.update({**station.store.get("release:000001"), "_deleted": True})  # type: ignore[dict-item]
    assert station.catalogue.refresh()
    assert station.told() == (2, set())


def test_a_document_on_its_way_keeps_the_release_out_and_the_old_one_answers(station: Station, county: County) -> None:
    code = SAMPLE["items"][0]["code"]
    change(county, 0)
    station.pull(without=f"item:{code}")
    assert station.catalogue.refresh() is False
    assert station.told() == (1, {(f"item:{code}", "missing")})
    found = station.catalogue.item(code)
    assert found is not None
    assert found["conditions"] == SAMPLE["items"][0]["conditions"]


def test_switching_over_what_changed_is_the_same_as_making_all_anew(station: Station, county: County) -> None:
    """A seeded walk: items change, come, go back; papers are worded and not; the tables are those of a new station."""
    random = Random(20261125)
    count = ITEMS
    for step in range(14):
        match random.choice(("change", "change", "more", "word", "unword", "back")):
            case "change":
                change(county, *random.sample(range(ITEMS), 2), said=f"第 {step} 次改", count=count)
            case "more":
                count += 1
                change(county, count=count)
            case "word":
                words = {"title": f"受理通知书 {step}", "paragraphs": ["{applicant}："], "remedy": "", "seal": ""}
                assert word_paper(county, "receipt", words, by="sun") == {}
                publish(county)
            case "unword":
                word_paper(county, "receipt", None, by="sun")
                publish(county)
            case _:
                newest = county.catalogue.range("release:", "release;", limit=1, descending=True)[0]["number"]
                if newest > 1:
                    take_back(county, newest - 1, by="sun")
        station.pull()
        station.catalogue.refresh()
        assert station.catalogue.problems == []
        anew = station.open(f"anew-{step}.sqlite3")
        assert anew.refresh()
        assert everything(anew) == everything(station.catalogue)
        anew.close()
    assert station.told()[0] is not None
    assert station.told()[0] > 8  # type: ignore[operator]


def test_what_a_release_takes_the_place_of_is_told_before(station: Station, county: County) -> None:
    before = station.catalogue.item(SAMPLE["items"][0]["code"])
    change(county, 0)
    station.pull()
    station.catalogue.refresh()
    assert station.replaced == [before]


# Bad ones.


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"base": 99}, "base"),
        ({"base": 3}, "missing"),
        ({"listing": "0" * 64}, "listing"),
        ({"removed": ["item:X"] * (MOST_ENTRIES + 1)}, "size"),
        ({"changed": {"items": {"X": {"rev": "9" * 999 + "-" + "0" * 32, "sha256": "0" * 64}}}}, "shape"),
        ({"format": 3}, "format"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_reason_and_the_station_goes_on(
    station: Station, county: County, changes: dict[str, Any], what: str
) -> None:
    change(county, 0)
    station.pull()
    station.catalogue.refresh()
    station.write(station.forged(9, **changes))
    assert station.catalogue.refresh() is False
    number, problems = station.told()
    assert number == 2
    assert [found for _, found in problems] == [what]
    assert all(problem.sentence for problem in station.catalogue.problems)
    # A newer good one is used, whatever lies about.
    change(county, 1)
    station.pull()
    assert station.catalogue.refresh()
    assert station.told()[0] == 3


def test_what_the_county_signed_and_this_program_cannot_read_stops_nothing(station: Station, county: County) -> None:
    code = SAMPLE["items"][0]["code"]
    true = county.catalogue.get(f"item:{code}")
    assert true is not None
    strange = {name: value for name, value in true.items() if name != "category"}
    strange = sign_document({**strange, "categories": None}, county.key.id, county.key.sign)
    generation = int(true["_rev"].partition("-")[0]) + 1
    county.catalogue.save([{**strange, "_rev": f"{generation}-{'a' * 32}"}])
    listed = releases.whole_list(county.catalogue.get("release:000001") or {}, lambda _n: None)
    documents = [county.catalogue.get(id_) or {} for id_ in listed]
    manifest = sign_document(releases.build(2, "2026-09-16T02:00:00Z", documents), county.key.id, county.key.sign)
    county.catalogue.save([{**manifest, "_rev": "1-" + "b" * 32}])
    before = everything(station.catalogue)
    station.pull()
    assert station.catalogue.refresh() is False
    assert station.told() == (1, {("release:000002", "format")})
    assert everything(station.catalogue) == before


# Killed in the middle.

_SWITCHES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from node.guides import Catalogue
from provisioning.register import current_register
from sync.store import Store
folder, left = Path(sys.argv[1]), [int(sys.argv[2])]
store = Store(folder / "catalogue.sqlite3", name="catalogue", random=Random(3))
register = current_register(store, sys.argv[3])
at = lambda: datetime(2026, 9, 16, 1, tzinfo=UTC)
catalogue = Catalogue(folder / "guides.sqlite3", store=store, register=lambda: register, now=at)
def count(statement):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
catalogue._writer.set_trace_callback(count)
catalogue.refresh()
print(catalogue.release.number, "statements left", left[0])
"""


def test_a_kill_in_the_middle_of_a_switch_leaves_one_release_or_the_other_whole(
    station: Station, county: County
) -> None:
    old = answers(station.catalogue)
    change(county, *range(ITEMS), count=ITEMS + 2)
    station.pull()
    station.catalogue.close()
    station.store.close()
    kept = station.folder / "kept"
    shutil.copytree(station.folder, kept)
    new = None
    seen: list[int] = []
    for at in (*range(1, 40, 4), 80, 200, 600, 1200, 100_000):
        here = station.folder / f"run-{at}"
        shutil.copytree(kept, here)
        process = subprocess.run(
            [sys.executable, "-c", _SWITCHES, str(here), str(at), county.authority.fingerprint],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.returncode in (0, -signal.SIGKILL), process.stderr
        store = Store(here / "catalogue.sqlite3", name="catalogue", random=Random(3))
        catalogue = Catalogue(here / "guides.sqlite3", store=store, register=county.register, now=now)
        found = answers(catalogue)
        number = found[0]
        seen.append(number)
        if number == 1:
            assert process.returncode == -signal.SIGKILL
            assert found == old
            assert catalogue.refresh()
            found = answers(catalogue)
        new = new or found
        assert found == new
        catalogue.close()
        store.close()
    assert (seen[0], seen[-1]) == (1, 2)
    assert seen.count(1) > 8
    station.store = Store(station.folder / "catalogue.sqlite3", name="catalogue", random=Random(3))
    station.catalogue = station.open("guides.sqlite3")


# What is kept for cases.


def test_items_are_kept_by_code_and_release_for_as_long_as_somebody_needs_them(tmp_path: Path) -> None:
    clock, still_open = [MORNING], {"A"}
    file = LocalFile(tmp_path / "station.sqlite3")
    kept = KeptItems(file, now=lambda: clock[0], open_items=lambda: still_open)
    kept.keep([{"_id": "item:A", "code": "A", "release": 1}, {"_id": "item:B", "code": "B", "release": 1}])
    kept.keep([{"_id": "item:A", "code": "A", "release": 1, "again": True}, {"_id": "paper:fee"}])
    assert kept.item("A", 1) == {"_id": "item:A", "code": "A", "release": 1}
    assert kept.item("A", 2) is None
    clock[0] += KEPT_FOR + timedelta(days=1)
    kept.keep([{"_id": "item:C", "code": "C", "release": 5}])
    assert (kept.item("A", 1) is not None, kept.item("B", 1), kept.item("C", 5) is not None) == (True, None, True)
    still_open.clear()
    kept.keep([])
    assert kept.item("A", 1) is None
    file.close()


# How new it is.

USED = ReleaseInUse(3, "2026-09-01T00:00:00Z", "2026-09-02T00:00:00Z")
MISSING = ReleaseProblem("item:X", "missing", "item:X 还没有收到。")
REFUSED = ReleaseProblem("release:000004", "listing", "清单对不上。")


@pytest.mark.parametrize(
    ("problems", "heard_days_ago", "state", "said"),
    [
        ([], 0, "current", ""),
        ([], 7, "current", ""),
        ([], 8, "old", "8 天没有从县中心收到"),
        ([], None, "old", "14 天没有从县中心收到"),
        ([MISSING], 0, "arriving", "正在路上"),
        ([MISSING], 8, "old", "8 天"),
        ([MISSING, REFUSED], 0, "refused", "清单对不上。现在用的是第 000003 版"),
    ],
)
def test_how_new_the_guide_is_is_said_with_the_reason(
    problems: list[ReleaseProblem], heard_days_ago: int | None, state: str, said: str
) -> None:
    heard = MORNING - timedelta(days=heard_days_ago) if heard_days_ago is not None else None
    found = freshness(USED, problems, confirmed_at=heard, now=MORNING, stale_after=timedelta(days=7))
    assert found.state == state
    assert said in found.sentence
    assert found.is_stale == (state in ("old", "refused"))
    assert found.age is not None
    assert found.age.days == 15
