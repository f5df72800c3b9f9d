"""Blank forms and samples beside a guide: opened, saved, printed. Only the file that the county signed is given."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from flask import Blueprint, send_file, url_for
from werkzeug.wrappers import Response

from casework.documents import blank as blanks
from node.station import Station
from provisioning.register import CATALOGUE
from web.cases.services import CaseServices
from web.errors import Problem
from web.signin import allow


def pages(station: Station, services: CaseServices) -> Blueprint:
    del services
    area = Blueprint("blanks", __name__)

    @area.get("/blanks/<id>")
    @allow("agent", "township", "head")
    def file(id: str) -> Response:
        store = station.store(CATALOGUE)
        document, kept = store.get(blanks.blank_id(id)), store.attachment(blanks.blank_id(id), blanks.FILE)
        if document is None or kept is None:
            raise Problem(404, "no_such_blank", "这张表还没有收到。等收到新一版目录再看，或请县里发一份。")
        if not blanks.is_its_file(document, kept.data):
            raise Problem(409, "not_the_signed_file", "这张表的文件和县里签发的不一样，不能用。请县里重新发一份。")
        said = document["file"]
        return send_file(
            BytesIO(kept.data), mimetype=said["media_type"], as_attachment=True, download_name=said["name"]
        )

    @area.app_template_global()
    def blank_url(material: Mapping[str, Any], kind: str) -> str | None:
        """Where a material's blank form or sample lies, for the guide; None where it has none."""
        name = material.get(kind)
        return url_for("blanks.file", id=name) if name else None

    return area
