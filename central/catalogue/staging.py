"""Files on their way in or out, in the county's own folder: too large for a request, or waiting for a person's yes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from provisioning.whole_files import make_private_folder, write_whole

KEPT_FOR: Final = timedelta(days=1)
MOST_WAITING: Final = 20

_TOKEN = re.compile(r"[0-9a-f]{32}")


class Staging:
    """What lies on a shelf of `<county>/staging/`, each file named by a token that nobody guesses. Only the county's
    own account on this machine reads it, as it does everything in that folder."""

    def __init__(self, folder: Path, *, shelf: str = "contents") -> None:
        self._folder = folder / "staging" / shelf

    def put(self, said: Any, *, now: datetime, random: Random) -> str:
        """Keep this JSON; its token. What is older than a day, or beyond the newest twenty, goes."""
        make_private_folder(self._folder.parent)
        make_private_folder(self._folder)
        token = f"{random.getrandbits(128):032x}"
        write_whole(
            self._path(token), json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass"), private=True
        )
        for place, (written, path) in enumerate(sorted(self._files(), reverse=True)):
            if place >= MOST_WAITING or now - written > KEPT_FOR:
                path.unlink(missing_ok=True)
        return token

    def get(self, token: str) -> Any:
        """What was kept, None when it is gone, or the token is none."""
        if not _TOKEN.fullmatch(token):
            return None
        try:
            return json.loads(self._path(token).read_bytes().decode("utf-8", "surrogatepass"))
        except FileNotFoundError:
            return None

    def take(self, token: str) -> Any:
        """The same, and it is gone."""
        said = self.get(token)
        self.drop(token)
        return said

    def drop(self, token: str) -> None:
        if _TOKEN.fullmatch(token):
            self._path(token).unlink(missing_ok=True)

    def tokens(self) -> list[str]:
        """Of everything that waits, the newest first."""
        return [path.stem for _, path in sorted(self._files(), reverse=True)]

    def _path(self, token: str) -> Path:
        return self._folder / f"{token}.json"

    def _files(self) -> Iterator[tuple[datetime, Path]]:
        if self._folder.is_dir():
            for path in self._folder.glob("*.json"):
                with suppress(FileNotFoundError):  # another process has taken it
                    yield datetime.fromtimestamp(path.stat().st_mtime, UTC), path
