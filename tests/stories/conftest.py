"""One demo county for all the stories of a run: starting it is the longest part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.stories.browsing import someone
from tests.stories.county import DemoCounty


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoCounty]:
    county = DemoCounty(Path(tmp_path_factory.mktemp("demo")) / "county")
    county.start()
    yield county
    county.stop()


@pytest.fixture
def healed(demo: DemoCounty) -> Iterator[DemoCounty]:
    """The demo with a whole line, before and after."""
    demo.line("heal")
    yield demo
    demo.line("heal")


@pytest.fixture
def person(browser: Browser) -> Iterator[BrowserContext]:
    with someone(browser) as context:
        yield context
