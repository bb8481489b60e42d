"""Decides which frames of a recording each frame of an attention encoder sees: all, a window, or chunks.

regular              t - left .. t + right
chunked_limited      the chunks on the left that `left` covers, and all of t's own chunk, of right + 1 frames
chunked_limited_with_rc    see `encoders.chunk_context`

Where a recording is much longer than the window, attention is computed in blocks instead of by a mask of all pairs.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jaxspeech.encoders.chunk_context import UNIFIED, ChunkContext, chunk_context, draw_chunk_context
from jaxspeech.masks import attention_mask, chunk_window_mask, chunked_context_mask, context_mask, length_mask
from jaxspeech.nn.local_attention import saves
from jaxspeech.nn.query_blocks import block_size
from jaxspeech.nn.sequence_parallel import time_shards


class VisibleFrames(NamedTuple):
    """What frames see; the fields are those of `FastConformer` named attention_..., and its `num_heads`.

    A `key` below is that of a training step that draws one of several contexts; None uses the first.

    Attributes:
      attention: the kind.
      contexts: of the model, the one of inference first.
      weights: probability of each in training; None draws them uniformly.
      style: how a context is meant.
      choices, share: the chunk contexts of a unified model, and how often one is drawn.
      num_heads: H.
      masked: layers need a mask of pairs, because they have adapters that attend.
    """

    attention: str
    contexts: Sequence[tuple[int, ...]]
    weights: tuple[float, ...] | None
    style: str
    choices: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None
    share: float
    num_heads: int
    masked: bool = False

    @property
    def varies(self) -> bool:
        """Whether training draws contexts."""
        return len(self.contexts) > 1 or self.choices is not None

    @property
    def frames_remembered(self) -> int:
        """Frames of left context that the layers keep from before a part."""
        left, right = self.contexts[0]
        return left // (right + 1) * (right + 1) if self.style == "chunked_limited" else left

    def limits(self, num_frames: Any, key: Any) -> ChunkContext | None:
        """Returns the chunk context of a unified model; None if it sees the whole recording, or is a different one."""
        if key is not None and self.choices is not None:
            return draw_chunk_context(key, self.choices, share=self.share, num_frames=num_frames)
        return chunk_context(self.style, self.contexts[0]) if self.style == UNIFIED else None

    def in_blocks(self, num_frames: Any, key: Any) -> ChunkContext | None:
        """Returns the window of attention that is computed in blocks (see `nn.local_attention`), None if there is none.

        Blocks give the results of a mask of pairs, with less work where a recording is much longer than its window.
        """
        if self.attention == "rel_pos_local":
            left, right = self.contexts[0]
            return ChunkContext(left, 1, right)
        if self.attention == "abs_pos" or key is not None or not isinstance(num_frames, int) or time_shards() > 1:
            return None
        if self.masked:
            return None
        window = chunk_context(self.style, self.contexts[0])
        if window is None or not saves(num_frames, window.left, window.right, window.chunk):
            return None
        return window

    def pairs(
        self, num_frames: Int[Array, " B"], size: Any, limits: ChunkContext | None, key: Any, *, train: bool
    ) -> Bool[Array, "B #T T"]:
        """Computes which keys each query sees; the same for all queries of a long recording without limits.

        Args:
          num_frames: of each row.
          size: T.
          limits: from `limits`.
          key: see above.
          train: whether gradients will be computed.
        """
        whole = not train and limits is None and key is None and self.contexts[0] == (-1, -1)
        if whole and block_size(num_frames.shape[0], self.num_heads, size, size) != size and time_shards() == 1:
            return length_mask(num_frames, size)[:, None]  # what padding attends to does not matter
        place = jnp.arange(size)
        visible = self._visible(place, key) if limits is None else chunk_window_mask(place, place, *limits)
        return attention_mask(num_frames, visible)

    def of_part(
        self, num_frames: Int[Array, " B"], size: Any, done: Int[Array, " B"]
    ) -> tuple[Bool[Array, "B T"], Bool[Array, "B T S"]]:
        """Computes which frames of a part are real, and which frames they see: those remembered, and the part's.

        Args:
          num_frames: of each row, from its start to the end of the part.
          size: T, of the part.
          done: frames of each row before the part.
        """
        query = done[:, None] + jnp.arange(size)
        key = done[:, None] + jnp.arange(-self.frames_remembered, size)
        frames = query < num_frames[:, None]
        real = frames[:, :, None] & (key >= 0)[:, None] & (key < num_frames[:, None])[:, None]
        return frames, real & self._window(query, key, *self.contexts[0])

    @property
    def _window(self) -> Callable[..., Array]:
        return chunked_context_mask if self.style == "chunked_limited" else context_mask

    def _visible(self, frames: Int[Array, " T"], key: Any) -> Bool[Array, "T T"]:
        """Returns which keys each query sees, regardless of padding."""
        if key is None:
            return self._window(frames, frames, *self.contexts[0])
        weights = jnp.asarray(self.weights) if self.weights else None
        drawn = jax.random.choice(key, len(self.contexts), p=weights)
        return jnp.stack([self._window(frames, frames, *context) for context in self.contexts])[drawn]
