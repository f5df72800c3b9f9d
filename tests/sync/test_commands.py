"""`yizhan sync` as a process: serve, replicate, check; a kill at any moment, and a disk that is full."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import jwt
import psutil
import pytest
import urllib3
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sync.commands import group
from sync.databases import Databases
from sync.peer import Unauthorized
from sync.remote import RemotePeer
from sync.sqlite import several_processes_may_write, sqlite3, which_sqlite
from sync.store import Store
from sync.write_rules import content_hash_start
from tests.contracts.peer import kept
from tests.patience import PATIENCE_S, until
from tests.sync.server_process import Served, start

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, arguments)


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
    process.wait(PATIENCE_S)


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


def told(result: Result, code: int = 1) -> str:
    """What a command said that has refused, in words and not in a traceback."""
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit), result.exception
    return result.output


@pytest.mark.parametrize("scheme", ["ftp", "htp", "couchdb"])
def test_a_misspelt_url_is_no_folder_and_its_password_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "here", "docs", 1)
    url = f"{scheme}://user:secret@127.0.0.1:1/docs"
    for ends in (("here/docs", url), (url, "here/docs")):
        assert "secret" not in told(run("replicate", *ends))
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_it_is_said_which_end_is_missing(tmp_path: Path, server: str) -> None:
    fill(tmp_path / "here", "docs", 1)
    here, nowhere = f"{tmp_path}/here/docs", f"{server}/nothing"
    assert "NotFound at the source" in told(run("replicate", nowhere, here))
    assert "NotFound at the target" in told(run("replicate", here, nowhere))


def test_the_scheme_of_a_url_may_be_written_large(tmp_path: Path) -> None:
    assert "Unreachable" in told(run("replicate", "HTTP://user:secret@127.0.0.1:1/docs", f"{tmp_path}/docs"))


def test_what_cannot_be_done_here_is_told_in_words(tmp_path: Path) -> None:
    fill(tmp_path / "here", "docs", 1)
    (tmp_path / "file").write_text("")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "no-key").write_text("nothing of the kind")
    here, inside = f"{tmp_path}/here/docs", f"{tmp_path}/file/inside"
    assert inside in told(run("replicate", here, f"{inside}/docs"))
    serve = ("serve", "--dir", f"{tmp_path}/served", "--admin", "a:b")
    assert inside in told(run("serve", "--dir", inside, "--admin", "a:b"))
    assert "70000" in told(run(*serve, "--listen", "127.0.0.1:70000"))
    assert "bytes" in told(run("serve", "--dir", f"{tmp_path}/served", "--admin-file", f"{tmp_path}/bytes"), 2)
    assert "bytes" in told(run(*serve, "--jwt-key", f"k1={tmp_path}/bytes"), 2)
    assert "k1" in told(run(*serve, "--jwt-key", f"k1={tmp_path}/no-key"), 2)
    (tmp_path / "two-lines").write_text("admin:secret\nanother:secret\n")
    said = told(run("serve", "--dir", f"{tmp_path}/served", "--admin-file", f"{tmp_path}/two-lines"), 2)
    assert "two-lines" in said
    assert "secret" not in said
    # An empty variable is not the wish for everything.
    assert "--doc-ids" in told(run("replicate", here, f"{tmp_path}/there/docs", "--doc-ids", ""), 2)


def test_a_folder_that_cannot_be_held_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "docs", 1)
    (tmp_path / ".writer").mkdir()
    monkeypatch.setattr("sync.commands.several_processes_may_write", lambda: False)
    for command in (("check", f"{tmp_path}/docs"), ("serve", "--dir", str(tmp_path), "--listen", "127.0.0.1:0")):
        assert str(tmp_path) in told(run(*command, *(("--admin", "a:b") if command[0] == "serve" else ())))


@pytest.mark.processes
def test_progress_on_a_terminal_gives_its_line_to_what_is_said_next(tmp_path: Path) -> None:
    fill(tmp_path, "docs", 3)
    terminal, end = os.openpty()
    ends = (f"{tmp_path}/docs", f"{tmp_path}/copy")
    subprocess.run(
        [sys.executable, "-m", "yizhan", "sync", "replicate", *ends],
        cwd=ROOT,
        check=True,
        stdout=end,
        stderr=end,
        timeout=PATIENCE_S,
    )
    os.close(end)
    said = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert "3 written, 0 refused\r" in said
    assert "\r3 of 3 documents written" in said


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


HASHED = {"case": "1", "words": "as they were signed"}
HASH = content_hash_start(HASHED)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE documents SET attachments = '[]' WHERE id = 'filed'", "filed: the content of 1-a cannot be read"),
        (
            "UPDATE documents SET attachments = '{\"x\": 5}' WHERE id = 'filed'",
            "filed: the content of 1-a cannot be read",
        ),
        ("UPDATE documents SET tree = '5' WHERE id = 'filed'", "filed: the revision tree cannot be read"),
        ("UPDATE documents SET tree = '{}' WHERE id = 'filed'", "filed: the revision tree cannot be read"),
        (
            "UPDATE documents SET body = CAST(replace(body, 'were', 'weRe') AS BLOB)",
            f"event:1:{HASH}: the content of 1-{HASH} has another",
        ),
        ("UPDATE local_documents SET body = x'7b'", "_local/mark: it cannot be read"),
        ("DELETE FROM properties WHERE name = 'uuid'", "uuid"),
        ("DELETE FROM properties WHERE name = 'documents'", "documents"),
        ("DELETE FROM attachment_pieces WHERE number = 1", "attachment"),
    ],
)
def test_check_finds_every_kind_of_damage_and_survives_it(tmp_path: Path, damage: str, words: str) -> None:
    databases = Databases(tmp_path, random=Random(1))
    store = databases.open("docs")
    long = {"long": {"content_type": "image/x-raw", "data": Random(2).randbytes(500_000)}}
    store.save(
        [{**kept("filed", "1-a"), "_attachments": long}, {"_id": f"event:1:{HASH}", "_rev": f"1-{HASH}", **HASHED}]
    )
    store.put_local("mark", {"n": 1})
    databases.close()
    assert run("check", f"{tmp_path}/docs").exit_code == 0
    with sqlite3.connect(tmp_path / "docs.sqlite3") as connection:
        connection.execute(damage)
    connection.close()
    assert words in told(run("check", f"{tmp_path}/docs"))


def test_a_file_with_nothing_of_a_database_in_it_is_no_empty_database(tmp_path: Path) -> None:
    (tmp_path / "cut.sqlite3").touch()
    with sqlite3.connect(tmp_path / "other.sqlite3") as connection:
        connection.execute("CREATE TABLE somebody_elses (a)")
    connection.close()
    before = (tmp_path / "other.sqlite3").read_bytes()[100:]
    for name in ("cut", "other"):
        told(run("check", f"{tmp_path}/{name}"))
        told(run("compact", f"{tmp_path}/{name}"))
        told(run("replicate", f"{tmp_path}/{name}", f"{tmp_path}/target"))
    assert (tmp_path / "cut.sqlite3").stat().st_size == 0
    assert (tmp_path / "other.sqlite3").read_bytes()[100:] == before


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


# Several processes on one port.


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Served]:
    if not several_processes_may_write():
        pytest.skip("this SQLite cannot be written by several processes")
    served = Served(tmp_path / "served", "--workers", "3")
    until(lambda: len(served.workers()) == 3, "all of them serve", every_s=0.05)
    yield served
    served.stop()


@pytest.mark.processes
def test_several_processes_are_one_server(several: Served) -> None:
    assert len(several.workers()) == 3
    statuses = sorted(several("PUT", "/docs").status for _ in range(6))
    assert statuses == [201, *[412] * 5]
    revs = {several("PUT", f"/docs/d{number}", {"n": number}).json()["rev"] for number in range(12)}
    assert len(revs) == 12
    for _ in range(9):
        info = several("GET", "/docs").json()
        assert info["doc_count"] == 12
        assert several("GET", f"/docs/_changes?since={info['update_seq']}").json()["results"] == []
    # A cookie of one is good for all.
    cookie = several("POST", "/_session", {"name": "a", "password": "b"}).headers["Set-Cookie"].partition(";")[0]
    for _ in range(6):
        assert several("GET", "/_all_dbs", Cookie=cookie, Authorization="").json() == ["docs"]
    # What one has deleted is gone for all, also for those that had it open.
    assert several("DELETE", "/docs").status == 200
    assert {several("GET", "/docs").status for _ in range(9)} == {404}
    assert several("PUT", "/docs").status == 201
    assert {several("GET", "/docs").json()["doc_count"] for _ in range(9)} == {0}
    assert several("PUT", "/docs/again", {}).status == 201
    assert {several("GET", "/docs/again").status for _ in range(9)} == {200}


@pytest.mark.processes
def test_a_database_that_is_deleted_and_made_again_is_there_or_not_and_never_half(several: Served) -> None:
    asked = [("PUT", "/docs"), ("DELETE", "/docs"), ("GET", "/docs"), ("PUT", "/docs/one"), ("GET", "/docs/_changes")]
    answers: list[tuple[str, str, int]] = []

    def ask(random: Random) -> None:
        for _ in range(60):
            method, path = random.choice(asked)
            answers.append((method, path, several(method, path, {} if path == "/docs/one" else None).status))

    threads = [threading.Thread(target=ask, args=(Random(seed),)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 360
    assert [answer for answer in answers if answer[2] >= 500] == []


@pytest.mark.processes
def test_feeds_of_every_process_see_what_one_commits(several: Served) -> None:
    several("PUT", "/docs")
    since = several("GET", "/docs").json()["update_seq"]
    found: list[str] = []

    def wait() -> None:
        answer = several("GET", f"/docs/_changes?feed=longpoll&since={since}&timeout=3600000")
        found.append(answer.json()["results"][0]["id"])

    waiting = [threading.Thread(target=wait) for _ in range(9)]
    for thread in waiting:
        thread.start()
    time.sleep(1.5)
    several("PUT", "/docs/news", {})
    for thread in waiting:
        thread.join(PATIENCE_S)
    assert found == ["news"] * 9


@pytest.mark.processes
def test_a_worker_that_dies_is_replaced_and_all_end_with_the_first(several: Served) -> None:
    several("PUT", "/docs")
    before = several.workers()
    before[0].kill()
    until(lambda: len(workers := several.workers()) >= 3 and before[0] not in workers, "another takes its place")
    workers = several.workers()
    assert several("GET", "/docs").status == 200
    several.process.kill()
    several.process.wait()
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert alive == []


@pytest.mark.processes
def test_told_to_stop_it_stops_at_once_though_somebody_waits(several: Served) -> None:
    several("PUT", "/docs")
    with urllib3.PoolManager() as pool:
        pool.request(
            "GET",
            f"{several.url}/docs/_changes?feed=continuous&heartbeat=3600000",
            headers={"Authorization": "Basic YTpi"},
            preload_content=False,
        )
        several.process.terminate()
        several.process.wait(PATIENCE_S)
        assert several.process.returncode == 0


def test_several_processes_need_a_sound_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.commands.several_processes_may_write", lambda: False)
    answer = run("serve", "--dir", str(tmp_path), "--admin", "a:b", "--workers", "2")
    assert answer.exit_code == 2
    assert "3.51.3" in answer.output
    fill(tmp_path, "docs", 3)
    with (tmp_path / ".writer").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (("check", f"{tmp_path}/docs"), ("compact", f"{tmp_path}/docs")):
            refused = run(*command)
            assert refused.exit_code == 1
            assert "Another process writes" in refused.output
    assert run("check", f"{tmp_path}/docs").exit_code == 0
    assert run("replicate", f"{tmp_path}/docs", f"{tmp_path}/copy").exit_code == 0


def test_compacting_says_what_it_saved(tmp_path: Path) -> None:
    databases = Databases(tmp_path, random=Random(1))
    store = databases.open("docs")
    rev = None
    for number in range(50):
        doc = {"_id": "a", "n": number, "t": "x" * 5000, **({"_rev": rev} if rev else {})}
        rev = store.update(doc).rev
    databases.close()
    answer = run("compact", f"{tmp_path}/docs")
    found = re.search(r"(\d+) bytes before, (\d+) bytes after", answer.output)
    assert found is not None
    assert int(found[2]) < int(found[1]) / 3
    assert "nothing wrong" in run("check", f"{tmp_path}/docs").output
    assert run("compact", f"{tmp_path}/none").exit_code == 1


@pytest.mark.processes
def test_a_bearer_token_is_taken_where_its_key_is_known(tmp_path: Path) -> None:
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("known", "unknown")}
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        keys["known"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    served = Served(tmp_path / "served", "--jwt-key", f"k1={pem}")

    def ask(key: str = "known", kid: str = "k1", algorithm: str = "ES256", **claims: Any) -> tuple[int, Any]:
        said = {"sub": "600101101201", "exp": time.time() + 60, "_couchdb.roles": ["station:1"], **claims}
        secret = keys[key] if algorithm == "ES256" else "x" * 40
        text = jwt.encode(said, secret, algorithm=algorithm, headers={"kid": kid})
        answer = served("GET", "/_session", Authorization=f"Bearer {text}")
        return answer.status, answer.json()

    try:
        status, said = ask()
        assert (status, said["userCtx"]) == (200, {"name": "600101101201", "roles": ["station:1"]})
        assert said["info"]["authenticated"] == "jwt"
        assert ask(key="unknown") == (400, {"error": "bad_request", "reason": "Bad signature"})
        assert ask(exp=time.time() - 1) == (401, {"error": "unauthorized", "reason": "exp not in future"})
        assert ask(nbf=time.time() + 60)[0] == 401
        assert ask(kid="k2")[0] == 400
        assert ask(algorithm="HS256")[0] == 400
        assert ask(sub="")[0] == 401
        for roles, named in (("a, b:1,c", ["a", "b:1", "c"]), ("admin", ["admin"]), ("", [])):
            # Some who issue tokens can put only one word in: CouchDB cuts it at its commas.
            assert ask(**{"_couchdb.roles": roles})[1]["userCtx"]["roles"] == named
        assert ask(**{"_couchdb.roles": ["a", 1]})[0] == ask(**{"_couchdb.roles": {"a": 1}})[0] == 400
        assert served("GET", "/_session", Authorization="Bearer nonsense").status == 400
        assert served("PUT", "/docs").status == 201
    finally:
        served.stop()


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    for given in ("k1", f"k1={tmp_path}/none", "=x"):
        assert run("serve", "--dir", str(tmp_path), "--admin", "a:b", "--jwt-key", given).exit_code == 2


@pytest.mark.processes
def test_a_file_of_fifty_megabytes_comes_and_goes_in_little_memory(tmp_path: Path) -> None:
    large = Random(1).randbytes(50_000_000)
    served = Served(tmp_path / "served")
    process = psutil.Process(served.process.pid)
    try:
        served("PUT", "/docs")
        with urllib3.PoolManager(headers={"Authorization": "Basic YTpi"}) as pool:
            put = pool.request("PUT", f"{served.url}/docs/scan/film.bin", body=large)
            assert put.status == 201
            got = pool.request("GET", f"{served.url}/docs/scan/film.bin")
            assert got.data == large
            inline = pool.request("GET", f"{served.url}/docs/scan?attachments=true", preload_content=False)
            assert sum(map(len, inline.stream(1 << 20))) > 66_000_000
            beside = pool.request(
                "GET",
                f"{served.url}/docs/scan?attachments=true",
                headers={**pool.headers, "Accept": "multipart/related"},
            )
            again = pool.request(
                "PUT",
                f"{served.url}/docs/copy",
                body=beside.data.replace(b'"_id":"scan"', b'"_id":"copy"').replace(b'"_rev":', b'"x":'),
                headers={**pool.headers, "Content-Type": beside.headers["Content-Type"]},
            )
            assert again.status == 201, again.data
            some = pool.request(
                "GET", f"{served.url}/docs/copy/film.bin", headers={**pool.headers, "Range": "bytes=49999990-"}
            )
            assert (some.status, some.data) == (206, large[-10:])
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1])  # type: ignore[index]
        assert peak < 128 * 1024
    finally:
        served.stop()


@pytest.mark.processes
def test_what_the_server_itself_refuses_is_json_too(tmp_path: Path) -> None:
    """CouchDB's replicator reads it so, and leaves out one document at a 413."""
    served = Served(tmp_path / "served")
    to = "PUT /docs/x HTTP/1.1\r\nHost: x\r\n"
    try:
        for asked, status, error in (
            (f"{to}Content-Length: 99999999999\r\n\r\n", 413, "too_large"),
            (f"{to}Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n", 413, "too_large"),
            (f"{to}Content-Length: x\r\n\r\n", 400, "bad_request"),
            (f"{to}Transfer-Encoding: br\r\n\r\n", 501, "not_implemented"),
            (f"{to}Transfer-Encoding: chunked\r\n\r\nodd\r\n", 400, "bad_request"),
            ("GET\r\n\r\n", 400, "bad_request"),
        ):
            with socket.create_connection(served.address, timeout=PATIENCE_S) as wire:
                wire.sendall(asked.encode())
                answer = http.client.HTTPResponse(wire)
                answer.begin()
                told = json.loads(answer.read())
            assert (answer.status, told["error"], answer.headers["Content-Type"]) == (status, error, "application/json")
        assert served("GET", "/_up").status == 200
    finally:
        served.stop()


@pytest.mark.processes
def test_requests_as_all_kinds_of_clients_make_them(tmp_path: Path) -> None:
    served = Served(tmp_path / "served")
    headers = {"Authorization": "Basic YTpi", "Content-Type": "application/json"}
    try:
        served("PUT", "/docs/")
        line = http.client.HTTPConnection(*served.address, timeout=PATIENCE_S)

        def ask(method: str, path: str, body: Any = None, **more: str) -> tuple[int, bytes]:
            line.request(method, path, body, {**headers, **more}, encode_chunked=not isinstance(body, bytes | None))
            answer = line.getresponse()
            return answer.status, answer.read()

        # In chunks, of a length that nobody has told.
        assert ask("POST", "/docs/_bulk_docs", iter([b'{"docs":[', b'{"_id":"a"}', b"]}"]))[0] == 201
        assert ask("PUT", "/docs/b/file", iter([b"x" * 100_000] * 10))[0] == 201
        assert ask("GET", "/docs/b/file") == (200, b"x" * 1_000_000)
        # An id of a megabyte.
        status, said = ask("GET", "/docs/" + "x" * 1_000_000)
        assert (status, json.loads(said)["error"]) == (400, "illegal_docid")
        assert ask("GET", "/docs/a")[0] == 200
        # One that asks before it sends, as CouchDB's replicator does.
        doc = {"_attachments": {"x": {"follows": True, "content_type": "text/plain", "length": 5}}}
        body = b"--cut\r\n\r\n" + json.dumps(doc).encode() + b"\r\n--cut\r\n\r\nhello\r\n--cut--"
        with socket.create_connection(served.address, timeout=PATIENCE_S) as wire:
            wire.sendall(
                b"PUT /docs/c HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YTpi\r\nExpect: 100-continue\r\n"
                b'Content-Type: multipart/related; boundary="cut"\r\nContent-Length: %d\r\n\r\n' % len(body)
            )
            assert wire.recv(100).startswith(b"HTTP/1.1 100 Continue")
            wire.sendall(body)
            assert wire.recv(1000).startswith(b"HTTP/1.1 201")
        assert ask("GET", "/docs/c/x") == (200, b"hello")
    finally:
        served.stop()
