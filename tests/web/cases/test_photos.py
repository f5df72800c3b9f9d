"""Photos as phones make them: turned upright, nothing in them but the picture, and small in memory meanwhile."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from PIL import Image, PngImagePlugin
from werkzeug.datastructures import FileStorage

from web.cases.files import LONGEST_SIDE, checked_file, kind_of, upright
from web.errors import Problem

GPS, MODEL, ORIENTATION = 0x8825, 0x0110, 0x0112


def picture(width: int, height: int) -> Image.Image:
    """Red above, blue below: which way up it is can be seen."""
    drawn = Image.new("RGB", (width, height), (200, 20, 20))
    drawn.paste((20, 20, 200), (0, height // 2, width, height))
    return drawn


def camera(width: int = 400, height: int = 300, orientation: int = 6, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[MODEL] = "Phone of 张某某"
    exif.get_ifd(GPS)[2] = (35.0, 12.0, 1.0)
    out = io.BytesIO()
    picture(width, height).save(out, kind, exif=exif, comment=b"at home") if kind == "JPEG" else picture(
        width, height
    ).save(out, kind, exif=exif)
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    found = Image.open(io.BytesIO(content))
    found.load()
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_turned_upright_and_says_nothing_of_where_and_who(kind: str) -> None:
    content = camera(kind=kind)
    content_type, bare = upright(content)
    shown = opened(bare)
    assert shown.size == (300, 400), "the camera was held upright"
    # Turned by a quarter (orientation 6), what was above is now on the right.
    red, blue = shown.convert("RGB").getpixel((280, 200)), shown.convert("RGB").getpixel((20, 200))
    assert red[0] > 150 > red[2]
    assert blue[2] > 150 > blue[0]
    assert dict(shown.getexif()) == {}
    for word in (b"Phone of", b"Exif", b"at home"):
        assert word not in bare
    assert content_type == kind_of(bare)
    assert upright(bare) == (content_type, bare), "once is enough"


def test_the_same_photo_gives_the_same_bytes_and_a_bare_one_stays_as_it_is() -> None:
    assert upright(camera()) == upright(camera())
    for kind in ("JPEG", "PNG", "WEBP"):
        out = io.BytesIO()
        picture(300, 200).save(out, kind)
        assert upright(out.getvalue())[1] == out.getvalue(), kind


def test_texts_of_a_png_are_taken_out_and_its_dots_stay() -> None:
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", "zhang san")
    out = io.BytesIO()
    picture(60, 40).save(out, "PNG", pnginfo=told)
    content_type, bare = upright(out.getvalue())
    assert content_type == "image/png"
    assert b"zhang san" not in bare
    assert opened(bare).tobytes() == picture(60, 40).tobytes()


def test_two_views_in_one_file_are_one_photo() -> None:
    out = io.BytesIO()
    picture(80, 60).save(out, "MPO", save_all=True, append_images=[picture(80, 60)])
    name, content_type, bare = checked_file(FileStorage(io.BytesIO(out.getvalue()), "IMG.MPO"))
    assert (name, content_type, opened(bare).format) == ("IMG.MPO", "image/jpeg", "JPEG")


def test_a_pdf_stays_as_it_is() -> None:
    content = b"%PDF-1.7 /Author (kept: nobody looks inside)"
    assert checked_file(FileStorage(io.BytesIO(content), "a.pdf"))[1:] == ("application/pdf", content)


def test_a_photo_that_breaks_off_is_refused() -> None:
    with pytest.raises(Problem) as refusal:
        upright(camera(2000, 1500)[:9000])
    assert refusal.value.status == 415


def test_a_picture_that_cannot_be_unpacked_in_little_memory_is_refused() -> None:
    with pytest.raises(Problem) as refusal:
        upright(camera(5000, 4000, kind="PNG"))
    assert refusal.value.status == 413


def test_twelve_megapixels_are_unpacked_in_little_memory() -> None:
    content = camera(4000, 3000)
    assert max(opened(upright(content)[1]).size) <= LONGEST_SIDE
    measured = subprocess.run(
        [sys.executable, "-c", _MEASURE], input=content, capture_output=True, check=True, timeout=60
    )
    grown_kib = int(measured.stdout)
    assert grown_kib < 30 * 1024, f"{grown_kib} KiB more at the peak; the whole picture would be 35 MiB"


_MEASURE = """
import resource, sys
from web.cases.files import upright
content = sys.stdin.buffer.read()
import io
from PIL import Image
small = io.BytesIO()
Image.new("RGB", (64, 64)).save(small, "JPEG", comment=b"warm")
upright(small.getvalue())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
upright(content)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
