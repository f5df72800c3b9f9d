"""What the language is asked for, a process of its own answers: the county carries no dictionary of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from central.catalogue import asking, language
from central.catalogue.drafts import import_items
from central.catalogue.publishing import newest_release, publish
from central.catalogue.words import defaults, made
from provisioning import sample_county
from tests.central.county import SmallCentre
from tests.patience import PATIENCE_S, until
from tests.stories.county import alive

SAMPLE = sample_county.load("items")
NOWHERE = "central.catalogue.no_such_module"


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_kept", {})


def release(county: SmallCentre) -> int:
    newest = newest_release(county.centre.catalogue)
    assert newest is not None
    return int(newest["number"])


def renamed(county: SmallCentre, name: str) -> None:
    items = [{**SAMPLE["items"][0], "name": name}]
    assert import_items(county.centre, {**SAMPLE, "items": items}, approve=True, by="admin").imported


def test_the_process_answers_as_the_library_does() -> None:
    simplified, texts = defaults()["simplified"], ["重新登记", "重度残疾人", "補發證"]
    assert asking.tables(simplified, texts) == language.tables(simplified, texts)


def test_the_same_question_is_asked_once(monkeypatch: pytest.MonkeyPatch, nothing_kept: None) -> None:
    first = made({}, [{"name": "重新登记"}])
    monkeypatch.setattr(asking, "_MODULE", NOWHERE)
    assert made({}, [{"name": "重新登记"}]) == first
    with pytest.raises(asking.LanguageFailed):
        made({}, [{"name": "重度残疾人"}])


def test_only_the_last_answers_are_kept(monkeypatch: pytest.MonkeyPatch, nothing_kept: None) -> None:
    monkeypatch.setattr(asking, "_answer", lambda question: b"{}")
    for number in range(20):
        asking.tables({}, [str(number)])
    assert len(asking._kept) == asking._MOST_KEPT


def test_without_the_libraries_nothing_is_published_and_the_page_says_what_to_install(
    county: SmallCentre, monkeypatch: pytest.MonkeyPatch, nothing_kept: None
) -> None:
    before = release(county)
    renamed(county, "重新命名的事项")
    with monkeypatch.context() as patched:
        patched.setattr(asking, "LIBRARIES", ("pypinyin", "not_installed_here"))
        with pytest.raises(asking.LanguageMissing, match=r"没有装not_installed_here.*yizhan\[county\]"):
            publish(county.centre)
    assert release(county) == before
    publish(county.centre)
    assert release(county) == before + 1


def test_a_process_that_fails_is_told_and_leaves_nothing_half_published(
    county: SmallCentre, monkeypatch: pytest.MonkeyPatch, nothing_kept: None
) -> None:
    before = release(county)
    renamed(county, "重新命名的事项")
    with monkeypatch.context() as patched:
        patched.setattr(asking, "_MODULE", NOWHERE)
        with pytest.raises(asking.LanguageFailed, match="no_such_module"):
            publish(county.centre)
        status, page = tried(county)
        assert (status, "再试一次" in page) == (503, True)
    assert release(county) == before
    assert tried(county)[0] == 200


def tried(county: SmallCentre) -> tuple[int, str]:
    answer = county.sign_in("sun").client.get("/words/try?q=低保")
    return answer.status_code, answer.get_data(as_text=True)


@pytest.mark.processes
@pytest.mark.parametrize("workers", [1, 2])
def test_a_running_county_publishes_and_never_loads_what_knows_the_language(
    county: SmallCentre, tmp_path: Path, workers: int
) -> None:
    before = release(county)
    renamed(county, "重新命名的事项")
    county.centre.close()
    folder, log = str(county.folder / "county"), tmp_path / "imports.txt"
    with log.open("wb") as said:
        service = subprocess.Popen(
            [
                sys.executable, "-X", "importtime", "-m", "yizhan", "central", "serve", "--dir", folder,
                "--listen", "127.0.0.1:0", "--workers", str(workers), "--stop-on-eof",
            ],
            stdin=subprocess.PIPE,
            stderr=said,
        )  # fmt: skip
        assert service.stdin is not None
        try:
            until(lambda: "http://" in log.read_text(), "the county says where it is")
            line = next(line for line in log.read_text().splitlines() if "http://" in line)
            until(lambda: alive(line.split(" (")[0].split(": ")[-1]), "the county answers")
            done = subprocess.run(
                [sys.executable, "-m", "yizhan", "central", "catalogue", "publish", "--dir", folder],
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            service.stdin.close()
            service.wait(PATIENCE_S)
    assert f"release {before + 1}:" in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in log.read_text().splitlines()}
    assert {"central", "web", "casework"} <= loaded
    assert not loaded & {"opencc", "pypinyin"}
