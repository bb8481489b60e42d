"""Evaluation data for language models: every token is predicted once, from the tokens before it in its block.

    block(i) = ([end] + stream)[i T : (i + 1) T + 1], the last one shorter

where the stream is the texts in the order of the files, each followed by an end token.
"""

import copy
import math
import operator
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, SupportsIndex, TypeVar

import numpy as np

from jaxspeech.data.problems import Problems
from jaxspeech.data.share import Share
from jaxspeech.data.text_stream import TextStream
from jaxspeech.data.token_rows import TokenRows
from jaxspeech.errors import ManifestError
from jaxspeech.text.tokenizer import Tokenizer

B = TypeVar("B")


class EvaluationTextBlocks(Generic[B]):
    """Batches of blocks in order; the last batch is padded with filler rows (index -1).

    Attributes:
      batch_shapes: the shape of the batches, all of one kind.
      num_tokens: number of predicted tokens: all tokens of all texts, end tokens included.
      num_examples: number of blocks.
      num_batches: number of batches in one pass.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        tokenizer: Tokenizer,
        batch: type[B],
        *,
        length: int,
        batch_size: int,
        batch_tokens: int | float | None = None,
        data_shards: int = 1,
        process_index: int = 0,
        process_count: int = 1,
        problems: Problems | None = None,
    ):
        """Take the arguments of `TextBlocks`, except the seed; the texts need not fill a batch."""
        self._stream = TextStream(paths, tokenizer, problems=problems)
        self.num_tokens = len(self._stream.tokens)
        if not self.num_tokens:
            raise ManifestError(f"{', '.join(map(str, paths))}: no text")
        self._tokens = np.concatenate([np.array([self._stream.end], self._stream.tokens.dtype), self._stream.tokens])
        self.num_examples = math.ceil(self.num_tokens / length)
        share = Share(process_index, process_count)
        self._rows = TokenRows(batch, length=length, batch_size=batch_size, data_shards=data_shards, share=share)
        self._arrange(batch_tokens)

    def resized(self, batch_tokens: int | float) -> "EvaluationTextBlocks[B]":
        """The same texts in batches of a different size."""
        other = copy.copy(self)
        other._arrange(batch_tokens)
        return other

    def batches(self) -> Iterator[B]:
        """Yield the batches of one pass."""
        return map(self._load, range(self.num_batches))

    def batches_with(self, indices: Collection[int]) -> Iterator[B]:
        """Yield the batches that contain any of these blocks."""
        return map(self._load, sorted({index // self.batch_shapes[0].rows for index in indices}))

    def fields(self, index: SupportsIndex) -> dict[str, Any]:
        """The field "text" of a block: one line for each text in it."""
        return {"text": self._stream.spelled_out(self._block(operator.index(index))[1:])}

    def name(self, index: SupportsIndex) -> str:
        """The file and line of the text in which a block begins."""
        return self._stream.name(operator.index(index) * self._rows.length)

    @property
    def problems(self) -> Problems:
        """The lines that cannot be used."""
        return self._stream.problems

    def _arrange(self, batch_tokens: int | float | None) -> None:
        self.batch_shapes = (self._rows.shape(batch_tokens),)
        self.num_batches = math.ceil(self.num_examples / self.batch_shapes[0].rows)

    def _load(self, position: int) -> B:
        length, rows = self._rows.length, self.batch_shapes[0].rows
        mine = np.arange(position * rows, (position + 1) * rows)[self._rows.share.of(rows)]
        index = np.where(mine < self.num_examples, mine, -1)
        tokens, num_tokens = np.zeros((len(index), length + 1), np.int32), np.zeros(len(index), np.int32)
        for row in np.flatnonzero(index >= 0):
            block = self._block(int(index[row]))
            tokens[row, : len(block)], num_tokens[row] = block, len(block)
        return self._rows.fill(tokens, num_tokens, index)

    def _block(self, index: int) -> np.ndarray:
        return self._tokens[index * self._rows.length : (index + 1) * self._rows.length + 1]
