"""Remembers the speakers of a stream, so that each keeps its place in the activity however long it was silent.

A step computes the activity of [cache | queue | chunk] in one sequence; its frames are those before the encoder's
layers. The chunk joins the queue. When the queue has more frames than it holds, the earliest ones enter the cache; and
when the cache has more than it holds, it is compressed to those that tell most (`diarization.compression`).

The probabilities of frames in the cache are those of the step in which they left the queue. Only the first compression
uses the current ones for frames that were in the cache before; NeMo does so too for rows of one length
(`streaming_update` of sortformer_modules.py), while its function for rows of different lengths does not, and finds
speakers who are not there. Here every row follows the first rule, whatever its length and age.

Everything has a fixed shape, and works under jit, vmap and grad.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.diarization.compression import compress
from jaxspeech.diarization.packed import cut, pack
from jaxspeech.diarization.stream_settings import StreamSettings
from jaxspeech.types import Key, Size


class SpeakerCache(NamedTuple):
    """What one step passes to the next, for each row; padding is zero.

    Attributes:
      frames, num_frames: of the cache.
      predictions: the probabilities of the speakers in the frames of the cache.
      compressed: whether the cache was compressed already.
      queue, num_queued: the frames that wait before they enter the cache.
      queue_predictions: their latest probabilities.
      silence, num_silent: the mean of silent frames that have left the queue, and how many they were.
      order: the speaker of each part of the cache, other than 0, 1, 2, ... only in training.
    """

    frames: Float[Array, "B C D"]
    num_frames: Int[Array, " B"]
    predictions: Float[Array, "B C S"]
    compressed: Bool[Array, " B"]
    queue: Float[Array, "B Q D"]
    num_queued: Int[Array, " B"]
    queue_predictions: Float[Array, "B Q S"]
    silence: Float[Array, "B D"]
    num_silent: Int[Array, " B"]
    order: Int[Array, "B S"]


def empty_cache(rows: Size, *, width: int, speakers: int, settings: StreamSettings) -> SpeakerCache:
    """Returns the state before the first frame.

    Args:
      rows: B.
      width: D, of a frame.
      speakers: S.
      settings: the sizes.
    """
    count = jnp.zeros(rows, jnp.int32)
    return SpeakerCache(
        frames=jnp.zeros((rows, settings.cache, width)),
        num_frames=count,
        predictions=jnp.zeros((rows, settings.cache, speakers)),
        compressed=jnp.zeros(rows, bool),
        queue=jnp.zeros((rows, settings.queue, width)),
        num_queued=count,
        queue_predictions=jnp.zeros((rows, settings.queue, speakers)),
        silence=jnp.zeros((rows, width)),
        num_silent=count,
        order=jnp.broadcast_to(jnp.arange(speakers), (rows, speakers)),
    )


def beside_cache(
    cache: SpeakerCache, chunk: Float[Array, "B N D"], num_chunk: Int[Array, " B"]
) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
    """Joins cache, queue and chunk of each row to the sequence that a step computes, and counts its frames."""
    joined = jax.vmap(lambda *parts: pack(parts[:3], parts[3:]))(
        cache.frames.astype(chunk.dtype),
        cache.queue.astype(chunk.dtype),
        chunk,
        cache.num_frames,
        cache.num_queued,
        num_chunk,
    )
    return joined, cache.num_frames + cache.num_queued + num_chunk


def advance(
    cache: SpeakerCache,
    chunk: Float[Array, "B N D"],
    predictions: Float[Array, "B T S"],
    *,
    left: Int[Array, " B"],
    new: Int[Array, " B"],
    settings: StreamSettings,
    key: Key | None = None,
) -> tuple[Float[Array, "B K S"], SpeakerCache]:
    """Takes the frames of a step.

    Args:
      cache: the state before the step.
      chunk: its frames with their context, `left` before the new ones.
      predictions: the probabilities of the speakers in the frames of `beside_cache`.
      left: frames of context of each row.
      new: frames of each row that follow them and join the queue; a row without any stays as it is.
      settings: the sizes; `chunk` is the most new frames, K.
      key: in training: compressions change the places of speakers at random.

    Returns:
      (the probabilities of the new frames, zero in the padding; the state after the step).
    """
    one = partial(_advance, settings=settings)
    if key is None:
        found, moved = jax.vmap(one)(cache, chunk, predictions, left, new)
    else:
        keys = jax.random.split(key, len(new))
        found, moved = jax.vmap(lambda *row: one(*row[:-1], key=row[-1]))(cache, chunk, predictions, left, new, keys)
    stays = new <= 0
    kept = jax.tree.map(lambda old, now: jnp.where(stays.reshape(-1, *[1] * (old.ndim - 1)), old, now), cache, moved)
    return found, kept


def _advance(
    cache: SpeakerCache,
    chunk: Float[Array, "N D"],
    predictions: Float[Array, "T S"],
    left: Int[Array, ""],
    new: Int[Array, ""],
    *,
    settings: StreamSettings,
    key: Key | None = None,
) -> tuple[Float[Array, "K S"], SpeakerCache]:
    """Takes the frames of a step of one row; all fields of the cache are without their first axis."""
    size, cached, queued = settings.chunk, cache.num_frames, cache.num_queued
    predictions = predictions.astype(cache.predictions.dtype)[:, jnp.argsort(cache.order)]
    waiting = cut(predictions, cached, queued, size=settings.queue)
    found = cut(predictions, cached + queued + left, new, size=size)
    chunk = cut(chunk.astype(cache.frames.dtype), left, new, size=size)

    queue, beliefs = (pack(parts, (queued, new)) for parts in ((cache.queue, chunk), (waiting, found)))
    total = queued + new
    wanted = jnp.minimum(jnp.maximum(settings.update, total - settings.queue), total)
    pop = jnp.where(total > settings.queue, wanted, 0)
    leaving, left_beliefs = (cut(values, 0, pop, size=settings.popped) for values in (queue, beliefs))
    silence, num_silent = _with_silence(cache, leaving, left_beliefs, pop, below=settings.silence_below)

    known = jnp.where(cache.compressed, cache.predictions, cut(predictions, 0, cached, size=settings.cache))
    frames, beliefs_kept = (pack(parts, (cached, pop)) for parts in ((cache.frames, leaving), (known, left_beliefs)))
    count = cached + pop
    over = count > settings.cache
    fewer = compress(frames, beliefs_kept, count, silence, settings, key=key)
    rest = {"start": pop, "length": total - pop, "size": settings.queue}
    return found, SpeakerCache(
        frames=jnp.where(over, fewer.frames, frames[: settings.cache]),
        num_frames=jnp.minimum(count, settings.cache),
        predictions=jnp.where(over, fewer.predictions, beliefs_kept[: settings.cache]),
        compressed=cache.compressed | over,
        queue=cut(queue, **rest),
        num_queued=total - pop,
        queue_predictions=cut(beliefs, **rest),
        silence=silence,
        num_silent=num_silent,
        order=jnp.where(over, fewer.order, cache.order),
    )


def _with_silence(
    cache: SpeakerCache,
    frames: Float[Array, "P D"],
    predictions: Float[Array, "P S"],
    count: Int[Array, ""],
    *,
    below: float,
) -> tuple[Float[Array, " D"], Int[Array, ""]]:
    """Adds the silent ones of frames that leave the queue to the mean; returns it, and how many they are in all."""
    silent = (predictions.sum(1) < below) & (jnp.arange(len(frames)) < count)
    total = cache.num_silent + silent.sum()
    added = jnp.where(silent[:, None], frames, 0.0).sum(0)
    mean = (cache.silence * cache.num_silent + added) / jnp.maximum(total, 1)
    return jnp.where(silent.any(), mean, cache.silence), total
