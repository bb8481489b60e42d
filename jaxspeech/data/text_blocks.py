"""Text alone, for language models: blocks of tokens without end, from text files and manifests.

    stream(epoch) = the texts in the order of the files, each followed by an end token, rotated by a random amount
    block(i)      = stream[i T : (i + 1) T + 1]: T inputs, and the same T shifted by one as targets

An epoch shows every token once, in random order of the blocks; which block comes when follows from the step alone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from jaxspeech.data.files import locate, open_binary
from jaxspeech.data.manifest_index import parse_line
from jaxspeech.data.rng import PHASE, SHUFFLE, generator
from jaxspeech.errors import ManifestError
from jaxspeech.text.tokenizer import Tokenizer


class TextBlocks:
    """`blocks[step]`, or `blocks.batches(start_step)`: [B T+1] token ids.

    Attributes:
      num_tokens: of all texts, end tokens included. They are kept as numbers of two or four bytes.
      steps_per_epoch: batches until every token has been seen.
    """

    def __init__(
        self, paths: Sequence[str | Path], tokenizer: Tokenizer, *, length: int, batch_size: int, seed: int = 0
    ):
        """Spell all texts once.

        Args:
          paths: JSON lines (.jsonl or .json) with a "text", or files with a text on each line.
          tokenizer: of the ids; the end token follows as its `vocab_size`, the blank's place.
          length: T, tokens of a block.
          batch_size: blocks of a batch.
          seed: of the order.

        Raises:
          ManifestError: a file cannot be read, or the texts do not fill a batch.
          TokenizerError: a text cannot be spelt.
        """
        self._length, self._batch_size, self._seed = length, batch_size, seed
        kind = np.uint16 if tokenizer.vocab_size < 2**16 else np.uint32
        parts = [
            np.array([*tokenizer.encode(text), tokenizer.vocab_size], kind) for path in paths for text in _texts(path)
        ]
        self._tokens = np.concatenate(parts) if parts else np.zeros(0, kind)
        self.num_tokens = len(self._tokens)
        self.steps_per_epoch = self.num_tokens // (length * batch_size)
        if not self.steps_per_epoch:
            raise ManifestError(
                f"{', '.join(map(str, paths))}: {self.num_tokens} tokens do not fill a batch of {batch_size} x {length}"
            )

    def __getitem__(self, step: int) -> Int[np.ndarray, "B T1"]:
        epoch, position = divmod(step, self.steps_per_epoch)
        rotation = int(generator(self._seed, epoch, PHASE).integers(self.num_tokens))
        order = generator(self._seed, epoch, SHUFFLE).permutation(self.steps_per_epoch * self._batch_size)
        chosen = order[position * self._batch_size : (position + 1) * self._batch_size]
        places = rotation + chosen[:, None] * self._length + np.arange(self._length + 1)
        return self._tokens[places % self.num_tokens].astype(np.int32)

    def batches(self, start_step: int = 0) -> Iterator[Int[np.ndarray, "B T1"]]:
        """Batches from a step on, for ever."""
        step = start_step
        while True:
            yield self[step]
            step += 1


def _texts(path: str | Path) -> Iterator[str]:
    """The texts of a file; empty ones are passed over."""
    of_manifest = str(path).endswith((".json", ".jsonl"))
    with open_binary(locate(path), error=ManifestError) as file:
        for number, line in enumerate(file, 1):
            try:
                text = str(parse_line(line).get("text") or "") if of_manifest and line.strip() else line.decode()
            except (ManifestError, UnicodeDecodeError) as error:
                reason = error if isinstance(error, ManifestError) else "not UTF-8"
                raise ManifestError(f"{path}, line {number}: {reason}") from error
            if text.strip():
                yield text.strip()
