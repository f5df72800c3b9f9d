"""Folders, clocks and databases for the tests of sync."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from sync.databases import Databases
from sync.wsgi import CouchApp
from tests.sync.calling import Caller, authenticate


@pytest.fixture
def random() -> Random:
    return Random(7)


@pytest.fixture
def now() -> Callable[[], datetime]:
    """A clock that goes on by a millisecond each time somebody looks at it."""
    times = iter(range(1, 10**9))
    return lambda: datetime(2026, 11, 23, tzinfo=UTC) + timedelta(milliseconds=next(times))


@pytest.fixture
def databases(tmp_path: Path, random: Random) -> Iterator[Databases]:
    databases = Databases(tmp_path / "couch", random=random)
    yield databases
    databases.close()


@pytest.fixture
def app(databases: Databases) -> CouchApp:
    """A database that a member may use, and one that only the county may."""
    databases.open("station-1").set_security({"members": {"roles": ["station:600101101201:1"]}})
    databases.open("private")
    return CouchApp(
        databases,
        authenticate=authenticate,
        may_create=lambda writer, name: writer.is_county,
        feed_seats=2,
        max_body_bytes=100_000,
    )


@pytest.fixture
def call(app: CouchApp) -> Caller:
    return Caller(app)
