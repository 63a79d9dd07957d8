"""``python -m reports.browser.screenshots``: the page as it looks, light and dark, for the README and docs."""

from __future__ import annotations

import sys
from pathlib import Path

from records.exit_codes import ExitCode
from records.options import Parser
from reports.browser.chromium import NoBrowser, add_site_option, open_browser, require_page

SIZE = {"width": 1280, "height": 1500}
SCHEMES = ("light", "dark")


def main(arguments: list[str]) -> ExitCode:
    """Write page-light.png and page-dark.png."""
    parser = Parser("python -m reports.browser.screenshots", __doc__)
    add_site_option(parser)
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR",
                        help="(default: %(default)s)")  # fmt: skip
    given = parser.parse_args(arguments)
    page = require_page(parser, given.site)
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        with open_browser() as running:
            for scheme in SCHEMES:
                tab = running.new_page(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")
                tab.goto(page.as_uri())
                path = given.out / f"page-{scheme}.png"
                path.write_bytes(tab.screenshot())
                print(f"wrote {path}")
    except (NoBrowser, OSError) as why:
        parser.error(str(why))
    return ExitCode.CLEAN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
