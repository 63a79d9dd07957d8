"""Run ``rnnspec report`` as ``python -m reports``."""

import sys

from rnnspec.cli import main

if __name__ == "__main__":
    main(["report", *sys.argv[1:]])
