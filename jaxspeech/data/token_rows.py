"""Puts rows of T + 1 tokens into batches: T inputs, and the same shifted by one as T targets."""

from typing import Any, Generic, TypeVar

import jax
import numpy as np
from jaxtyping import Integer

from jaxspeech.data.buckets import make_buckets
from jaxspeech.data.columns.column import check_fields
from jaxspeech.data.share import Share
from jaxspeech.types import BatchShape

B = TypeVar("B")


class TokenRows(Generic[B]):
    """Makes batches of the type `batch`, with the fields tokens [B T+1], num_tokens [B] and index [B]."""

    def __init__(self, batch: type[B], *, length: int, batch_size: int, data_shards: int, share: Share):
        """Check the fields of the batch.

        Args:
          batch: a NamedTuple class.
          length: T.
          batch_size: most rows of a batch.
          data_shards: number of devices that a batch is split over.
          share: the share of each batch's rows that this process fills.

        Raises:
          TypeError: the batch has other fields.
        """
        check_fields(batch, ("tokens", "num_tokens"))
        self.length = length
        self.share = share
        self._batch: Any = batch
        self._batch_size = batch_size
        self._data_shards = data_shards

    def shape(self, batch_tokens: int | float | None) -> BatchShape:
        """Return the shape of batches with at most `batch_tokens` tokens; None: of the most rows.

        Raises:
          ConfigError: the batches cannot be split between devices or processes.
        """
        tokens = self._batch_size * self.length if batch_tokens is None else batch_tokens
        options: dict[str, Any] = {"max_batch_size": self._batch_size, "multiple_of": self._data_shards}
        rows = make_buckets([self.length], batch_seconds=tokens, **options)[0].batch_size
        self.share.check([rows])
        arrays = {
            name: jax.ShapeDtypeStruct(shape, np.int32)
            for name, shape in {"tokens": (rows, self.length + 1), "num_tokens": (rows,), "index": (rows,)}.items()
        }
        return BatchShape(self._batch(**arrays), rows=rows, size=float(self.length), unit="tokens")

    def fill(
        self,
        tokens: Integer[np.ndarray, "B T1"],
        num_tokens: Integer[np.ndarray, " B"],
        index: Integer[np.ndarray, " B"],
    ) -> B:
        """Make a batch of these rows."""
        arrays = {"tokens": tokens, "num_tokens": num_tokens, "index": index}
        return self._batch(**{name: values.astype(np.int32) for name, values in arrays.items()})
