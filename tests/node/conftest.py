from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.central.county import TOWNSHIP
from tests.node.station import SmallNode, make_stations


@pytest.fixture(scope="session")
def made_stations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A county with an enrolled village and township; each test works on a copy."""
    folder = tmp_path_factory.mktemp("stations")
    make_stations(folder)
    return folder


@pytest.fixture
def village(tmp_path: Path, made_stations: Path) -> Iterator[SmallNode]:
    node = SmallNode(made_stations, tmp_path / "village")
    yield node
    node.close()


@pytest.fixture
def township(tmp_path: Path, made_stations: Path) -> Iterator[SmallNode]:
    node = SmallNode(made_stations, tmp_path / "township", TOWNSHIP)
    yield node
    node.close()
