"""Blank forms: what may be one, and that nobody slips another file under the county's signature."""

from __future__ import annotations

import pytest

from casework.canonical import Document
from casework.documents import blank
from casework.documents.release import hash_of
from casework.signing import document_holds
from tests.casework.county import item, private_key
from tests.casework.examples import KEY, county_signed

PDF = b"%PDF-1.7 a form"


def a_blank(content: bytes = PDF) -> Document:
    entry = {"title": "申请表", "kind": "blank", "file": blank.about("申请表.pdf", content)}
    return county_signed(blank.build("form", entry))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("form.exe", b"MZ", "只收这几种文件"),
        ("form", PDF, "只收这几种文件"),
        ("form.pdf", b"", "空的"),
        ("form.pdf", b"MZ not a form", "内容不是 pdf"),
        ("form.docx", PDF, "内容不是 docx"),
        ("form.pdf", PDF + b"x" * blank.MOST_BYTES, "最多 512 KB"),
    ],
)
def test_a_file_that_no_village_should_get_is_refused_with_the_reason(name: str, content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        blank.about(name, content)


def test_a_files_ending_may_be_in_capitals() -> None:
    assert blank.about("FORM.JPEG", b"\xff\xd8\xff\xe0")["media_type"] == "image/jpeg"


def test_the_signature_and_the_releases_hash_hold_with_the_file_and_without() -> None:
    signed = a_blank()
    with_file = blank.with_file(signed, PDF)
    as_kept = {**signed, "_attachments": {"file": {"stub": True, "digest": "md5-x", "length": len(PDF), "revpos": 1}}}
    key = private_key(KEY).public_key()
    assert all(document_holds(one, key) for one in (signed, with_file, as_kept))
    assert len({hash_of(one) for one in (signed, with_file, as_kept)}) == 1
    assert not document_holds({**signed, "title": "别的"}, key)


def test_another_file_under_the_same_signature_is_found_out() -> None:
    signed = a_blank()
    other = PDF[:-1] + b"n"
    assert blank.is_its_file(signed, PDF)
    assert not blank.is_its_file(signed, other)
    assert blank.carries_its_file_alone(blank.with_file(signed, PDF))
    assert not blank.carries_its_file_alone(blank.with_file(signed, other))
    assert not blank.carries_its_file_alone(signed), "a blank comes with its file"
    two = blank.with_file(signed, PDF)
    two["_attachments"]["besides"] = two["_attachments"]["file"]
    assert not blank.carries_its_file_alone(two)


def test_no_other_document_carries_files() -> None:
    assert blank.carries_its_file_alone(item())
    assert not blank.carries_its_file_alone(blank.with_file({**item(), "file": a_blank()["file"]}, PDF))
