"""Files of a case: what may come in, and how it goes out."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from dataclasses import dataclass

from flask import Request, Response, request
from PIL import Image, UnidentifiedImageError
from werkzeug.datastructures import FileStorage
from werkzeug.wsgi import wrap_file

from casework.case import CaseFile
from web.errors import Problem

LARGEST_FILE = 20 * 1024 * 1024
PICTURES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


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
    return plain_name(sent.filename or "file"), kind_of(content), content


def kind_of(content: bytes) -> str:
    """The media type by what the file is, whatever it is called."""
    if content.startswith(b"%PDF-"):
        return "application/pdf"
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
