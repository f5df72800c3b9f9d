from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provisioning.small_county import SmallCounty


@pytest.fixture
def small_county(tmp_path: Path) -> Iterator[SmallCounty]:
    county = SmallCounty(tmp_path)
    yield county
    county.close()
