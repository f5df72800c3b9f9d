"""Conditions: what applies to a case, by what was entered about it."""

from __future__ import annotations

from casework.conditions import applies

FACTS = {"situation": {"who": "proxy"}, "form": {"kind": "new", "needs": ["water", "road"]}}


def test_no_condition_always_holds() -> None:
    assert applies(None, FACTS)
    assert applies({}, {})


def test_every_path_must_have_one_of_its_values() -> None:
    assert applies({"situation.who": ["self", "proxy"], "form.kind": ["new"]}, FACTS)
    assert not applies({"situation.who": ["self", "proxy"], "form.kind": ["rebuilt"]}, FACTS)


def test_of_a_list_one_entry_is_enough() -> None:
    assert applies({"form.needs": ["road"]}, FACTS)
    assert not applies({"form.needs": ["power"]}, FACTS)


def test_a_path_that_leads_nowhere_fulfils_nothing() -> None:
    assert not applies({"form.kind.of": ["new"]}, FACTS)
    assert not applies({"situation.other": [None]}, FACTS)
