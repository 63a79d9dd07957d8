"""``python -m conformance``: the pytest front end, with the project's exit codes.

Takes the options in conftest.py and all of pytest's own, such as ``-k``, ``-n 2``, ``--lf`` and
``--junitxml``. Cases run in a worker process, or in as many as ``-n`` says, so that a backend that
crashes or hangs costs one case; ``-n 0`` runs them in this process, for a debugger; ``--workers`` and
``--scheduler`` on a cluster.
"""

import sys
from pathlib import Path

from conformance.session.run import run_pytest

if __name__ == "__main__":
    given = sys.argv[1:]
    fleet = any(word.startswith(("--workers", "--scheduler")) for word in given)
    sys.exit(
        run_pytest(
            Path(__file__).parent, ["-p", "fleet.plugin", "-n", "0" if fleet else "1", *given]
        )
    )
