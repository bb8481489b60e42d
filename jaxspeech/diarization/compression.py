"""Compresses the speaker cache of streaming Sortformer: the frames that tell most about each speaker stay.

    score_ts = log p_ts - log(1 - p_ts) + sum_r log(1 - p_tr) + log 2        each probability at least 1/4
    -inf, where p_ts <= 1/2; and where score_ts <= 0, if speaker s has enough frames that are above 0
    + 0.05 for frames that are new
    + 2 log 2 for the best frames of each speaker, + log 2 for those and more
    +inf for frames of silence that follow each speaker's frames

The frames with the greatest scores are kept, those of the first speaker first, and each speaker's in order of time.
Where fewer have a score, silence fills the cache. A frame of two speakers may be kept for both.

Source: Medennikov et al., "Streaming Sortformer: Speaker Cache-Based Online Speaker Diarization with Arrival-Time
Ordering", 2025; equal to `_compress_spkcache` of NeMo's sortformer_modules.py; of equal scores those are kept that
NeMo keeps on a CPU (`diarization.greatest`).
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.diarization.greatest import greatest
from jaxspeech.diarization.stream_settings import StreamSettings
from jaxspeech.types import Key

# Sorts after the number of any frame.
NONE = jnp.iinfo(jnp.int32).max


class Compressed(NamedTuple):
    """What stays of a cache.

    Attributes:
      frames: with the mean of silence where no frame is.
      predictions: the probabilities of the speakers in each, in the order of the input; zero in silence.
      order: the speaker of each part of the cache.
    """

    frames: Float[Array, "C D"]
    predictions: Float[Array, "C S"]
    order: Int[Array, " S"]


def compress(
    frames: Float[Array, "T D"],
    predictions: Float[Array, "T S"],
    num_frames: Int[Array, ""],
    silence: Float[Array, " D"],
    settings: StreamSettings,
    *,
    key: Key | None = None,
) -> Compressed:
    """Keeps the frames that tell most about each speaker, of one row.

    Args:
      frames, predictions: of the cache, and of the frames that are new.
      num_frames: how many are real.
      silence: the mean of silent frames.
      settings: `cache` is the number of frames that stay, C.
      key: in training: the speakers that have spoken alone change places at random, so that a model does not learn that
        their order never changes; and scores become noisy.
    """
    size, speakers = predictions.shape
    real = jnp.arange(size) < num_frames
    probabilities = jax.lax.stop_gradient(predictions)
    scores = frame_scores(jnp.where(real[:, None], probabilities, 0.0), settings)
    order = jnp.arange(speakers)
    if key is not None:
        order_key, noise_key = jax.random.split(key)
        order = random_order(scores, order_key)
        scores = scores[:, order]
    scores += max(settings.latest_bonus, 0) * (jnp.arange(size) >= settings.cache)[:, None]
    if key is not None and settings.noise > 0:
        scores += settings.noise * jax.random.uniform(noise_key, scores.shape)
    scores = favour(scores, num_frames, settings)

    places, kept = best_places(scores, num_frames, settings)
    chosen = jnp.take(frames, places, axis=0), jnp.take(predictions, places, axis=0)
    return Compressed(jnp.where(kept[:, None], chosen[0], silence), jnp.where(kept[:, None], chosen[1], 0.0), order)


def frame_scores(probabilities: Float[Array, "T S"], settings: StreamSettings) -> Float[Array, "T S"]:
    """Scores how well each frame represents each speaker; -inf where it does not."""
    speaking, quiet = (jnp.log(jnp.maximum(p, settings.least_probability)) for p in (probabilities, 1 - probabilities))
    scores = speaking - quiet + quiet.sum(1, keepdims=True) + math.log(2)
    active = probabilities > 0.5
    scores = jnp.where(active, scores, -jnp.inf)
    clean = scores > 0  # as a rule nobody else speaks
    enough = clean.sum(0) >= math.floor(_share(settings, scores.shape[1]) * settings.clean_share)
    return jnp.where(active & ~clean & enough, -jnp.inf, scores)


def favour(scores: Float[Array, "T S"], num_frames: Int[Array, ""], settings: StreamSettings) -> Float[Array, "T S"]:
    """Adds to the scores of each speaker's best frames, so that no speaker fills the cache alone."""
    share = _share(settings, scores.shape[1])
    for part, times in ((settings.strong_share, 2), (settings.weak_share, 1)):
        best = partial(greatest, k=math.floor(share * part))
        scores += times * math.log(2) * jax.vmap(best, in_axes=(1, None), out_axes=1)(scores, num_frames)
    return scores


def random_order(scores: Float[Array, "T S"], key: Key) -> Int[Array, " S"]:
    """Draws an order of the first speakers, up to one without a score above 0; the others keep their places."""
    speakers = scores.shape[1]
    known = jnp.cumprod((scores > 0).any(0)) == 1
    drawn = jax.random.uniform(key, (speakers,))
    return jnp.argsort(jnp.where(known, drawn, 1.0 + jnp.arange(speakers)))


def best_places(
    scores: Float[Array, "T S"], num_frames: Int[Array, ""], settings: StreamSettings
) -> tuple[Int[Array, " C"], Bool[Array, " C"]]:
    """Chooses the frames that stay: the number of each, and False where silence takes a frame's place."""
    size, speakers = scores.shape
    each = num_frames + settings.silence
    place = jnp.arange((size + settings.silence) * speakers)
    speaker, frame = jnp.minimum(place // each, speakers - 1), place % each
    row = jnp.where(frame < num_frames, scores[jnp.minimum(frame, size - 1), speaker], jnp.inf)
    chosen = greatest(row, each * speakers, settings.cache)
    places = jnp.sort(jnp.where(chosen, place, NONE))[: settings.cache]
    frame = jnp.where(places < NONE, places % each, 0)
    kept = (places < NONE) & (frame < num_frames)
    return jnp.where(kept, frame, 0), kept


def _share(settings: StreamSettings, speakers: int) -> int:
    """Frames of a cache for each speaker."""
    return settings.cache // speakers - settings.silence
