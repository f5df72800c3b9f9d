"""The JSON API against what comes in wrong: each refusal has its status and its sentence, and leaves no trace."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sync.peer import StorageFull
from tests.node.station import OLD_AGE, Caller, SmallNode, intake, photo
from web.cases.casebook import Casebook

Body = dict[str, Any]


@pytest.fixture
def caller(village: SmallNode) -> Caller:
    return village.api()


@pytest.fixture
def body(village: SmallNode) -> Body:
    return intake(village.item())


def refused(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, (answer.status_code, answer.text[:2000])
    told: dict[str, Any] = answer.json
    assert set(told) == {"error", "message", "fields"}
    assert told["message"].endswith("。")
    assert "Traceback" not in answer.text
    return told


# -- intake --------------------------------------------------------------------------------------------------------


def test_a_case_is_answered_whole(caller: Caller, body: Body, village: SmallNode) -> None:
    case = caller.post("cases", body, Idempotency_Key="k")
    assert case["state"] == "accepted"
    assert case["held_by_county_at"] is None
    assert case["due_on"] > "2026-10-10"
    assert case["accepted_at"] == "2026-09-16T01:00:00.000Z"
    assert [event["kind"] for event in case["events"]] == ["received", "accepted"]
    assert case["contested"] == case["quarantined"] == []
    states = {material["name"]: material["state"] for material in case["materials"]}
    assert states.pop(body["materials"][0]["name"]) == "received"
    assert set(states.values()) == {"missing"}, "what is not listed counts as missing"
    assert {k: v for k, v in case.items() if k != "warnings"} == caller.get(f"cases/{case['number']}")
    assert village.documents() == 2


Change = Callable[[Body], None]


def put(path: str, value: Any) -> Change:
    def change(body: Body) -> None:
        *way, last = path.split(".")
        at: Any = body
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        at[int(last) if isinstance(at, list) else last] = value

    return change


def without(path: str) -> Change:
    def change(body: Body) -> None:
        *way, last = path.split(".")
        at: Any = body
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        del at[last]

    return change


WRONG: list[tuple[Change, str]] = [
    (put("applicant.id_number", "600000196001010015"), "applicant.id_number"),
    (put("applicant.id_number", ""), "applicant.id_number"),
    (put("applicant.id_number", 600000196001010016), "applicant.id_number"),
    (put("applicant.id_type", "图书证"), "applicant.id_type"),
    (put("applicant.phone", "12345"), "applicant.phone"),
    (without("applicant.phone"), "applicant.phone"),
    (without("applicant.name"), "applicant.name"),
    (put("applicant.name", "长" * 2000), "applicant.name"),
    (put("applicant.name", "   "), "applicant.name"),
    (put("applicant", "张秀英"), "applicant"),
    (without("applicant"), "applicant"),
    (put("item", "no-such-item"), "item"),
    (put("item", 7), "item"),
    (without("item"), "item"),
    (without("form.hardship"), "form.hardship"),
    (without("form"), "form.hardship"),
    (put("form", []), "form"),
    (put("form.members.1.name", ""), "form.members.1.name"),
    (without("form.members.0.relation"), "form.members.0.relation"),
    (put("form.members.2.id_number", "600000201009010031"), "form.members.2.id_number"),
    (put("form.household_size", 4), "form.household_size"),
    (put("form.household_size", 3.5), "form.household_size"),
    (put("form.household_size", 2**60), "form.household_size"),
    (put("form.household_size", True), "form.household_size"),
    (put("form.members.0.monthly_income", 350.5), "form.members.0.monthly_income"),
    (put("form.members.0.monthly_income", 10**400), "form.members.0.monthly_income"),
    (put("form.housing", "瓦房"), "form.housing"),
    (put("form.reasons", ["想要"]), "form.reasons.0"),
    (put("form.more", "多出来的"), "form.more"),
    (put("materials.0.state", "maybe"), "materials.0.state"),
    (put("materials.0.name", "不在清单里的"), "materials.0.name"),
    (put("materials", "都有"), "materials"),
]


@pytest.mark.parametrize(("change", "path"), WRONG, ids=[f"{n}-{path}" for n, (_, path) in enumerate(WRONG)])
def test_what_is_wrong_is_named_by_its_path_and_nothing_is_saved(
    village: SmallNode, caller: Caller, body: Body, change: Change, path: str
) -> None:
    changed = copy.deepcopy(body)
    change(changed)
    told = refused(caller.send("cases", json.dumps(changed), Idempotency_Key="k"), 422)
    assert path in told["fields"], told
    assert all(3 < len(sentence) < 300 for sentence in told["fields"].values())
    assert village.documents() == 0
    assert caller.get("cases")["results"] == []
    caller.post("cases", body, Idempotency_Key="k")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{'item': 1}",
        b'{"item": "x"} more',
        b"\xff\xfe{}",
        b'{"item": NaN}',
        b'{"item": "\\ud83d"}',
        b'{"\\udc00": "x"}',
        b'{"form": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"form": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
        b'{"form": {"household_size": 1e400}}',
        b'{"form": {"n": ' + b"9" * 5000 + b"}}",
    ],
)
def test_what_is_no_json_is_a_400(village: SmallNode, caller: Caller, text: bytes) -> None:
    refused(caller.send("cases", text, Idempotency_Key="k"), 400)
    assert village.documents() == 0


def test_another_content_type_is_a_415(caller: Caller, body: Body) -> None:
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "application/xml"):
        refused(caller.send("cases", json.dumps(body), content_type, Idempotency_Key="k"), 415)


@pytest.mark.parametrize("value", [0.5, 2**53, -(2**60), 10**300, {"a": [1.5]}, "\ud800"], ids=str)
@pytest.mark.parametrize("path", ["form.hardship", "form.account", "applicant.address", "form.unknown", "unknown"])
def test_what_cannot_be_signed_is_the_callers_to_mend(
    village: SmallNode, caller: Caller, body: Body, path: str, value: Any
) -> None:
    put(path, value)(body)
    answer = caller.send("cases", json.dumps(body), Idempotency_Key="k")
    refused(answer, 400 if value == "\ud800" else 422)
    assert village.documents() == 0


def test_a_body_of_thirty_megabytes_is_a_413(village: SmallNode, caller: Caller, body: Body) -> None:
    body["form"]["hardship"] = "长" * (10 << 20)
    refused(caller.send("cases", json.dumps(body, ensure_ascii=False).encode(), Idempotency_Key="k"), 413)
    assert village.documents() == 0


@pytest.mark.parametrize("name", ["\U00020bb7田某", "阿依古丽·买买提", "李\U0002a6a5某"])
def test_rare_names_come_back_as_they_went_in(caller: Caller, body: Body, name: str) -> None:
    body["applicant"]["name"] = body["form"]["members"][0]["name"] = name
    number = caller.post("cases", body, Idempotency_Key="k")["number"]
    fields = caller.get(f"cases/{number}")["current"]["fields"]
    assert fields["applicant"]["name"] == name
    assert fields["form"]["members"][0]["name"] == name


# -- the key that makes a request safe to send again ---------------------------------------------------------------


def test_the_same_key_is_the_same_case(village: SmallNode, caller: Caller, body: Body) -> None:
    first = caller.post("cases", body, Idempotency_Key="key")
    again = caller.post("cases", dict(reversed(body.items())), expect=200, Idempotency_Key="key")
    assert again["number"] == first["number"], "the order of a JSON object's members says nothing"
    village.restart()
    caller = village.api()
    assert caller.post("cases", body, expect=200, Idempotency_Key="key")["number"] == first["number"]
    other = caller.post("cases", body, Idempotency_Key="another key")
    assert other["number"] != first["number"]
    assert village.documents() == 4


def test_the_same_key_with_other_words_is_a_409(village: SmallNode, caller: Caller, body: Body) -> None:
    first = caller.post("cases", body, Idempotency_Key="key")
    body["applicant"]["phone"] = "13000000002"
    told = caller.post("cases", body, expect=409, Idempotency_Key="key")
    assert told["fields"]["case"] == first["number"]
    assert village.documents() == 2


def test_a_key_is_its_senders_own(village: SmallNode, caller: Caller, body: Body) -> None:
    mine = caller.post("cases", body, Idempotency_Key="1")["number"]
    theirs = village.api("chen").post("cases", body, Idempotency_Key="1")["number"]
    assert mine != theirs


@pytest.mark.parametrize("key", [None, "", "   ", "x" * 201])
def test_without_a_key_nothing_is_taken_in(village: SmallNode, caller: Caller, body: Body, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency_Key": key}
    refused(caller.send("cases", json.dumps(body), **headers), 400)
    assert village.documents() == 0


def test_a_key_sent_many_times_at_once_makes_one_case(village: SmallNode, caller: Caller, body: Body) -> None:
    callers = [caller, *(village.api() for _ in range(5))]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda one: one.send("cases", json.dumps(body), Idempotency_Key="k"), callers))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json["number"] for answer in answers}) == 1  # type: ignore[index]
    assert village.documents() == 2


def test_many_at_once_have_numbers_of_their_own(village: SmallNode, caller: Caller, body: Body) -> None:
    callers = [caller, *(village.api() for _ in range(3))]
    with ThreadPoolExecutor(4) as pool:
        numbers = list(
            pool.map(
                lambda job: job[1].post("cases", body, Idempotency_Key=str(job[0]))["number"],
                [(n, callers[n % 4]) for n in range(24)],
            )
        )
    assert len(set(numbers)) == 24
    assert village.documents() == 48
    serials = [event["serial"] for event in village.station.case_stores()[0].range("event:", "event;")]
    assert sorted(serials) == list(range(1, 49)), "a chain without a gap"


def test_a_case_that_is_stored_but_found_no_room_in_the_lists_is_said_so_and_comes_to_light(
    village: SmallNode, caller: Caller, body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any) -> None:
        raise StorageFull("no room")

    with monkeypatch.context() as disk:
        disk.setattr(Casebook, "_project", full)
        told = refused(caller.send("cases", json.dumps(body), Idempotency_Key="k"), 507)
        assert "已经存好" in told["message"]
        assert village.documents() == 2
        assert caller.get("cases")["results"] == [], "reading goes on"
    (listed,) = caller.get("cases")["results"]
    assert caller.post("cases", body, expect=200, Idempotency_Key="k")["number"] == listed["number"]
    assert village.documents() == 2


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_photo_comes_back_byte_by_byte(village: SmallNode, caller: Caller, body: Body) -> None:
    number, picture = caller.post("cases", body, Idempotency_Key="k")["number"], photo(side=900)
    assert len(picture) > 5 * 16384
    answer = caller.upload(number, body["materials"][0]["name"], picture)
    assert answer.status_code == 201
    assert answer.json is not None
    (file,) = answer.json["materials"][0]["files"]
    assert file["size"] == len(picture)
    assert file["here"]
    before = village.documents()
    assert caller.upload(number, body["materials"][0]["name"], picture).status_code == 201
    assert village.documents() == before, "the same photo again is there already"
    for wanted in (answer.json["materials"][0]["id"], file["id"]):
        got = caller.client.get(f"/api/v1/cases/{number}/materials/{wanted}", headers=caller.headers)
        assert (got.status_code, got.data, got.mimetype) == (200, picture, "image/jpeg")
        assert "sandbox" in got.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("content", "name", "status"),
    [
        (bytes(30 << 20), "photo.jpg", 413),
        (b"\xff\xd8\xff\xe0" + bytes(21 << 20), "photo.jpg", 413),
        (b"this is a text", "photo.jpg", 415),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "photo.jpg", 415),
        (b"<script>alert(1)</script>", "a.pdf", 415),
        (photo()[:200], "half.jpg", 415),
        (photo(kind="GIF"), "photo.jpg", 415),
        (b"", "photo.jpg", 422),
    ],
)
def test_a_file_that_is_no_photo_is_refused_and_nothing_is_kept(
    village: SmallNode, caller: Caller, body: Body, content: bytes, name: str, status: int
) -> None:
    number = caller.post("cases", body, Idempotency_Key="k")["number"]
    before = village.documents()
    refused(caller.upload(number, body["materials"][0]["name"], content, name), status)
    assert village.documents() == before
    assert caller.upload(number, body["materials"][0]["name"], photo()).status_code == 201


def test_a_photo_of_nothing_on_the_list_is_a_422(village: SmallNode, caller: Caller, body: Body) -> None:
    number = caller.post("cases", body, Idempotency_Key="k")["number"]
    before = village.documents()
    assert "name" in refused(caller.upload(number, "不在清单里的", photo()), 422)["fields"]
    refused(caller.send(f"cases/{number}/materials", b"x", "image/jpeg"), 415)
    missing = caller.client.post(f"/api/v1/cases/{number}/materials", data={"name": "m01"}, headers=caller.headers)
    assert missing.status_code == 415 or "file" in missing.json["fields"]  # type: ignore[index]
    refused(caller.upload("600101101201-20260916-0009-AAAAA", "m01", photo()), 404)
    assert village.documents() == before


def test_what_is_not_there_is_a_404(caller: Caller, body: Body) -> None:
    number = caller.post("cases", body, Idempotency_Key="k")["number"]
    for path in ("cases/none", f"cases/{number}/materials/none", f"cases/{number}/materials/m01", "guides/none"):
        caller.get(path, expect=404)


# -- acts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"kind": "decided", "data": {"outcome": "granted", "reason": "x"}}, 403),
        ({"kind": "decided"}, 422),
        ({"kind": 7, "data": {}}, 422),
        ({"kind": "withdrawn", "data": {}}, 422),
        ({"kind": "withdrawn", "data": {"reason": 0.5}}, 422),
        ({"kind": "withdrawn", "data": {"reason": "x", "n": 2**60}}, 422),
        ({"kind": "received", "data": {}}, 409),
        ({"kind": "material_added", "data": {"material": "m01"}}, 422),
        ({"kind": "clock_corrected", "data": {"events": [], "offset": 0, "how": "x"}}, 422),
        ({"kind": "field_corrected", "data": {"path": "applicant.phone", "value": "12"}}, 422),
        ({"kind": "field_corrected", "data": {"path": "number", "value": "12"}}, 422),
        ({"kind": "settled", "data": {"point": "c" * 32, "value": "x", "reason": "y"}}, 409),
        ({"kind": "nonsense", "data": {}}, 422),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_act_that_cannot_be_is_refused(
    village: SmallNode, caller: Caller, body: Body, event: Body, status: int
) -> None:
    number = caller.post("cases", body, Idempotency_Key="k")["number"]
    before = village.documents()
    refused(caller.send(f"cases/{number}/events", json.dumps(event)), status)
    assert village.documents() == before


def test_a_closed_case_takes_no_more_acts(village: SmallNode, caller: Caller, body: Body) -> None:
    number = caller.post("cases", body, Idempotency_Key="k")["number"]
    withdrawn = {"kind": "withdrawn", "data": {"reason": "不办了"}}
    assert caller.post(f"cases/{number}/events", withdrawn)["state"] == "withdrawn"
    before = village.documents()
    refused(caller.send(f"cases/{number}/events", json.dumps(withdrawn)), 409)
    refused(caller.upload(number, "m01", photo()), 409)
    assert village.documents() == before


# -- lists, guides, the line ---------------------------------------------------------------------------------------


def test_cases_come_page_by_page(caller: Caller, body: Body) -> None:
    numbers = [caller.post("cases", body, Idempotency_Key=str(n))["number"] for n in range(5)]
    seen, since = [], ""
    while True:
        page = caller.get(f"cases?limit=2&since={since}")
        seen += [row["number"] for row in page["results"]]
        if page["next"] is None:
            break
        since = page["next"]
    assert seen == numbers
    assert caller.get("cases?state=decided")["results"] == []
    assert len(caller.get("cases?state=accepted")["results"]) == 5
    for query in ("limit=0", "limit=501", "limit=x", "since=-1", "since=x", "limit=1.5"):
        caller.get(f"cases?{query}", expect=400)


def test_a_guide_has_all_that_an_intake_needs(village: SmallNode, caller: Caller) -> None:
    for name in ("低保", OLD_AGE):
        code = caller.get(f"guides?q={name}")["results"][0]["code"]
        guide = caller.get(f"guides/{code}")
        text = json.dumps(guide["form"])
        assert "$ref" not in text
        assert "allOf" not in text
        assert not {"sig", "terms_sig", "key"} & set(guide), "what proves it is for machines"
        caller.post("cases", intake(guide), Idempotency_Key=name)
    assert len(caller.get("guides?limit=1")["results"]) == 1
    for query in ("limit=0", "limit=x"):
        caller.get(f"guides?{query}", expect=400)


def test_the_line_says_what_waits_also_just_after_a_start(village: SmallNode, caller: Caller, body: Body) -> None:
    assert caller.get("sync")["waiting"] == 0
    number = caller.post("cases", body, Idempotency_Key="k")["number"]
    caller.upload(number, "m01", photo(side=300))
    waiting = village.documents()
    assert caller.get("sync")["waiting"] == waiting > 3
    village.restart()
    told = village.api().get("sync")
    assert told["waiting"] == waiting
    assert told["online"] is False
    assert told["last_confirmed_at"] is None
    assert {entry["name"] for entry in told["databases"]} >= {"catalogue", "station-600101101201"}
