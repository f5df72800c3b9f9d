from __future__ import annotations

import json

import pytest
from openapi_spec_validator import validate

from tests.web.conftest import SmallApp
from tests.web.test_signin import token_of


@pytest.fixture
def bearer(small: SmallApp) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_of(small.client())}"}


def test_every_error_of_the_api_has_one_shape(small: SmallApp, bearer: dict[str, str]) -> None:
    client = small.client()
    for answer, status in (
        (client.get("/api/v1/nowhere"), 404),
        (client.get("/api/v1/echo", headers=bearer), 405),
        (client.post("/api/v1/echo", json={"name": "x"}), 401),
        (client.post("/api/v1/echo", data="name=x", headers=bearer), 415),
        (client.post("/api/v1/echo", data="{", content_type="application/json", headers=bearer), 400),
        (client.post("/api/v1/echo", json=["x"], headers=bearer), 400),
        (client.post("/api/v1/echo", json={"name": 5}, headers=bearer), 422),
        (client.get("/api/v1/fails"), 500),
    ):
        assert answer.status_code == status
        assert set(answer.json) == {"error", "message", "fields"}
        assert answer.json["message"].endswith(("。", "）")), answer.json
        assert "Traceback" not in answer.text
        assert "inside of the program" not in answer.text


def test_wrong_types_are_told_by_their_place(small: SmallApp, bearer: dict[str, str]) -> None:
    body = {"rows": [{"n": 1}, {"n": "two"}]}
    fields = small.client().post("/api/v1/echo", json=body, headers=bearer).json["fields"]
    assert set(fields) == {"name", "rows.1.n"}


@pytest.mark.parametrize(
    "body",
    ['{"name": NaN}', '{"name": "\\ud800"}', '{"name": ' + "[" * 5000 + "]" * 5000 + "}", '{"name": 1e999}'],
)
def test_json_that_nobody_could_keep_is_refused(small: SmallApp, bearer: dict[str, str], body: str) -> None:
    answer = small.client().post("/api/v1/echo", data=body, content_type="application/json", headers=bearer)
    assert answer.status_code in {400, 422}


def test_a_page_says_calmly_what_to_do(small: SmallApp) -> None:
    answer = small.client().get("/full")
    assert answer.status_code == 507
    assert "磁盘满了" in answer.text
    assert "回首页" in answer.text


def test_pages_carry_the_headers_that_keep_strangers_out(small: SmallApp) -> None:
    answer = small.client().get("/signin")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert " style=" not in answer.text
    assert "<script>" not in answer.text
    assert "http://" not in answer.text.replace("http://www.w3.org", "")


def test_the_line_is_told_in_words_on_every_page(small: SmallApp) -> None:
    strip = small.client().get("/line-strip").text
    assert "网络中断" in strip
    assert "照常收件" in strip
    assert "今天 12:00" in strip


def test_the_description_of_the_api_is_valid_openapi(small: SmallApp) -> None:
    document = small.client().get("/api/v1/openapi.json").json
    assert document["openapi"] == "3.1.0"
    validate(document)
    assert "/api/v1/echo" in document["paths"]
    assert "/api/v1/session" in document["paths"]


def test_health_is_open_to_everybody(small: SmallApp) -> None:
    assert small.client().get("/healthz").json["version"] == "1.2.3"


def test_the_log_has_no_values(small: SmallApp, bearer: dict[str, str]) -> None:
    small.client().post("/api/v1/echo?q=张秀英", json={"name": "李四"}, headers=bearer)
    lines = (small.folder / "log" / "requests.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["who"] == "wang"
    assert last["status"] == 200
    assert "李四" not in str(lines)
    assert "张秀英" not in str(lines)
