"""The relay, with real sockets: what it carries, how slowly, and what a cut does."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from random import Random

import pytest

from provisioning.relay import Relay
from tests.patience import PATIENCE_S, until


class Echo:
    """A server that sends back what it hears, each connection in a thread; it ends with its input."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.socket.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(1 << 16):
                    connection.sendall(piece)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.socket.close()


@pytest.fixture
def relay(echo: Echo) -> Iterator[Relay]:
    made = Relay(("127.0.0.1", 0), echo.address, random=Random(1))
    made.start()
    yield made
    made.stop()


def connected(relay: Relay) -> socket.socket:
    return socket.create_connection(relay.listen, timeout=PATIENCE_S)


def heard(connection: socket.socket, length: int) -> bytes:
    got = b""
    while len(got) < length and (piece := connection.recv(1 << 16)):
        got += piece
    return got


def test_a_healthy_line_carries_everything_both_ways_and_counts_it(relay: Relay) -> None:
    sent = Random(2).randbytes(3_000_000)
    with connected(relay) as connection:
        threading.Thread(target=connection.sendall, args=(sent,), daemon=True).start()
        assert heard(connection, len(sent)) == sent
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert (relay.bytes_up, relay.bytes_down) == (len(sent), len(sent))
    until(lambda: relay.connections == 0, "it is over")


def test_who_has_said_everything_still_gets_the_answer(echo: Echo) -> None:
    late = socket.create_server(("127.0.0.1", 0))
    relay = Relay(("127.0.0.1", 0), late.getsockname(), random=Random(1))
    relay.start()
    with connected(relay) as connection:
        connection.sendall(b"question")
        connection.shutdown(socket.SHUT_WR)
        far, _ = late.accept()
        with far:
            assert heard(far, 100) == b"question"
            far.sendall(b"answer")
        assert heard(connection, 6) == b"answer"
    relay.stop()
    late.close()


def test_a_cut_breaks_what_lives_and_refuses_what_comes_at_once(relay: Relay) -> None:
    connection = connected(relay)
    connection.sendall(b"x")
    assert connection.recv(1) == b"x"

    relay.switch("cut")
    with pytest.raises(ConnectionError):
        connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connected(relay)
    assert relay.connections == 0
    connection.close()


def test_a_healed_line_is_at_the_same_place(relay: Relay) -> None:
    for _ in range(3):
        relay.switch("cut")
        relay.switch("cut")
        relay.switch("heal")
    with connected(relay) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"


def test_a_slow_line_carries_8000_bytes_a_second_and_takes_600_ms_there_and_back(relay: Relay) -> None:
    relay.switch("slow")
    began = time.monotonic()
    with connected(relay) as connection:
        connection.sendall(b"x" * 4000)
        assert heard(connection, 4000) == b"x" * 4000
    # Half a second for the bytes of one way, 600 ms, and the last piece on its way back.
    assert time.monotonic() - began >= 1.1
    assert relay.bytes_up == relay.bytes_down == 4000


def test_connections_share_a_slow_line(relay: Relay) -> None:
    relay.switch("slow")
    began = time.monotonic()
    connections = [connected(relay) for _ in range(4)]
    for connection in connections:
        connection.sendall(b"x" * 2000)
    for connection in connections:
        assert len(heard(connection, 2000)) == 2000
        connection.close()
    assert time.monotonic() - began >= 1.6


def test_a_slow_line_drops_at_random_about_every_twenty_seconds(echo: Echo) -> None:
    waits: list[float] = []
    go = threading.Semaphore(0)

    async def sleep(seconds: float) -> None:
        if seconds > 0.5:
            waits.append(seconds)
            while not go.acquire(blocking=False):
                await asyncio.sleep(0.005)

    relay = Relay(("127.0.0.1", 0), echo.address, random=Random(5), sleep=sleep)
    relay.start()
    relay.switch("slow")
    connection = connected(relay)
    connection.sendall(b"x")
    assert connection.recv(1) == b"x"
    for _ in range(300):
        go.release()
    with pytest.raises(ConnectionError):
        connection.recv(1)
    until(lambda: len(waits) > 250, "it was dropped so often")
    assert 15 < sum(waits) / len(waits) < 25

    again = connected(relay)
    relay.switch("heal")
    count = len(waits)
    for _ in range(5):
        go.release()
    again.sendall(b"y")
    assert again.recv(1) == b"y"
    assert len(waits) <= count + 1
    relay.stop()


def test_a_county_that_is_away_ends_the_connection_only(echo: Echo) -> None:
    gone = socket.create_server(("127.0.0.1", 0))
    address = gone.getsockname()
    gone.close()
    relay = Relay(("127.0.0.1", 0), address, random=Random(1))
    relay.start()
    for _ in range(2):
        with connected(relay) as connection:
            assert connection.recv(1) == b""
    relay.stop()


def test_a_port_that_is_taken_is_told(echo: Echo) -> None:
    with pytest.raises(OSError, match="in use"):
        Relay(echo.address, echo.address, random=Random(1)).start()
