"""Asks the language (`central.catalogue.language`) in a process of its own, which ends when it has answered."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from central.catalogue.findings import CatalogueRefused

Tables = Mapping[str, Mapping[str, Sequence[str]]]

LIBRARIES: Final = ("pypinyin", "opencc")
LONGEST_S: Final = 120
"""It takes two seconds; whoever waits longer than this is told."""

_MODULE: Final = "central.catalogue.language"
# The same program as this one, wherever it was started.
_ROOT: Final = Path(__file__).parents[2]
_MOST_KEPT: Final = 4

_asking = threading.Lock()
_kept: Final[dict[bytes, Tables]] = {}


class LanguageMissing(CatalogueRefused):
    """pypinyin or OpenCC are not installed here: they come with the extra `county`."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"这台机器上没有装{'、'.join(missing)}，做不出检索用的拼音和繁简对照表，什么也没有改动。"
            "请在县中心装上：pip install 'yizhan[county]'，再试一次。"
        )


class LanguageFailed(CatalogueRefused):
    """The process that was to answer ended without an answer, or took longer than LONGEST_S."""

    def __init__(self, how: str) -> None:
        super().__init__(
            f"检索用的拼音和繁简对照表没有做成（{how}），什么也没有改动。请再试一次；"
            "还是不成，在县中心重新装一遍：pip install --force-reinstall 'yizhan[county]'。"
        )


def tables(simplified: Mapping[str, Sequence[str]], texts: Iterable[str]) -> Tables:
    """What `language.tables` answers. Not to be changed: the last few answers are kept, and asked again cost nothing.

    Safe to use from many threads; one asks at a time, for who answers takes 110 MiB while it does. Raises
    LanguageMissing, LanguageFailed.
    """
    question = json.dumps({"simplified": simplified, "texts": sorted(set(texts))}, sort_keys=True).encode("ascii")
    key = sha256(question).digest()
    with _asking:
        found = _kept.pop(key, None)
        if found is None:
            found = json.loads(_answer(question))
        _kept[key] = found
        if len(_kept) > _MOST_KEPT:
            del _kept[next(iter(_kept))]
    return found


def _answer(question: bytes) -> bytes:
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise LanguageMissing(missing)
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", _MODULE],
            input=question,
            capture_output=True,
            timeout=LONGEST_S,
            cwd=_ROOT,
            check=True,
        )
    except subprocess.CalledProcessError as failed:
        said = failed.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise LanguageFailed(said[:200] or f"结束码 {failed.returncode}") from failed
    except subprocess.TimeoutExpired as late:
        raise LanguageFailed(f"{LONGEST_S} 秒没有做完") from late
    except OSError as error:
        raise LanguageFailed(str(error)) from error
    return done.stdout
