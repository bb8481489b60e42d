"""Scores of beginnings of texts by CTC, for a search in which an attention decoder proposes the tokens.

Of all paths over the first t frames that spell the text g, n_t(g) is the probability of those that end in its last
token, b_t(g) of those that end in a blank. For the text gc, which is g with one token more,

n_t(gc) = p_t(c)     (n_{t-1}(gc) + before_{t-1})            before_t = b_t(g) + [c is not the last token of g] n_t(g)
b_t(gc) = p_t(blank) (b_{t-1}(gc) + n_{t-1}(gc))
p(gc..) = sum_t before_{t-1} p_t(c)                          all texts that begin with gc
p(g)    = n_T(g) + b_T(g)                                    the text g itself

Everything is in logarithms. A frame of padding keeps both sums in the blank, so that the last frame has them.

Source: Watanabe et al., "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition" (2017), algorithm 2.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask


class CTCFrames(NamedTuple):
    """Log-probabilities of the frames: those of padding are a blank's.

    Attributes:
      tokens: of W tokens; one that the head does not have is impossible.
      blank: of the blank.
    """

    tokens: Float[Array, "B W T"]
    blank: Float[Array, "B T"]


class CTCPrefixes(NamedTuple):
    """K texts of each row, and after how many frames (0 to T) they are spelled with which log-probability.

    Attributes:
      token, blank: n and b of the equations; N = T + 1.
      last: the last token of each text; -1 if it is empty.
    """

    token: Float[Array, "B K N"]
    blank: Float[Array, "B K N"]
    last: Int[Array, "B K"]


def ctc_frames(log_probs: Float[Array, "B T S"], num_frames: Int[Array, " B"], *, num_tokens: int) -> CTCFrames:
    """Returns the frames of a CTC head.

    Args:
      log_probs: of its S - 1 tokens and the blank, which is last; padding may hold anything.
      num_frames: real frames of each row.
      num_tokens: W, at least S - 1.
    """
    real = length_mask(num_frames, log_probs.shape[1])
    tokens = jnp.where(real[..., None], log_probs[..., :-1], -jnp.inf)
    more = ((0, 0), (0, 0), (0, num_tokens - tokens.shape[-1]))
    tokens = jnp.pad(tokens, more, constant_values=-jnp.inf)
    return CTCFrames(tokens.swapaxes(1, 2), jnp.where(real, log_probs[..., -1], 0.0))


def empty_prefixes(frames: CTCFrames) -> CTCPrefixes:
    """Returns the empty text of each row, K = 1."""
    blank = jnp.pad(jnp.cumsum(frames.blank, axis=1), ((0, 0), (1, 0)))[:, None]
    return CTCPrefixes(jnp.full_like(blank, -jnp.inf), blank, jnp.full((len(blank), 1), -1, jnp.int32))


def score_prefixes(
    frames: CTCFrames, prefixes: CTCPrefixes, tokens: Int[Array, "B K C"], *, end_id: int
) -> Float[Array, "B K C"]:
    """Computes the log-probability of all texts that begin with each text and one of C tokens.

    For the token `end_id` it is that of the text itself.
    """
    b, k, c = tokens.shape
    emitted = _of_tokens(frames, tokens.reshape(b, -1)).reshape(b, k, c, -1)
    begun = jax.nn.logsumexp(_before(prefixes, tokens) + emitted, axis=-1)
    whole = jnp.logaddexp(prefixes.token[..., -1], prefixes.blank[..., -1])
    return jnp.where(tokens == end_id, whole[..., None], begun)


def extend_prefixes(frames: CTCFrames, prefixes: CTCPrefixes, tokens: Int[Array, "B K"]) -> CTCPrefixes:
    """Adds a token to each text."""
    emitted = _of_tokens(frames, tokens)
    token = _run(emitted, _before(prefixes, tokens[..., None])[:, :, 0])
    blank = _run(jnp.broadcast_to(frames.blank[:, None], token.shape), _after(token)[..., :-1])
    return CTCPrefixes(_after(token), _after(blank), tokens)


def select_prefixes(prefixes: CTCPrefixes, parents: Int[Array, "B K"]) -> CTCPrefixes:
    """Returns the texts with the given numbers of each row."""
    return jax.tree.map(
        lambda x: jnp.take_along_axis(x, parents.reshape(*parents.shape, *(1,) * (x.ndim - 2)), axis=1), prefixes
    )


def _of_tokens(frames: CTCFrames, tokens: Int[Array, "B C"]) -> Float[Array, "B C T"]:
    return jnp.take_along_axis(frames.tokens, tokens[..., None], axis=1)


def _before(prefixes: CTCPrefixes, tokens: Int[Array, "B K C"]) -> Float[Array, "B K C T"]:
    """In which frames each text can be followed by each token: a token follows its like only after a blank."""
    token, blank = prefixes.token[:, :, None, :-1], prefixes.blank[:, :, None, :-1]
    again = (tokens == prefixes.last[..., None])[..., None]
    return jnp.where(again, blank, jnp.logaddexp(token, blank))


def _after(x: Float[Array, "B K T"]) -> Float[Array, "B K N"]:
    """Puts the time before the first frame in front, when no text with a token has been spelled."""
    return jnp.pad(x, ((0, 0), (0, 0), (1, 0)), constant_values=-jnp.inf)


def _run(factor: Float[Array, "B K T"], before: Float[Array, "B K T"]) -> Float[Array, "B K T"]:
    """Computes x_t = factor_t (x_{t-1} + before_t) with x_0 = 0, in logarithms, in log2(T) steps."""

    def join(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return first[0] + second[0], jnp.logaddexp(first[1] + second[0], second[1])

    return jax.lax.associative_scan(join, (factor, factor + before), axis=-1)[1]
