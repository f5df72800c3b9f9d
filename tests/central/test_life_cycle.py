"""An item's way through its life cycle: the table, drafts, approvals by three bodies, withdrawal, history."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from casework.canonical import Document, content_hash
from central.catalogue import approvals, drafts, libraries, standings
from central.catalogue.approvals import Outcome, approve, discard, recall, send_back, submit, withdraw
from central.catalogue.differences import differences
from central.catalogue.drafts import DRAFTING, draft_of, following, import_items, save_draft, set_rules, settle_draft
from central.catalogue.lifecycle import (
    APPROVED,
    BODIES,
    BODY_ROLES,
    BY_DEPARTMENT,
    BY_STAFFING,
    DRAFT,
    STATES,
    SUBMITTED,
    TRANSITIONS,
    WITHDRAWING,
    WITHDRAWN,
    Rules,
    in_library,
)
from central.catalogue.publishing import as_published, pending, publish, published_item
from central.catalogue.standings import Board, history, rivals_of, state_of
from provisioning import sample_county
from provisioning.county import County, county_opened
from provisioning.operations import init_county
from web.audit import AuditLog
from web.signin import User

SAMPLE = sample_county.load("items")
CIVIL = [item for item in SAMPLE["items"] if item["department"] == "民政"]
DISABLED = [item for item in SAMPLE["items"] if item["department"] == "残联"]
CODE, SECOND, OTHERS = CIVIL[0]["code"], CIVIL[1]["code"], DISABLED[0]["code"]

DRAFTER = User("zhao", "赵某某", ("reviewer",), "民政")
COLLEAGUE = User("zhu", "朱某某", ("reviewer",), "民政")
DEPARTMENT = User("li", "李某某", ("approver",), "民政")
STAFFING = User("bian", "卞某某", ("staffing",), None)
SERVICE = User("zheng", "郑某某", ("service",), None)
ADMIN = User("sun", "孙某某", ("admin",), None)
FOREIGN = User("qian", "钱某某", ("reviewer",), "残联")
FOREIGN_APPROVER = User("zhou", "周某某", ("approver",), "残联")
SPEAKS = {"department": DEPARTMENT, "staffing": STAFFING, "service": SERVICE}


def at_nine() -> datetime:
    return datetime(2026, 9, 16, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A county in which three items are published; each test works on a copy."""
    folder = tmp_path_factory.mktemp("life") / "county"
    init_county(
        folder, code="600101", name="驿山县", listen="127.0.0.1:0", contact_interval_s=3, now=at_nine, random=Random(1)
    )
    with county_opened(folder, now=at_nine, random=Random(2)) as county:
        records = {**SAMPLE, "items": [CIVIL[0], CIVIL[1], DISABLED[0]]}
        assert import_items(county, records, approve=True, by="command").imported
        publish(county)
    return folder


@pytest.fixture
def county(made: Path, tmp_path: Path) -> Iterator[County]:
    shutil.copytree(made, tmp_path / "county")
    with county_opened(tmp_path / "county", now=at_nine, random=Random(3)) as opened:
        yield opened


def edit(county: County, code: str = CODE, *, by: User = DRAFTER, **changes: Any) -> None:
    standing = state_of(county, code)
    assert standing is not None
    saved = save_draft(county, code, {**standing.item, **changes}, by=by, expected_rev=standing.rev)
    assert saved.saved, saved


def content(county: County, code: str = CODE) -> Document:
    draft = draft_of(county, code)
    assert draft is not None
    return dict(draft["item"])


def look(county: County, *codes: str) -> dict[str, str]:
    """What somebody who opens these now looks at."""
    found = {}
    for code in codes or (CODE,):
        standing = state_of(county, code)
        assert standing is not None
        found[code] = standing.hash
    return found


def walk(county: County, code: str = CODE, *, to: str = APPROVED) -> None:
    """From 暂存 as far as this state, each step by whose it is."""
    assert submit(county, [code], by=DRAFTER)[0].done
    for body, state in (("department", BY_DEPARTMENT), ("staffing", BY_STAFFING), ("service", APPROVED)):
        if state_at(county, code) == to:
            return
        outcome = approve(county, [code], as_body=body, by=SPEAKS[body], seen=look(county, code))[0]
        assert (outcome.done, outcome.state) == (True, state), outcome


def state_at(county: County, code: str = CODE) -> str:
    draft = draft_of(county, code)
    assert draft is not None
    return str(draft["state"])


def acts(county: County, code: str = CODE) -> list[tuple[str, str | None, str, str]]:
    return [(act["act"], act["body"], act["by"], act["to"]) for act in history(county, code).acts]


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_state_is_reached_and_left_and_every_body_approves_and_returns() -> None:
    assert {row.after for row in TRANSITIONS} == set(STATES)
    assert {state for row in TRANSITIONS for state in row.before if state is not None} == set(STATES)
    for body, role in BODY_ROLES.items():
        for act in ("approve", "send_back"):
            assert {role} == {role for row in TRANSITIONS if (row.act, row.body) == (act, body) for role in row.roles}
    assert all(row.fresh and row.looked_at for row in TRANSITIONS if row.act == "approve")
    assert all(row.reason for row in TRANSITIONS if row.act in ("send_back", "withdraw"))


# -- the way ---------------------------------------------------------------------------------------------------------


def test_an_edited_item_goes_through_three_bodies_while_the_published_one_stays_in_force(county: County) -> None:
    before = published_item(county, CODE)
    edit(county, note="改过")
    assert (state_at(county), published_item(county, CODE)) == (DRAFT, before)
    publish(county)
    assert published_item(county, CODE) == before, "what nobody has approved goes nowhere"
    walk(county)
    assert publish(county).changed == [CODE]
    after = published_item(county, CODE)
    assert after is not None
    assert after["note"] == "改过"
    assert [(act, body, who) for act, body, who, _ in acts(county)] == [
        ("import", None, "command"), ("save", None, "zhao"), ("submit", None, "zhao"),
        ("approve", "department", "li"), ("approve", "staffing", "bian"), ("approve", "service", "zheng"),
    ]  # fmt: skip
    hashes = {act["hash"] for act in history(county, CODE).acts[1:]}
    assert hashes == {content_hash({**content(county), "note": "改过"})}, "each says which content it was about"


def test_what_a_release_replaced_is_kept(county: County) -> None:
    for note in ("一", "二"):
        edit(county, note=note)
        walk(county)
        publish(county)
    past = history(county, CODE)
    assert past.in_force is not None
    assert past.in_force["note"] == "二"
    assert [version["_id"].rpartition(":")[2] for version in past.versions] == ["000002", "000001"]
    first = past.versions[-1]["item"]
    assert [one.path for one in differences(first, past.in_force)] == ["note"]
    assert first["name"] == CIVIL[0]["name"]


def test_an_approved_item_that_is_edited_before_the_release_is_published_as_it_was_approved(county: County) -> None:
    edit(county, note="审过的")
    walk(county)
    edit(county, note="还没审的")
    assert pending(county).changed == [(CODE, CIVIL[0]["name"])]
    publish(county)
    there = published_item(county, CODE)
    assert there is not None
    assert there["note"] == "审过的"


def test_what_is_returned_is_a_draft_again_with_the_reason_for_the_drafter(county: County) -> None:
    edit(county, note="改过")
    walk(county, to=BY_DEPARTMENT)
    assert not send_back(county, [CODE], as_body="staffing", by=STAFFING, comment="  ")[0].done, "a reason is needed"
    assert send_back(county, [CODE], as_body="staffing", by=STAFFING, comment="名称和清单对不上")[0].done
    standing = state_of(county, CODE)
    assert standing is not None
    assert standing.state == DRAFT
    assert standing.returned is not None
    assert (standing.returned["body"], standing.returned["comment"]) == ("staffing", "名称和清单对不上")
    edit(county, note="再改")
    walk(county)
    assert state_of(county, CODE).returned is None  # type: ignore[union-attr]


def test_the_drafters_may_take_back_what_nobody_has_approved_yet(county: County) -> None:
    edit(county, note="改过")
    submit(county, [CODE], by=DRAFTER)
    refused = save_draft(
        county, CODE, {**content(county), "note": "再改"}, by=DRAFTER, expected_rev=state_of(county, CODE).rev
    )  # type: ignore[union-attr]
    assert not refused.saved
    assert "先收回" in refused.sentence
    assert recall(county, [CODE], by=COLLEAGUE)[0].state == DRAFT
    walk(county, to=BY_DEPARTMENT)
    assert not recall(county, [CODE], by=DRAFTER)[0].done


def test_a_change_that_was_a_mistake_is_given_up_and_kept_in_the_history(county: County) -> None:
    before = content(county)
    edit(county, note="弄错了")
    assert discard(county, [CODE], by=DRAFTER)[0].state == APPROVED
    assert content(county) == before
    assert history(county, CODE).acts[-1]["item"]["note"] == "弄错了"
    assert not discard(county, [CODE], by=DRAFTER)[0].done


# -- who may ---------------------------------------------------------------------------------------------------------


def test_nobody_approves_what_they_drafted_or_approved_a_step_before(county: County) -> None:
    everything = User("wan", "万某某", ("reviewer", "approver", "staffing", "service"), "民政")
    edit(county, by=everything, note="改过")
    submit(county, [CODE], by=DRAFTER)
    outcome = approve(county, [CODE], as_body="department", by=everything, seen=look(county))[0]
    assert (outcome.done, outcome.sentence) == (False, "您已经在“起草”这一步办过，通过要换一个人。")
    approve(county, [CODE], as_body="department", by=DEPARTMENT, seen=look(county))
    also_staffing = User("li", "李某某", ("approver", "staffing"), "民政")
    outcome = approve(county, [CODE], as_body="staffing", by=also_staffing, seen=look(county))[0]
    assert "部门审核" in outcome.sentence
    assert state_at(county) == BY_DEPARTMENT


def test_a_tiny_county_may_decide_that_one_person_does_it_all_and_the_log_says_so(county: County) -> None:
    everything = User("wan", "万某某", ("reviewer", "approver", "staffing", "service"), "民政")
    set_rules(county, Rules(one_person=True), by=ADMIN)
    edit(county, by=everything, note="改过")
    submit(county, [CODE], by=everything)
    for body in BODIES:
        assert approve(county, [CODE], as_body=body, by=everything, seen=look(county))[0].done
    assert {who for act, _, who, _ in acts(county) if act == "approve"} == {"wan"}
    assert ("sun", "catalogue_rules", "一人可以办几步") in logged(county)
    set_rules(county, Rules(), by=ADMIN)
    edit(county, by=everything, note="再改")
    submit(county, [CODE], by=everything)
    assert not approve(county, [CODE], as_body="department", by=everything, seen=look(county))[0].done


@pytest.mark.parametrize("who", [FOREIGN, FOREIGN_APPROVER])
def test_another_departments_people_can_do_nothing_to_an_item(county: County, who: User) -> None:
    edit(county, note="改过")
    before = draft_of(county, CODE)
    assert before is not None
    other = {**content(county), "note": "别"}
    assert not save_draft(county, CODE, other, by=who, expected_rev=before["_rev"]).saved
    assert not save_draft(county, CODE, other, by=who, expected_rev="1-0").conflict
    assert not submit(county, [CODE], by=who)[0].done
    submit(county, [CODE], by=DRAFTER)
    before = draft_of(county, CODE)
    assert not approve(county, [CODE], as_body="department", by=who, seen=look(county))[0].done
    assert not send_back(county, [CODE], as_body="department", by=who, comment="x")[0].done
    assert not withdraw(county, [CODE], by=who, comment="x")[0].done
    assert draft_of(county, CODE) == before
    assert CODE not in {row.code for row in Board(county).rows(drafts.somebody(who))}


def test_a_department_cannot_give_an_item_to_another_department_or_take_one(county: County) -> None:
    standing = state_of(county, CODE)
    assert standing is not None
    given = save_draft(county, CODE, {**standing.item, "department": "残联"}, by=DRAFTER, expected_rev=standing.rev)
    assert not given.saved
    taken = save_draft(county, CODE, {**standing.item, "department": "残联"}, by=FOREIGN, expected_rev=standing.rev)
    assert not taken.saved
    assert save_draft(county, CODE, {**standing.item, "department": "残联"}, by=ADMIN, expected_rev=standing.rev).saved


@pytest.mark.parametrize("body", BODIES)
def test_a_body_is_told_when_it_is_not_its_turn(county: County, body: str) -> None:
    edit(county, note="改过")
    outcome = approve(county, [CODE], as_body=body, by=SPEAKS[body], seen=look(county))[0]
    assert (outcome.done, outcome.sentence) == (False, "现在还是暂存，不能通过。")
    submit(county, [CODE], by=DRAFTER)
    outcome = approve(county, [CODE], as_body="service", by=SERVICE, seen=look(county))[0]
    assert outcome.sentence == "现在等部门审核，还没轮到政务办。"


# -- what was looked at, what is consistent --------------------------------------------------------------------------


def test_an_approval_of_what_has_changed_since_is_refused_and_the_change_can_be_shown(county: County) -> None:
    edit(county, note="一")
    submit(county, [CODE], by=DRAFTER)
    seen = look(county)
    recall(county, [CODE], by=DRAFTER)
    edit(county, note="二")
    submit(county, [CODE], by=DRAFTER)
    outcome = approve(county, [CODE], as_body="department", by=DEPARTMENT, seen=seen)[0]
    assert (outcome.done, outcome.changed) == (False, True)
    looked_at = standings.submitted_content(county, CODE, seen[CODE])
    found = differences(looked_at, state_of(county, CODE).item)  # type: ignore[union-attr]
    assert [(one.title, one.before, one.after) for one in found] == [("备注", "一", "二")]
    assert not approve(county, [CODE], as_body="department", by=DEPARTMENT, seen={})[0].done, "nothing was looked at"
    assert approve(county, [CODE], as_body="department", by=DEPARTMENT, seen=look(county))[0].done


def test_what_the_checks_find_stops_a_submission_with_the_reason(county: County) -> None:
    edit(county, visits={"count": 2, "reason": ""})
    outcome = submit(county, [CODE], by=DRAFTER)[0]
    assert not outcome.done
    assert outcome.reasons == ("要到现场的，写明为什么要到现场",)


@pytest.mark.parametrize("body", BODIES)
def test_what_the_checks_find_stops_each_approval(county: County, body: str) -> None:
    """A rule or a library may have changed since it was submitted: here the draft itself, past every page."""
    edit(county, note="改过")
    states = {"department": SUBMITTED, "staffing": BY_DEPARTMENT, "service": BY_STAFFING}
    walk(county, to=states[body])
    drafting = county.databases.open(DRAFTING)
    draft = drafting.get(f"draft:{CODE}")
    assert draft is not None
    broken = {**draft, "item": {**draft["item"], "visits": {"count": 2, "reason": ""}}}
    del broken["_rev"]
    drafting.save([following(draft, broken)])
    outcome = approve(county, [CODE], as_body=body, by=SPEAKS[body], seen=look(county))[0]
    assert (outcome.done, outcome.state) == (False, states[body])
    assert "为什么要到现场" in outcome.sentence
    assert send_back(county, [CODE], as_body=body, by=SPEAKS[body], comment="补上原因")[0].done


def test_a_batch_is_judged_item_by_item(county: County) -> None:
    edit(county, CODE, note="好的")
    edit(county, SECOND, visits={"count": 2, "reason": ""})
    outcomes = submit(county, [CODE, SECOND, OTHERS, "no-such-code", CODE], by=DRAFTER)
    assert [(one.code, one.done) for one in outcomes] == [
        (CODE, True), (SECOND, False), (OTHERS, False), ("no-such-code", False),
    ]  # fmt: skip
    assert all(one.sentence for one in outcomes if not one.done)
    assert [state_at(county, code) for code in (CODE, SECOND, OTHERS)] == [SUBMITTED, DRAFT, APPROVED]


# -- two editors -----------------------------------------------------------------------------------------------------


def test_of_two_editors_both_changes_are_kept_until_somebody_settles_them(county: County) -> None:
    standing = state_of(county, CODE)
    assert standing is not None
    mine, theirs = {**standing.item, "note": "甲"}, {**standing.item, "limit_basis": "乙"}
    assert save_draft(county, CODE, mine, by=DRAFTER, expected_rev=standing.rev).saved
    met = save_draft(county, CODE, theirs, by=COLLEAGUE, expected_rev=standing.rev)
    assert (met.saved, met.conflict) == (False, True)
    assert content(county) == mine
    assert [(rival["by"], rival["item"]) for rival in rivals_of(county, CODE)] == [("zhu", theirs)]
    assert not submit(county, [CODE], by=DRAFTER)[0].done
    now = state_of(county, CODE)
    assert now is not None
    assert not settle_draft(county, CODE, mine, by=DRAFTER, expected_rev=standing.rev).saved, "not without looking"
    both = {**mine, "limit_basis": "乙"}
    assert settle_draft(county, CODE, both, by=DRAFTER, expected_rev=now.rev).saved
    assert (rivals_of(county, CODE), content(county)) == ([], both)
    assert [act["item"]["limit_basis"] for act in history(county, CODE).acts if act["act"] == "kept_aside"] == ["乙"]
    outcome = submit(county, [CODE], by=DRAFTER)[0]
    assert outcome.done
    assert set(draft_of(county, CODE)["drafters"]) == {"zhao"}  # type: ignore[index]


def test_the_same_change_by_two_is_no_conflict(county: County) -> None:
    standing = state_of(county, CODE)
    assert standing is not None
    changed = {**standing.item, "note": "甲"}
    assert save_draft(county, CODE, changed, by=DRAFTER, expected_rev=standing.rev).saved
    assert save_draft(county, CODE, changed, by=COLLEAGUE, expected_rev=standing.rev).saved
    assert rivals_of(county, CODE) == []


def test_a_change_that_comes_too_late_is_kept_too(county: County) -> None:
    standing = state_of(county, CODE)
    assert standing is not None
    edit(county, note="甲")
    submit(county, [CODE], by=DRAFTER)
    late = save_draft(county, CODE, {**standing.item, "note": "乙"}, by=COLLEAGUE, expected_rev=standing.rev)
    assert late.conflict
    assert (state_at(county), [rival["item"]["note"] for rival in rivals_of(county, CODE)]) == (SUBMITTED, ["乙"])


def test_of_two_acts_in_the_same_moment_the_second_looks_again(county: County, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(county, note="改过")
    walk(county, to=SUBMITTED)
    seen = look(county)
    honest = drafts.draft_of
    stale = [honest(county, CODE)]
    assert approve(county, [CODE], as_body="department", by=DEPARTMENT, seen=seen)[0].done
    monkeypatch.setattr(approvals, "draft_of", lambda at, code: stale.pop() if stale else honest(at, code))
    outcome = send_back(county, [CODE], as_body="department", by=User("ma", "马", ("approver",), "民政"), comment="不")[
        0
    ]
    assert (outcome.done, outcome.sentence) == (False, "部门已经审过，现在等编办审核。")
    assert [act["number"] for act in history(county, CODE).acts] == list(range(1, 5))


# -- withdrawal ------------------------------------------------------------------------------------------------------


def test_a_withdrawn_item_leaves_the_next_release_and_stays_in_the_history(county: County) -> None:
    assert not withdraw(county, [CODE], by=DRAFTER, comment="")[0].done
    assert not withdraw(county, [CODE], by=STAFFING, comment="并入别的事项")[0].done
    assert withdraw(county, [CODE], by=DRAFTER, comment="并入别的事项")[0].state == WITHDRAWING
    publish(county)
    assert published_item(county, CODE) is not None, "asked for is not agreed to"
    assert not approve(county, [CODE], as_body="department", by=DEPARTMENT, seen=look(county))[0].done
    assert approve(county, [CODE], as_body="staffing", by=STAFFING, seen=look(county))[0].state == WITHDRAWN
    assert pending(county).withdrawn == [(CODE, CIVIL[0]["name"])]
    assert publish(county).items == 2
    assert published_item(county, CODE) is None
    past = history(county, CODE)
    assert (past.in_force, len(past.versions)) == (None, 1)
    assert publish(county).new is False, "and is not left out again and again"


def test_a_withdrawal_that_is_not_agreed_to_leaves_the_item_in_the_library(county: County) -> None:
    withdraw(county, [CODE], by=DEPARTMENT, comment="不办了")
    assert send_back(county, [CODE], as_body="staffing", by=STAFFING, comment="法律还要求办")[0].state == APPROVED
    assert publish(county).new is False
    assert published_item(county, CODE) is not None


def test_a_withdrawn_item_comes_back_only_through_all_three_bodies(county: County) -> None:
    withdraw(county, [CODE], by=DRAFTER, comment="并入别的事项")
    approve(county, [CODE], as_body="staffing", by=STAFFING, seen=look(county))
    edit(county, note="又要办了")
    assert publish(county).items == 2, "drafted anew is not in the library"
    walk(county)
    assert publish(county).items == 3
    there = published_item(county, CODE)
    assert there is not None
    assert there["_rev"].startswith("2-"), "it follows what it was"


# -- imports and older stores ----------------------------------------------------------------------------------------


def test_an_import_that_is_taken_as_approved_says_so_in_the_history(county: County) -> None:
    act = history(county, CODE).acts[0]
    assert (act["act"], act["to"], act["by"], act["comment"]) == ("import", APPROVED, "command", "导入，按已审核入库")
    assert ("command", "catalogue_imported", "导入并入库 3 个事项") in logged(county)


def test_an_import_of_changed_items_leaves_what_is_in_force_until_they_are_approved(county: County) -> None:
    changed = {**SAMPLE, "items": [{**deepcopy(CIVIL[0]), "note": "新的"}]}
    report = import_items(county, changed, approve=False, by="zhao")
    assert (report.changed, state_at(county)) == ([CODE], DRAFT)
    assert publish(county).new is False
    assert not approve(
        county, [CODE], as_body="department", by=User("zhao", "赵", ("approver",), "民政"), seen=look(county)
    )[0].done
    walk(county)
    assert publish(county).changed == [CODE]


def test_a_store_from_before_the_life_cycle_goes_on(county: County) -> None:
    """Drafts that say nothing but `item state by at`, and no act at all."""
    drafting = county.databases.open(DRAFTING)
    old = []
    for code, state in ((CODE, APPROVED), (SECOND, DRAFT)):
        draft = drafting.get(f"draft:{code}")
        assert draft is not None
        item = draft["item"] if state == APPROVED else {**draft["item"], "note": "从前的草稿"}
        plain = {"_id": draft["_id"], "item": item, "state": state, "by": "zhao", "at": "2026-01-01T00:00:00Z"}
        old.append(following(draft, plain))
        numbered = drafting.get(f"act:{code}:000001")
        assert numbered is not None
        drafting.update({"_id": numbered["_id"], "_rev": numbered["_rev"], "_deleted": True})
    drafting.save(old)
    assert (history(county, CODE).acts, publish(county).new) == ([], False)
    assert submit(county, [SECOND], by=COLLEAGUE)[0].done
    own = User("zhao", "赵", ("approver",), "民政")
    assert not approve(county, [SECOND], as_body="department", by=own, seen=look(county, SECOND))[0].done
    edit(county, note="改过")
    walk(county)
    assert publish(county).changed == [CODE]


# -- the log of acts -------------------------------------------------------------------------------------------------


def logged(county: County) -> list[tuple[str, str, str]]:
    log = AuditLog(county.folder.path / "audit.sqlite3", now=county.now, random=Random(9))
    try:
        assert log.check() == []
        return [(row.entry["account"], row.entry["act"], row.entry["what"]) for row in log.rows(0, 1000)]
    finally:
        log.close()


def test_every_act_is_in_the_log_of_acts(county: County) -> None:
    edit(county, note="改过")
    walk(county)
    withdraw(county, [CODE], by=DRAFTER, comment="不办了")
    send_back(county, [CODE], as_body="staffing", by=STAFFING, comment="要办")
    said = [(who, act) for who, act, what in logged(county) if what == CODE]
    assert said == [(act["by"], f"catalogue_{act['act']}") for act in history(county, CODE).acts[1:]]


# -- any way through it ----------------------------------------------------------------------------------------------


ALL_ROLES = User("wan", "万某某", ("reviewer", "approver", "staffing", "service"), "民政")
# None is whose step it is.
PEOPLE = [None, None, DRAFTER, DEPARTMENT, STAFFING, SERVICE, ALL_ROLES, ALL_ROLES, FOREIGN, FOREIGN_APPROVER]
MAY_DRAFT = {"zhao", "wan"}
_WAY = {DRAFT: {SUBMITTED, APPROVED}, SUBMITTED: {DRAFT, BY_DEPARTMENT}, BY_DEPARTMENT: {DRAFT, BY_STAFFING},
        BY_STAFFING: {DRAFT, APPROVED}, APPROVED: {DRAFT, WITHDRAWING}, WITHDRAWING: {APPROVED, WITHDRAWN},
        WITHDRAWN: {DRAFT}}  # fmt: skip
"""Written by hand from docs/catalogue.md, not taken from the table that is tested."""
_WAITS = {SUBMITTED: "department", BY_DEPARTMENT: "staffing", BY_STAFFING: "service", WITHDRAWING: "staffing"}
MOSTLY_NOT = st.sampled_from([False] * 7 + [True])


class AnyWay(RuleBasedStateMachine):
    """Everybody does anything at any time, also to what they looked at long ago, beside a model of what must hold."""

    seen = Bundle("seen")
    template: Path

    @initialize(target=seen)
    def begin(self) -> str:
        self.folder = TemporaryDirectory()
        shutil.copytree(self.template, Path(self.folder.name) / "county")
        self.at = at_nine()
        self.opened = county_opened(Path(self.folder.name) / "county", now=lambda: self.at, random=Random(4))
        self.county = self.opened.__enter__()
        # As in the service, whose log is open.
        self.log = AuditLog(self.county.folder.path / "audit.sqlite3", now=self.county.now, random=Random(5))
        self.county.audit = self.log  # type: ignore[attr-defined]
        self.was = APPROVED
        self.library: str | None = content_hash(content(self.county))
        self.had_part: set[str] = set()
        self.kept_aside: list[str] = []
        self.typed: set[str] = set()
        self.published = published_hash(self.county)
        return look(self.county)[CODE]

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self.log.close()
            self.opened.__exit__(None, None, None)
            self.folder.cleanup()

    @rule(target=seen)
    def open_the_page(self) -> str:
        return look(self.county)[CODE]

    @rule(person=st.sampled_from(PEOPLE), note=st.sampled_from(["甲", "乙", "丙"]), stale=MOSTLY_NOT, bad=MOSTLY_NOT)
    def save(self, person: User | None, note: str, stale: bool, bad: bool) -> None:
        who = person or DRAFTER
        standing = state_of(self.county, CODE)
        assert standing is not None
        item = {**standing.item, "note": note, "visits": {"count": 1, "reason": "" if bad else "要按指纹"}}
        rev = "1-0123456789abcdef0123456789abcdef" if stale else standing.rev
        saved = save_draft(self.county, CODE, item, by=who, expected_rev=rev)
        if not saved.saved and not saved.conflict:
            return
        assert who.username in MAY_DRAFT
        self.typed.add(content_hash(item))
        if saved.conflict:
            self.kept_aside.append(content_hash(item))
        elif item != standing.item:
            # A new round forgets who did what in the last one; what was returned is still the same round.
            self.had_part = {who.username} | (self.had_part if standing.state == DRAFT else set())

    @rule(person=st.sampled_from(PEOPLE), which=st.integers(0, 3))
    def settle(self, person: User | None, which: int) -> None:
        who = person or DRAFTER
        standing, others = state_of(self.county, CODE), rivals_of(self.county, CODE)
        assert standing is not None
        item = [standing.item, *(one["item"] for one in others)][which % (len(others) + 1)]
        if settle_draft(self.county, CODE, item, by=who, expected_rev=standing.rev).saved:
            assert who.username in MAY_DRAFT
            self.kept_aside = []
            self.had_part |= {who.username}

    @rule(times=st.integers(1, 4))
    def go_on(self, times: int) -> None:
        """The next steps, by whose they are: without it hardly any walk would come far."""
        for _ in range(times):
            if state_at(self.county) == DRAFT:
                self.settle(None, 0)
                self.submit(None)
            elif state_at(self.county) in _WAITS:
                self.approve(None, None, None)
            self.the_state_moves_along_the_way()

    @rule(person=st.sampled_from(PEOPLE))
    def submit(self, person: User | None) -> None:
        who = person or DRAFTER
        if self.judge(submit(self.county, [CODE], by=who), "submit"):
            assert who.username in MAY_DRAFT
            assert not self.kept_aside, "two changes were not settled"
            self.had_part |= {who.username}

    @rule(person=st.sampled_from(PEOPLE), act=st.sampled_from([recall, discard, withdraw, send_back]))
    def go_another_way(self, person: User | None, act: Any) -> None:
        if act is send_back:
            self.return_it(person)
            return
        who = person or DRAFTER
        before = content(self.county)
        if self.judge(act(self.county, [CODE], by=who, comment="因为"), act.__name__):
            assert who.username in MAY_DRAFT | ({"li"} if act is withdraw else set())
            if act is discard:
                assert content_hash(content(self.county)) == self.library
                assert content_hash(before) in {one["hash"] for one in history(self.county, CODE).acts}
            if act is withdraw:
                self.had_part = {who.username}

    @rule(
        person=st.sampled_from(PEOPLE),
        body=st.sampled_from([None, None, None, *BODIES]),
        seen=st.none() | seen,
    )
    def approve(self, person: User | None, body: str | None, seen: str | None) -> None:
        standing = state_of(self.county, CODE)
        assert standing is not None
        as_body = body or _WAITS.get(standing.state, "service")
        who = person or SPEAKS[as_body]
        outcomes = approve(self.county, [CODE], as_body=as_body, by=who, seen={CODE: seen or standing.hash})
        if not self.judge(outcomes, "approve"):
            return
        assert BODY_ROLES[as_body] in who.roles
        assert who.department in (None, "民政")
        assert seen in (None, standing.hash), "what was approved is what was looked at"
        assert _WAITS[standing.state] == as_body
        assert who.username not in self.had_part, "nobody approves what they drafted or approved a step before"
        if standing.state == WITHDRAWING:
            self.library = None
            return
        assert standing.item["visits"] != {"count": 1, "reason": ""}, "the checks stop it"
        self.had_part |= {who.username}
        if state_at(self.county) == APPROVED:
            self.library = standing.hash

    def return_it(self, person: User | None) -> None:
        before = state_at(self.county)
        body = _WAITS.get(before, "department")
        who = person or SPEAKS[body]
        if self.judge(send_back(self.county, [CODE], as_body=body, by=who, comment="再看"), "send_back"):
            assert BODY_ROLES[body] in who.roles
            assert _WAITS[before] == body
            # The drafters stay who they were; the approvals begin anew.
            draft = draft_of(self.county, CODE)
            assert draft is not None
            if before != WITHDRAWING:
                self.had_part = set(draft["drafters"])

    @rule()
    def publish(self) -> None:
        publish(self.county)
        draft, said = draft_of(self.county, CODE), published_hash(self.county)
        approved = in_library(draft) if draft is not None else None
        assert (content_hash(approved) if approved is not None else None) == self.library
        coming = as_published(approved, libraries.load(self.county)) if approved is not None else None
        wanted = content_hash(coming) if coming is not None else None
        assert said == wanted, "what is published is what was approved last"
        if said != self.published and self.published is not None:
            kept = {content_hash(drafts_content(one["item"])) for one in history(self.county, CODE).versions}
            assert self.published in kept
        self.published = said

    def judge(self, outcomes: list[Outcome], act: str) -> bool:
        outcome = outcomes[0]
        assert outcome.done or outcome.sentence
        if outcome.done:
            assert history(self.county, CODE).acts[-1]["act"] == act
        return outcome.done

    @invariant()
    def the_state_moves_along_the_way(self) -> None:
        if not hasattr(self, "county"):
            return
        self.at += timedelta(minutes=1)
        now = state_at(self.county)
        assert now == self.was or now in _WAY[self.was], (self.was, now)
        self.was = now

    @invariant()
    def nothing_entered_the_library_but_by_three_people_who_looked_at_it(self) -> None:
        if not hasattr(self, "county"):
            return
        acts = history(self.county, CODE).acts
        assert [act["number"] for act in acts] == list(range(1, len(acts) + 1))
        asked = [act for act in acts if act["act"] != "kept_aside"]
        for place, act in enumerate(asked):
            if act["act"] == "approve" and act["to"] == APPROVED:
                three = asked[place - 2 : place + 1]
                assert [one["body"] for one in three] == list(BODIES)
                assert len({one["by"] for one in three}) == 3
                assert len({one["hash"] for one in three}) == 1

    @invariant()
    def nothing_that_was_typed_is_lost(self) -> None:
        if not hasattr(self, "county"):
            return
        assert self.typed <= {act["hash"] for act in history(self.county, CODE).acts}
        assert [content_hash(one["item"]) for one in rivals_of(self.county, CODE)] == self.kept_aside


def published_hash(county: County) -> str | None:
    """The hash of what the newest release says of the item; None when it has it not."""
    item = published_item(county, CODE)
    return content_hash(drafts_content(item)) if item is not None else None


def drafts_content(item: Document) -> Document:
    """A published item as the draft that it came from."""
    added = {"release", "terms", "terms_sig", "terms_key", "key", "sig"}
    return {name: value for name, value in item.items() if not name.startswith("_") and name not in added}


def test_any_way_through_the_life_cycle_keeps_its_rules(made: Path) -> None:
    machine = type("AnyWayHere", (AnyWay,), {"template": made})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
