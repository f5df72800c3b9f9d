"""A 5 MB photo and 40 cases over the worst line that villages have: 64 kbit/s, 600 ms, dropped every 20 s on average.

`python -m tests.bench.worst_line` takes some 12 minutes, `--photo-mb 0.5` some 80 seconds. A real county and a real
village node talk through the relay of the demo; what goes up is read along there, byte by byte as it was carried, so
that "sent twice" is counted where a line bills it: everything in requests for pieces of files beyond the least that
would have carried each piece once.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import click

from provisioning.relay import SLOW_BYTES_PER_S, Relay
from tests.bench.__main__ import county_account, row
from tests.patience import until
from tests.stories.county import HTTP, Account, DemoCounty, free_port_block
from tests.stories.test_first_light import APPLICANT, first_example, photo

CASES = 40
GOAL_TWICE = 0.10
_CHUNK_ID = re.compile(rb'"_id":"(chunk:[^"]+)"')


class ReadAlong(Relay):
    """The relay, which also keeps what each connection has carried up."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.carried: list[bytearray] = []

    async def _one_way(self, reader: asyncio.StreamReader, writer: Any, way: Any) -> None:
        if way is self._up:
            kept = bytearray()
            self.carried.append(kept)
            writer = _Kept(writer, kept)
        await super()._one_way(reader, writer, way)


class _Kept:
    def __init__(self, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        self._writer, self._kept = writer, kept

    def write(self, data: bytes) -> None:
        self._kept.extend(data)
        self._writer.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


@click.command()
@click.option("--photo-mb", default=5.0, show_default=True)
@click.option("--seed", default=1, show_default=True, help="when the line drops")
@click.option("--json", "as_json", is_flag=True, help="one line of JSON instead")
def bench(photo_mb: float, seed: int, as_json: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="yizhan-worst-") as scratch:
        found = _measured(Path(scratch), int(photo_mb * 1e6), seed)
    if as_json:
        click.echo(json.dumps(found))
        return
    row(f"{CASES} cases at the county after", f"{found['cases_s']:.0f} s", "before the photo")
    row("of the photo there by then", f"{found['photo_then']:.0%}", "the cases arrive first")
    row(f"a photo of {photo_mb} MB after", f"{found['photo_s']:.0f} s", f"the bare line: {found['bare_line_s']:.0f} s")
    row("the line dropped", f"{found['drops']} times", "every 20 s on average")
    row("sent twice", f"{found['twice']:.1%}", f"goal {GOAL_TWICE:.0%} on average")
    row("carried up in all", f"{found['bytes_up'] / 1e6:.2f} MB", f"pieces {found['pieces_bytes'] / 1e6:.2f} MB")


def _measured(scratch: Path, photo_bytes: int, seed: int) -> dict[str, Any]:
    demo = DemoCounty(scratch / "county")
    demo.start()
    village, county = demo.station("village"), demo.layout["county"]
    demo.stop()
    port = free_port_block()
    relay = ReadAlong(("127.0.0.1", 0), ("127.0.0.1", port), random=Random(seed))
    relay.start()
    relay.switch("cut")
    processes = [
        _served("central", county["dir"], f"127.0.0.1:{port}"),
        _served("node", village["dir"], f"127.0.0.1:{port + 1}", "--county", f"http://127.0.0.1:{relay.listen[1]}"),
    ]
    try:
        for at in (port, port + 1):
            until(lambda at=at: _answers(f"http://127.0.0.1:{at}"), "it answers", within_s=30)  # type: ignore[misc]
        agent = county_account(demo, f"http://127.0.0.1:{port + 1}")
        numbers = _taken_in(agent, photo_bytes)
        return _carried(relay, agent, numbers, photo_bytes)
    finally:
        relay.stop()
        for process in processes:
            process.terminate()
            process.wait(10)


def _served(app: str, folder: str, listen: str, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "yizhan", app, "serve", "--dir", folder, "--listen", listen, *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _answers(url: str) -> bool:
    try:
        return HTTP.request("GET", f"{url}/healthz", timeout=1).status == 200
    except Exception:
        # Refused until it listens.
        return False


def _taken_in(agent: Account, photo_bytes: int) -> list[str]:
    """The photo first, then the cases behind it, each of three events; the photo's case is the first."""
    guide = agent.get(f"guides/{agent.get('guides?q=低保')['results'][0]['code']}")
    body = {"item": guide["code"], "applicant": APPLICANT, "form": first_example(guide["form"]), "materials": []}
    numbers = [agent.post("cases", body, Idempotency_Key=str(uuid4()))["number"] for _ in range(CASES + 1)]
    picture = photo(800)
    # What comes after the end of a JPEG is not looked at, and cannot be packed any smaller.
    picture += Random(5).randbytes(photo_bytes - len(picture))
    status, answer = agent.upload(numbers[0], guide["materials"][0]["name"], picture)
    assert status == 201, answer
    correction = {"kind": "field_corrected", "data": {"path": "applicant.phone", "value": "13000000002"}}
    for number in numbers[1:]:
        agent.post(f"cases/{number}/events", correction)
    return numbers


def _carried(relay: ReadAlong, agent: Account, numbers: list[str], photo_bytes: int) -> dict[str, Any]:
    drops = 0
    drop = relay._drop

    def counted() -> None:
        nonlocal drops
        drops += 1
        drop()

    relay._drop = counted  # type: ignore[method-assign]
    bare_line_s = photo_bytes / SLOW_BYTES_PER_S
    relay.switch("slow")
    began = time.monotonic()
    patience_s = 300 + 4 * bare_line_s

    def held(number: str) -> bool:
        return agent.get(f"cases/{number}")["held_by_county_at"] is not None

    waiting = set(numbers[1:])

    def all_held() -> bool:
        waiting.difference_update([number for number in sorted(waiting)[:5] if held(number)])
        return not waiting

    until(all_held, "the cases are held", within_s=patience_s, every_s=0.5)
    cases_s = time.monotonic() - began
    first_sent = _pieces(relay.carried)
    until(lambda: held(numbers[0]), "the photo is held", within_s=patience_s, every_s=1)
    photo_s = time.monotonic() - began
    pieces = _pieces(relay.carried)
    return {
        "cases_s": cases_s,
        "photo_s": photo_s,
        "photo_then": len(first_sent.seen) / max(1, len(pieces.seen)),
        "bare_line_s": bare_line_s,
        "drops": drops,
        "twice": pieces.bytes / pieces.least - 1,
        "pieces_bytes": pieces.bytes,
        "least_bytes": pieces.least,
        "bytes_up": relay.bytes_up,
    }


class _Pieces:
    """Requests that carry chunks: all their bytes, and the least that would have carried each chunk once."""

    def __init__(self) -> None:
        self.bytes = 0
        self.seen: set[bytes] = set()
        self.whole: dict[bytes, float] = {}

    @property
    def least(self) -> float:
        known = list(self.whole.values())
        mean = sum(known) / max(1, len(known))
        return sum(known) + mean * len(self.seen - self.whole.keys())


def _pieces(carried: list[bytearray]) -> _Pieces:
    found = _Pieces()
    for connection in carried:
        rest = bytes(connection)
        while rest:
            head, ended, rest = rest.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            size = int(length[1]) if ended and length else 0
            body, whole, rest = rest[:size], len(rest) >= size, rest[size:]
            if b"/_bulk_docs " not in head.split(b"\r\n", 1)[0]:
                continue
            packed = b"content-encoding: gzip" in head.lower()
            chunks = _CHUNK_ID.findall(zlib.decompressobj(wbits=31).decompress(body) if packed else body)
            if not chunks and b"_bulk_docs" in head and whole:
                # Text.
                continue
            found.bytes += len(head) + 4 + len(body)
            found.seen.update(chunks)
            for chunk in chunks if whole else ():
                found.whole.setdefault(chunk, (len(head) + 4 + len(body)) / len(chunks))
    return found


if __name__ == "__main__":
    bench()
