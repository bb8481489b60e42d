"""Gives a search its language model and phrases: adds them to the variables of each batch, see `search.fusion`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.errors import SpeechError
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.phrase_arena import PhraseArena
from jaxspeech.inference.phrase_trees import NOTHING
from jaxspeech.search.fusion import FUSION, Fused
from jaxspeech.search.ngram_graph import Graph
from jaxspeech.types import Variables

# The field of a manifest's line with the phrases of its recording.
FIELD = "boost"


class Weighted(NamedTuple):
    """A model for the search, its weight, and what it begins with in each row."""

    model: Any
    weight: float
    starts: Sequence[int]


class PhraseLists(NamedTuple):
    """The lists of phrases of one recogniser, kept between calls.

    Attributes:
      tree: makes the tree of a list.
      arena: of the lists of calls. These may be long, and are not packed again whenever a recording brings its own.
      own: of the lists of recordings.
      vocab_size: V of the tokenizer.
    """

    tree: Callable[[Any], Graph]
    arena: PhraseArena
    own: PhraseArena
    vocab_size: int


class Fusing:
    """What one call gives to the search.

    Args:
      lists: of the recogniser.
      language_model: of all recordings, with one start; None: there is none.
      boost: the list of phrases of all recordings that have none of their own; None: there is none.
      weight: of the phrases.
    """

    def __init__(
        self,
        lists: PhraseLists,
        *,
        language_model: Weighted | None = None,
        boost: Any = None,
        weight: float = 1.0,
    ):
        self.lists, self.language_model, self.weight = lists, language_model, weight
        self.phrases = None if boost is None else lists.tree(boost)

    def given(self, recording: Recording) -> Recording:
        """Returns a recording with the tree of its own list, or with the problem that this cannot be read."""
        if recording.problem or recording.fields.get(FIELD) is None:
            return recording
        try:
            return recording._replace(phrases=self.lists.tree(recording.fields[FIELD]))
        except SpeechError as error:
            return recording._replace(problem=f"{recording.source}: {error}")

    def variables(self, variables: Variables, recordings: Sequence[Recording], rows: int) -> Variables:
        """Returns the variables with what the recordings of a batch need; the variables themselves if it is nothing."""
        own = [recording.phrases for recording in recordings]
        models = [] if self.language_model is None else [self.language_model]
        if self.phrases is not None:
            roots = self.lists.arena.roots([self.phrases if tree is None else NOTHING for tree in own])
            models.append(Weighted(self.lists.arena.ngram, self.weight, roots))
        if any(tree is not None for tree in own):
            roots = self.lists.own.roots([NOTHING if tree is None else tree for tree in own])
            models.append(Weighted(self.lists.own.ngram, self.weight, roots))
        return with_models(variables, models, rows)


class StreamFusing:
    """What live streams give to their search: one language model, and one arena with the lists of all streams.

    Args:
      fusing: what is given to streams that bring no phrases of their own.
      size: number of streams.
    """

    def __init__(self, fusing: Fusing, size: int):
        self._fusing, self._arena = fusing, PhraseArena(fusing.lists.vocab_size)
        self._trees = [fusing.phrases or NOTHING] * size

    def open(self, row: int, boost: Any) -> None:
        """Sets the phrases of a stream; None: those of all streams.

        Raises:
          SpeechError: the list cannot be used.
        """
        self._trees[row] = (self._fusing.phrases or NOTHING) if boost is None else self._fusing.lists.tree(boost)

    def variables(self, variables: Variables) -> Variables:
        """Returns the variables with the models; the states of streams stay valid."""
        lm = self._fusing.language_model
        roots = self._arena.roots(self._trees)
        models = [*([] if lm is None else [lm]), Weighted(self._arena.ngram, self._fusing.weight, roots)]
        return with_models(variables, models, len(self._trees))


def with_models(variables: Variables, models: Sequence[Weighted], rows: int) -> Variables:
    """Returns the variables with models for the search; the variables themselves if there are none.

    Args:
      rows: of the batch; where a model has fewer starts, they are repeated.
    """
    if not models:
        return variables
    starts = np.stack([np.resize(np.array(model.starts, np.int32), rows) for model in models], axis=1)
    weights = np.array([model.weight for model in models], np.float32)
    return {**variables, FUSION: Fused(tuple(model.model for model in models), weights, starts)._asdict()}


def start_of(model: Any) -> int:
    """Returns what a model begins a text with: an n-gram model's state after <s>; others have no numbers for states."""
    return int(model.starts[1]) if hasattr(model, "starts") else 0
