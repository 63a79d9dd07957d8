"""``python -m reports.screenshots``: the page as it looks, light and dark, for the README and docs."""

from __future__ import annotations

import sys
from pathlib import Path

from reports.browser import NoBrowser, browser
from reports.exit_codes import ExitCode
from reports.options import Parser

SIZE = {"width": 1280, "height": 1500}
SCHEMES = ("light", "dark")


def main(arguments: list[str]) -> ExitCode:
    """Write page-light.png and page-dark.png."""
    parser = Parser("python -m reports.screenshots", __doc__)
    parser.add_argument("--site", type=Path, default=Path("reports/site"), metavar="DIR",
                        help="where index.html is (default: %(default)s)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR",
                        help="(default: %(default)s)")  # fmt: skip
    given = parser.parse_args(arguments)
    page = given.site / "index.html"
    if not page.is_file():
        parser.error(
            f"--site {given.site}: no index.html there; expected what `nox -s report` writes"
        )
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        with browser() as running:
            for scheme in SCHEMES:
                tab = running.new_page(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")
                tab.goto(page.resolve().as_uri())
                path = given.out / f"page-{scheme}.png"
                path.write_bytes(tab.screenshot())
                print(f"wrote {path}")
    except (NoBrowser, OSError) as why:
        parser.error(str(why))
    return ExitCode.CLEAN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
