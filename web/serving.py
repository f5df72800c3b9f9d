"""Serving an app with waitress until somebody says stop: a signal, or the end of whoever supervises us."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from waitress.buffers import OverflowableBuffer
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, create_server

from sync.wsgi.channel import CouchChannel
from web.errors import NO_ROOM, NO_ROOM_HEADER

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# Long polls and stations on slow lines each hold a connection; waitress's own limit of 100 is a small village.
CONNECTION_LIMIT = 2000
THREADS = 8


# mallopt(3)
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

LARGE_BODY = 256 << 10
"""What came with more than this has left holes in the heap, between small things that stay."""


def keep_memory_small() -> None:
    """Make glibc give back what is freed: two arenas for all threads, large blocks straight from and to the system.

    Without it a thread for each request leaves its photos behind: 115 MiB after 400 cases and 20 photos, 80 with it.
    To be called before threads start. Another C library has no `mallopt` and needs none.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, 256 << 10)


def give_memory_back() -> None:
    """Give the holes in glibc's heap back to the system (malloc_trim(3)): 85 MiB after four photos, 77 with it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Nowhere(OverflowableBuffer):
    """Takes the rest of a body that found no room."""

    def append(self, s: bytes) -> None:
        del s


class _Parser(HTTPRequestParser):
    """Waitress keeps large bodies in temporary files. With no room for one it would drop the connection; instead the
    body is read to its end, or the browser would not listen, and the app is told by a header why it is empty.
    """

    def received(self, data: bytes) -> int:
        try:
            return int(super().received(data))
        except OSError as error:
            if error.errno not in NO_ROOM or self.body_rcv is None or self.chunked:
                raise
            torn, self.body_rcv.buf = self.body_rcv.buf, _Nowhere(1)
            # Closing writes what is left to write, and there is no room for that either.
            with suppress(OSError):
                torn.close()
            self.headers = {**self.headers, NO_ROOM_HEADER: "1", "CONTENT_LENGTH": "0"}
            return int(super().received(data))


class _Channel(CouchChannel):
    parser_class = _Parser

    def service(self) -> None:
        large = self.requests[0].content_length > LARGE_BODY
        super().service()
        # The answer is on its way: nobody waits for this.
        if large:
            give_memory_back()


def listening(listen: str) -> socket.socket:
    """A socket on HOST:PORT (port 0: a free one), for one server or for several processes."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=1024)


def url_of(listener: socket.socket) -> str:
    """Where it answers."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server:
    """An app on one address. Bound when made, so that `url` is true before the first request is answered."""

    def __init__(
        self, app: WSGIApplication, listen: str | socket.socket, *, threads: int = THREADS, largest_body: int = 64 << 20
    ) -> None:
        listener = listening(listen) if isinstance(listen, str) else listen
        self._server = create_server(
            app,
            sockets=[listener],
            threads=threads,
            connection_limit=CONNECTION_LIMIT,
            asyncore_use_poll=True,
            max_request_body_size=largest_body,
            ident=None,
        )
        assert isinstance(self._server, BaseWSGIServer), "one address, one socket"
        self._server.channel_class = _Channel
        assert self._server.socket is not None
        self.url = url_of(listener)

    def run(self) -> None:
        """Answer requests until SIGTERM or SIGINT; what is being answered is finished first."""
        # What is here now stays to the end: a collection that looks through all of it would hold up a request.
        gc.collect()
        gc.freeze()
        self._server.run()


def end_on_signals() -> None:
    """SIGTERM and SIGINT end the server's loop, whichever way this process was started."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def end_on_eof(end: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGTERM)) -> None:
    """End when standard input closes: a supervisor that dies, however it dies, takes its services along."""

    def watch() -> None:
        while sys.stdin.buffer.read(1024):
            pass
        end()

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
