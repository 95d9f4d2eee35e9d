"""A real Chromium, headless, that opens a file as a person would; see `chromium` and `Tab`.

It needs the extra `browser` (Playwright, without a browser of its own) and a Chromium on PATH.
"""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Tab:
    """A tab that remembers what a page should not do: complain, or ask the network for anything.

    Attributes
    ----------
    page : Playwright's
    errors : what was written to the console as an error or a warning, or thrown
    requests : the addresses that were asked for, beside that of a file itself
    """

    def __init__(self, page):
        self.page, self.errors, self.requests = page, [], []
        page.on("console", self._told)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._asked)

    def open(self, path):
        """Open a local file."""
        self.page.goto(Path(path).absolute().as_uri())

    def press(self, *keys):
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector):
        """Return what a person reads in an element."""
        return self.page.inner_text(selector)

    def overflows(self):
        """Whether the page is wider than its window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )

    def unlabelled(self):
        """Return the controls that have no name for those who cannot see them."""
        return self.page.evaluate(
            """[...document.querySelectorAll("button, input, select, textarea, progress, a")]
            .filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length
                || e.getAttribute("aria-labelledby")))
            .map(e => e.outerHTML)"""
        )

    def _told(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _asked(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.requests.append(request.url)


@contextmanager
def chromium(folder, *, dark=False, width=1280, height=900):
    """Start a Chromium whose user data are in `folder`, and give a `Tab` of it.

    Skips the test where Playwright or Chromium is missing. Fails it if the page has complained, or
    has asked the network for anything.
    """
    reason = "needs the extra `browser`: bash tests/run --with browser"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip("needs Chromium on PATH: apt-get install chromium, say")
    with playwright.sync_playwright() as started:
        context = started.chromium.launch_persistent_context(
            str(folder),
            executable_path=executable,
            headless=True,
            args=FLAGS,
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": height},
            accept_downloads=True,
        )
        context.set_default_timeout(10_000)
        tab = Tab(context.pages[0])
        try:
            yield tab
        finally:
            context.close()
    assert tab.errors == []
    assert tab.requests == []
