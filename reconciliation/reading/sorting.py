"""Sorts records that come in any order, in bounded memory: sorted runs in temporary files, merged; it keeps no file."""

import heapq
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO

from reconciliation.core.record import Record

RUN = 50_000
"""Records that are held and sorted at once."""
_BLOCK = 1_000
"""Records that are written and read at once."""


def sorted_by_key(
    records: Iterable[Record], *, run: int = RUN, beat: Callable[[], None] = lambda: None
) -> Iterator[Record]:
    """This will give the records in ascending order of their keys; of equal keys in the order they came in.

    What fits into one run is never written. The files have no name and are gone when the iteration ends. `beat` is
    told that it gets on whenever something was read from one.
    """
    source = iter(records)
    first = sorted(islice(source, run), key=_key)
    held = next(source, None)
    if held is None:
        yield from first
        return
    files = [_written(first)]
    while held is not None:
        files.append(_written(sorted((held, *islice(source, run - 1)), key=_key)))
        held = next(source, None)
    del first
    try:
        yield from heapq.merge(*(_read(file, beat=beat) for file in files), key=_key)
    finally:
        for file in files:
            file.close()


def _key(record: Record) -> str:
    return record.key


def _written(records: list[Record]) -> IO[bytes]:
    file = tempfile.TemporaryFile(prefix="reconcile-")  # noqa: SIM115 - closed when the merge ends
    for start in range(0, len(records), _BLOCK):
        block = [(one.key, one.values, dict(one.row)) for one in records[start : start + _BLOCK]]
        pickle.dump(block, file, protocol=pickle.HIGHEST_PROTOCOL)
    file.seek(0)
    return file


def _read(file: IO[bytes], *, beat: Callable[[], None]) -> Iterator[Record]:
    while True:
        try:
            block = pickle.load(file)  # noqa: S301 - our own file, which has no name
        except EOFError:
            return
        beat()
        for key, values, row in block:
            yield Record(key, values, row)
