"""The county's pages: who sees which, and what they say."""

from __future__ import annotations

import re

import pytest

from tests.central.county import VILLAGE, SmallCentre


def test_every_route_has_roles_or_is_public(county: SmallCentre) -> None:
    for rule in county.app.url_map.iter_rules():
        if rule.endpoint != "static":
            assert getattr(county.app.view_functions[rule.endpoint], "roles", None) is not None, rule


@pytest.mark.parametrize(("username", "titles"), [("sun", 4), ("zhao", 2)])
def test_every_entry_of_the_navigation_answers(county: SmallCentre, username: str, titles: int) -> None:
    county.enrol(VILLAGE).take_in()
    browser = county.sign_in(username)
    page = browser.client.get("/", follow_redirects=True).text
    links = re.findall(r'<a href="([^"]+)"', page.split("<nav", 1)[1].split("</nav>", 1)[0])
    assert len(links) == titles
    for link in links:
        assert browser.get(link).count("<h1") == 1, link
