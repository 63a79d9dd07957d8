"""Run ``rnnspec check`` as ``python -m conformance``."""

import sys

from rnnspec.cli import main

if __name__ == "__main__":
    main(["check", *sys.argv[1:]])
