"""Folders, clocks and databases for the tests of sync."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from sync.store import Databases


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
