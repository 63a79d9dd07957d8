"""Run ``rnnspec bench`` as ``python -m benchmarks``."""

import sys

from rnnspec.cli import main

if __name__ == "__main__":
    main(["bench", *sys.argv[1:]])
