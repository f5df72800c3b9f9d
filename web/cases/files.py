"""Files of a case: what may come in, and how it goes out."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Request, Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.wsgi import wrap_file

from casework.case import CaseFile
from web.errors import Problem

if TYPE_CHECKING:
    from PIL import Image

LARGEST_FILE = 20 * 1024 * 1024
# MPO is what phones make of two views of one picture; the first is a JPEG.
PICTURES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
LONGEST_SIDE = 2000
LEAST_UNPACKED = 1500
"""A JPEG is unpacked at the power of two below its size that leaves at least this: at most 3,000 pixels, 20 MiB."""
MOST_UNPACKED = 16_000_000
"""Pixels of a picture that has to be unpacked whole (no JPEG): 48 MiB."""
QUALITY = 85
# Chunks of a PNG that say how to draw it, and nothing of who, where and when (W3C PNG, 11.3).
_DRAWING = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT", b"bKGD"}
)


@dataclass(frozen=True)
class Upload:
    material: str
    name: str
    content_type: str
    content: bytes


def checked_upload(upload: Request) -> Upload:
    """The multipart parts `name` (of the material) and `file`, the file being a picture or PDF that can be opened.

    Raises `Problem`: 413 too large, 415 not a picture or PDF, 422 a part is missing or empty.
    """
    if upload.mimetype != "multipart/form-data":
        raise Problem(415, "not_multipart", "请用表单上传文件（multipart/form-data）。")
    material = upload.form.get("name", "").strip()
    sent = upload.files.get("file")
    fields = {}
    if not material:
        fields["name"] = "请写明是哪一项材料。"
    if sent is None:
        fields["file"] = "请选一张照片或一份 PDF。"
    if fields or sent is None:
        raise Problem(422, "not_complete", "还差一点，补上再传。", fields=fields)
    return Upload(material, *checked_file(sent))


def checked_file(sent: FileStorage) -> tuple[str, str, bytes]:
    """The name, media type and content of one file that somebody chose. Raises `Problem` as `checked_upload`."""
    content = sent.stream.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Problem(413, "file_too_large", "文件超过 20 MB。请用相机的普通清晰度重拍一张。")
    if not content:
        raise Problem(422, "not_complete", "还差一点，补上再传。", fields={"file": "请先选一张照片或一份 PDF 再传。"})
    content_type = kind_of(content)
    if content_type != "application/pdf":
        content_type, content = upright(content)
    return plain_name(sent.filename or "file"), content_type, content


def upright(content: bytes) -> tuple[str, bytes]:
    """(media type, content) of a picture that `kind_of` knows, turned as the camera was held and with nothing in it
    but the picture: no place, no time, no name of a device. What has none of it stays as it is, byte for byte, so
    that the same photo is still stored once. Raises `Problem` 413, 415.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            if _is_bare(picture, content):
                return PICTURES[str(picture.format)], content
            return _bared(picture)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise _not_a_picture() from error


def _is_bare(picture: Image.Image, content: bytes) -> bool:
    match picture.format:
        case "JPEG":
            # APP0 says how many dots make an inch, APP14 how colours are stored; all else is word of something.
            segments = getattr(picture, "applist", [])
            return all(name == "APP0" or (name == "APP14" and data[:5] == b"Adobe") for name, data in segments)
        case "PNG":
            return set(_chunks(content)) <= _DRAWING
        case "WEBP":
            return not {"exif", "xmp", "icc_profile"} & picture.info.keys()
        case _:
            return False


def _bared(picture: Image.Image) -> tuple[str, bytes]:
    from PIL import ImageOps, PngImagePlugin

    lossless = picture.format == "PNG"
    if picture.format in ("JPEG", "MPO"):
        picture.draft("RGB", (LEAST_UNPACKED, LEAST_UNPACKED))
    elif picture.width * picture.height > MOST_UNPACKED:
        raise Problem(413, "file_too_large", "照片太大。请用相机的普通清晰度重拍一张，存成 JPG。")
    picture.load()
    # A PNG may say how it was held behind the picture itself, so only now.
    ImageOps.exif_transpose(picture, in_place=True)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    picture.info.clear()
    out = io.BytesIO()
    if lossless:
        picture.save(out, "PNG", pnginfo=PngImagePlugin.PngInfo())
        return PICTURES["PNG"], out.getvalue()
    plain = picture if picture.mode in ("RGB", "L") else picture.convert("RGB")
    plain.save(out, "JPEG", quality=QUALITY)
    return PICTURES["JPEG"], out.getvalue()


def _chunks(content: bytes) -> Iterator[bytes]:
    """The names of a PNG's chunks, each after its length of four bytes and before its data and checksum."""
    at = 8
    while at + 8 <= len(content):
        yield content[at + 4 : at + 8]
        at += 12 + int.from_bytes(content[at : at + 4])


def kind_of(content: bytes) -> str:
    """The media type by what the file is, whatever it is called."""
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    from PIL import Image, UnidentifiedImageError

    try:
        # Pillow warns of a picture that unpacks to more than 89 million pixels: a bomb, not a page of paper.
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                if picture.format not in PICTURES:
                    raise _not_a_picture()
                picture.verify()
                return PICTURES[picture.format]
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _not_a_picture() from error
    except Image.DecompressionBombWarning as error:
        raise _not_a_picture() from error


def file_answer(manifest: CaseFile, content: bytes) -> Response:
    """The file as it came in. It never changes, so a browser may keep it; it is never run as a page."""
    return file_answer_of(manifest["type"], manifest["sha256"], content)


def file_answer_of(content_type: str, mark: str, content: bytes) -> Response:
    """As `file_answer`, for a file that is in no case yet; `mark` changes when the content does."""
    # Handed to the server as a file: it is sent from where it lies, not copied, nor put on a disk that may be full.
    answer = Response(wrap_file(request.environ, io.BytesIO(content)), mimetype=content_type, direct_passthrough=True)
    answer.content_length = len(content)
    answer.set_etag(mark)
    answer.headers["Cache-Control"] = "private, max-age=86400"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def plain_name(name: str) -> str:
    """A file name that is only a name: no folders, no control characters, of a length that lists can show."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    return visible[-80:] or "file"


def _not_a_picture() -> Problem:
    return Problem(415, "not_a_picture", "这不是能打开的照片或 PDF。请重新拍照，或选 JPG、PNG、PDF 文件。")
