from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask.testing import FlaskClient

from tests.web.conftest import SmallApp

RIGHT = {"username": "wang", "password": "li-shi-123"}


def token_of(client: FlaskClient) -> str:
    return str(client.post("/api/v1/session", json=RIGHT).json["token"])


def form_token(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


def sign_in_by_page(client: FlaskClient, **changes: str) -> Any:
    page = client.get("/signin").text
    return client.post("/signin", data={**RIGHT, "csrf": form_token(page), **changes})


def test_a_person_signs_in_on_the_page_and_out_again(small: SmallApp) -> None:
    client = small.client()
    assert client.get("/").headers["Location"].startswith("/signin")
    answer = sign_in_by_page(client, next="/?q=1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/?q=1")
    cookie = next(value for value in answer.headers.getlist("Set-Cookie") if "yizhan_session" in value)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = client.get("/").text
    assert "&lt;b&gt;王某某" in page
    assert "<b>王某某" not in page
    assert "秘密" not in page, "navigation shows only what one may open"
    client.post("/signout", data={"csrf": form_token(page)})
    assert client.get("/").status_code == 302


def test_nobody_is_led_away_by_a_link_to_our_sign_in(small: SmallApp) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        client = small.client()
        assert sign_in_by_page(client, next=elsewhere).headers["Location"] == "/"


def test_a_wrong_password_and_an_unknown_name_are_told_alike(small: SmallApp) -> None:
    client = small.client()
    wrong = client.post("/api/v1/session", json={**RIGHT, "password": "x"})
    unknown = client.post("/api/v1/session", json={**RIGHT, "username": "nobody"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json == unknown.json


def test_five_wrong_ones_make_the_next_wait_longer_and_longer(small: SmallApp) -> None:
    client = small.client()
    waits = []
    for _ in range(8):
        answer = client.post("/api/v1/session", json={**RIGHT, "password": "x"})
        if answer.status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            assert client.post("/api/v1/session", json=RIGHT).status_code == 429, "the right one has to wait too"
            small.pass_time(seconds=waits[-1])
            client.post("/api/v1/session", json={**RIGHT, "password": "x"})
    assert waits == sorted(waits)
    assert waits[-1] > waits[0] >= 10
    small.pass_time(minutes=6)
    assert client.post("/api/v1/session", json=RIGHT).status_code == 201


def test_a_session_survives_a_restart_and_ends_after_twelve_hours(small: SmallApp) -> None:
    bearer = {"Authorization": f"Bearer {token_of(small.client())}"}
    small.database.close()
    small.app = small.start()
    assert small.client().get("/api/v1/session", headers=bearer).json["user"]["username"] == "wang"
    small.pass_time(hours=12, seconds=1)
    assert small.client().get("/api/v1/session", headers=bearer).status_code == 401


def test_an_account_that_is_switched_off_loses_its_sessions_at_once(small: SmallApp) -> None:
    client = small.client()
    bearer = {"Authorization": f"Bearer {token_of(client)}"}
    small.accounts["wang"]["active"] = False
    assert client.get("/api/v1/session", headers=bearer).status_code == 401
    small.accounts["wang"]["active"] = True
    assert client.get("/api/v1/session", headers=bearer).status_code == 401, "the session is gone, not asleep"


def test_a_token_is_kept_as_a_hash(small: SmallApp) -> None:
    token = token_of(small.client())
    rows = small.database.rows("SELECT * FROM sessions")
    assert len(rows) == 1
    assert token not in str(rows)


def test_a_form_by_cookie_needs_its_token_and_a_bearer_does_not(small: SmallApp) -> None:
    client = small.client()
    sign_in_by_page(client)
    assert client.post("/do").status_code == 403
    assert client.post("/do", data={"csrf": "0" * 64}).status_code == 403
    assert client.post("/api/v1/echo", json={"name": "x"}).status_code == 403, "the API by cookie is no way round"
    csrf = form_token(client.get("/").text)
    assert client.post("/do", data={"csrf": csrf}).text == "done"
    assert client.post("/api/v1/echo", json={"name": "x"}, headers={"X-CSRF-Token": csrf}).status_code == 200
    bearer = {"Authorization": f"Bearer {token_of(small.client())}"}
    assert small.client().post("/do", headers=bearer).text == "done"


def test_the_sign_in_form_itself_cannot_be_sent_from_elsewhere(small: SmallApp) -> None:
    client = small.client()
    assert client.post("/signin", data=RIGHT).status_code == 403
    client.get("/signin")
    assert client.post("/signin", data={**RIGHT, "csrf": "0" * 32}).status_code == 403


def test_who_lacks_the_role_is_told_so(small: SmallApp) -> None:
    client = small.client()
    sign_in_by_page(client)
    answer = client.get("/secret")
    assert answer.status_code == 403
    assert "您的账号不能做这一步" in answer.text


def test_many_wrong_ones_sent_at_once_are_counted_as_many(small: SmallApp) -> None:
    wrong = {**RIGHT, "password": "x"}
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: small.client().post("/api/v1/session", json=wrong).status_code, range(12)))
    assert statuses.count(401) == 5
    assert statuses.count(429) == 7


def test_a_clock_that_ran_ahead_locks_nobody_out_for_years(small: SmallApp) -> None:
    small.pass_time(days=1000)
    for _ in range(6):
        small.client().post("/api/v1/session", json={**RIGHT, "password": "x"})
    assert small.client().post("/api/v1/session", json=RIGHT).status_code == 429
    small.pass_time(days=-1000)
    assert small.client().post("/api/v1/session", json=RIGHT).status_code == 201


def test_names_tried_at_random_do_not_pile_up(small: SmallApp) -> None:
    for name in ("a", "b", "c"):
        small.client().post("/api/v1/session", json={"username": name, "password": "x"})
    small.pass_time(hours=25)
    small.client().post("/api/v1/session", json={"username": "d", "password": "x"})
    assert [row["who"][0] for row in small.database.rows("SELECT who FROM throttles")] == ["d"]


def test_the_cookie_has_an_age_that_no_clock_can_spoil(small: SmallApp) -> None:
    client = small.client()
    cookie = next(
        text for text in sign_in_by_page(client).headers.getlist("Set-Cookie") if text.startswith("yizhan_session")
    )
    assert "Max-Age=43200" in cookie
    small.pass_time(days=-20000)
    assert sign_in_by_page(small.client(), next="/").status_code == 302


def test_a_removed_account_loses_its_sessions_too(small: SmallApp) -> None:
    bearer = {"Authorization": f"Bearer {token_of(small.client())}"}
    del small.accounts["wang"]
    assert small.client().get("/api/v1/session", headers=bearer).status_code == 401
    assert small.database.rows("SELECT * FROM sessions") == []


def test_signing_out_ends_this_session_and_no_other(small: SmallApp) -> None:
    one, other = ({"Authorization": f"Bearer {token_of(small.client())}"} for _ in range(2))
    assert small.client().delete("/api/v1/session", headers=one).status_code == 204
    assert small.client().get("/api/v1/session", headers=one).status_code == 401
    assert small.client().get("/api/v1/session", headers=other).status_code == 200


def test_what_was_done_is_said_on_the_next_page(small: SmallApp) -> None:
    client = small.client()
    sign_in_by_page(client)
    client.post("/do", data={"csrf": form_token(client.get("/").text)})
    assert "已经做好" in client.get("/").text
    assert "已经做好" not in client.get("/").text
