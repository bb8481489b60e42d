"""What a recogniser's search takes in besides the model's own scores: language models and lists of phrases."""

import math
import os
from pathlib import Path
from typing import Any

from jaxspeech.errors import ConfigError
from jaxspeech.inference.fusing import Fusing, PhraseLists, Weighted, start_of
from jaxspeech.inference.phrase_arena import PhraseArena
from jaxspeech.inference.phrase_trees import PhraseTrees
from jaxspeech.search.ngram_graph import Graph
from jaxspeech.text.tokenizer import Tokenizer

# Of a language model's log-probabilities, and of phrases.
LM_WEIGHT, BOOST_WEIGHT = 0.5, 1.0


class FusedModels:
    """The language models and phrases that one recogniser has been asked for.

    Args:
      tokenizer: the recogniser's.
      attention: whether it has an attention decoder.
    """

    def __init__(self, tokenizer: Tokenizer, *, attention: bool):
        self._tokenizer = tokenizer
        self._trees = PhraseTrees(tokenizer, attention=attention)
        arenas = PhraseArena(tokenizer.vocab_size), PhraseArena(tokenizer.vocab_size)
        self._lists = PhraseLists(self._tree, *arenas, tokenizer.vocab_size)
        self._last: tuple[Any, Any] = None, None

    def fusing(self, boost: Any, boost_weight: Any, language_model: Any, lm_weight: Any) -> Fusing:
        """Makes what one call gives to its search; see `inference.options.FusionOptions`.

        Raises:
          SpeechError: a list, a model or a weight cannot be used; the message is one line.
        """
        if lm_weight is not None and language_model is None:
            raise ConfigError(f"lm_weight is {lm_weight}, but there is no language_model that it could weigh")
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

    def _model(self, given: Any) -> Any:
        """Returns a language model for the search; a file is read again only if it has changed."""
        if hasattr(given, "fusion"):
            return given
        from jaxspeech.ngrams.lexicon import load_fusible

        key = given
        if isinstance(given, str | os.PathLike) and Path(given).is_file():
            facts = os.stat(given)
            key = os.fspath(given), facts.st_mtime_ns, facts.st_size
        if self._last[0] is not key and (self._last[0] != key or key is given):
            self._last = key, load_fusible(given, self._tokenizer)
        return self._last[1]


def _checked(name: str, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        raise ConfigError(f"{name} is {weight!r}; it must be a number")
    return float(weight)
