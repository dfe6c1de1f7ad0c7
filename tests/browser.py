"""A real browser for the tests of pages: found on this machine, started without a network of its own, watched."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

PHONE, DESKTOP = (390, 844), (1280, 900)
_LOCAL_SCHEMES = {"data", "blob", "file", "about"}


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None: no browser is ever downloaded."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


needs_chromium = pytest.mark.skipif(
    find_chromium() is None, reason="no Chromium on this machine (apt-get install chromium): the page is not opened"
)


@dataclass
class Watched:
    """A page, what its console complained of, and every address it asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def wait_for(self, condition: str, seconds: float = 15.0) -> None:
        """Wait until a JavaScript expression is true: playwright's own `wait_for_function` needs `eval`, which a page's
        content security policy may forbid.
        """
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"still not so after {seconds:g} s: {condition}"
            self.page.wait_for_timeout(50)

    def asked_elsewhere(self) -> list[str]:
        """Return the addresses that are not on this machine."""
        return [
            address
            for address in self.requests
            if urlsplit(address).scheme not in _LOCAL_SCHEMES and urlsplit(address).hostname != "127.0.0.1"
        ]


@contextmanager
def watched_page(
    size: tuple[int, int] = DESKTOP, scheme: Literal["light", "dark"] = "light", **context: object
) -> Iterator[Watched]:
    """Yield a page in a new browser; further settings are those of playwright's `new_context`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        try:
            page = browser.new_context(
                viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, **context
            ).new_page()
            watched = Watched(page)
            page.on("console", lambda said: watched.errors.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: watched.errors.append(str(error)))
            page.on("request", lambda request: watched.requests.append(request.url))
            yield watched
        finally:
            browser.close()
