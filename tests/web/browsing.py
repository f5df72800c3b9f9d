"""What a browser would send of the forms in a page: a small reading of HTML's own rules for form submission."""

from __future__ import annotations

from html.parser import HTMLParser

from werkzeug.datastructures import MultiDict


class SentForm(HTMLParser):
    """Collects the successful controls of a page, in document order; what a `<template>` holds is not sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: MultiDict[str, str] = MultiDict()
        self._templates = 0
        self._select: str | None = None
        self._first: str | None = None
        self._chosen: str | None = None
        self._option: str | None = None
        self._selected = self._says = False
        self._area: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value if value is not None else "" for name, value in attrs}
        if tag == "template":
            self._templates += 1
        if self._templates:
            return
        name = attributes.get("name", "")
        match tag:
            case "input" if name and not (
                attributes.get("type") in ("checkbox", "radio") and "checked" not in attributes
            ):
                self.sent.add(name, attributes.get("value", "on"))
            case "textarea":
                self._area, self._text = name, ""
            case "select":
                self._select, self._first, self._chosen = name, None, None
            case "option" if self._select is not None:
                self._end_option()
                # Without a value, an option is worth what it says.
                self._option, self._selected = attributes.get("value", ""), "selected" in attributes
                self._says = "value" not in attributes

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._text += data
        if self._option is not None and self._says:
            self._option += data

    def _end_option(self) -> None:
        if self._option is None:
            return
        value, self._option = self._option.strip() if self._says else self._option, None
        self._first = value if self._first is None else self._first
        if self._selected:
            self._chosen = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._templates -= 1
        if self._templates:
            return
        if tag == "textarea" and self._area is not None:
            # A first line break belongs to the markup; line breaks go out as CRLF.
            self.sent.add(self._area, self._text.removeprefix("\n").replace("\n", "\r\n"))
            self._area = None
        if tag == "option":
            self._end_option()
        if tag == "select" and self._select is not None:
            self._end_option()
            self.sent.add(self._select, self._chosen if self._chosen is not None else self._first or "")
            self._select = None


def sent_by(page: str) -> MultiDict[str, str]:
    form = SentForm()
    form.feed(page)
    form.close()
    return form.sent
