"""What an array in NumPy's own format claims to be, before any of it is read."""

from __future__ import annotations

import math
from typing import IO

import numpy as np

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def payload_size(file: IO[bytes]) -> int:
    """How many bytes are to follow; the file then stands before them.

    Raises ``ValueError`` for another format, and for pickled objects, which are never read.
    """
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"format {version} of .npy given, expected 1.0 or 2.0")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("pickled objects, which are never read; expected numbers")
    return math.prod(shape) * dtype.itemsize
