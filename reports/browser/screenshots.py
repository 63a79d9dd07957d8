"""``python -m reports.browser.screenshots``: take pictures of the page, light and dark, for the documentation."""

from __future__ import annotations

from pathlib import Path

from commands.command_line import command, option, refusing, start
from records.exit_codes import ExitCode
from reports.browser.chromium import NoBrowser, open_browser, require_page

SIZE = {"width": 1280, "height": 1500}
SCHEMES = ("light", "dark")


ALONE = """card => {
    card.style.cssText += "; width: max-content; max-width: 62rem; max-height: none; margin: 1rem";
    document.body.replaceChildren(card);
}"""
"""Leaves nothing on the page but one card, as wide as its lines."""


@command("python -m reports.browser.screenshots")
@option("--site")
@option("--docs")
def main(site: Path, docs: Path) -> ExitCode:
    """Write pictures of the page: its first screen, and the first failure card if there is one."""
    page = require_page(site)
    with refusing(NoBrowser, OSError):
        docs.mkdir(parents=True, exist_ok=True)
        with open_browser() as running:
            for scheme in SCHEMES:
                tab = running.new_page(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")
                tab.goto(page.as_uri())
                _write(docs / f"page-{scheme}.png", tab.screenshot())
                cards = tab.locator("pre")
                if cards.count():
                    card = cards.first.element_handle()
                    tab.evaluate(ALONE, card)
                    _write(docs / f"card-{scheme}.png", card.screenshot())
    return ExitCode.CLEAN


def _write(path: Path, picture: bytes) -> None:
    """Write a picture and say so."""
    path.write_bytes(picture)
    print(f"wrote {path}")


if __name__ == "__main__":
    start(main)
