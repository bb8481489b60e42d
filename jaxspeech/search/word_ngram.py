"""Uses an n-gram model over words in a search over tokens.

The tokens of a text spell words, along a tree of the words that the model knows. A word counts when it is complete:

gain(token within a word) = ahead(node after) - ahead(node)
gain(end of a word)       = log p(word | words before) - ahead(node)

ahead(node) is the largest log-probability, without a history, of a word below the node, so that a search does not
prefer unfinished words; over a text it cancels out. A spelling that is not in the tree is <unk>.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.search import ngram
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.ngram import Ngram

# What a token does: continues a word, begins one, or stands between two.
CONTINUES, BEGINS, SEPARATES = 0, 1, 2
# Nodes of the tree: no word yet, and a spelling that is none of the words.
NO_WORD, OTHER = 0, 1


class WordNgram(NamedTuple):
    """A model over words with their spellings, as `ngrams.lexicon` makes it; a `Fusible`.

    Attributes:
      words: the model.
      spellings: the tree: its states are the nodes, and its weights the gains within words.
      word_of: the word of each node; -1 if it is none.
      ahead: see above; 0 for `NO_WORD`.
      marks: what each token does.
    """

    words: Ngram
    spellings: Ngram
    word_of: Int[Any, " S"]
    ahead: Float[Any, " S"]
    marks: Int[Any, " V"]

    @property
    def starts(self) -> Int[Any, " 2"]:
        """The states of an empty text of the model over words."""
        return self.words.starts

    def fusion(self, weight: Float[Any, ""], starts: Int[Array, " B"]) -> Fusion:
        """Returns this model with a weight, for a search whose rows begin in these states of `words`."""
        starts = starts.astype(jnp.int32)

        def weighted(values: Array) -> Array:
            return jnp.where(weight == 0, 0, weight * values)

        def scores(states: Any) -> Array:
            tokens = self.spellings.tokens
            return candidates(states, jnp.broadcast_to(tokens, (*states[0].shape, len(tokens))))

        def candidates(states: Any, tokens: Array) -> Array:
            marks = self.marks.at[tokens].get(mode="clip")
            nodes = jnp.stack([states[1], jnp.full_like(states[1], NO_WORD)])
            within, first = ngram.candidates(self.spellings, nodes, jnp.broadcast_to(tokens, (2, *tokens.shape)))
            finished = self.finish(states)[1][..., None]
            return weighted(jnp.where(marks == CONTINUES, within, finished + jnp.where(marks == BEGINS, first, 0)))

        def bound(states: Any) -> Array:
            finished = self.finish(states)[1][..., None]
            within, first = self.spellings.bounds[states[1]], self.spellings.bounds[NO_WORD]
            beginning = jnp.stack([jnp.minimum(first[0], 0), jnp.maximum(first[1], 0)])
            both = jnp.concatenate([within, finished + beginning], axis=-1)
            return weighted(both).max(-1)

        def extend(states: Any, tokens: Array) -> Any:
            marks = self.marks.at[tokens].get(mode="clip")
            history = jnp.where(marks == CONTINUES, states[0], self.finish(states)[0])
            source = jnp.where(marks == CONTINUES, states[1], NO_WORD)
            node = ngram.extend(self.spellings, source, tokens)
            return history, jnp.where(marks == SEPARATES, NO_WORD, node)

        def end(states: Any) -> Array:
            history, gain = self.finish(states)
            return weighted(gain + ngram.end(self.words, history))

        return Fusion(
            state=(starts, jnp.full_like(starts, NO_WORD)),
            scores=scores,
            candidates=candidates,
            bound=bound,
            extend=extend,
            end=end,
            weight=weight * self.words.probability,
        )

    def finish(self, states: Any) -> tuple[Int[Array, "*rows"], Float[Array, "*rows"]]:
        """Ends the word of each row: the state of the model after it, and the gain; nothing where there is no word."""
        history, node = states
        word = self.word_of[node]
        gain = ngram.candidates(self.words, history, word[..., None])[..., 0] - self.ahead[node]
        after = ngram.extend(self.words, history, word)
        return jnp.where(node == NO_WORD, history, after), jnp.where(node == NO_WORD, 0, gain)
