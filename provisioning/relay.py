"""A line that can be cut: a TCP relay that heals, slows or cuts what it carries, switched while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from random import Random
from typing import Literal, get_args

Mode = Literal["heal", "slow", "cut"]
MODES: tuple[Mode, ...] = get_args(Mode)

# The bad line that villages have: 64 kbit/s each way for all connections together, 600 ms there and back,
# and every 20 s on average everything drops.
SLOW_BYTES_PER_S = 8000
SLOW_ONE_WAY_S = 0.3
SLOW_DROP_MEAN_S = 20.0
# Small pieces on the slow line, so that connections take turns as packets would.
SLOW_PIECE = 1400
PIECE = 1 << 16
# What may be on its way at once in one direction of one connection; more, and the reader waits as TCP would.
ON_THE_WAY = 64

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]


class _Direction:
    """One way of the line: counts its bytes and, when slow, says when each piece has gone out."""

    def __init__(self) -> None:
        self.bytes = 0
        self._free_at = 0.0

    def reserve(self, length: int, now: float) -> float:
        self._free_at = max(now, self._free_at) + length / SLOW_BYTES_PER_S
        return self._free_at


class Relay:
    """Listens on one port and carries every connection to `target`, in a thread of its own."""

    def __init__(
        self,
        listen: tuple[str, int],
        target: tuple[str, int],
        *,
        random: Random,
        sleep: Sleep = asyncio.sleep,
        clock: Clock | None = None,
    ) -> None:
        self.listen = listen
        self.target = target
        self._random = random
        self._sleep = sleep
        self._clock = clock
        self._mode: Mode = "heal"
        self._up, self._down = _Direction(), _Direction()
        self._carried: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._dropping: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._place: socket.socket | None = None

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def bytes_up(self) -> int:
        """Bytes that went from stations to the county since the start."""
        return self._up.bytes

    @property
    def bytes_down(self) -> int:
        return self._down.bytes

    @property
    def connections(self) -> int:
        return len(self._carried)

    def start(self) -> None:
        """Take the port (raises `OSError` when it is taken) and carry. `listen` then names the real port."""
        # A second socket keeps the port while the line is cut: bound, but not listening, it refuses every
        # caller, and the system gives the port to nobody by chance.
        self._place = _bound(self.listen)
        self.listen = self._place.getsockname()[:2]
        self._thread.start()
        self._run(self._open())

    def switch(self, mode: Mode) -> None:
        """Change the line's state. When a cut returns, nothing is carried and callers are refused."""
        assert mode in MODES
        self._run(self._switch(mode))

    def drop(self) -> None:
        """Break every living connection, as a bad line does."""
        self._loop.call_soon_threadsafe(self._drop)

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        self._run(self._switch("cut"))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()
        if self._place is not None:
            self._place.close()

    def _run(self, work: Awaitable[None]) -> None:
        async def whole() -> None:
            await work

        asyncio.run_coroutine_threadsafe(whole(), self._loop).result(timeout=10)

    async def _open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._carry, sock=_bound(self.listen), limit=PIECE)

    async def _switch(self, mode: Mode) -> None:
        self._mode = mode
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None
        if mode == "cut":
            if self._server is not None:
                self._server.close()
                self._server = None
            self._drop()
            await asyncio.gather(*self._carried, return_exceptions=True)
            return
        if mode == "slow":
            self._dropping = self._loop.create_task(self._drop_now_and_then())
        await self._open()

    async def _drop_now_and_then(self) -> None:
        while True:
            await self._sleep(self._random.expovariate(1 / SLOW_DROP_MEAN_S))
            self._drop()

    def _drop(self) -> None:
        for writer in self._writers:
            # A reset at once, not a polite end that waits for what is still on its way.
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        for task in self._carried:
            task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._mode == "cut":
            # Accepted in the very moment in which the line was cut.
            writer.transport.abort()
            return
        self._carried.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(*self.target, limit=PIECE)
            self._writers.add(far)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._one_way(reader, far, self._up))
                both.create_task(self._one_way(far_reader, writer, self._down))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            # The county does not answer, one side broke off, or the line was cut: this connection is over.
            pass
        finally:
            for side in (writer, far):
                if side is not None:
                    self._writers.discard(side)
                    side.close()
            self._carried.discard(task)

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Direction) -> None:
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._deliver(on_the_way, writer, way))
            while True:
                piece = await reader.read(SLOW_PIECE if self._mode == "slow" else PIECE)
                arrives_at = self._now()
                if self._mode == "slow":
                    gone_at = way.reserve(len(piece), arrives_at)
                    await self._sleep(gone_at - arrives_at)
                    arrives_at = gone_at + SLOW_ONE_WAY_S
                await on_the_way.put((arrives_at, piece))
                if not piece:
                    break

    async def _deliver(
        self, on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, way: _Direction
    ) -> None:
        while True:
            arrives_at, piece = await on_the_way.get()
            wait_s = arrives_at - self._now()
            if wait_s > 0:
                await self._sleep(wait_s)
            if not piece:
                break
            way.bytes += len(piece)
            writer.write(piece)
            await writer.drain()
        # One side has said all it had to say; the other way may still have an answer on it.
        with contextlib.suppress(OSError):
            writer.write_eof()

    def _now(self) -> float:
        return self._clock() if self._clock is not None else self._loop.time()


def _bound(address: tuple[str, int]) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
