"""What a recogniser's search takes in besides the model's own scores: language models and lists of phrases."""

import math
import numbers
import os
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.errors import ConfigError
from jaxspeech.inference.fusing import Fusing, PhraseLists, Weighted, start_of
from jaxspeech.inference.phrase_arena import PhraseArena
from jaxspeech.inference.phrase_trees import PhraseTrees
from jaxspeech.pipelines.language_model import LanguageModel, open_language_model
from jaxspeech.search.fusion import Mixture
from jaxspeech.search.ngram_graph import Graph
from jaxspeech.text.phrases import MOST_WEIGHT
from jaxspeech.text.tokenizer import Tokenizer

# Of a language model's log-probabilities, and of phrases.
LM_WEIGHT, BOOST_WEIGHT = 0.5, 1.0
# Stands for the recogniser's own language model.
INTERNAL = "internal"
MOST_KEPT = 4


class FusedModels:
    """The language models and phrases that one recogniser has been asked for.

    Args:
      tokenizer: the recogniser's.
      attention: whether it has an attention decoder.
      internal: makes its internal language model.
    """

    def __init__(self, tokenizer: Tokenizer, *, attention: bool, internal: Callable[[], Any]):
        self._tokenizer, self._internal = tokenizer, internal
        self._trees = PhraseTrees(tokenizer, attention=attention)
        arenas = PhraseArena(tokenizer.vocab_size), PhraseArena(tokenizer.vocab_size)
        self._lists = PhraseLists(self._tree, *arenas, tokenizer.vocab_size)
        self._kept: dict[Any, tuple[Any, Any]] = {}

    def fusing(self, boost: Any, boost_weight: Any, language_model: Any, lm_weight: Any) -> Fusing:
        """Makes what one call gives to its search; see `inference.options.FusionOptions`.

        Raises:
          SpeechError: a list, a model or a weight cannot be used; the message is one line.
        """
        if lm_weight is not None and language_model is None:
            raise ConfigError(f"lm_weight is {lm_weight}, but there is no language_model that it could weigh")
        if isinstance(language_model, Mapping):
            language_model = list(language_model.items())
        if isinstance(language_model, list):
            if lm_weight is not None:
                raise ConfigError("lm_weight: the models of a list have their own weights, [(model, weight), ...]")
            language_model, lm_weight = self._mixture(language_model), 1.0
        weight = _checked("lm_weight", LM_WEIGHT if lm_weight is None else lm_weight)
        model = None if language_model is None else self._model(language_model)
        return Fusing(
            self._lists,
            language_model=None if model is None else Weighted(model, weight, [start_of(model)]),
            boost=boost,
            weight=_checked("boost_weight", BOOST_WEIGHT if boost_weight is None else boost_weight),
        )

    def _tree(self, boost: Any) -> Graph:
        """Returns the tree of a list; a file of NeMo's has one."""
        if not isinstance(boost, str | os.PathLike) or Path(boost).suffix != ".nemo":
            return self._trees.tree(boost)
        from jaxspeech.ngrams.nemo import read_automaton  # which is slow to import

        tree, _, config = read_automaton(boost)
        if int(config["vocab_size"]) != self._tokenizer.vocab_size:
            raise ConfigError(
                f"boost: {boost} was made for a tokenizer of {config['vocab_size']} tokens, and the model's has "
                f"{self._tokenizer.vocab_size}"
            )
        return tree

    def _mixture(self, given: list[Any]) -> Mixture:
        """Returns several models with their weights as one."""
        if not given or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in given):
            raise ConfigError(f"language_model is {given!r}; several models are given as [(model, weight), ...]")
        models = tuple(self._model(model) for model, _ in given)
        weights = np.array([_checked("language_model: a weight", weight) for _, weight in given], np.float32)
        return Mixture(models, weights, np.array([start_of(model) for model in models], np.int32))

    def _model(self, given: Any) -> Any:
        """Returns a language model for the search; a file is read again only if it has changed."""
        if hasattr(given, "fusion"):
            return given
        if given == INTERNAL:
            return self._internal()
        key = id(given)
        if isinstance(given, str | os.PathLike) and Path(given).is_file():
            facts = os.stat(given)
            key = os.fspath(given), facts.st_mtime_ns, facts.st_size
        if key not in self._kept:
            model = self._opened(given)
            while len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = given, model  # an object is not another one while it is kept
        return self._kept[key][1]

    def _opened(self, given: Any) -> Any:
        if isinstance(given, str | os.PathLike) and Path(given).suffix == ".jaxspeech":
            given = open_language_model(given)
        if isinstance(given, LanguageModel):
            if given.tokenizer.pieces != self._tokenizer.pieces:
                raise ConfigError(
                    "language_model: its tokens are not those of the recogniser; it can rescore, or be trained with "
                    "--config.tokenizer.path=RECOGNISER.jaxspeech"
                )
            return given.fusible()
        from jaxspeech.ngrams.lexicon import load_fusible  # which is slow to import
        from jaxspeech.ngrams.model import NgramModel

        if not isinstance(given, str | os.PathLike | NgramModel):
            raise ConfigError(
                f"language_model is {reprlib.repr(given)}; it must be a file, a model, or several with their weights, "
                "[(model, weight), ...]"
            )
        return load_fusible(given, self._tokenizer)


def _checked(name: str, weight: Any) -> float:
    try:
        value = float(weight) if isinstance(weight, numbers.Real) and not isinstance(weight, bool) else math.nan
    except OverflowError:  # an integer of hundreds of digits
        value = math.inf
    if not math.isfinite(value):
        raise ConfigError(f"{name} is {reprlib.repr(weight)}; it must be a number")
    if abs(value) > MOST_WEIGHT:
        raise ConfigError(f"{name} is {value:g}; the most is {MOST_WEIGHT:g}")
    return value
