"""What NeMo saves beside the parameters: tensors that follow from the configuration (windows, filters, positions), and
the count of the batches that each BatchNorm has seen.

They follow only to the last bit but one: NeMo's cosine depends on its machine. So that a model read from a .nemo file
can be written as it was, its metadata keeps them as text; what no longer fits the configuration is computed again. The
count is of no use here.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError

# Name of a tensor -> the value that follows from the configuration, as NeMo writes it; None where a file may hold one
# that is neither checked nor written. The name of such a tensor may be a pattern: {any} stands for any text.
Derived = Mapping[str, np.ndarray | None]
COUNT = ".num_batches_tracked"
# Which running statistic of a BatchNorm has the count after it.
STATISTIC = ".running_var"


def keep(tensors: Mapping[str, Any], derived: Derived) -> dict[str, str]:
    """The derived tensors and counts among NeMo's tensors, by name, as text."""
    names = [name for name in tensors if derived.get(name) is not None or name.endswith(COUNT)]
    return {name: base64.b64encode(zlib.compress(np.asarray(tensors[name]).tobytes())).decode() for name in names}


def check(tensors: Mapping[str, Any], derived: Derived) -> None:
    """Checks what the file holds: NeMo computes with that, we with what follows from the configuration.

    Raises:
      ArchiveError: they differ, by more than the rounding of a half-precision file.
    """
    for name, computed in derived.items():
        if computed is not None and name in tensors:
            stored = np.asarray(tensors[name], np.float32)
            if stored.shape != computed.shape or not np.allclose(
                stored, computed, rtol=1e-2, atol=1e-2 * computed.max()
            ):
                raise ArchiveError(f"{name}: not the one that its configuration gives")


def derived_tensors(derived: Derived, kept: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Those that are written, as they were in the file that the model came from."""
    for name, computed in derived.items():
        if computed is not None:
            yield name, _as_kept(name, computed, kept)


def with_counts(tensors: Iterable[tuple[str, np.ndarray]], kept: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """`tensors` with the count after the statistics of each BatchNorm; 0 where it is not known."""
    for name, tensor in tensors:
        yield name, tensor
        if name.endswith(STATISTIC):
            count = name.removesuffix(STATISTIC) + COUNT
            yield count, _as_kept(count, np.zeros((), np.int64), kept)


def _as_kept(name: str, computed: np.ndarray, kept: Mapping[str, Any]) -> np.ndarray:
    """What was kept under `name`, if it is `computed` but for rounding; a count is taken as it is."""
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(kept[name]), computed.nbytes + 1)
        tensor = np.frombuffer(unpacked, computed.dtype).reshape(computed.shape)
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error):  # not kept, or another configuration's
        return computed
    if name.endswith(COUNT) or np.allclose(tensor, computed, rtol=1e-4, atol=1e-6):
        return tensor
    return computed
