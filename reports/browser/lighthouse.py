"""``python -m reports.browser.lighthouse``: run Google's Lighthouse on the page, served from this machine.

Needs ``npx`` (Node.js) and Chromium. The full report is written next to the site's folder as lighthouse.json.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from rich.table import Table

from commands.command_line import Refused, command, option, refusing, start
from records.exit_codes import ExitCode
from reports.browser.chromium import ARGUMENTS, NoBrowser, find_chromium, require_page
from reports.terminal import standard_output

VERSION = "12.8.2"
FIGURES = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time",
           "cumulative-layout-shift", "dom-size")  # fmt: skip


@command("python -m reports.browser.lighthouse")
@option("--site")
@option("--form", choices=("mobile", "desktop"), default="mobile")
def main(site: Path, form: str) -> ExitCode:
    """Print Lighthouse's scores of the page, the metrics behind them, and the failed audits."""
    page = require_page(site)
    npx = shutil.which("npx")
    if npx is None:
        raise Refused("no npx on the PATH; install Node.js")
    with refusing(NoBrowser):
        browser = find_chromium()
    report = page.parent.with_name("lighthouse.json")
    command_line = [npx, "--yes", f"lighthouse@{VERSION}", "--quiet", "--output=json", f"--output-path={report}",
               f"--chrome-flags={' '.join(ARGUMENTS)}"]  # fmt: skip
    command_line += ["--preset=desktop"] if form == "desktop" else []
    with serve(page) as address, standard_output().status("Lighthouse"):
        done = subprocess.run(
            [*command_line, address], check=False, env={**os.environ, "CHROME_PATH": browser}
        )
    if done.returncode:
        raise Refused(f"Lighthouse ended with exit code {done.returncode}; its messages are above")
    standard_output().print(table(json.loads(report.read_text("utf-8"))))
    print(f"wrote {report}")
    return ExitCode.CLEAN


def table(report: dict[str, Any]) -> Table:
    """Format a Lighthouse report as a table.

    Args:
        report: the report as JSON.

    Returns:
        Scores from 0 to 100, then metrics, then failed audits.

    """
    shown = Table("audit", "result", title=f"Lighthouse {report['lighthouseVersion']}", box=None,
                  title_justify="left", pad_edge=False)  # fmt: skip
    for category in report["categories"].values():
        score = category["score"]  # None where Lighthouse has no score
        shown.add_row(category["title"], "–" if score is None else f"{score * 100:.0f}")
    audits = report["audits"]
    for name in FIGURES:
        shown.add_row(audits[name]["title"], audits[name].get("displayValue", "–"))
    for name, audit in audits.items():
        if audit["score"] == 0 and name not in FIGURES:
            shown.add_row(f"failed: {audit['title']}", audit.get("displayValue", ""))
    return shown


@contextmanager
def serve(page: Path) -> Iterator[str]:
    """Serve the page to this machine, gzip-compressed as web hosts do.

    Args:
        page: path of the page.

    Yields:
        The address of the page.

    """
    packed = gzip.compress(page.read_bytes())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            if self.path != "/index.html":
                self.send_error(404)
                return
            self.send_response(200)
            for name, value in {"Content-Type": "text/html; charset=utf-8", "Content-Encoding": "gzip",
                                "Content-Length": str(len(packed))}.items():  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(packed)

        def log_message(self, *_: object) -> None:
            """Print no line per request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/index.html"
        finally:
            server.shutdown()


if __name__ == "__main__":
    start(main)
