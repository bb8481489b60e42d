"""Handles what NeMo saves besides the parameters: derived tensors and the batch counts of BatchNorm.

Derived tensors (windows, filters, positions) follow from the configuration, but only up to the last bit, because NeMo's
cosine depends on the machine. So that a model read from a .nemo file can be written back unchanged, its metadata keeps
them as text; those that no longer match the configuration are computed again. The count of the batches that each
BatchNorm has seen is not used here. Tensors of float64 are kept in the same way, because variables are float32.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError

# Name of a tensor -> the value that follows from the configuration, as NeMo writes it; None if a file may hold the
# tensor, but it is neither checked nor written. In this case the name may be a pattern: {any} stands for any text.
Derived = Mapping[str, np.ndarray | None]
COUNT = ".num_batches_tracked"
# The running statistic of a BatchNorm after which NeMo writes the count.
STATISTIC = ".running_var"


def keep(tensors: Mapping[str, Any], derived: Derived) -> dict[str, str]:
    """Encodes the derived tensors, the counts and the tensors of float64 among NeMo's tensors as text, by name."""
    names = [name for name in tensors if derived.get(name) is not None or name.endswith(COUNT)]
    names += [name for name in tensors if name not in names and _is_double(tensors[name])]
    return {name: base64.b64encode(zlib.compress(np.asarray(tensors[name]).tobytes())).decode() for name in names}


def check(tensors: Mapping[str, Any], derived: Derived) -> None:
    """Checks a file's derived tensors: NeMo computes with them, we with those that follow from the configuration.

    Raises:
      ArchiveError: they differ by more than the rounding of a half-precision file.
    """
    for name, computed in derived.items():
        if computed is not None and name in tensors:
            stored = np.asarray(tensors[name], np.float32)
            if stored.shape != computed.shape or not np.allclose(
                stored, computed, rtol=1e-2, atol=1e-2 * computed.max()
            ):
                raise ArchiveError(f"{name}: not the one that its configuration gives")


def derived_tensors(derived: Derived, kept: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the derived tensors to write, as they were in the file that the model came from."""
    for name, computed in derived.items():
        if computed is not None:
            yield name, _as_kept(name, computed, kept)


def with_counts(tensors: Iterable[tuple[str, np.ndarray]], kept: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields `tensors`, with the count after the statistics of each BatchNorm; 0 if it is not known.

    Tensors of float64 are as they were in the file that the model came from.
    """
    for name, tensor in tensors:
        yield name, _as_kept(name, tensor, kept) if _is_double(tensor) else tensor
        if name.endswith(STATISTIC):
            count = name.removesuffix(STATISTIC) + COUNT
            yield count, _as_kept(count, np.zeros((), np.int64), kept)


def _is_double(tensor: Any) -> bool:
    return tensor.dtype == np.float64


def _as_kept(name: str, computed: np.ndarray, kept: Mapping[str, Any]) -> np.ndarray:
    """Returns what was kept under `name` if it equals `computed` up to rounding; a count is returned unchecked."""
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(kept[name]), computed.nbytes + 1)
        tensor = np.frombuffer(unpacked, computed.dtype).reshape(computed.shape)
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error):  # not kept, or from another configuration
        return computed
    if name.endswith(COUNT) or np.allclose(tensor, computed, rtol=1e-4, atol=1e-6 + 1e-5 * float(computed.max())):
        return tensor
    return computed
