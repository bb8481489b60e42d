"""Finds texts that repeat the same tokens over and over: a failure of decoders that choose one token after another.

r_n = how many of the last tokens equal the token n places before them             n = 1 .. LONGEST
loop: r_n >= max(n R, LEAST) for some n: after its first occurrence, an n-gram was repeated at least R times

A language repeats words too, but not so often: "no, no, no", telephone numbers.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

# The longest n-gram that is looked for, and the fewest tokens that are a loop.
LONGEST, LEAST = 32, 12


class Runs(NamedTuple):
    """The ends of texts, as far as it matters to loops.

    Attributes:
      recent: the last LONGEST tokens, the last one first; -1 before the first token.
      lengths: r_n.
    """

    recent: Int[Array, "*rows n"]
    lengths: Int[Array, "*rows n"]


def start_runs(rows: tuple[int, ...]) -> Runs:
    """Returns the runs of empty texts."""
    return Runs(jnp.full((*rows, LONGEST), -1, jnp.int32), jnp.zeros((*rows, LONGEST), jnp.int32))


def add_token(runs: Runs, tokens: Int[Array, "*rows"]) -> Runs:
    """Returns the runs of the texts with one more token."""
    tokens = tokens[..., None]
    lengths = jnp.where(runs.recent == tokens, runs.lengths + 1, 0)
    return Runs(jnp.concatenate([tokens, runs.recent[..., :-1]], -1), lengths)


def in_loop(runs: Runs, most_repeats: Int[Any, "*#rows"]) -> Bool[Array, "*rows"]:
    """Returns which texts end in a loop: some n-gram was repeated at least R = `most_repeats` times."""
    needed = jnp.maximum(jnp.arange(1, LONGEST + 1) * jnp.asarray(most_repeats)[..., None], LEAST)
    return (runs.lengths >= needed).any(-1)


def without_loop(ids: Int[Any, " N"] | Sequence[int], *, most_repeats: int, least: int = LEAST) -> int:
    """Returns how many tokens of a text remain if a loop at its end is cut to one repetition; all without a loop.

    Args:
      ids: of the text.
      most_repeats: R.
      least: the fewest repeated tokens that are a loop.
    """
    text = np.asarray(ids)
    for n in range(1, min(LONGEST, len(text)) + 1):
        differs = np.flatnonzero(text[n:] != text[:-n])
        run = len(text) - n - (differs[-1] + 1 if len(differs) else 0)
        if run >= max(n * most_repeats, least):
            return len(text) - int(run)
    return len(text)
