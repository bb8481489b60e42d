"""Puts trees of phrases side by side in one automaton, in which each row of a batch begins at the root of its own list.

Each tree has a region of states; a region whose tree is not in use any more is given to the next tree that fits. The
arrays of the automaton have padded sizes, so that other trees of the same size class need no other program.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.inference.phrase_trees import NOTHING
from jaxspeech.search.ngram import Ngram
from jaxspeech.search.ngram_graph import Graph, join, pack

# Up to so many states in all, trees that are not in use stay, in case they come again.
MOST_STATES = 1 << 15
_LEAST_REGION = 16


class _Region(NamedTuple):
    tree: Graph
    states: int


class PhraseArena:
    """Trees side by side.

    Args:
      vocab_size: V of the tokenizer.

    Attributes:
      ngram: all trees; the root of the first, that of no phrases, is state 0.
    """

    def __init__(self, vocab_size: int):
        self._vocab_size = vocab_size
        self._regions = [_Region(NOTHING, 1)]
        self.ngram: Ngram = self._packed()

    def roots(self, trees: Sequence[Graph]) -> list[int]:
        """Returns the states in which texts begin, of trees that stay in their places until the next call.

        So a tree that was among those of the last call, and is among these, has not moved.
        """
        used = {id(tree): tree for tree in (NOTHING, *trees)}
        places = {id(region.tree): i for i, region in enumerate(self._regions)}
        new = [tree for tree in used.values() if id(tree) not in places]
        for tree in new:
            self._place(tree, used)
        if new:
            self.ngram = self._packed()
        firsts = np.cumsum([0, *(region.states for region in self._regions)])
        roots = {id(region.tree): int(firsts[i]) + region.tree.starts[1] for i, region in enumerate(self._regions)}
        return [roots[id(tree)] for tree in trees]

    def _place(self, tree: Graph, used: dict[int, Any]) -> None:
        needed = max(_LEAST_REGION, 1 << (len(tree.backoffs) - 1).bit_length())
        if sum(region.states for region in self._regions) + needed > MOST_STATES:
            free = (i for i, region in enumerate(self._regions) if id(region.tree) not in used)
            fits = [i for i in free if self._regions[i].states >= needed]
            if fits:
                best = min(fits, key=lambda i: self._regions[i].states)
                self._regions[best] = self._regions[best]._replace(tree=tree)
                return
            while self._regions[-1].states > 1 and id(self._regions[-1].tree) not in used:
                self._regions.pop()
        self._regions.append(_Region(tree, needed))

    def _packed(self) -> Ngram:
        union, _ = join([_with_states(region.tree, region.states) for region in self._regions])
        return pack(union, self._vocab_size, probability=False)


def _with_states(tree: Graph, states: int) -> Graph:
    """Adds states that nothing leads to."""
    more = (0, states - len(tree.backoffs))
    arrays = {name: np.pad(getattr(tree, name), more) for name in ("backoffs", "backoff_weights", "finals")}
    return tree._replace(**arrays)
