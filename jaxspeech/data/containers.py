"""Files that hold many recordings (tar, ArrayRecord, Parquet): opened on first use, the least recently used closed."""

import importlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from jaxspeech.data.files import Location, is_url, locate
from jaxspeech.data.parquet import ParquetRows, is_row_group
from jaxspeech.data.tars import Tar, is_streamed
from jaxspeech.errors import AudioError

# Most files open at a time. A streamed tar takes space in the temporary folder; 24 are the 8 tars that an epoch mixes
# (shard_windows.py), the 8 before them and the 8 after them.
MOST_STREAMED, MOST_OPEN = 24, 256


class Records:
    """`records.read(place)` returns one record of an ArrayRecord file."""

    def __init__(self, path: Location):
        if is_url(path):
            raise AudioError(f"{path}: ArrayRecord files can only be read from local disks")
        local = locate(path)
        self._path = local
        if not isinstance(local, str) and not local.is_file():
            raise AudioError(f"{local}: no such file")
        try:
            library: Any = importlib.import_module("array_record.python.array_record_module")
        except ImportError as error:
            raise AudioError(f'{local}: needs array_record: python -m pip install "jaxspeech[train]"') from error
        # No read-ahead: it only helps sequential reading.
        self._reader = library.ArrayRecordReader(str(local), "readahead_buffer_size:0")
        if not self._reader.ok():
            raise AudioError(f"{local}: not an ArrayRecord file, or damaged")
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes:
        """Return the record with this number; raises AudioError if there is none, or it is damaged."""
        place = int(name)
        if not 0 <= place < self._reader.num_records():
            raise AudioError(f"{self._path}: has {self._reader.num_records()} records, none at {place}")
        try:
            with self._lock:
                return self._reader.read([place])[0]
        except (RuntimeError, ValueError) as error:
            raise AudioError(f"{self._path}: record {place} is damaged") from error


class Containers:
    """`read(path, member)` reads from tars, ArrayRecord files and row groups. Safe to call from any thread."""

    def __init__(self) -> None:
        self._open: dict[bool, OrderedDict[Location, Future[Tar | Records | ParquetRows]]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self._lock = threading.Lock()
        self._ahead = ThreadPoolExecutor(max_workers=2, thread_name_prefix="fetch")

    def read(self, path: Location, member: str | int) -> bytes:
        """Return the bytes of a member (a name in a tar, a position in an ArrayRecord file).

        Raises:
          AudioError: the file or the member cannot be read.
        """
        return self._get(path).result().read(str(member))

    def fetch(self, paths: Iterable[Location]) -> None:
        """Start copying the streamed files among these, which will be needed soon."""
        for path in paths:
            if _is_copied(path) and path not in self._open[True]:
                self._ahead.submit(self._get, path)

    def _get(self, path: Location) -> Future[Tar | Records | ParquetRows]:
        kept = self._open[_is_copied(path)]
        most = MOST_STREAMED if _is_copied(path) else MOST_OPEN
        with self._lock:
            future = kept.get(path)
            mine = future is None
            if future is None:
                future = kept[path] = Future()
            kept.move_to_end(path)
            while len(kept) > most:
                kept.popitem(last=False)  # readers that still use it keep it alive
        if mine:
            try:
                future.set_result(_open(path))
            except BaseException as error:  # raised in every thread that waits, and on each later read
                future.set_exception(error)
        return future


def _is_copied(path: Location) -> bool:
    """Whether a file is copied to the temporary folder before it is read."""
    return is_row_group(path) or is_streamed(path)


def _open(path: Location) -> Tar | Records | ParquetRows:
    if is_row_group(path):
        return ParquetRows(path)
    return Records(path) if str(path).endswith(".array_record") else Tar(path)
