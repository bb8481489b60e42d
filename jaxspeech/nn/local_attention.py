"""Attention within a window, with Transformer-XL's relative positions (Dai et al., 2019), in O(T W) time and memory.

scores[t, s] = ((q_t + u) . k_s + (q_t + v) . p_{t-s}) / sqrt(K)        t - left <= s <= t + right
y_t = sum_s softmax_s(scores[t, s]) v_s

With global frames (Beltagy et al., 2020) every frame also attends to these and these to every frame, without positions:

scores[t, g] = q_t . k_g / sqrt(K)     in one softmax with the window's
scores[g, s] = q_g . k_s / sqrt(K)     instead of the window's

With chunks, the window of a frame lies around its chunk instead of itself: every frame of a chunk attends to the chunk,
`left` frames before it and `right` frames after it.

Queries are split into blocks, each computed against all keys that its frames attend to. The blocks of a group are
computed together and the groups in sequence, so that only one group's scores exist at a time. Where time is split over
devices (`nn.sequence_parallel`), each device computes its own queries and receives the keys around them from others.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.nn.attention import MASKED_SCORE
from jaxspeech.nn.dropout import dropout
from jaxspeech.nn.products import einsum
from jaxspeech.nn.sequence_parallel import over_time, pad_time, time_shards, with_neighbours

# In frames. A smaller block wastes fewer scores outside the window; a larger one has more efficient matrix products.
BLOCK, GROUP = 128, 2048


class GlobalFrames(NamedTuple):
    """The global frames, to which every frame attends in addition to its window.

    Attributes:
      query: each frame's query against the global keys.
      key, value: of the global frames.
      mask: False for a global frame beyond the end of its utterance.
    """

    query: Float[Array, "B T H K"]
    key: Float[Array, "B G H K"]
    value: Float[Array, "B G H K"]
    mask: Bool[Array, "B G"]


def reach(left: int, right: int, chunk: int = 1) -> tuple[int, int]:
    """Returns how many frames before and after itself a frame attends to at most, with chunks of `chunk` frames."""
    return left + chunk - 1, right + chunk - 1


def saves(num_frames: int, left: int, right: int, chunk: int = 1) -> bool:
    """Whether blocks compute fewer scores than there are pairs of frames."""
    return BLOCK + sum(reach(left, right, chunk)) < num_frames


def local_attention(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B T H K"],
    value: Float[Array, "B T H K"],
    position: Float[Array, "R H K"],
    biases: tuple[Float[Array, "H K"], Float[Array, "H K"]],
    mask: Bool[Array, "B T"],
    *,
    left: int,
    right: int,
    chunk: int = 1,
    global_frames: GlobalFrames | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Any = None,
) -> Float[Array, "B T H K"]:
    """Computes local attention: the weighted mean of values for each frame, zeros for padded frames.

    Args:
      query, key, value: projections of the frames.
      position: projected positions of the keys in reach, which are before, ..., 0, ..., -after frames before the query;
        R = before + after + 1.
      biases: u and v.
      mask: True for real frames.
      left, right: frames of context on each side of a frame's chunk.
      chunk: frames of a chunk; the first one starts with the first frame. A chunk of 1 is the frame itself.
      global_frames: None for none.
      dropout_rate, dropout_key: dropout of the attention weights; without a key there is none.
    """
    before, after = reach(left, right, chunk)
    around: dict[str, int] = {"before": before, "after": after}
    if time_shards() == 1:
        key, value, key_mask = (pad_time(x, **around) for x in (key, value, mask))
        options = chunk, global_frames, dropout_rate, dropout_key
        return _attend(query, key, value, key_mask, mask, position, biases, *options)
    if global_frames is not None or dropout_key is not None or chunk > 1:
        raise ConfigError(
            "splitting time over devices needs inference mode and a model without global frames or chunks"
        )

    def attend(query: Array, key: Array, value: Array, mask: Array, position: Array, biases: Any) -> Array:
        key, value, key_mask = (with_neighbours(x, **around) for x in (key, value, mask))
        return _attend(query, key, value, key_mask, mask, position, biases, 1, None, 0.0, None)

    return over_time(attend, (query, key, value, mask), (position, biases))


def _attend(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S H K"],
    value: Float[Array, "B S H K"],
    key_mask: Bool[Array, "B S"],
    mask: Bool[Array, "B T"],
    position: Float[Array, "R H K"],
    biases: tuple[Float[Array, "H K"], Float[Array, "H K"]],
    chunk: int,
    global_frames: GlobalFrames | None,
    dropout_rate: float,
    dropout_key: Any,
) -> Float[Array, "B T H K"]:
    """Computes `local_attention` of T queries to the S = T + R - 1 keys around them, one group at a time."""
    num_frames, window = query.shape[1], position.shape[0]
    group = min(GROUP, -(-num_frames // BLOCK) * BLOCK)
    num_groups = -(-num_frames // group)
    padding: dict[str, int] = {"before": 0, "after": num_groups * group - num_frames}
    query, key, value, key_mask = (pad_time(x, **padding) for x in (query, key, value, key_mask))
    if global_frames is not None:
        global_frames = global_frames._replace(query=pad_time(global_frames.query, **padding))

    @jax.checkpoint  # so that only one group's scores exist in the backward pass too
    def attend(i: Any) -> Float[Array, "B C H K"]:
        def part(x: Array, size: int) -> Array:
            return jax.lax.dynamic_slice_in_dim(x, i * group, size, axis=1)

        around = group + window - 1
        return _attend_group(
            part(query, group),
            part(key, around),
            part(value, around),
            position,
            biases,
            part(key_mask, around),
            None if chunk == 1 else (i * group + jnp.arange(group)) % chunk,
            chunk,
            global_frames and global_frames._replace(query=part(global_frames.query, group)),
            dropout_rate,
            None if dropout_key is None else jax.random.fold_in(dropout_key, i),
        )

    groups = jax.lax.map(attend, jnp.arange(num_groups)) if num_groups > 1 else attend(0)[None]
    whole = jnp.moveaxis(groups, 0, 1).reshape(query.shape)
    return jnp.where(mask[:, :, None, None], whole[:, :num_frames], jnp.zeros((), query.dtype))


def _attend_group(
    query: Float[Array, "B C H K"],
    key: Float[Array, "B S H K"],
    value: Float[Array, "B S H K"],
    position: Float[Array, "R H K"],
    biases: tuple[Float[Array, "H K"], Float[Array, "H K"]],
    mask: Bool[Array, "B S"],
    place: Int[Array, " C"] | None,
    chunk: int,
    global_frames: GlobalFrames | None,
    dropout_rate: float,
    dropout_key: Any,
) -> Float[Array, "B C H K"]:
    """Computes `local_attention` of C queries to the S = C + R - 1 keys around them, all blocks at once.

    `place` is each query's place in its chunk, None for chunks of one frame.
    """
    window = position.shape[0]
    span = BLOCK + window - 1
    blocks = in_blocks(query, BLOCK)
    key, value, mask = (overlapping(x, BLOCK, span) for x in (key, value, mask))
    bias_u, bias_v = (bias.astype(query.dtype) for bias in biases)
    scores = einsum("bnwhk,bnshk->bhnws", blocks + bias_u, key)
    scores += skew(einsum("bnwhk,rhk->bhnwr", blocks + bias_v, position))
    offset = jnp.arange(span) - jnp.arange(BLOCK)[:, None]
    inside = (offset >= 0) & (offset < window)
    if place is not None:
        # A chunk's first query reaches as far ahead as any, its last one as far back.
        back = chunk - 1 - place.reshape(-1, BLOCK, 1)
        inside = (offset >= back) & (offset < back + window - chunk + 1)
    seen = mask[:, None, :, None] & inside
    if global_frames is not None:
        global_scores = einsum("bnwhk,bghk->bhnwg", in_blocks(global_frames.query, BLOCK), global_frames.key)
        scores = jnp.concatenate([scores, global_scores], axis=-1)
        admitted = jnp.broadcast_to(global_frames.mask[:, None, None, None], (*seen.shape[:4], global_scores.shape[-1]))
        seen = jnp.concatenate([seen, admitted], axis=-1)
    weights, totals = masked_exponentials(scores / math.sqrt(query.shape[-1]), seen)
    if dropout_key is not None:
        weights = dropout(dropout_key, weights, rate=dropout_rate)
    weights = weights.astype(query.dtype)
    context = einsum("bhnws,bnshk->bnwhk", weights[..., :span], value)
    if global_frames is not None:
        context += einsum("bhnwg,bghk->bnwhk", weights[..., span:], global_frames.value)
    return (context / jnp.moveaxis(totals, 1, 3).astype(query.dtype)).reshape(query.shape)


def global_attention(
    query: Float[Array, "B G H K"],
    key: Float[Array, "B T H K"],
    value: Float[Array, "B T H K"],
    mask: Bool[Array, "B T"],
    *,
    dropout_rate: float = 0.0,
    dropout_key: Any = None,
) -> Float[Array, "B G H K"]:
    """Attends from the global frames to all frames, without positions."""
    scores = einsum("bghk,bshk->bhgs", query, key) / math.sqrt(query.shape[-1])
    weights, totals = masked_exponentials(scores, mask[:, None, None])
    if dropout_key is not None:
        weights = dropout(dropout_key, weights, rate=dropout_rate)
    return einsum("bhgs,bshk->bghk", (weights / totals).astype(value.dtype), value)


def masked_exponentials(
    scores: Float[Array, "*N S"], mask: Bool[Array, "*#N S"]
) -> tuple[Float[Array, "*N S"], Float[Array, "*N 1"]]:
    """Returns numerator and denominator of a masked softmax over the last axis, in float32."""
    scores = jnp.where(mask, scores.astype(jnp.float32), MASKED_SCORE)
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(-1, keepdims=True)))
    return weights, weights.sum(-1, keepdims=True)


def in_blocks(x: Float[Array, "B T H K"], block: int) -> Float[Array, "B N W H K"]:
    """Reshapes frames into blocks of `block` frames, which must divide T."""
    return x.reshape(x.shape[0], -1, block, *x.shape[2:])


def overlapping(x: Any, block: int, span: int) -> Any:
    """Cuts [B T ...] into full windows [B N S ...] of `span` frames, one starting every `block` frames."""
    count = (x.shape[1] - span) // block + 1
    padded = jnp.pad(x, [(0, 0), (0, block)] + [(0, 0)] * (x.ndim - 2))
    shifted = [padded[:, start : start + count * block] for start in range(0, span, block)]
    parts = [part.reshape(x.shape[0], count, block, *x.shape[2:]) for part in shifted]
    return jnp.concatenate(parts, axis=2)[:, :, :span]


def skew(scores: Float[Array, "*N W R"]) -> Float[Array, "*N W S"]:
    """Shifts row w right by w places: out[w, w + r] = scores[w, r], zeros elsewhere; S = W + R - 1.

    With rows padded to S + 1, scores[w, r] is at flat index w (S + 1) + r = w S + (w + r), which in rows of S is
    [w, w + r]: padding, a slice and two reshapes suffice.
    """
    *batch, w, r = scores.shape
    span = w + r - 1
    padded = jnp.pad(scores, [(0, 0)] * (len(batch) + 1) + [(0, w)])
    return padded.reshape(*batch, w * (span + 1))[..., : w * span].reshape(*batch, w, span)
