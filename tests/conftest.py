"""What no test can tell and every test gains by: who runs where, templates that are compiled already, cheap hashes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from hypothesis import settings
from jinja2.bccache import Bucket, BytecodeCache
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from werkzeug.routing import Rule
from xdist.scheduler import LoadGroupScheduling

from tests.patience import PATIENCE_S
from web import signin

# No test is timed: a machine that is busy with something else proves nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Where a machine keeps files in memory, and how much room there must be: the tests leave a fifth of it behind at most.
IN_MEMORY, ROOM_BYTES = Path("/dev/shm"), 1 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Folders of tests lie in memory where there is room: each of thousands of small databases would wait for the disk.
    What a killed process leaves behind is the same there.
    """
    if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


# The tests below one of these run in one worker, one after another, so that what they share is started once.
TOGETHER = {
    "tests/stories/test_bad_luck.py": "a lone station",
    "tests/stories/": "the demo",
    "tests/provisioning/test_demo.py": "the demo",
    "tests/peers/": "the peers",
    "tests/sync/test_ibmcloudant.py": "a served CouchDB",
    "tests/node/test_guides_in_the_browser.py": "Chromium",
    "tests/node/test_intake_in_the_browser.py": "Chromium",
    "tests/node/test_guides.py": "a station with the sample's guides",
    "tests/test_house.py": "the house",
    "tests/web/guides/test_index.py": "the sample's guides",
    "tests/web/test_scripts.py": "Chromium",
    "tests/web/cases/test_papers_in_the_browser.py": "Chromium",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Groups by where a test lies. xdist's own mark for it does nothing with pytest 9.2, whose node ids are no strings
    any more, and says nothing about it.
    """
    if config.getvalue("dist") != "loadgroup":
        return None

    class Together(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((group for place, group in TOGETHER.items() if nodeid.startswith(place)), nodeid)

    return Together(config, log)


class InMemory(BytecodeCache):
    """What templates were compiled to: kept by the text they were made of."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Each test makes an app of its own; what jinja makes of the same template text is the same, and what werkzeug
    makes of the same address.
    """
    compile_builder, builders = Rule._compile_builder, {}

    def compiled(rule: Rule, append_unknown: bool = True) -> Any:
        # Of this alone the function is made; what converts a value it asks of the rule that it is bound to.
        made_of = (rule.rule, tuple(rule._trace), append_unknown)
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        if made_of not in builders:
            builders[made_of] = compile_builder(rule, append_unknown)
        return builders[made_of]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Flask, "jinja_options", {**Flask.jinja_options, "bytecode_cache": InMemory()})
        patched.setattr(Rule, "_compile_builder", compiled)
        yield


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """argon2id as in the product, at the lowest cost that it allows: each hash says its own cost, so that only those
    made here are cheap. Services in processes of their own hash as the product does.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signin, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a worker; what a test sees of another's is kept apart by contexts."""
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        expect.set_options(timeout=PATIENCE_S * 1000)
        new_context = browser.new_context

        def patient(**options: Any) -> BrowserContext:
            context = new_context(**options)
            context.set_default_timeout(PATIENCE_S * 1000)
            return context

        browser.new_context = patient  # type: ignore[method-assign]
        yield browser
        browser.close()
