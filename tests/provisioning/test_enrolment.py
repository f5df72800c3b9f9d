"""Enrolment: the good road, the road interrupted at every step, and everybody who must not get in."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from cryptography import x509

from provisioning import enrolment
from provisioning.authority import certified_by
from provisioning.codes import CodeMistyped, EnrolmentCode, proof
from provisioning.enrolment import EnrolmentRefused, NotTheCounty, answer_enrolment
from provisioning.folder import AlreadyMade, HalfMade, StationFolder, WrongKind
from provisioning.keys import make_private_key, request_certificate
from provisioning.line import Answer
from provisioning.operations import init_county, station_add, station_revoke
from provisioning.register import current_register
from sync.databases import Databases
from sync.peer import Garbled, Unreachable
from tests.provisioning.small_county import COUNTY, OTHER, TOWNSHIP, VILLAGE, SmallCounty


def test_an_enrolled_station_knows_who_it_is_and_whom_it_trusts(small_county: SmallCounty) -> None:
    made = small_county.enrol(VILLAGE)

    again = StationFolder.open(made.path)
    assert again == made
    assert (again.code, again.kind, again.parent, again.county) == (VILLAGE, "village", TOWNSHIP, "600101")
    assert again.authority_fingerprint == small_county.county.authority.fingerprint
    assert again.county_name == "驿山县政务服务中心"
    assert again.contact_interval_s == 3
    assert again.key().id == f"{VILLAGE}:1"
    assert (made.path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_the_certificate_is_for_the_station_and_its_own_key(small_county: SmallCounty) -> None:
    made = small_county.enrol(VILLAGE)

    key = small_county.county.register().key(f"{VILLAGE}:1")
    assert key is not None
    assert key.public_key == made.key().public_key
    assert certified_by(small_county.county.authority.certificate, key.x509)
    assert not certified_by(key.x509, small_county.county.authority.certificate)
    assert f"CN={VILLAGE}" in key.x509.subject.rfc4514_string()
    names = key.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"{VILLAGE}.yizhan.internal"]


def test_the_station_can_check_signatures_before_its_first_replication(small_county: SmallCounty) -> None:
    made = small_county.enrol(VILLAGE)

    databases = Databases(made.databases, random=Random(1))
    found = current_register(databases.open("catalogue"), made.authority_fingerprint)
    databases.close()
    assert found is not None
    assert found.document["sig"] == small_county.county.register().document["sig"]


def test_the_secret_of_the_code_never_crosses_the_line_and_is_not_kept(small_county: SmallCounty) -> None:
    code = small_county.code(VILLAGE)
    small_county.enrol(VILLAGE, code)

    assert all(code.secret.encode() not in body for _, body in small_county.seen)
    assert all(code.proof_key.encode() not in body for _, body in small_county.seen)
    assert code.secret not in json.dumps(small_county.county.fleet.range("", "\uffff"))


def test_a_code_as_people_type_it_is_understood(small_county: SmallCounty) -> None:
    code = small_county.code(VILLAGE)

    typed = code.text.lower().replace("-", "  ").replace("0", "o")
    assert EnrolmentCode.parse(typed[:12].replace("o", "0") + typed[12:]) == code
    assert EnrolmentCode.parse(typed) == code


def test_a_mistyped_code_is_found_out_before_anything_is_sent(small_county: SmallCounty) -> None:
    text = small_county.code(VILLAGE).text
    other = "7" if text[20] != "7" else "8"

    for wrong in (text[:20] + other + text[21:], text[:-1], text + "0", "", "驿" * 58, text[13:]):
        with pytest.raises(CodeMistyped):
            EnrolmentCode.parse(wrong)


def test_without_a_line_nothing_is_finished_and_the_same_code_goes_on(small_county: SmallCounty) -> None:
    code = small_county.code(VILLAGE)
    small_county.cut = True
    with pytest.raises(Unreachable):
        small_county.enrol(VILLAGE, code)
    with pytest.raises(HalfMade, match="provision enrol"):
        StationFolder.open(small_county.folder / VILLAGE)

    small_county.cut = False
    assert small_county.enrol(VILLAGE, code).key().id == f"{VILLAGE}:1"


def test_a_lost_answer_is_asked_for_again_and_gives_the_same_certificate(small_county: SmallCounty) -> None:
    code = small_county.code(VILLAGE)
    small_county.lose_answer = True
    with pytest.raises(Unreachable):
        small_county.enrol(VILLAGE, code)
    admitted = small_county.county.register()

    small_county.lose_answer = False
    made = small_county.enrol(VILLAGE, code)
    assert made.key_serial == 1
    assert small_county.county.register().number == admitted.number


@pytest.mark.parametrize("step", ["write_whole", "_keep_register", "finish"])
def test_a_power_cut_after_the_answer_leaves_an_enrolment_that_can_be_done_again(
    small_county: SmallCounty, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class PowerCutError(Exception):
        pass

    def power_cut(*_: object, **__: object) -> None:
        raise PowerCutError

    code = small_county.code(VILLAGE)
    with monkeypatch.context() as patched:
        patched.setattr(StationFolder if step == "finish" else enrolment, step, power_cut)
        with pytest.raises(PowerCutError):
            small_county.enrol(VILLAGE, code)
    with pytest.raises(HalfMade):
        StationFolder.open(small_county.folder / VILLAGE)

    assert small_county.enrol(VILLAGE, code).key_serial == 1


def test_a_power_cut_at_the_county_between_its_writes_lets_only_the_same_key_go_on(
    small_county: SmallCounty, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = small_county.code(VILLAGE)
    with monkeypatch.context() as patched:
        patched.setattr(enrolment, "admit", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            small_county.enrol(VILLAGE, code)

    with pytest.raises(EnrolmentRefused):
        small_county.enrol(VILLAGE, code, at="thief")
    assert small_county.enrol(VILLAGE, code).key_serial == 1


def test_a_used_code_does_not_enrol_a_second_machine(small_county: SmallCounty) -> None:
    code = small_county.code(VILLAGE)
    small_county.enrol(VILLAGE, code)

    with pytest.raises(EnrolmentRefused):
        small_county.enrol(VILLAGE, code, at="thief")
    assert [key.id for key in small_county.county.register().keys_of(VILLAGE)] == [f"{VILLAGE}:1"]


def test_a_code_is_good_for_seven_days(small_county: SmallCounty) -> None:
    code = small_county.code(VILLAGE)
    small_county.now.forward(days=7, seconds=-1)
    small_county.cut = True
    with pytest.raises(Unreachable):
        small_county.enrol(VILLAGE, code)
    small_county.cut = False
    small_county.now.forward(seconds=1)

    with pytest.raises(EnrolmentRefused, match="七天"):
        small_county.enrol(VILLAGE, code)
    assert small_county.county.register().keys_of(VILLAGE) == []


def test_a_new_code_voids_the_one_before(small_county: SmallCounty) -> None:
    old = small_county.code(VILLAGE)
    new = small_county.code(VILLAGE)

    with pytest.raises(EnrolmentRefused):
        small_county.enrol(VILLAGE, old)
    assert small_county.enrol(VILLAGE, new).code == VILLAGE


def test_a_code_of_one_station_does_not_enrol_another(small_county: SmallCounty) -> None:
    code = small_county.code(VILLAGE)
    small_county.code(OTHER)

    with pytest.raises(EnrolmentRefused):
        small_county.enrol(OTHER, EnrolmentCode(OTHER, code.secret, code.authority))


def test_unknown_station_wrong_code_and_used_code_get_one_and_the_same_answer(
    small_county: SmallCounty, tmp_path: Path
) -> None:
    small_county.enrol(VILLAGE)
    small_county.code(OTHER)
    csr = request_certificate(make_private_key(tmp_path / "k.pem"), VILLAGE)

    answers = set()
    for station in (VILLAGE, OTHER, "600101999999", "x" * 12):
        body = json.dumps({"station": station, "csr": csr, "proof": proof("11" * 32, csr)}).encode()
        answers.add(answer_enrolment(small_county.county, body))
    assert len(answers) == 1
    assert answers.pop().status == 403


def test_somebody_between_cannot_put_their_own_key_in(small_county: SmallCounty, tmp_path: Path) -> None:
    code = small_county.code(VILLAGE)
    small_county.lose_answer = True
    with pytest.raises(Unreachable):
        small_county.enrol(VILLAGE, code)
    _, heard = small_county.seen[-1]

    stolen = {**json.loads(heard), "csr": request_certificate(make_private_key(tmp_path / "k.pem"), VILLAGE)}
    assert answer_enrolment(small_county.county, json.dumps(stolen).encode()).status == 403


def test_the_answer_of_another_county_is_refused_and_nothing_of_it_is_kept(
    small_county: SmallCounty, tmp_path: Path
) -> None:
    code = small_county.code(VILLAGE)
    false_county = SmallCounty(tmp_path / "false")
    # It knows the secret (it looked over a shoulder), and answers as a county does.
    row = {"code": VILLAGE, "name": "假站"}
    station_add(false_county.county, {"stations": [row]})
    issued = false_county.county.fleet.get(f"enrolment:{VILLAGE}")
    assert issued is not None
    false_county.county.fleet.update({**issued, "proof_key": code.proof_key})
    small_county.lie = lambda _: answer_enrolment(false_county.county, small_county.seen[-1][1])

    with pytest.raises(NotTheCounty):
        small_county.enrol(VILLAGE, code)
    false_county.close()
    assert not (small_county.folder / VILLAGE / "authority.pem").exists()
    with pytest.raises(HalfMade):
        StationFolder.open(small_county.folder / VILLAGE)


def test_the_right_authority_over_a_register_that_was_touched_is_refused(small_county: SmallCounty) -> None:
    def change_the_name(answer: Answer) -> Answer:
        said = answer.json()
        said["register"]["keys"][-1]["kind"] = "township"
        return Answer(200, json.dumps(said).encode())

    small_county.lie = change_the_name
    with pytest.raises(NotTheCounty):
        small_county.enrol(VILLAGE)


def test_a_register_without_our_key_is_refused(small_county: SmallCounty) -> None:
    older = small_county.county.register().document

    def replay(answer: Answer) -> Answer:
        return Answer(200, json.dumps({**answer.json(), "register": older}).encode())

    small_county.lie = replay
    with pytest.raises(NotTheCounty):
        small_county.enrol(VILLAGE)


@pytest.mark.parametrize(
    "page", [b"<html>\xe7\x99\xbb\xe5\xbd\x95</html>", b"[]", b"", b'{"hello": "world"}', b"\xff\xfe"]
)
def test_a_login_page_in_between_is_told_from_a_county(small_county: SmallCounty, page: bytes) -> None:
    small_county.lie = lambda _: Answer(200, page)
    with pytest.raises(Garbled):
        small_county.enrol(VILLAGE)


def test_an_enrolled_folder_is_not_enrolled_again(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    with pytest.raises(AlreadyMade, match=VILLAGE):
        small_county.enrol(VILLAGE, small_county.code(VILLAGE, new_code=True))


def test_a_countys_folder_does_not_become_a_station(small_county: SmallCounty) -> None:
    with pytest.raises(WrongKind):
        small_county.enrol(VILLAGE, at="county")


def test_after_revocation_the_open_code_and_the_old_key_are_void(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    open_code = small_county.code(VILLAGE, new_code=True)
    station_revoke(small_county.county, {"station": VILLAGE})
    with pytest.raises(EnrolmentRefused):
        small_county.enrol(VILLAGE, open_code, at="thief")

    (small_county.folder / VILLAGE / "config.toml").unlink()
    with pytest.raises(EnrolmentRefused, match="吊销"):
        small_county.enrol(VILLAGE)
    assert small_county.enrol(VILLAGE, at="new machine").key().id == f"{VILLAGE}:2"


def test_ten_wrong_codes_and_the_caller_waits_ten_minutes(small_county: SmallCounty) -> None:
    code = small_county.code(VILLAGE)
    wrong = EnrolmentCode(VILLAGE, "0" * 16, code.authority)
    for _ in range(10):
        with pytest.raises(EnrolmentRefused):
            small_county.enrol(VILLAGE, wrong)

    with pytest.raises(EnrolmentRefused, match="十分钟"):
        small_county.enrol(VILLAGE, code)
    small_county.now.forward(minutes=10)
    assert small_county.enrol(VILLAGE, code).code == VILLAGE


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"station": 5, "csr": "", "proof": ""}', b"[" * 5000, b"x" * 20000]
)
def test_a_request_that_is_none_is_refused_in_words(small_county: SmallCounty, body: bytes) -> None:
    answer = answer_enrolment(small_county.county, body)
    assert answer.status in (400, 413)
    assert answer.json()["message"]


def test_making_a_county_can_be_interrupted_and_goes_on(
    small_county: SmallCounty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> object:
        return init_county(
            tmp_path / "second",
            code="600102",
            name="县",
            listen="127.0.0.1:1",
            contact_interval_s=120,
            now=small_county.now,
            random=Random(3),
        )

    with monkeypatch.context() as patched:
        patched.setattr("provisioning.operations.admit", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make()
    authority = (tmp_path / "second" / "authority.pem").read_bytes()
    make()
    assert (tmp_path / "second" / "authority.pem").read_bytes() == authority
    with pytest.raises(AlreadyMade):
        make()


def test_codes_are_told_once_and_states_are_told_always(small_county: SmallCounty) -> None:
    rows = [{"code": COUNTY, "name": "县"}, {"code": TOWNSHIP, "name": "镇"}, {"code": VILLAGE, "name": "村"}]

    def states() -> list[tuple[str, bool]]:
        added = station_add(small_county.county, {"stations": rows})["stations"]
        return [(row["state"], row["enrolment_code"] is not None) for row in added]

    assert states() == [("enrolled", False), ("added", True), ("added", True)]
    assert states() == [("enrolled", False), ("waiting", True), ("waiting", True)]
    assert small_county.county.fleet.get(f"station:{COUNTY}") is None, "the county is no station of its own"
    station = small_county.county.fleet.get(f"station:{VILLAGE}")
    assert station is not None
    assert (station["parent"], station["kind"]) == (TOWNSHIP, "village")
    assert station["_rev"].startswith("1-"), "what says the same is not written again"
    small_county.enrol(VILLAGE)
    assert states() == [("enrolled", False), ("waiting", True), ("enrolled", False)]
