"""Defines the sizes of streaming Sortformer: what one step sees, and what the speaker cache remembers.

All sizes are frames of the model, 80 ms as a rule. A step sees

    [cache | queue | left context, chunk, right context]

and returns the activity of its chunk. See `diarization.speaker_cache`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxspeech.errors import ConfigError, did_you_mean

Number = int | float
# The least number of frames.
LEAST = {"chunk": 1, "left": 0, "right": 0, "cache": 1, "queue": 0, "update": 1, "silence": 0}


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How a recording is diarized step by step; the names in brackets are NeMo's.

    Attributes:
      chunk: frames whose activity a step returns (chunk_len).
      left, right: frames before and after the chunk that a step sees too (chunk_left_context, chunk_right_context).
      cache: the most frames of the speaker cache (spkcache_len).
      queue: the most frames that wait before they enter the cache (fifo_len).
      update: when the queue is full, so many of its frames enter the cache, at least (spkcache_update_period).
      silence: frames of silence for each speaker in a compressed cache (spkcache_sil_frames_per_spk).
      silence_below: a frame is silent if the sum of its speakers' probabilities is below this (sil_threshold).
      least_probability: smaller ones count as this in a frame's score (pred_score_threshold).
      latest_bonus: is added to the scores of frames that are new in the cache, if above 0 (scores_boost_latest).
      strong_share, weak_share: of a speaker's share of the cache, so many frames are favoured strongly and weakly
        (strong_boost_rate, weak_boost_rate).
      clean_share: a speaker with this much of the share in frames of no other speaker keeps only such frames
        (min_pos_scores_rate).
      noise: the most that is added to scores at random in training (scores_add_rnd).
    """

    chunk: int = 188
    left: int = 1
    right: int = 1
    cache: int = 188
    queue: int = 0
    update: int = 188
    silence: int = 3
    silence_below: Number = 0.2
    least_probability: Number = 0.25
    latest_bonus: Number = 0.05
    strong_share: Number = 0.75
    weak_share: Number = 1.5
    clean_share: Number = 0.5
    noise: Number = 0.0

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"streaming: {name} is {value!r}; it must be a number of frames, at least {least}")

    def check(self, speakers: int) -> None:
        """Checks that the cache has room for every speaker.

        Raises:
          ConfigError: it is too small.
        """
        least = (1 + self.silence) * speakers
        if self.cache < least:
            raise ConfigError(
                f"streaming: cache is {self.cache}; {speakers} speakers need at least {least} frames, one and "
                f"{self.silence} of silence for each"
            )

    @property
    def seen(self) -> int:
        """The most frames that a step computes from audio."""
        return self.left + self.chunk + self.right

    @property
    def popped(self) -> int:
        """The most frames that leave the queue in one step."""
        return min(max(self.update, self.chunk), self.queue + self.chunk)


# Latency in seconds, (chunk + right) x 80 ms -> the sizes that NVIDIA publishes for diar_streaming_sortformer_4spk-v2.
PUBLISHED: Mapping[float, Mapping[str, int]] = {
    30.4: {"chunk": 340, "right": 40, "queue": 40, "update": 300, "cache": 188},
    10.0: {"chunk": 124, "right": 1, "queue": 124, "update": 124, "cache": 188},
    1.04: {"chunk": 6, "right": 7, "queue": 188, "update": 144, "cache": 188},
    0.32: {"chunk": 3, "right": 1, "queue": 188, "update": 144, "cache": 188},
}


def choose_settings(
    own: StreamSettings, latency: Number | str | None = None, options: Mapping[str, Any] | None = None
) -> StreamSettings:
    """Chooses the sizes of a stream.

    Args:
      own: the model's.
      latency: one of `PUBLISHED`, in seconds; None: the model's own sizes.
      options: further fields of `StreamSettings`.

    Raises:
      ConfigError: the latency is not published, or an option does not exist or is invalid.
    """
    chosen: dict[str, Any] = {}
    if latency is not None:
        try:
            chosen |= PUBLISHED[float(str(latency).removesuffix("s"))]
        except (ValueError, KeyError):
            known = ", ".join(f"{seconds:g}" for seconds in PUBLISHED)
            raise ConfigError(f"latency is {latency}; published are {known} s, or choose chunk and right") from None
    known = StreamSettings.__dataclass_fields__
    for name in options or {}:
        if name not in known:
            raise ConfigError(f"{name} is not an option of streams{did_you_mean(name, known)}")
    return dataclasses.replace(own, **chosen | dict(options or {}))
