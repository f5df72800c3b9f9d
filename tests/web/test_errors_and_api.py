from __future__ import annotations

import json
import re
from random import Random

import pytest
from openapi_spec_validator import validate

from tests.web.conftest import SmallApp
from tests.web.test_signin import token_of
from web.app import Furniture, create_app


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


def test_what_a_program_reads_is_neither_drawn_nor_kept_and_costs_the_line_little(small: SmallApp) -> None:
    answer = small.client().get("/api/v1/openapi.json")
    assert answer.mimetype == "application/json"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert sum(len(name) + len(value) + 4 for name, value in answer.headers) < 300


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


def test_a_body_beyond_the_limit_is_told_so(small: SmallApp, bearer: dict[str, str]) -> None:
    answer = small.client().post("/api/v1/echo", json={"name": "x" * (2 << 20)}, headers=bearer)
    assert answer.status_code == 413
    assert answer.json["error"] == "too_large"


def test_a_fraction_where_no_schema_looks_is_the_callers_to_mend(small: SmallApp, bearer: dict[str, str]) -> None:
    for value, status in ((1, 200), (0.5, 422), (2**60, 422)):
        answer = small.client().post("/api/v1/rows/7", json={"a": [value]}, headers=bearer)
        assert answer.status_code == status, value


def test_a_wrong_method_says_which_are_right(small: SmallApp, bearer: dict[str, str]) -> None:
    assert "POST" in small.client().get("/api/v1/echo", headers=bearer).headers["Allow"]


def test_a_fault_in_what_every_page_needs_still_has_an_answer(small: SmallApp) -> None:
    small.line_breaks = True
    answer = small.client().get("/signin")
    assert answer.status_code == 500
    found = re.search(r"报修时说编号 ([0-9a-f]{8})", answer.text)
    assert found is not None
    assert "the line cannot be told" not in answer.text
    assert found[1] in (small.folder / "log" / "faults.log").read_text(), "the same number stands in the log"


def test_an_app_without_a_line_has_no_strip(small: SmallApp) -> None:
    furniture = Furniture(
        place="县中心", site="600101", navigation=[], accounts={}.get, database=small.database, now=lambda: small.now,
        random=Random(2), version="1", log_folder=None, alive=dict, audit=small.audit,
    )  # fmt: skip
    client = create_app("web", furniture=furniture).test_client()
    assert client.get("/line-strip").status_code == 404
    assert "line-strip" not in client.get("/signin").text


def test_an_asset_is_kept_for_ever_only_under_its_own_mark(small: SmallApp) -> None:
    client = small.client()
    addresses = re.findall(r'"(/static/[^"]+)"', client.get("/signin").text)
    assert len(addresses) >= 4
    for address in addresses:
        assert "immutable" in client.get(address).headers["Cache-Control"], address
    plain = addresses[0].partition("?")[0]
    for other in (plain, f"{plain}?v=0123456789", "/static/nothing.css?v=1"):
        assert "immutable" not in client.get(other).headers["Cache-Control"], other


def test_the_description_says_what_the_views_say(small: SmallApp) -> None:
    paths = small.client().get("/api/v1/openapi.json").json["paths"]
    assert paths["/api/v1/rows/{number}"]["post"]["parameters"][0]["name"] == "number"
    assert paths["/api/v1/session"]["post"]["security"] == []
    assert "security" not in paths["/api/v1/echo"]["post"]
    assert "/healthz" in paths
