"""Headers of .npy arrays, checked before any data is read."""

from __future__ import annotations

import math
from typing import IO

import numpy as np

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def payload_size(file: IO[bytes]) -> int:
    """Return the size of an array's data, as its header states it.

    Args:
        file: a file at the start of an array; afterwards it is at the start of the data.

    Returns:
        The size in bytes.

    Raises:
        ValueError: another format version, or pickled objects, which are never read.
    """
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"format {version} of .npy given, expected 1.0 or 2.0")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("pickled objects given, which are never read; expected numbers")
    return math.prod(shape) * dtype.itemsize
