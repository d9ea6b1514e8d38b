"""Whether files are what they were: a digest whose cost does not grow with their size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_BLOCKS, _BLOCK = 2**12, 2**14


def digest(named: Iterable[tuple[str, Path | None]]) -> str:
    """Digest of the names and sizes of files and of a part of their bytes.

    At most 2^12 blocks of 2^14 bytes, 64 MiB, are read, evenly spaced over all files as if they were one. So all of it
    is read where the files have no more than that. Of T bytes, any T / 2^12 in a row that differ are found; shorter
    changes, such as a single photograph among a million, only by chance, unless their size changes too. Dates are not
    looked at, so that copies have the digest of the original. Whoever wants to deceive can.

    Args:
        named: names that do not depend on where the files are, with their paths; None for one that is not read.
    """
    files = [(name, path, None if path is None else path.stat().st_size) for name, path in named]
    found = hashlib.sha256(repr([(name, size) for name, _, size in files]).encode())
    step = max(_BLOCK, -(-sum(size or 0 for _, _, size in files) // _BLOCKS))
    begin = 0  # of the file, in all of them
    for _, path, size in files:
        end = begin + (size or 0)
        # A block may begin in one file and end in the next.
        first = max(0, begin - _BLOCK + 1)
        blocks = [(max(start, begin), min(start + _BLOCK, end)) for start in range(-(-first // step) * step, end, step)]
        if path is not None and size and blocks:
            with path.open("rb") as file:
                for start, stop in blocks:
                    file.seek(start - begin)
                    found.update(file.read(stop - start))
        begin = end
    return found.hexdigest()
