"""The start page: three buttons that only its own page and our command may press."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from provisioning.relay import Mode
from provisioning.start_page import StartPage

PORT = 8702
PLACES = [
    {
        "code": "600101101201",
        "name": "<柳树湾>",
        "kind": "village",
        "url": "http://127.0.0.1:8720",
        "ready": True,
        "accounts": [{"role": "agent", "username": "agent-x", "password": "kabo-tumi-482", "department": None}],
    }
]


class FakeRelay:
    mode: Mode = "heal"
    connections = 2
    bytes_up = 10
    bytes_down = 20

    def switch(self, mode: Mode) -> None:
        self.mode = mode


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
def browser(relay: FakeRelay) -> Client:
    page: Any = StartPage(relay, port=PORT, secret="s3cret", places=lambda: PLACES)  # type: ignore[arg-type]
    return Client(page)


def press(browser: Client, mode: str, **headers: str) -> TestResponse:
    return browser.post("/line", data={"mode": mode}, headers=headers, base_url=f"http://127.0.0.1:{PORT}")


def test_the_page_leads_everywhere_and_names_the_accounts(browser: Client) -> None:
    text = browser.get("/", base_url=f"http://localhost:{PORT}").text
    for part in ("断网", "变慢", "恢复", "http://127.0.0.1:8720/", "agent-x", "kabo-tumi-482", "代办员"):
        assert part in text
    assert "&lt;柳树湾&gt;" in text
    assert "<柳树湾>" not in text
    assert text.count("<h1") == 1


def test_its_own_buttons_switch_the_line(browser: Client, relay: FakeRelay) -> None:
    for mode, word in (("cut", "线路断了"), ("slow", "线路很慢"), ("heal", "线路通畅")):
        pressed = press(browser, mode, Origin=f"http://127.0.0.1:{PORT}")
        assert (pressed.status_code, pressed.headers["Location"]) == (303, "/")
        assert relay.mode == mode
        assert word in browser.get("/", base_url=f"http://127.0.0.1:{PORT}").text


def test_our_command_switches_the_line_with_its_secret(browser: Client, relay: FakeRelay) -> None:
    pressed = press(browser, "cut", Authorization="Bearer s3cret")
    assert pressed.json is not None
    assert (pressed.status_code, pressed.json["mode"], relay.mode) == (200, "cut", "cut")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{PORT}"},
        {"Origin": "http://127.0.0.1:8720"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
    ],
)
def test_other_pages_cannot_cut_the_line(browser: Client, relay: FakeRelay, headers: dict[str, str]) -> None:
    assert press(browser, "cut", **headers).status_code == 403
    assert relay.mode == "heal"


def test_a_name_that_was_bent_to_this_address_shows_nothing(browser: Client) -> None:
    answer = browser.get("/", base_url=f"http://evil.example:{PORT}")
    assert answer.status_code == 403
    assert "kabo" not in answer.text


def test_anything_else_is_refused(browser: Client, relay: FakeRelay) -> None:
    own = {"Origin": f"http://127.0.0.1:{PORT}"}
    assert press(browser, "explode", **own).status_code == 400
    assert press(browser, "cut" * 1000, **own).status_code == 413
    for path, status in (("/nothing", 404), ("/line/", 404)):
        assert browser.get(path, base_url=f"http://127.0.0.1:{PORT}").status_code == status
    assert browser.delete("/", base_url=f"http://127.0.0.1:{PORT}").status_code == 405
    assert relay.mode == "heal"


def test_the_benches_can_read_what_the_line_has_carried(browser: Client) -> None:
    state = browser.get("/line", base_url=f"http://127.0.0.1:{PORT}").json
    assert state == {"mode": "heal", "connections": 2, "bytes_up": 10, "bytes_down": 20}
