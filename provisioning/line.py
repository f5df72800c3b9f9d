"""One small request over the line: the only road by which provisioning reaches the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from sync.peer import Garbled, Unreachable

# A county of a thousand stations has a key register of about 1.5 MB; nothing else here comes near it.
LONGEST_ANSWER_BYTES = 16 << 20


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The answer as an object; raises `Garbled` for a login page with status 200, or any stranger."""
        try:
            said = json.loads(self.body)
        except ValueError:
            raise Garbled(
                f"The answer (HTTP {self.status}) is not JSON; is there a login page between?", code=self._stranger()
            ) from None
        if not isinstance(said, dict):
            raise Garbled(f"The answer (HTTP {self.status}) is not a JSON object.")
        return said

    def _stranger(self) -> str:
        """Who it may have been that answered something else than JSON."""
        if 300 <= self.status < 400:
            return "redirected"
        if self.body.lstrip()[:1] != b"<":
            return "cut_short"
        return "login_page" if self.status < 300 or self.status == 511 else "proxy_error"


Post = Callable[[str, bytes, Mapping[str, str]], Answer]
"""POST a body to a URL; raises `sync.peer.Unreachable` when no answer comes."""


def poster(pool: urllib3.PoolManager, *, timeout_s: float = 15) -> Post:
    """Requests over kept connections; no redirects (only strangers redirect us), no retries."""

    def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            response = pool.request(
                "POST",
                url,
                body=body,
                # Without what urllib3 would say of itself: a contact goes over a thin line thirty times an hour.
                headers={**headers, "User-Agent": "yizhan", "Accept-Encoding": urllib3.util.SKIP_HEADER},
                timeout=timeout_s,
                redirect=False,
                retries=False,
                preload_content=False,
            )
            try:
                content = response.read(LONGEST_ANSWER_BYTES + 1, decode_content=True)
                if len(content) > LONGEST_ANSWER_BYTES:
                    response.close()
                    raise Garbled(f"The answer of {url} is longer than any of ours.")
                return Answer(response.status, content)
            finally:
                response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"{url}: {error}") from error

    return post
