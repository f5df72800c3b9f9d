"""Errors as statements to a person: one exception, one shape for programs, one calm page for people."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from casework.canonical import NotCanonical
from sync.peer import PeerError, StorageFull

log = logging.getLogger(__name__)

API = "/api/"
# No space, over the quota, larger than a file may be.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_ROOM_HEADER = "X_YIZHAN_NO_ROOM"
"""Set by the server when the disk had no room for the body of a request. Whoever sends it gets a 507 and nothing else.
"""

SENTENCES = {
    400: ("bad_request", "请求的内容看不懂。请退回上一页再试一次。"),
    401: ("not_signed_in", "请先登录。"),
    403: ("not_allowed", "您的账号不能做这一步。需要的话，请找有权限的同事。"),
    404: ("not_found", "没有找到这一页。可能是编号不对，或者内容还没有传到本站。"),
    405: ("wrong_method", "这一步不能这样做。请退回上一页，用页面上的按钮。"),
    409: ("conflict", "别处刚刚改过这里。请刷新后再看一遍。"),
    413: ("too_large", "内容太大，没有收下。照片请用普通清晰度重拍，文件请分成几个再传。"),
    415: ("wrong_type", "不认识这种内容格式。"),
    422: ("not_complete", "还有几处要改，改好再提交。"),
    429: ("too_many", "试得太频繁了，请稍等再试。"),
    500: ("our_fault", "程序出了错，已经记下。刚才没有保存的内容请再试一次。"),
    507: ("disk_full", "本站磁盘满了，这一次没有存上；以前保存的都在。请联系技术员清理磁盘后再试。"),
}


class Problem(Exception):
    """Something a person can understand and act on. `fields` maps dotted paths to sentences."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        return {"error": self.code, "message": self.message, "fields": self.fields}


def handle_errors(app: Flask) -> None:
    """Give every error of this app its one shape; a stack trace goes to the log and nowhere else."""

    @app.errorhandler(Problem)
    def on_problem(problem: Problem) -> Response:
        return _answer(problem)

    @app.errorhandler(StorageFull)
    def on_full(_error: StorageFull) -> Response:
        return _answer(_plain(507))

    @app.before_request
    def came_in_whole() -> None:
        if f"HTTP_{NO_ROOM_HEADER}" in request.environ:
            raise _plain(507)

    @app.errorhandler(OSError)
    def on_no_room(error: OSError) -> Response:
        # A large upload goes through a temporary file.
        return _answer(_plain(507)) if error.errno in NO_ROOM else on_fault(error)

    @app.errorhandler(PeerError)
    def on_peer(error: PeerError) -> Response:
        return _answer(_plain(error.status if error.status in SENTENCES else 500))

    @app.errorhandler(HTTPException)
    def on_http(error: HTTPException) -> Response:
        status = error.code or 500
        if status in (301, 302, 303, 307, 308):
            answer = error.get_response()
            assert isinstance(answer, Response)
            return answer
        problem = _plain(status)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            problem.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return _answer(problem)

    @app.errorhandler(NotCanonical)
    def on_uncarried(error: NotCanonical) -> Response:
        # Deep in a body where no schema looks, somebody sent a fraction or a huge number. Ours would come without one.
        return _answer(_plain(422)) if request.is_json else on_fault(error)

    @app.errorhandler(Exception)
    def on_fault(_error: Exception) -> Response:
        number = uuid4().hex[:8]
        log.exception("fault %s", number)
        plain = _plain(500)
        problem = Problem(500, plain.code, f"{plain.message}（报修时说编号 {number}）")
        try:
            return _answer(problem)
        except Exception:
            # What is at fault may be what every page needs, such as the line's state: then the sentence alone.
            log.exception("fault %s, and its page", number)
            return Response(problem.message, 500, mimetype="text/plain")


def _plain(status: int) -> Problem:
    code, sentence = SENTENCES.get(status, ("error", "这一步没有做成。请退回上一页再试一次。"))
    return Problem(status, code, sentence)


def _answer(problem: Problem) -> Response:
    if request.path.startswith(API):
        answer = jsonify(problem.body())
    else:
        answer = Response(render_template("error.html", problem=problem), mimetype="text/html")
    answer.status_code = problem.status
    answer.headers.update(problem.headers)
    return answer
