"""The hypotheses of a transducer beam search: the slots of every utterance, how equal ones merge, and their tokens.

merge        hypotheses with equal tokens at the same frame (or finished) become one, log(e^a + e^b)
trace        each slot's parents and new tokens of all iterations lead from the best slots back to their tokens
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from jaxspeech.search.tokens import Tokens
from jaxspeech.search.transducer import GreedyState
from jaxspeech.search.transducer_predictions import Predictions

# Two polynomial hashes modulo 2^32 identify token sequences; the probability of a collision is 2^-64.
HASH_FACTORS = (1000003, 2654435761)


class Beam(NamedTuple):
    """The hypotheses; an empty slot has score -inf. `in_frame` is the number of tokens at the frame `time`."""

    score: Float[Any, "B K"]
    time: Int[Any, "B K"]
    in_frame: Int[Any, "B K"]
    num_tokens: Int[Any, "B K"]
    hashes: UInt[Any, "B K 2"]
    place: Int[Any, "B K"]  # of its prediction, see `search.transducer_predictions`
    fusion: Any  # the fused models' state


class Step(NamedTuple):
    """The effect of one iteration on each hypothesis: its parent's slot, and its new token (-1 for none)."""

    parent: Int[Any, "*steps B K"]
    label: Int[Any, "*steps B K"]
    start: Int[Any, "*steps B K"]
    end: Int[Any, "*steps B K"]
    log_prob: Float[Any, "*steps B K"]


class Loop(NamedTuple):
    """The hypotheses after `num_steps` iterations, and what each iteration did."""

    beam: Beam
    predictions: Predictions
    steps: Step
    num_steps: Int[Any, ""]


def first_hypotheses(state: GreedyState, beam_size: int, num_frames: Int[Any, "B 1"]) -> Beam:
    """Returns the initial beam: one empty hypothesis, in the first slot."""
    zeros = jnp.zeros((len(num_frames), beam_size), jnp.int32)
    return Beam(
        score=jnp.where(jnp.arange(beam_size) == 0, 0, -jnp.inf) + jnp.zeros(zeros.shape, jnp.float32),
        time=jnp.minimum(state.skip[:, None], num_frames) + zeros,
        in_frame=zeros,
        num_tokens=zeros,
        hashes=jnp.zeros((*zeros.shape, len(HASH_FACTORS)), jnp.uint32),
        place=jnp.arange(beam_size, dtype=jnp.int32) + zeros,
        fusion=jax.tree.map(lambda x: jnp.repeat(x[:, None], beam_size, axis=1), state.fusion),
    )


def no_steps(size: int, batch_size: int, beam_size: int) -> Step:
    """Returns room for the steps of `size` iterations."""
    zeros = jnp.zeros((size, batch_size, beam_size), jnp.int32)
    return Step(zeros, zeros, zeros, zeros, zeros.astype(jnp.float32))


def unfinished(beam: Beam, num_frames: Int[Any, "B 1"]) -> Bool[Array, "B K"]:
    """Returns which slots hold an unfinished hypothesis."""
    return (beam.time < num_frames) & (beam.score > -jnp.inf)


def merged_scores(beam: Beam) -> Float[Array, "B K"]:
    """Merges hypotheses with equal tokens and frame into the first of their slots (the best); returns the scores."""

    def equal(x: Array) -> Bool[Array, "B K K"]:
        return x[:, :, None] == x[:, None, :]

    same = equal(beam.time) & equal(beam.num_tokens) & equal(beam.hashes[..., 0]) & equal(beam.hashes[..., 1])
    earlier = jnp.tri(beam.score.shape[1], k=-1, dtype=bool)
    total = jax.nn.logsumexp(jnp.where(same, beam.score[:, None, :], -jnp.inf), axis=-1)
    return jnp.where((same & earlier).any(-1), -jnp.inf, total)


def trace(loop: Loop, best: Int[Any, "B M"], size: int) -> Tokens:
    """Traces the hypotheses in the slots `best` back to the first iteration; returns their tokens, [B M N] each."""
    row, rank = jnp.arange(best.shape[0])[:, None], jnp.arange(best.shape[1])
    num_tokens = loop.beam.num_tokens[row, best]

    def back(i: Any, carry: tuple[Any, Any, Tokens]) -> tuple[Any, Any, Tokens]:
        slot, place, tokens = carry
        step = jax.tree.map(lambda x: x[loop.num_steps - 1 - i][row, slot], loop.steps)
        emits = step.label >= 0
        place = place - emits
        column = jnp.where(emits, place, size)  # out of range: dropped

        def put(buffer: Array, values: Array) -> Array:
            return buffer.at[row, rank, column].set(values, mode="drop", unique_indices=True)

        tokens = tokens._replace(
            ids=put(tokens.ids, step.label),
            starts=put(tokens.starts, step.start),
            ends=put(tokens.ends, step.end),
            confidence=put(tokens.confidence, jnp.exp(step.log_prob)),
        )
        return step.parent, place, tokens

    empty = jnp.zeros((*best.shape, size), jnp.int32)
    tokens = Tokens(empty, num_tokens, empty, empty, empty.astype(jnp.float32), loop.beam.score[row, best])
    return jax.lax.fori_loop(0, loop.num_steps, back, (best, num_tokens, tokens))[2]


def flat(x: Array) -> Array:
    """Reshapes [B K ...] -> [B*K ...]."""
    return x.reshape(-1, *x.shape[2:])


def where(condition: Bool[Array, "B K"], new: Any, old: Any) -> Any:
    """Selects hypotheses of `new` where the condition holds, of `old` elsewhere, in every leaf of a tree."""
    return jax.tree.map(
        lambda n, o: jnp.where(condition.reshape(*condition.shape, *[1] * (n.ndim - 2)), n, o), new, old
    )
