"""The texts of a CTC beam search and their paths, and what a frame does to those that get no further token.

Of the paths over the frames so far that spell a text, some end in a blank and the others in its last token; a frame
makes blanks of both, and repeats the token of the others only.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from jaxspeech.search.ctc_trace import FrameRuns
from jaxspeech.search.fusion import Fusion

# Two polynomial hashes modulo 2^32 identify token sequences; the probability of a collision is 2^-64.
HASH_FACTORS = (1000003, 2654435761)


class Paths(NamedTuple):
    """Log-probabilities of the paths of each text: of those that end in a blank, and in the last token."""

    blank: Float[Any, "B K"]
    token: Float[Any, "B K"]


class Texts(NamedTuple):
    """The K texts of the beam; an empty slot has only paths of probability 0.

    Attributes:
      total: of all paths, b and n of the equations; with merge="max" only one of both is above 0.
      best: of the most probable one.
      added: what the models and the bonus add to the score.
      last: last token of each text; -1 if it is empty.
      hashes, prefixes: of the text, and of the text without its last token.
      models: state of the fused models.
    """

    total: Paths
    best: Paths
    added: Float[Any, "B K"]
    last: Int[Any, "B K"]
    length: Int[Any, "B K"]
    hashes: UInt[Any, "B K 2"]
    prefixes: UInt[Any, "B K 2"]
    models: Any


class Stayed(NamedTuple):
    """The paths of the texts after a frame that adds no token to them, and the places that they come from.

    Attributes:
      total, best: as of `Texts`.
      either_from: place, see `BeamStep`, of the best path before; the best one that now ends in a blank comes from it.
      token_from: that of the best path that ends in a token, see `BeamStep`.
      blank_from: place of the best path before that ended in a blank.
    """

    total: Paths
    best: Paths
    either_from: Int[Any, "B K"]
    token_from: Int[Any, "B K"]
    blank_from: Int[Any, "B K"]


def first_texts(b: int, k: int, fusion: Fusion | None) -> Texts:
    """Returns the beam before the first frame: the empty text, in the first slot."""
    zeros = jnp.zeros((b, k), jnp.int32)
    blank = jnp.where(jnp.arange(k) == 0, 0.0, -jnp.inf) + zeros
    paths = Paths(blank, jnp.full_like(blank, -jnp.inf))
    hashes = jnp.zeros((b, k, len(HASH_FACTORS)), jnp.uint32)
    models = None if fusion is None else jax.tree.map(lambda x: jnp.repeat(x[:, None], k, axis=1), fusion.state)
    return Texts(paths, paths, jnp.zeros_like(blank), zeros - 1, zeros, hashes, hashes, models)


def either(paths: Paths, *, sums: bool = True) -> Float[Array, "B K"]:
    return jnp.logaddexp(*paths) if sums else jnp.maximum(*paths)


def select(tree: Any, slots: Int[Any, "B _"]) -> Any:
    """Returns the given slots of each row, of every leaf."""
    rows = jnp.arange(len(slots))[:, None]
    return jax.tree.map(lambda x: x[rows, slots], tree)


def after_blanks(texts: Texts, runs: FrameRuns, i: Any) -> tuple[Texts, Int[Array, "B K"]]:
    """Adds the skipped frames before the i-th one; also returns 1 where the best path ended in a token before them."""
    rows = jnp.arange(len(runs.count))
    skipped, log_prob = runs.skipped[rows, i][:, None], runs.log_prob[rows, i][:, None]

    def after(paths: Paths, *, sums: bool) -> Paths:
        blank = jnp.where(skipped, either(paths, sums=sums) + log_prob, paths.blank)
        return Paths(blank, jnp.where(skipped, -jnp.inf, paths.token))

    was_token = skipped & (texts.best.token > texts.best.blank)
    # Where only best paths are sought, one of both is 0, and their sum the other one.
    total, best = after(texts.total, sums=True), after(texts.best, sums=False)
    return texts._replace(total=total, best=best), was_token.astype(jnp.int32)


def stay(
    texts: Texts, blank: Float[Array, "B 1"], last: Float[Array, "B K"], was_token: Int[Array, "B K"], *, sums: bool
) -> Stayed:
    """Returns the paths of the texts after one more frame.

    Args:
      texts: those before.
      blank, last: log-probabilities in the frame, of the blank and of each text's last token.
      was_token: of `after_blanks`.
      sums: whether paths of other texts in the beam get here too, by their next token.
    """
    own = jnp.broadcast_to(jnp.arange(last.shape[1]), last.shape)
    of_blank = 2 * own + was_token
    either_from = jnp.where(texts.best.token > texts.best.blank, 2 * own + 1, of_blank)
    total = Paths(either(texts.total, sums=sums) + blank, texts.total.token + last)
    best = Paths(either(texts.best, sums=False) + blank, texts.best.token + last)
    if not sums:
        return Stayed(total, best, either_from, 2 * (2 * own + 1), of_blank)
    child = children(texts)
    parent, known = child.argmax(1), child.any(1)
    of_parent = partial(select, slots=parent)
    again = of_parent(texts.last) == texts.last

    def joins(paths: Paths, *, sums: bool) -> Float[Array, "B K"]:
        lead = jnp.where(again, of_parent(paths.blank), of_parent(either(paths, sums=sums)))
        return jnp.where(known, lead + last, -jnp.inf)

    join = joins(texts.best, sums=False)
    join_from = 2 * jnp.where(again, of_parent(of_blank), of_parent(either_from)) + 1
    token_from = jnp.where(join > best.token, join_from, 2 * (2 * own + 1))
    total = total._replace(token=jnp.logaddexp(total.token, joins(texts.total, sums=True)))
    return Stayed(total, best._replace(token=jnp.maximum(best.token, join)), either_from, token_from, of_blank)


def children(texts: Texts) -> Bool[Array, "B K K"]:
    """Returns which text (third axis) is which one (second) with one more token."""
    alive = either(texts.best, sums=False) > -jnp.inf
    equal = (texts.hashes[:, :, None] == texts.prefixes[:, None]).all(-1)
    longer = texts.length[:, :, None] + 1 == texts.length[:, None]
    return equal & longer & alive[:, :, None] & alive[:, None]


def without_equal(texts: Texts) -> Texts:
    """Drops paths whose text and kind of last symbol are those of a better path."""
    in_blank = texts.total.blank > -jnp.inf
    score = either(texts.total, sums=False) + texts.added
    equal = (texts.hashes[:, :, None] == texts.hashes[:, None]).all(-1) & (in_blank[:, :, None] == in_blank[:, None])
    equal = equal & (texts.length[:, :, None] == texts.length[:, None])
    first = jnp.where(equal, score[:, None], -jnp.inf).argmax(-1) == jnp.arange(score.shape[1])

    def only_first(x: Array) -> Array:
        return jnp.where(first, x, -jnp.inf)

    return texts._replace(total=Paths(*map(only_first, texts.total)), best=Paths(*map(only_first, texts.best)))
