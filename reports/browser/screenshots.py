"""``python -m reports.browser.screenshots``: take screenshots of the page, light and dark, for README and docs."""

from __future__ import annotations

from pathlib import Path

from records.command_line import command, option, refusing, start
from records.exit_codes import ExitCode
from reports.browser.chromium import NoBrowser, open_browser, require_page

SIZE = {"width": 1280, "height": 1500}
SCHEMES = ("light", "dark")


@command("python -m reports.browser.screenshots")
@option("--site")
@option("--docs")
def main(site: Path, docs: Path) -> ExitCode:
    """Write page-light.png and page-dark.png: the page as a browser shows it."""
    page = require_page(site)
    with refusing(NoBrowser, OSError):
        docs.mkdir(parents=True, exist_ok=True)
        with open_browser() as running:
            for scheme in SCHEMES:
                tab = running.new_page(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")
                tab.goto(page.as_uri())
                path = docs / f"page-{scheme}.png"
                path.write_bytes(tab.screenshot())
                print(f"wrote {path}")
    return ExitCode.CLEAN


if __name__ == "__main__":
    start(main)
