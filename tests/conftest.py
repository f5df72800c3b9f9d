"""What every test may share because no test can tell: templates that are compiled already, and cheap hashes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from web import signin


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each test makes an app of its own; what jinja makes of the same template text is the same."""
    with pytest.MonkeyPatch.context() as patched:
        kept = FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
        patched.setattr(Flask, "jinja_options", {**Flask.jinja_options, "bytecode_cache": kept})
        yield


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """argon2id as in the product, at the lowest cost that it allows: each hash says its own cost, so that only those
    made here are cheap. Services in processes of their own hash as the product does.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signin, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        patched.setattr(signin, "_NOBODY", signin.hash_password("nobody has this password"))
        yield
