"""Scores texts with a language model: load a model, score.

    lm = load("lm.jaxspeech", LanguageModel)
    lm.score(["a text", "another"])[0].log_prob
    lm.perplexity(lines).per_word

texts -> token ids -> batches of few shapes -> log-probabilities
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxspeech.archive import Archive, load_archive
from jaxspeech.errors import ConfigError, as_speech_error
from jaxspeech.pipelines.doors import WrongDoor
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.search.neural import Functions, NeuralModel
from jaxspeech.tasks.kinds import Generation
from jaxspeech.text.tokenizer import Tokenizer

# Texts are sorted by length among so many batches.
BATCHES_AHEAD = 16
LEAST_LENGTH = 8


class ScoredText(NamedTuple):
    """The probability of one text.

    Attributes:
      text: as it was given.
      log_prob: log p(text) in nats, of its end too.
      num_tokens: number of its tokens, without the end.
    """

    text: str
    log_prob: float
    num_tokens: int


class Perplexity(NamedTuple):
    """How well a model predicts some texts.

    Attributes:
      per_token, per_word: exp(-log p / count), the end of each text counted as one more.
      num_texts, num_tokens, num_words: of the texts, without their ends.
    """

    per_token: float
    per_word: float
    num_texts: int
    num_tokens: int
    num_words: int


class LanguageModel(Pipeline):
    """A language model and its tokenizer; what all pipelines have is documented at `Pipeline`.

    Attributes:
      tokenizer: text to ids; one of the assets.
    """

    takes = Generation

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not a language model, or has no tokenizer.
        """
        super().__init__(archive, dtype=dtype)
        if "tokenizer" not in self.assets:
            raise ConfigError("this language model has no tokenizer")
        self.tokenizer: Tokenizer = self.assets["tokenizer"]
        self._predict = jax.jit(self.task.predict)

    def fusible(self) -> NeuralModel:
        """Returns the model for a search (see `search.fusion`), which needs the same tokenizer."""
        key, generation = json.dumps(self.config, sort_keys=True, default=str), self.task.inference
        functions = Functions(key, generation.start, generation.step)
        return NeuralModel(self.variables, functions, start_id=self.tokenizer.vocab_size)

    def score(self, texts: Any, *, batch_size: int = 64) -> list[ScoredText]:
        """Computes the log-probability of each text, in order. It does not depend on the other texts.

        Args:
          texts: one, or an iterable of them; each counts as a sentence of its own. White space between words becomes
            a single space first.
          batch_size: texts that go through the model together.

        Raises:
          SpeechError: a text is no string, or cannot be encoded.
        """
        return list(self.score_iter(texts, batch_size=batch_size))

    def score_iter(self, texts: Any, *, batch_size: int = 64) -> Iterator[ScoredText]:
        """Like `score`, but yields each result after a few batches; the texts may come from an endless generator."""
        if batch_size < 1:
            raise ConfigError(f"score: batch_size is {batch_size}; it must be at least 1")
        remaining = iter([texts] if isinstance(texts, str) else texts)
        while chunk := list(islice(remaining, batch_size * BATCHES_AHEAD)):
            ids = [self._encode(text) for text in chunk]
            found = self.score_tokens(ids, batch_size=batch_size)
            for text, tokens, log_prob in zip(chunk, ids, found.tolist(), strict=True):
                yield ScoredText(text, log_prob, len(tokens))

    def score_tokens(self, texts: Sequence[Sequence[int]], *, batch_size: int = 64) -> np.ndarray:
        """Computes the log-probability of each of some texts that are given as token ids."""
        order, found = np.argsort([len(ids) for ids in texts], kind="stable"), np.zeros(len(texts), np.float32)
        for first in range(0, len(order), batch_size):
            chosen = order[first : first + batch_size]
            # The number of rows is a power of two, and so is the length: few programs.
            rows = min(1 << max(len(chosen) - 1, 0).bit_length(), batch_size)
            longest = max(len(texts[chosen[-1]]), LEAST_LENGTH)
            labels = np.zeros((rows, 1 << (longest - 1).bit_length()), np.int32)
            num_labels, index = np.zeros(rows, np.int32), np.full(rows, -1, np.int32)
            for row, place in enumerate(chosen):
                ids = texts[place]
                labels[row, : len(ids)], num_labels[row], index[row] = ids, len(ids), place
            batch = self.task.batch(labels, num_labels, index)
            found[chosen] = np.asarray(self._predict(self.variables, batch).log_prob)[: len(chosen)]
        return found

    def perplexity(self, texts: Any, *, batch_size: int = 64) -> Perplexity:
        """Computes the perplexity of all texts together; raises what `score` does."""
        total, counts = 0.0, np.zeros(3, np.int64)
        for text, log_prob, num_tokens in self.score_iter(texts, batch_size=batch_size):
            total += log_prob
            counts += (1, num_tokens, len(text.split()))
        num_texts, num_tokens, num_words = counts.tolist()
        per_token, per_word = (
            math.exp(min(-total / max(count + num_texts, 1), 690.0)) for count in (num_tokens, num_words)
        )
        return Perplexity(per_token, per_word, num_texts, num_tokens, num_words)

    def _encode(self, text: Any) -> list[int]:
        if not isinstance(text, str):
            raise ConfigError(f"score: a text is {text!r}; texts are strings")
        try:
            return list(self.tokenizer.encode(" ".join(text.split())))
        except Exception as error:  # whatever a tokenizer raises
            raise as_speech_error(error, f"{text[:60]!r}") from error


def open_language_model(path: str | os.PathLike[str]) -> LanguageModel:
    """Reads a language model.

    Raises:
      ArchiveError: the file cannot be read.
      ConfigError: it holds another kind of model.
    """
    try:
        return LanguageModel(load_archive(path))
    except WrongDoor as error:
        raise ConfigError(f"{os.fspath(path)}: this is {error.door.noun}, not a language model") from None
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from None
