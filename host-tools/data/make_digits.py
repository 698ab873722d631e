#!/usr/bin/env python3
"""Writes digits-images-idx3-ubyte.gz and digits-labels-idx1-ubyte.gz beside this file.

Needs scikit-learn (checked with 1.9.1); run `python3 make_digits.py`. The files are the 1797 images
of `sklearn.datasets.load_digits` in their original order, one byte per pixel (0..=16), in the IDX
format. The gzip header carries no time stamp and no file name, so equal versions of zlib write equal
bytes; what is compressed is equal always.
"""

import gzip
import pathlib
import struct

import numpy
from sklearn.datasets import load_digits


def write_idx(path, array):
    """Writes `array` as unsigned bytes: two zero bytes, type 8, rank, sizes (big-endian), data."""
    assert array.min() >= 0 and array.max() <= 255 and (array == array.astype(numpy.uint8)).all()
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(numpy.uint8).tobytes(), 9, mtime=0))


here = pathlib.Path(__file__).parent
digits = load_digits()
write_idx(here / "digits-images-idx3-ubyte.gz", digits.images)
write_idx(here / "digits-labels-idx1-ubyte.gz", digits.target)
