"""The chunk context of a unified encoder: what a frame attends to where the audio is processed chunk by chunk.

A frame attends to its own chunk, `left` frames before the chunk and `right` frames after it (Andrusenko et al.,
"Reducing the Offline-Streaming Gap for Unified ASR Transducer with Consistency Regularization", 2026).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxspeech.errors import ConfigError

# The attention style of unified encoders, as NeMo calls it.
UNIFIED = "chunked_limited_with_rc"


class ChunkContext(NamedTuple):
    """Sizes in encoder frames: Python integers, or scalars drawn in a training step."""

    left: Any
    chunk: Any
    right: Any


def chunk_context(style: str, context: Sequence[int]) -> ChunkContext | None:
    """Returns a fixed attention context as a chunk context; None if it has no limit on a side, or no chunks.

    Args:
      style: the encoder's attention style.
      context: (left, right); or (left, chunk, right) for a unified encoder.
    """
    if min(context) < 0 or style == "regular":
        return None
    if style == UNIFIED:
        return ChunkContext(*context)
    left, right = context
    return ChunkContext(left // (right + 1) * (right + 1), right + 1, 0)


def draw_chunk_context(key: Any, choices: Sequence[Sequence[int]], *, share: float, num_frames: int) -> ChunkContext:
    """Draws the context of a training step: with probability `share` a chunk context, else the whole recording.

    Args:
      key: of the step.
      choices: the sizes on the left, of the chunk and on the right; one of each is drawn uniformly, independently.
      share: probability of a chunk context.
      num_frames: T; one chunk of T frames is the whole recording.
    """
    limited, *keys = jax.random.split(key, 4)
    sizes = [jax.random.choice(key, jnp.asarray(sizes)) for key, sizes in zip(keys, choices, strict=True)]
    chunked = jax.random.bernoulli(limited, share)
    return ChunkContext(
        *(jnp.where(chunked, size, whole) for size, whole in zip(sizes, (0, num_frames, 0), strict=True))
    )


def check_chunk_context(
    style: str, context: Sequence[Any], choices: Sequence[Sequence[int]] | None, share: float
) -> None:
    """Checks the fields of an encoder that concern chunk contexts.

    Raises:
      ConfigError: they contradict each other.
    """
    if style != UNIFIED:
        if choices is not None:
            raise ConfigError(f"attention_chunk_context is for the attention_style {UNIFIED!r}, not {style!r}")
        return
    fixed = len(context) == 3 and all(isinstance(size, int) for size in context) and min(context) >= 0
    if tuple(context) != (-1, -1) and not (fixed and context[1] > 0):
        raise ConfigError(
            f"attention_context {tuple(context)}: {UNIFIED!r} takes (-1, -1) for the whole recording, or frames "
            "(left, chunk, right)"
        )
    if choices is not None and not _are_choices(choices):
        raise ConfigError(
            f"attention_chunk_context {choices}: give three lists of frames, [left ones], [chunks], [right ones], "
            "with chunks of at least 1"
        )
    if not 0 <= share <= 1:
        raise ConfigError(f"chunk_context_share is {share}; it is a probability")


def _are_choices(choices: Any) -> bool:
    if len(choices) != 3 or not all(isinstance(sizes, (list, tuple)) and sizes for sizes in choices):
        return False
    return all(
        type(size) is int and size >= least for sizes, least in zip(choices, (0, 1, 0), strict=True) for size in sizes
    )
