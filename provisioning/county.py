"""The county, opened: its folder, keys and databases, as every operation at the county works on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from random import Random

from casework.canonical import canonical
from casework.documents.register import Register
from provisioning.folder import CountyFolder
from provisioning.register import CATALOGUE, FLEET, apply_securities, current_register
from provisioning.throttle import Throttle
from provisioning.tokens import Nonces, Sessions
from sync.databases import Databases
from sync.inventory import Inventories
from sync.peer import WriteRule
from sync.store import Store
from sync.write_rules import append_only, county_only


class County:
    """What operations need. The county app makes one over its open databases, a command opens the folder."""

    def __init__(
        self, folder: CountyFolder, databases: Databases, *, now: Callable[[], datetime], random: Random
    ) -> None:
        self.folder = folder
        self.code = folder.station
        self.databases = databases
        self.now = now
        self.random = random
        self.authority = folder.authority()
        self.key = folder.key()
        self.nonces = Nonces(self.key.derive("nonces"), random)
        self.sessions = Sessions(self.key.derive("sessions"))
        self.inventories = Inventories()
        self.wrong_codes = Throttle(limit=10, window_s=600)
        # One writer of registers and contacts at a time in this process; other processes meet it as a
        # conflict.
        self.turn = threading.Lock()
        self._register: tuple[int, Register] | None = None

    @property
    def catalogue(self) -> Store:
        return self.databases.open(CATALOGUE)

    @property
    def fleet(self) -> Store:
        return self.databases.open(FLEET)

    def register(self) -> Register:
        """The current key register; read anew only when the catalogue has changed."""
        seq = self.catalogue.update_seq
        known = self._register
        if known is None or known[0] != seq:
            register = current_register(self.catalogue, self.authority.fingerprint)
            assert register is not None, "`provision county init` writes the first register"
            known = self._register = (seq, register)
        return known[1]

    def apply_securities(self) -> None:
        apply_securities(self.databases, self.register())


def county_rule(database: str) -> WriteRule:
    """The write rule of each database of the county's embedded store."""
    return append_only(canonical=canonical) if database.startswith("station-") else county_only


@contextmanager
def county_opened(path: Path, *, now: Callable[[], datetime], random: Random) -> Iterator[County]:
    """The county in this folder, held by this process. Raises `FolderLocked` while another works on it."""
    folder = CountyFolder.open(path)
    with folder.lock():
        databases = Databases(folder.databases, rule_for=county_rule, random=random)
        try:
            yield County(folder, databases, now=now, random=random)
        finally:
            databases.close()
