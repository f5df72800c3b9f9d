"""A CouchApp behind a real waitress on a port of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from tests.patience import PATIENCE_S


@contextmanager
def served(app: Any, **settings: Any) -> Iterator[str]:
    """The URL under which the app answers while the block runs."""
    server: Any = create_server(app, host="127.0.0.1", port=0, map={}, **settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        # In its own thread, the loop ends when nothing is left to listen to; if it was awake it may be faster
        # than the pull that was to wake it.
        with suppress(OSError):
            server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))
        thread.join(PATIENCE_S)
        server.task_dispatcher.shutdown()
        assert not thread.is_alive()
