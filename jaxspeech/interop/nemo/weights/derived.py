"""What the peer saves beside the parameters: the frontend's window and filters, and the count of the batches that each
BatchNorm has seen.

The first two follow from the configuration, but only to the last bit but one: the peer's cosine depends on its machine.
The third has no use here. So that a model read from a .nemo file can be written as it was, its metadata keeps them, as
text; what no longer fits the configuration is computed anew.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError

WINDOW, FILTERS = "preprocessor.featurizer.window", "preprocessor.featurizer.fb"
COUNT = ".num_batches_tracked"
# Which running statistic of a BatchNorm has the count beside it.
STATISTIC = ".running_var"


def keep(tensors: Mapping[str, Any]) -> dict[str, str]:
    """The derived tensors among the peer's, by name, as text."""
    names = [name for name in tensors if name in (WINDOW, FILTERS) or name.endswith(COUNT)]
    return {name: base64.b64encode(zlib.compress(np.asarray(tensors[name]).tobytes())).decode() for name in names}


def frontend_tensors(frontend: Any, kept: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Window [N] and filters [1, F, bins] of our `MelSpectrogram`."""
    if frontend.window != "none":
        yield WINDOW, _as_kept(WINDOW, frontend.analysis_window.astype(np.float32), kept)
    yield FILTERS, _as_kept(FILTERS, frontend.filters.T[None].astype(np.float32), kept)


def check_frontend(frontend: Any, tensors: Mapping[str, Any]) -> None:
    """The peer computes features with the window and filters that its file holds, we with those of the configuration.

    Raises:
      ArchiveError: they are not the same, but for the rounding of a half-precision file.
    """
    for name, computed in frontend_tensors(frontend, {}):
        if name in tensors:
            stored = np.asarray(tensors[name], np.float32)
            if stored.shape != computed.shape or not np.allclose(
                stored, computed, rtol=1e-2, atol=1e-2 * computed.max()
            ):
                raise ArchiveError(f"{name}: not the one that its configuration's preprocessor makes")


def with_counts(tensors: Iterable[tuple[str, np.ndarray]], kept: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """`tensors` with the count behind each BatchNorm's statistics; 0 where it is not known."""
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
