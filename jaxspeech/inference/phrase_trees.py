"""Builds the trees of lists of phrases for one model."""

import logging
from functools import lru_cache
from typing import Any

from jaxspeech.search.ngram_graph import Graph
from jaxspeech.search.phrase_tree import END_SCORE, phrase_graph
from jaxspeech.text.phrase_spelling import spell_phrases
from jaxspeech.text.phrases import Phrase, read_phrases
from jaxspeech.text.tokenizer import Tokenizer

LOGGER = logging.getLogger("jaxspeech.boost")
# Trees that are kept, in case their lists come again.
_KEPT = 64
# Phrases that are named in a warning.
_NAMED = 5
# The tree of no phrases.
NOTHING = phrase_graph([])


class PhraseTrees:
    """Makes trees of lists of phrases for one model; equal lists have the same tree.

    Args:
      tokenizer: the model's tokenizer.
      attention: whether the model has an attention decoder.
    """

    def __init__(self, tokenizer: Tokenizer, *, attention: bool):
        self._tokenizer = tokenizer
        # As in NeMo's recipes; the end of a text is a token that competes with the phrases' tokens.
        self._scores: Any = {"depth_scaling": 1.0, "end": END_SCORE} if attention else {"depth_scaling": 2.0}
        self._tree = lru_cache(_KEPT)(self._build)

    def tree(self, boost: Any) -> Graph:
        """Returns the tree of a list or file of phrases, see `text.phrases`.

        A phrase that the tokenizer cannot spell is left out; one line of the log names the first of them.

        Raises:
          ConfigError, TokenizerError: the list cannot be read, or is in a language that the tokenizer does not have.
        """
        return self._tree(read_phrases(boost))

    def _build(self, phrases: tuple[Phrase, ...]) -> Graph:
        if not phrases:
            return NOTHING
        spelled = spell_phrases(phrases, self._tokenizer)
        if missing := spelled.unspelled:
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            LOGGER.warning("boost: the tokenizer cannot spell %s%s", ", ".join(map(repr, missing[:_NAMED])), more)
        place: Any = {"space": spelled.space, "after_space": spelled.between}
        return phrase_graph(spelled.ids, spelled.weights, **place, **self._scores)
