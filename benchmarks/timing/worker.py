"""``python -m benchmarks.timing.worker``: time the rows of one backend in this process, as a pytest session."""

from __future__ import annotations

import sys
from pathlib import Path

from conformance.session.run import run_pytest


def main(arguments: list[str]) -> int:
    """Run the session.

    Args:
        arguments: the options of ``conftest.py``, and of pytest.

    Returns:
        The exit code.
    """
    own = ["-p", "no:xdist", "-p", "no:randomly", "--benchmark-disable-gc"]
    return run_pytest(Path(__file__).parent, [*own, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
