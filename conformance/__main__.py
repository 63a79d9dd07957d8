"""``python -m conformance``: the pytest front end, with the project's exit codes.

Takes the options in conftest.py and all of pytest's own, such as ``-k``, ``-n 2``, ``--lf`` and
``--junitxml``.
"""

import sys
from pathlib import Path

from conformance.session import run_pytest

if __name__ == "__main__":
    sys.exit(run_pytest(Path(__file__).parent, sys.argv[1:]))
