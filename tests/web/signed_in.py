"""Somebody signed in with a real browser, at an app that is served for them alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from tests.sync.served import served


@contextmanager
def signed_in(app: Any, browser: Browser, password: str, **options: Any) -> Iterator[Page]:
    """The page on which wang has signed in; `options` are those of a browser's context."""
    with served(app) as url:
        context = browser.new_context(base_url=url, locale="zh-CN", **options)
        page = context.new_page()
        page.goto("/signin")
        page.get_by_label("用户名").fill("wang")
        page.get_by_label("密码").fill(password)
        page.get_by_role("button", name="登录").click()
        page.wait_for_url("**/")
        yield page
        context.close()
