from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.central.county import SmallCentre, make_county


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A county's folder; each test works on a copy."""
    folder = tmp_path_factory.mktemp("template") / "county"
    make_county(folder)
    return folder


@pytest.fixture
def county(tmp_path: Path, template: Path) -> Iterator[SmallCentre]:
    small = SmallCentre(tmp_path, template)
    yield small
    small.close()
