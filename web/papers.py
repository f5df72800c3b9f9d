"""What papers need that pages do not: a QR code as a drawing. The sheet itself is `templates/paper.html`."""

from __future__ import annotations

import io

import segno
from markupsafe import Markup


def qr_svg(text: str, label: str = "查进度二维码") -> Markup:
    """A QR code (ISO/IEC 18004, level M) as inline SVG; prints sharp at any size, dark on white also on a dark page."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=True, nl=False, border=2, omitsize=True, light="#fff", dark="#000",
        title=label,
    )  # fmt: skip
    # Our own drawing: nothing of `text` stands in it but as black squares, and segno escapes the title.
    return Markup(out.getvalue().decode())  # noqa: S704
