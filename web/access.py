"""Who may open which view: every view says it, and a house test walks the URL map to see that it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


def allow(*roles: str) -> Callable[[View], View]:
    """Whoever has one of these roles may open the view."""
    assert roles

    def mark(view: View) -> View:
        view.__dict__["roles"] = roles
        return view

    return mark


def public(view: View) -> View:
    """Anybody may open the view, signed in or not."""
    view.__dict__["roles"] = ()
    return view
