"""One station, township or county of the simulated world: its files, its pen, and what it serves to others."""

from __future__ import annotations

import shutil
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from casework.canonical import Document, canonical
from sync.checkpoints import Memory
from sync.databases import Databases
from sync.peer import COUNTY as COUNTY_WRITER
from sync.peer import Unauthorized, Writer, WriteRule
from sync.store import Store, StorePeer
from sync.write_rules import append_only, county_only, signed_by_county
from sync.wsgi import CouchApp
from tests.casework.county import (
    AGENT,
    COUNTY,
    NEIGHBOUR,
    REVIEWER,
    TOWNSHIP,
    VILLAGE,
    WINDOW,
    Pen,
)
from tests.simulation.disk import Disk

KINDS = {VILLAGE: "village", NEIGHBOUR: "village", TOWNSHIP: "township", COUNTY: "county"}
PEOPLE = {VILLAGE: AGENT, NEIGHBOUR: AGENT, TOWNSHIP: WINDOW, COUNTY: REVIEWER}
HOMES = {
    VILLAGE: (VILLAGE,),
    NEIGHBOUR: (NEIGHBOUR,),
    TOWNSHIP: (TOWNSHIP, VILLAGE, NEIGHBOUR),
    COUNTY: (TOWNSHIP, VILLAGE, NEIGHBOUR),
}
CATALOGUE = "catalogue"
NOTES = "notes"
"""A database without a rule, written to everywhere: documents with histories, conflicts, tombstones and files."""


def rule_for(name: str) -> WriteRule | None:
    if name.startswith("station-"):
        return append_only(canonical=canonical)
    return county_only if name == CATALOGUE else None


def seal(document: Document) -> Document:
    """What stands for the county's signature in the catalogue: nobody on the line can make it."""
    return {**document, "sig": _seal_of(document)}


def _seal_of(document: Document) -> str:
    covered = {key: value for key, value in document.items() if key not in ("_rev", "sig")}
    return sha256(b"the county's key" + canonical(covered)).hexdigest()


def is_sealed(document: Document) -> bool:
    return document.get("sig") == _seal_of(document)


@dataclass
class Machine:
    """`name` is its own, `code` the station that it works as: a clone has another name and the same code."""

    name: str
    code: str
    folder: Path
    random: Random
    disk: Disk
    databases: Databases = field(init=False)
    app: CouchApp = field(init=False)
    pens: dict[str, Pen] = field(init=False)
    memories: dict[tuple[str, str, str | None], Memory] = field(init=False)
    _stores: dict[str, Store] = field(init=False)
    incarnation: str = ""
    starts: int = 0
    backups: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._start()

    def _start(self) -> None:
        """A new process on these files: a new incarnation, numbers from 1."""
        self.starts += 1
        self.databases = Databases(self.folder, rule_for=rule_for, random=self.random)
        self.app = CouchApp(
            self.databases, authenticate=_who, admits=lambda _store, _writer: True, monotonic=lambda: 0.0
        )
        self.incarnation = f"{self.name}-{self.starts}-{self.random.getrandbits(32):08x}"
        self.pens = {}
        self.memories = {}
        self._stores = {}

    def pen(self, home: str) -> Pen:
        """The chain of events that this process writes into one home."""
        if home not in self.pens:
            last = max((pen.last for pen in self.pens.values() if pen.last is not None), default=None)
            self.pens[home] = Pen(self.code, PEOPLE[self.code], incarnation=self.incarnation, last=last)
        return self.pens[home]

    def start_again(self) -> None:
        """The power comes back: the process starts on what the disk holds."""
        self._go_on_with(lambda into: self.disk.remains(self.folder, into))

    def back_up(self) -> None:
        backup = self.folder.with_name(f"{self.name}-backup-{self.starts}-{len(self.backups)}")
        self.disk.remains(self.folder, backup)
        self.backups.append(backup)

    def restore(self, backup: Path) -> None:
        self._go_on_with(lambda into: shutil.copytree(backup, into))

    def replace(self) -> None:
        """Another disk, empty."""
        self._go_on_with(lambda into: into.mkdir())

    def _go_on_with(self, fill: Any) -> None:
        folder = self.folder.with_name(f"{self.name}-{self.starts + 1}")
        fill(folder)
        self.databases.close()
        shutil.rmtree(self.folder)
        self.folder = folder
        self._start()

    def clone(self, name: str) -> Machine:
        """A second machine on a copy of this disk, with the same key."""
        folder = self.folder.with_name(f"{name}-1")
        self.disk.remains(self.folder, folder)
        return Machine(name, self.code, folder, Random(self.random.random()), self.disk)

    # What it holds.

    @property
    def is_county(self) -> bool:
        return self.code == COUNTY

    @property
    def writer(self) -> Writer:
        return COUNTY_WRITER if self.is_county else station_writer(self.code)

    def database_names(self) -> list[str]:
        return [*(f"station-{home}" for home in HOMES[self.code]), CATALOGUE, NOTES]

    def store(self, name: str) -> Store:
        # Nobody deletes one, and the laws ask thousands of times.
        if name not in self._stores:
            self._stores[name] = self.databases.open(name)
        return self._stores[name]

    def stores(self) -> list[Store]:
        return [self.store(name) for name in self.database_names()]

    def arriving(self, name: str) -> Store | StorePeer:
        """The database as what a pull writes into: what members may write, and what the county has sealed."""
        rule = rule_for(name)
        if rule is None:
            return self.store(name)
        return self.store(name).as_writer(Writer("pull"), signed_by_county(rule, is_sealed))

    def knows(self, name: str, id_: str, rev: str) -> bool:
        """Whether this revision is or was a leaf here."""
        found = self.store(name).history(id_)
        return found is not None and not found[0].missing([rev])

    def events(self, number: str) -> list[Document]:
        return self.store(f"station-{number[:12]}").range(f"event:{number}:", f"event:{number};")

    def numbers(self) -> list[str]:
        stores = [self.store(f"station-{home}") for home in HOMES[self.code]]
        return sorted(
            {head.id.split(":")[1] for store in stores for head in store.winners("event:", "event;", bodies=False)}
        )


def station_writer(code: str) -> Writer:
    return Writer(code, frozenset({f"station:{code}:1"}))


def _who(environ: dict[str, Any]) -> Writer:
    code = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    if code not in KINDS or code == COUNTY:
        raise Unauthorized("no such station")
    return station_writer(code)


def attachment(data: bytes) -> Document:
    return {"content_type": "application/octet-stream", "data": b64encode(data).decode()}


__all__ = ["CATALOGUE", "HOMES", "KINDS", "NOTES", "PEOPLE", "Machine", "seal"]
