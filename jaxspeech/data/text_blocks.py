"""Training data for language models: an endless sequence of token blocks, from text files and manifests.

    stream(epoch) = the texts in the order of the files, each followed by an end token, rotated by a random amount
    block(i)      = stream[i T : (i + 1) T + 1]: T inputs, and the same T shifted by one as targets

An epoch shows every token once, with the blocks in random order; the blocks of a batch depend on the step alone.
"""

import copy
import operator
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Generic, SupportsIndex, TypeVar

import numpy as np

from jaxspeech.data.problems import Problems
from jaxspeech.data.rng import PHASE, SHUFFLE, generator
from jaxspeech.data.share import Share
from jaxspeech.data.text_stream import TextStream
from jaxspeech.data.token_rows import TokenRows
from jaxspeech.errors import ManifestError
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import BatchShape

B = TypeVar("B")


class TextBlocks(Generic[B]):
    """Batches of blocks to train on: `blocks[step]`, or `blocks.batches(start_step)`.

    Attributes:
      batch_shapes: the shape of the batches, all of one kind.
      num_tokens: number of tokens of all texts, end tokens included.
      steps_per_epoch: number of batches until every token has been seen.
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
        seed: int = 0,
        data_shards: int = 1,
        process_index: int = 0,
        process_count: int = 1,
        problems: Problems | None = None,
    ):
        """Read and encode all texts.

        Args:
          paths: JSON lines (.jsonl or .json) with a "text", or files with a text on each line.
          tokenizer: encodes the texts; the end token is its `vocab_size`, the id of the blank.
          batch: the NamedTuple class to fill: tokens [B T+1], num_tokens [B] and index [B].
          length: T, the number of tokens in a block.
          batch_size: most blocks in a batch.
          batch_tokens: most tokens in a batch; 0 gives the smallest batches. By default batch_size decides.
          seed: seed of the order.
          data_shards: number of devices that a batch is split over.
          process_index, process_count: this process yields its share of each batch's rows.
          problems: collects lines that are broken or cannot be encoded; a new collection by default.

        Raises:
          ConfigError: the batches cannot be split.
          ManifestError: a file cannot be read, too many lines cannot be used, or the texts do not fill a batch.
        """
        self._paths, self._seed = paths, seed
        self._stream = TextStream(paths, tokenizer, problems=problems)
        self.num_tokens = len(self._stream.tokens)
        share = Share(process_index, process_count)
        self._rows = TokenRows(batch, length=length, batch_size=batch_size, data_shards=data_shards, share=share)
        self._arrange(batch_tokens)

    def resized(self, batch_tokens: int | float) -> "TextBlocks[B]":
        """The same texts in batches of a different size."""
        other = copy.copy(self)
        other._arrange(batch_tokens)
        return other

    def shapes(self, batch_tokens: int | float) -> tuple[BatchShape, ...]:
        """`resized(batch_tokens).batch_shapes` without planning the batches."""
        return (self._rows.shape(batch_tokens),)

    def __getitem__(self, step: int) -> B:
        length, rows = self._rows.length, self.batch_shapes[0].rows
        epoch, position = divmod(step, self.steps_per_epoch)
        rotation = int(generator(self._seed, epoch, PHASE).integers(self.num_tokens))
        order = generator(self._seed, epoch, SHUFFLE).permutation(self.steps_per_epoch * rows)
        chosen = order[position * rows : (position + 1) * rows][self._rows.share.of(rows)]
        places = (rotation + chosen[:, None] * length + np.arange(length + 1)) % self.num_tokens
        # The index is that of the position in the unrotated stream, so that `name` finds the text.
        return self._rows.fill(self._stream.tokens[places], np.full(len(chosen), length + 1), places[:, 0] // length)

    def batches(self, start_step: int = 0) -> Iterator[B]:
        """Yield batches from `start_step` on, without end."""
        return map(self.__getitem__, count(start_step))

    def name(self, index: SupportsIndex) -> str:
        """The file and line of a text near the start of a block: it begins in this text or soon after."""
        return self._stream.name(operator.index(index) * self._rows.length)

    @property
    def problems(self) -> Problems:
        """The lines that cannot be used."""
        return self._stream.problems

    def _arrange(self, batch_tokens: int | float | None) -> None:
        shape = self._rows.shape(batch_tokens)
        self.batch_shapes = (shape,)
        self.steps_per_epoch = self.num_tokens // (self._rows.length * shape.rows)
        if not self.steps_per_epoch:
            raise ManifestError(
                f"{', '.join(map(str, self._paths))}: {self.num_tokens} tokens do not fill a batch of "
                f"{shape.rows} x {self._rows.length}"
            )
