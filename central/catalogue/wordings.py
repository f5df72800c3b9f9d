"""The words of papers: edited as drafts, published with the next release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from casework import schemas
from casework.canonical import Document
from casework.documents import paper as papers
from casework.documents.enquiry import OWN_WORDS, kinds_problems
from casework.papers import PAPERS, words_problems
from casework.times import rfc3339
from central.catalogue.drafts import DRAFTING, actor_of, following, logged
from provisioning.county import County

WORDED = {**{code: kind.title for code, kind in PAPERS.items()}, OWN_WORDS: "咨询台的事由"}
"""What a county may have its own words for: every paper, and what people come to the consultation desk for."""


def paper_drafts(county: County) -> dict[str, dict[str, Any] | None]:
    """The words that were edited, by paper; None where the default ones are to stand again."""
    drafts = county.databases.open(DRAFTING).range("wording:", "wording:\uffff")
    return {draft["code"]: draft["words"] for draft in drafts if draft["code"] in WORDED}


def list_kinds(county: County, kinds: Sequence[str] | None, *, by: str) -> str | None:
    """Keep this list of what people come for, or None for the default one; why it cannot be kept."""
    wrong = kinds_problems(kinds) if kinds is not None else None
    if wrong is None:
        words = {"title": WORDED[OWN_WORDS], "paragraphs": list(kinds), "remedy": "", "seal": ""} if kinds else None
        word_paper(county, OWN_WORDS, words, by=by)
    return wrong


def word_paper(county: County, code: str, words: Mapping[str, Any] | None, *, by: str) -> dict[str, str]:
    """Keep these words for the next release, or None for the default ones. Dotted path → sentence for what must be
    mended first; then nothing was kept."""
    assert code in WORDED, code
    if words is not None:
        wrong = schemas.problems(papers.WORDS_SCHEMA, words) or words_problems(words)
        if wrong:
            return wrong
    drafting = county.databases.open(DRAFTING)
    body: Document = {
        "_id": f"wording:{code}",
        "code": code,
        "words": papers.words_of(words) if words is not None else None,
        "by": by,
        "at": rfc3339(county.now()),
    }
    what = f"{WORDED[code]}{'恢复成默认的' if words is None else ''}"
    with logged(county, actor_of(county, by), "catalogue_paper", what):
        drafting.save([following(drafting.get(body["_id"]), body)])
    return {}
