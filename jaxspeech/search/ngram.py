"""Queries n-gram language models and trees of boosted phrases, for all hypotheses of a search at once.

log p(v | state) = weight of the arc (state, v), if there is one, or else
                   backoff weight of the state + log p(v | backoff state)

A state is a history that the model knows; it backs off to the longest of its endings that the model knows too. The
last one, a root, is the empty history: it backs off to itself, with the weight of the tokens that it has no arc for.

A root has a row of all tokens. Every other arc is found by one look-up: the labels of a state are split into blocks of
2^shift, and a block has a region of 2^b slots and a multiplier m with which no two of its labels meet:
slot = offset + (label * m mod 2^32) // 2^(32-b). So the cost does not depend on the number of arcs, and there is no
table of states x vocabulary.

Sources: the automaton is that of NeMo's NGPU-LM (Bataev et al., 2025); perfect hashing of Fredman, Komlós and
Szemerédi (1984).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from jaxspeech.search.fusion import Fusion

# The label of an empty slot; no token.
EMPTY = -(2**31)


class Ngram(NamedTuple):
    """An automaton over tokens, as `ngram_graph.pack` makes it: an argument of compiled programs, not a constant.

    The sizes R (roots), S (states), G (blocks) and P (slots) are padded to classes, so that another model of the same
    classes needs no other program. All weights are natural logarithms.

    Attributes:
      tokens: 0, 1, ... V - 1; V is its length.
      starts: the states of an empty text: the empty history, and after <s>.
      root_weights, root_targets: log p(v | root) and the state after it, also of tokens without an arc.
      blocks, shifts: the first block of each state, and the logarithm of the labels in each of its blocks. The block of
        a root is its row among the roots.
      offsets: the first slot of each block.
      multipliers: m of each block, whose last 5 bits are b instead.
      labels, weights, targets: the arc in each slot; `EMPTY` if there is none.
      backoffs, backoff_weights: of each state. A root's are itself and the weight of a token without an arc.
      finals: log p(</s> | state), backoffs included.
      bounds: two scores of each state between which those of all tokens are.
      probability: 1 for a language model, 0 for boosted phrases.
    """

    tokens: Int[Any, " V"]
    starts: Int[Any, " 2"]
    root_weights: Float[Any, "R V"]
    root_targets: Int[Any, "R V"]
    blocks: Int[Any, " S"]
    shifts: Int[Any, " S"]
    offsets: Int[Any, " G"]
    multipliers: UInt[Any, " G"]
    labels: Int[Any, " P"]
    weights: Float[Any, " P"]
    targets: Int[Any, " P"]
    backoffs: Int[Any, " S"]
    backoff_weights: Float[Any, " S"]
    finals: Float[Any, " S"]
    bounds: Float[Any, "S 2"]
    probability: Float[Any, ""]

    def fusion(self, weight: Float[Any, ""], starts: Int[Array, " B"]) -> Fusion:
        """Returns this model with a weight, for a search whose rows begin in the states `starts`; see `Fusible`."""

        def weighted(values: Array) -> Array:
            return jnp.where(weight == 0, 0, weight * values)  # 0 * -inf, of an impossible token, is not a number

        return Fusion(
            state=starts.astype(jnp.int32),
            scores=lambda states: weighted(scores(self, states)),
            candidates=lambda states, tokens: weighted(candidates(self, states, tokens)),
            bound=lambda states: weighted(self.bounds[states]).max(-1),
            extend=lambda states, tokens: extend(self, states, tokens),
            end=lambda states: weighted(end(self, states)),
            weight=weight * self.probability,
        )


def start(ngram: Ngram, num_rows: int, *, begin: bool = True) -> Int[Array, " B"]:
    """Returns the state of an empty text for each row.

    Args:
      begin: whether the text begins a sentence: the state after <s>, else the one without a history.
    """
    return jnp.full(num_rows, ngram.starts[int(begin)], jnp.int32)


def scores(ngram: Ngram, states: Int[Array, "*rows"]) -> Float[Array, "*rows V"]:
    """Returns log p(v | state) of all tokens."""
    return advance(ngram, states)[0]


def candidates(ngram: Ngram, states: Int[Array, "*rows"], tokens: Int[Array, "*rows C"]) -> Float[Array, "*rows C"]:
    """Returns log p(v | state) of some tokens of each row; an id that is no token costs as one without an arc."""
    walk = _walk(ngram, states, tokens)
    known, missing = _is_token(ngram, tokens), _at(ngram.backoff_weights, walk.state)[..., None]
    weights = _at(ngram.root_weights, (walk.root(ngram)[..., None], tokens))
    return walk.scores(ngram, jnp.where(known, weights, missing))


def extend(ngram: Ngram, states: Int[Array, "*rows"], tokens: Int[Array, "*rows"]) -> Int[Array, "*rows"]:
    """Returns the states after one more token; that after an id that is no token is the root."""
    walk = _walk(ngram, states, tokens[..., None])
    targets = _at(ngram.root_targets, (walk.root(ngram), tokens))
    return walk.targets(ngram, jnp.where(_is_token(ngram, tokens), targets, walk.state)[..., None])[..., 0]


def advance(ngram: Ngram, states: Int[Array, "*rows"]) -> tuple[Float[Array, "*rows V"], Int[Array, "*rows V"]]:
    """Returns log p(v | state) of all tokens, and the states after each of them."""
    walk = _walk(ngram, states, jnp.broadcast_to(ngram.tokens, (*states.shape, len(ngram.tokens))))
    root = walk.root(ngram)  # a whole row is copied, where `candidates` looks up each token
    weights, targets = _at(ngram.root_weights, root), _at(ngram.root_targets, root)
    return walk.scores(ngram, weights), walk.targets(ngram, targets)


def end(ngram: Ngram, states: Int[Array, "*rows"]) -> Float[Array, "*rows"]:
    """Returns log p(</s> | state)."""
    return ngram.finals[states]


class _Walk(NamedTuple):
    """The backoff states of each row so far.

    Attributes:
      state: the one to look at next.
      total: sum of the backoff weights on the way to it.
      live: whether the row has to look further: not if it found all tokens or is at its root.
      slots: where each token was found; -1 if it was not.
      before: `total` where it was found.
    """

    state: Int[Array, "*rows"]
    total: Float[Array, "*rows"]
    live: Any
    slots: Int[Array, "*rows C"]
    before: Float[Array, "*rows C"]

    def root(self, ngram: Ngram) -> Int[Array, "*rows"]:
        """Returns the rows' roots, where they came to them; any elsewhere."""
        return _at(ngram.blocks, self.state)

    def scores(self, ngram: Ngram, root: Float[Array, "*rows C"]) -> Float[Array, "*rows C"]:
        found = self.before + _at(ngram.weights, self.slots)
        return jnp.where(self.slots >= 0, found, self.total[..., None] + root)

    def targets(self, ngram: Ngram, root: Int[Array, "*rows C"]) -> Int[Array, "*rows C"]:
        return jnp.where(self.slots >= 0, _at(ngram.targets, self.slots), root)


def _walk(ngram: Ngram, states: Int[Array, "*rows"], tokens: Int[Array, "*rows C"]) -> _Walk:
    """Follows the backoffs of all rows until each has found its tokens or is at its root."""

    def look(walk: _Walk) -> _Walk:
        slots = _slots(ngram, walk.state[..., None], tokens)
        hit = (_at(ngram.labels, slots) == tokens) & walk.live[..., None] & (walk.slots < 0)
        slots = jnp.where(hit, slots, walk.slots)
        further = walk.live & (slots < 0).any(-1)
        state = jnp.where(further, _at(ngram.backoffs, walk.state), walk.state)
        return _Walk(
            state=state,
            total=jnp.where(further, walk.total + _at(ngram.backoff_weights, walk.state), walk.total),
            live=further & (_at(ngram.backoffs, state) != state),
            slots=slots,
            before=jnp.where(hit, walk.total[..., None], walk.before),
        )

    states = jnp.asarray(states)
    zeros = jnp.zeros(states.shape, ngram.weights.dtype)
    first = _Walk(
        state=states,
        total=zeros,
        live=_at(ngram.backoffs, states) != states,
        slots=jnp.full(tokens.shape, -1, jnp.int32),
        before=jnp.zeros(tokens.shape, zeros.dtype),
    )
    return jax.lax.while_loop(lambda walk: walk.live.any(), look, first)


def _slots(ngram: Ngram, states: Int[Array, "*rows 1"], tokens: Int[Array, "*rows C"]) -> Int[Array, "*rows C"]:
    """Returns the only slot in which the arc of each token can be."""
    block = _at(ngram.blocks, states) + (tokens >> _at(ngram.shifts, states))
    multiplier = _at(ngram.multipliers, block)
    product = tokens.astype(jnp.uint32) * (multiplier & jnp.uint32(~31 & 0xFFFFFFFF))
    within = (product >> 1) >> (31 - (multiplier & 31))  # a shift by 32 is undefined
    return _at(ngram.offsets, block) + within.astype(jnp.int32)


def _is_token(ngram: Ngram, tokens: Int[Array, "*rows"]) -> Bool[Array, "*rows"]:
    return (tokens >= 0) & (tokens < len(ngram.tokens))


def _at(array: Array, places: Any) -> Array:
    return jnp.asarray(array).at[places].get(mode="clip", wrap_negative_indices=False)
