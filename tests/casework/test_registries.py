"""Walks the registries: every document type and every kind of event has its parts, and survives the road."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from casework.canonical import Document, canonical, is_addressed
from casework.clashes import (
    ACCEPTANCE,
    CLASHES,
    DECISION,
    DELIVERY,
    FINISHES,
    PRECEDENCE,
    REVOCATION,
    RULES,
    SETTLEMENT,
    Clash,
)
from casework.documents import TYPES
from casework.documents.account import ROLES
from casework.documents.event import is_event_shaped
from casework.kinds import KINDS
from casework.rights import RIGHTS, STATION_ITSELF
from casework.transitions import CLOSED_STATES, OPEN_STATES, STATES, TRANSITIONS, UNRECEIVED
from tests.casework import examples
from tests.casework.county import agent

DOCUMENTS = examples.documents()
DATA = examples.kinds()


def test_every_type_and_every_kind_has_an_example() -> None:
    assert set(DOCUMENTS) == set(TYPES)
    assert set(DATA) == set(KINDS) == set(TRANSITIONS) == set(RIGHTS)


@pytest.mark.parametrize("name", TYPES)
def test_a_document_survives_json_and_canonical_json(name: str) -> None:
    document = DOCUMENTS[name]
    travelled = json.loads(json.dumps(document))
    assert travelled == document
    assert json.loads(canonical(document)) == document
    assert travelled["_id"].startswith(f"{name}:")
    assert TYPES[name].problems(travelled) == {}


@pytest.mark.parametrize("name", TYPES)
def test_a_document_without_a_field_that_it_needs_is_named(name: str) -> None:
    for field in TYPES[name].schema["required"]:
        torn = {key: value for key, value in DOCUMENTS[name].items() if key != field}
        assert field in TYPES[name].problems(torn), field


@pytest.mark.parametrize("name", TYPES)
def test_unknown_fields_travel_along_and_a_foreign_id_does_not(name: str) -> None:
    assert TYPES[name].problems({**DOCUMENTS[name], "from_a_newer_version": {"x": 1}}) == {}
    assert "_id" in TYPES[name].problems({**DOCUMENTS[name], "_id": "elsewhere:1"})


@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if kind.immutable])
def test_an_immutable_document_is_named_by_its_hash(name: str) -> None:
    document = DOCUMENTS[name]
    assert is_addressed(document)
    assert document["_rev"] == "1-" + document["_id"][-32:]
    assert not is_addressed({**document, "case": "another"})


@pytest.mark.parametrize("name", TYPES)
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(TYPES[name].schema)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_takes_its_example_and_names_what_is_missing(name: str) -> None:
    kind = KINDS[name]
    Draft202012Validator.check_schema(kind.schema)
    assert kind.problems(None, DATA[name]) == {}
    for field in kind.schema["required"]:
        torn = {key: value for key, value in DATA[name].items() if key != field}
        assert field in kind.problems(None, torn), field
    assert kind.title
    assert kind.roles <= {*ROLES, STATION_ITSELF}
    assert kind.from_states <= set(STATES)


@pytest.mark.parametrize("name", KINDS)
def test_an_event_of_every_kind_round_trips(name: str) -> None:
    event = agent().write(name, DATA[name])
    assert json.loads(canonical(event)) == event
    assert is_addressed(event)
    assert is_event_shaped(event)
    assert TYPES["event"].problems(event) == {}


def test_the_table_leads_only_to_states_that_it_knows() -> None:
    for row in TRANSITIONS.values():
        assert row.from_states <= set(STATES)
        assert row.to_state is None or row.to_state in STATES
        assert row.clause
        assert row.demands
    reachable = {row.to_state for row in TRANSITIONS.values()} - {None}
    assert reachable | {UNRECEIVED} == set(STATES) == {UNRECEIVED, *OPEN_STATES, *CLOSED_STATES}


def pairs_of(clash: Clash) -> set[frozenset[str]]:
    return {frozenset({one, other}) for one in clash.one for other in clash.other}


def test_every_clash_is_between_known_kinds_by_a_known_rule_and_stands_once() -> None:
    met: set[frozenset[str]] = set()
    for clash in CLASHES:
        assert {*clash.one, *clash.other} <= set(KINDS)
        assert clash.rule in RULES
        assert clash.why
        assert clash.agree
        assert not met & pairs_of(clash), clash
        met |= pairs_of(clash)


def test_any_two_acts_that_change_the_outcome_have_a_written_rule() -> None:
    changing = [row.kind for row in TRANSITIONS.values() if row.to_state is not None]
    # Only one intake counts, and closing and filing stand for the outcome that they close or file.
    changing = ["settled", *(kind for kind in changing if kind not in {"received", *FINISHES})]
    written = set().union(*(pairs_of(clash) for clash in CLASHES))
    for one in changing:
        for other in changing:
            assert frozenset({one, other}) in written, (one, other)


def test_who_holds_agrees_with_the_rule_that_both_sides_read() -> None:
    strongest = {
        ACCEPTANCE: {"accepted", "suspended", "resumed"},
        DECISION: {"decided", "delivered", "not_accepted", "returned"},
        DELIVERY: {"delivered"},
        REVOCATION: {"decision_revoked"},
        SETTLEMENT: {"settled"},
    }
    for clash in CLASHES:
        if clash.rule not in strongest or "field_corrected" in clash.other:
            continue
        for one in clash.one:
            for other in clash.other:
                holder = min(one, other, key=PRECEDENCE.index)
                assert holder in strongest[clash.rule], (one, other)


BENT: dict[str, Any] = {
    "case": "1",
    "kind": "Received!",
    "data": [],
    "by": {"account": "", "name": "x", "role": "agent"},
    "station": "600101",
    "incarnation": "a b",
    "at": "yesterday",
    "clock": {"raw": "2026-09-16", "offset": 0, "how": "county"},
    "seen": ["event:1"],
    "home": "Station",
    "serial": 0,
    "key": "somebody",
}


@pytest.mark.parametrize("field", BENT)
def test_the_quick_look_at_an_event_refuses_what_its_schema_refuses(field: str) -> None:
    bent = {**copy.deepcopy(DOCUMENTS["event"]), field: BENT[field]}
    assert TYPES["event"].problems(bent) != {}
    assert not is_event_shaped(bent)


@pytest.mark.parametrize(
    "changes",
    [
        {"clock": {"raw": "2026-09-16T01:21:01.000Z", "offset": 0.5, "how": ""}},
        {"serial": True},
        {"by": None},
        {"seen": "event"},
        {"clock": None},
    ],
)
def test_the_quick_look_survives_any_type(changes: Document) -> None:
    assert not is_event_shaped({**DOCUMENTS["event"], **changes})
