"""The language models by which a recogniser's alternatives were rescored, kept between calls."""

import os
from typing import Any

import numpy as np

from jaxspeech.errors import ConfigError
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.rescoring import Rescoring
from jaxspeech.pipelines.language_model import LanguageModel, open_language_model
from jaxspeech.search.rescore import Weights
from jaxspeech.text.tokenizer import Tokenizer


class Rescorers:
    """The language model of the last call.

    Args:
      tokenizer: the recogniser's.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._last: tuple[Any, LanguageModel] | None = None

    def rescoring(self, wanted: Wanted) -> Rescoring | None:
        """Makes what rescores one call's alternatives; None if nothing is to.

        Raises:
          ConfigError: `rescore` is no language model.
        """
        if wanted.rescore is None:
            return None
        model, size = self._model(wanted.rescore), max(wanted.batch_size, 16)

        def score(texts: Any) -> np.ndarray:
            return np.array([found.log_prob for found in model.score_iter(texts, batch_size=size)], np.float32)

        return Rescoring(self._tokenizer, score, Weights(float(wanted.rescore_weight), float(wanted.length_reward)))

    def _model(self, given: Any) -> LanguageModel:
        if isinstance(given, LanguageModel):
            return given
        if not isinstance(given, str | os.PathLike):
            raise ConfigError(f"rescore is {given!r}; it must be a path or a LanguageModel")
        if self._last is None or self._last[0] != os.fspath(given):
            self._last = os.fspath(given), open_language_model(given)
        return self._last[1]
