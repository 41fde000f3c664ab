"""The steps of README in the UI, and a browser that follows them sentence by sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reload_assets_tests.browser.served import Served
from reload_assets_tests.pages import CHECKOUT, DOCS, README

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
_PICTURES = os.environ.get("RELOAD_TEST_PICTURES")
_MOST_BYTES = 200_000
_ELEMENT_SECONDS = 60
_BACKFILL_SECONDS = 240
# Less to start, to draw and to fetch than a person's browser.
_LEAN = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    "--renderer-process-limit=1",
]


@contextmanager
def open_page() -> Iterator[Page]:
    """Yield a page of a browser whose window is as wide as the pictures of the documentation."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_LEAN)
        page = browser.new_page(viewport={"width": 1400, "height": 850}, reduced_motion="reduce")
        page.set_default_timeout(_ELEMENT_SECONDS * 1000)
        yield page
        browser.close()


def steps_in_readme() -> list[str]:
    """The numbered steps of the section about the UI, each in one line."""
    text = README.read_text(encoding="utf-8")
    section = re.split(r"^##+ ", text, flags=re.MULTILINE)
    (found,) = (part for part in section if part.startswith("Heal some days in the UI"))
    return [" ".join(step.split()) for step in re.findall(r"^\d+\. (.+?)(?=^\d+\. |\n\n|\Z)", found, re.M | re.S)]


class Newcomer:
    """Somebody who does what the steps say, and knows nothing but them, the page and what ``make ui`` has printed."""

    def __init__(self, page: Page, served: Served) -> None:
        self.page = page
        self.served = served
        self.terminal: subprocess.Popen[str] | None = None

    def follow(self, step: str) -> list[str]:
        """Do what a step says. Returns what it names and what none of the actions has used."""
        actions: dict[str, Callable[..., None]] = {
            r"Open \*([^*]+)\*": self.open,
            r"Click `([^`]+)`": self.click,
            r"Type the \*([^*]+)\*, as `\[[^`]+\]`, into the field below `([^`]+)`": self.type_below,
            r"\*from a second terminal\*": self.use_terminal,
            r"Wait until it is `([^`]+)`": self.wait_for,
            r"Click (the first of them)": self.click_first,
            r"a (chart) shows": self.see,
        }
        done = [
            (found.start(), action, found.groups())
            for pattern, action in actions.items()
            for found in re.finditer(pattern, step)
        ]
        for _, action, words in sorted(done, key=lambda one: one[0]):
            action(*words)
        rest = step
        for pattern in actions:
            rest = re.sub(pattern, "", rest)
        return re.findall(r"[`*][^`*]+[`*]", rest)

    def open(self, printed: str) -> None:
        self.page.goto(self.served.printed_after(printed))

    def click(self, words: str) -> None:
        # The UI writes an ellipsis as one character.
        written = re.escape(words).replace(re.escape("..."), r"(\.\.\.|…)")
        elements = self.page.locator("a, button, [role=tab]").filter(visible=True)
        elements.filter(has_text=re.compile(rf"^\s*{written}\s*$")).click()

    def type_below(self, printed: str, button: str) -> None:
        days = re.match(r"\S+", self.served.printed_after(f"{printed} in production"))
        assert days
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_text(button, exact=True).wait_for()
        # The damaged days lie between the first and the last day that the dialog shows, as it opens.
        shown = dialog.get_by_text(re.compile(r"^\d{4}-\d\d-\d\d$"))
        shown.nth(1).wait_for()
        first, last = shown.all_inner_texts()
        assert first < str(self.served.first_damaged) < last
        field = dialog.get_by_role("textbox").first
        field.fill(days[0])
        field.blur()
        self.picture("backfill-dialog")

    def use_terminal(self) -> None:
        """Start the printed line in a shell, as in a terminal of its own in the folder of the checkout."""
        self.terminal = subprocess.Popen(
            ["sh", "-c", self.served.command], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wait_for(self, words: str) -> None:
        # The page asks for news every few seconds. Dagster itself takes up to half a minute longer to close a backfill.
        self.page.get_by_text(words, exact=True).wait_for(timeout=_BACKFILL_SECONDS * 1000)

    def click_first(self, _words: str) -> None:
        self.page.get_by_title(str(self.served.first_damaged)).click()

    def see(self, words: str) -> None:
        self.page.get_by_role("cell", name=words, exact=True).wait_for()
        self.picture("healed-backfill")

    def picture(self, name: str, clip: FloatRect | None = None) -> None:
        """Take a picture of the page, or of a part, for the documentation, if ``make pictures`` asks for it."""
        if _PICTURES:
            self.page.mouse.move(0, 0)
            # What it shows may still be loading.
            self.page.wait_for_load_state("networkidle")
            file = DOCS / "pictures" / f"{name}.png"
            self.page.screenshot(path=file, animations="disabled", clip=clip)
            assert file.stat().st_size < _MOST_BYTES, file
