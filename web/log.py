"""The request log: one JSON line each, with who and what and how long, and never a value that somebody typed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from flask import Flask, Response, g, request

from casework.times import rfc3339

BYTES_EACH = 8 << 20
KEPT = 12


def log_requests(app: Flask, folder: Path, now: Callable[[], datetime]) -> None:
    """Write `requests.jsonl` (and what went wrong to `faults.log`) in `folder`, kept in turns of 8 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = logging.Logger("requests")
    lines.addHandler(_turning(folder / "requests.jsonl", "%(message)s"))
    faults = _turning(folder / "faults.log", "%(asctime)s %(name)s %(levelname)s %(message)s")
    faults.setLevel(logging.WARNING)
    logging.getLogger().addHandler(faults)

    @app.before_request
    def begin() -> None:
        g.began_at = now()

    @app.after_request
    def write(answer: Response) -> Response:
        began = g.get("began_at")
        session = g.get("session")
        lines.info(
            json.dumps(
                {
                    "at": rfc3339(now()),
                    "who": session.user.username if session is not None else None,
                    "did": request.method,
                    # The rule, not the address: no query, and no number of a case either.
                    "at_page": request.url_rule.rule if request.url_rule is not None else None,
                    "status": answer.status_code,
                    "ms": round((now() - began).total_seconds() * 1000) if began is not None else None,
                },
                ensure_ascii=False,
            )
        )
        return answer


def _turning(path: Path, form: str) -> RotatingFileHandler:
    handler = RotatingFileHandler(path, maxBytes=BYTES_EACH, backupCount=KEPT, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(form))
    return handler
