"""How long a test waits for what must come true.

Far longer than it takes: a machine that runs tests may stand still for a minute, and its disk for longer. A test says
whether something comes true; how fast is the bench's to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 180.0


def until(true: Callable[[], Any], what: str, *, within_s: float = PATIENCE_S, every_s: float = 0.1) -> Any:
    """Wait until something holds and return it; say what did not come true."""
    end = time.monotonic() + within_s
    while True:
        result = true()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_s:.0f} s: {what}")
        time.sleep(every_s)
