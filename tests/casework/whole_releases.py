"""What is wrong with a release that is looked at whole: every part of the check that a station makes step by step."""

from __future__ import annotations

from collections.abc import Callable

from casework.canonical import Document
from casework.documents.register import Register
from casework.documents.release import ManifestOf, ReleaseProblem, ReleaseRefused, document_problem, refusal, whole_list

Lookup = Callable[[str, str], Document | None]
"""(id, rev) → that very revision of the document, or None when it is not here."""


def check_release(
    release: Document, lookup: Lookup, register: Register, manifest_of: ManifestOf = lambda _number: None
) -> list[ReleaseProblem]:
    """What is missing, altered or badly signed; empty when the release may be switched to."""
    refused = refusal(release, register)
    if refused is not None:
        return [refused]
    try:
        entries = whole_list(release, manifest_of)
    except ReleaseRefused as unknown:
        return [unknown.problem]
    found = (
        document_problem(id_, entry, lookup(id_, entry["rev"]), register) for id_, entry in sorted(entries.items())
    )
    return [problem for problem in found if problem is not None]
