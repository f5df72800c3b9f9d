"""`yizhan sync` as a process: serve, replicate, check; a kill at any moment, and a disk that is full."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import urllib3
from click.testing import CliRunner, Result

from sync.commands import group
from sync.peer import Unauthorized
from sync.remote import RemotePeer
from sync.sqlite import which_sqlite
from sync.store import Databases, Store
from tests.contracts.peer import kept

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, arguments)


def start(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A served folder; its URL with the administrator in it."""
    port = free_port()
    process = start(
        *(
            "-m",
            "yizhan",
            "sync",
            "serve",
            "--dir",
            str(tmp_path / "served"),
            "--listen",
            f"127.0.0.1:{port}",
        ),
        environment={"YIZHAN_ADMIN": "admin:pass:word"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "SQLite" in line
    assert str(port) in line
    yield f"http://admin:pass%3Aword@127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def fill(folder: Path, name: str, count: int) -> None:
    databases = Databases(folder, random=Random(1))
    databases.open(name).save([kept(f"d{number:03}", "1-a", n=number) for number in range(count)])
    databases.close()


@pytest.mark.processes
def test_serve_and_replicate_there_and_back(server: str, tmp_path: Path) -> None:
    fill(tmp_path / "here", "docs", 300)
    plain = urllib3.request("GET", server.replace("admin:pass%3Aword@", ""))
    assert plain.status == 200
    with pytest.raises(Unauthorized):
        RemotePeer(server.replace("pass", "wrong") + "/docs").info()
    remote = f"{server}/docs"
    missing = run("replicate", f"{tmp_path}/here/docs", remote)
    assert missing.exit_code == 1
    assert "NotFound" in missing.output
    basic = urllib3.make_headers(basic_auth="admin:pass:word")
    assert urllib3.request("PUT", remote.replace("admin:pass%3Aword@", ""), headers=basic).status == 201
    up = run("replicate", f"{tmp_path}/here/docs", remote, "--json")
    figures = json.loads(up.output)
    assert (figures["docs_read"], figures["docs_written"], figures["doc_write_failures"]) == (300, 300, 0)
    assert set(figures) == {
        *(
            "docs_read",
            "docs_written",
            "doc_write_failures",
            "bytes_sent",
            "bytes_received",
            "requests",
            "seconds",
        )
    }
    down = run("replicate", remote, f"{tmp_path}/new/folder/docs")
    assert "300 of 300 documents written" in down.output
    some = run("replicate", remote, f"{tmp_path}/some/docs", "--doc-ids", "d001,d002", "--doc-ids", "d003")
    assert "3 of 3 documents written" in some.output
    assert "300 documents, 0 deleted, nothing wrong" in run("check", f"{tmp_path}/new/folder/docs").output


def test_a_source_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    answer = run("replicate", f"{tmp_path}/no/docs", f"{tmp_path}/target/docs")
    assert answer.exit_code == 1
    assert "no folder" in answer.output
    assert not (tmp_path / "no").exists()
    assert run("replicate", "nonsense", f"{tmp_path}/target/docs").exit_code == 2
    unreachable = run("replicate", f"http://127.0.0.1:{free_port()}/x", f"{tmp_path}/target/docs")
    assert unreachable.exit_code == 1
    assert "Unreachable" in unreachable.output


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    fill(tmp_path, "docs", 3)
    store = Store(tmp_path / "docs.sqlite3", name="docs", random=Random(1))
    with store._file.writing() as connection:
        connection.execute("UPDATE properties SET value = '7' WHERE name = 'documents'")
    store.close()
    answer = run("check", f"{tmp_path}/docs")
    assert answer.exit_code == 1
    assert "says 7 documents" in answer.output
    assert run("check", f"{tmp_path}/other").exit_code == 1


def test_serving_without_an_administrator_is_refused(tmp_path: Path) -> None:
    for admin in ("", "nobody", ":x", "x:"):
        assert run("serve", "--dir", str(tmp_path), "--admin", admin).exit_code == 2


def test_it_says_which_sqlite_runs() -> None:
    assert which_sqlite().startswith("SQLite 3.")


WRITER = """
    import sys
    from pathlib import Path
    from random import Random
    from sync.peer import StorageFull
    from sync.store import Store

    store = Store(Path(sys.argv[1]), name="x", random=Random(int(sys.argv[2])))
    number = store.update_seq
    while True:
        number += 1
        name = f"{number:06}"
        try:
            store.save(
                [{"_id": f"{name}:{part}", "_rev": "1-a", "text": "x" * 700} for part in "abc"],
                locals={f"key-{name}": {"case": name}},
            )
        except StorageFull as problem:
            print("full", problem.reason, flush=True)
            break
        print(name, flush=True)
    store.close()
"""


@pytest.mark.processes
def test_every_acknowledged_save_is_there_whole_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    random = Random(5)
    acknowledged: list[str] = []
    for life in range(5):
        process = start("-c", textwrap.dedent(WRITER), str(path), str(life))
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline().strip())
        time.sleep(random.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        # What was on its way to us when it was killed had been saved before.
        acknowledged += process.stdout.read().split()
        process.wait()
    assert len(acknowledged) > 10
    store = Store(path, name="x", random=random)
    assert store.check() == []
    for name in acknowledged:
        assert len(store.range(f"{name}:", f"{name}:z")) == 3
        assert store.local(f"key-{name}") is not None
    # And of a save that was not acknowledged there is all or nothing.
    ids = [doc["_id"] for doc in store.range("", "z")]
    assert len(ids) % 3 == 0
    assert len({id_.partition(":")[0] for id_ in ids}) * 3 == len(ids)
    store.close()


@pytest.mark.processes
def test_a_disk_that_fills_up_stops_writing_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    Store(path, name="x", random=Random(1)).close()
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )
    *acknowledged, last = process.stdout.splitlines()
    assert last.startswith("full "), process.stderr
    store = Store(path, name="x", random=Random(1))
    assert store.check() == []
    assert len(acknowledged) > 10
    assert all(len(store.range(f"{name}:", f"{name}:z")) == 3 for name in acknowledged)
    store.save([{"_id": "when there is room again"}])
    store.close()
