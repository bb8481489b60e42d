"""Aligns mel frames with symbols: soft alignments from the distances of learnt keys and queries.

k = conv1(relu(conv3(text)))                     [B N E]
q = conv1(relu(conv1(relu(conv3(mel)))))         [B T E]
a = -temperature |q_t - k_n|^2
a = log_softmax_n(a) + log(prior + 1e-8)         with a prior
p = softmax_n(a)

Source: Badlani et al., "One TTS Alignment To Rule Them All" (2022); NeMo 3.0.0, tts/modules/aligner.py. All sums over
symbols are over the row's own: NeMo's first softmax counts the padding of a batch too, which moves the loss of shorter
texts. The distances are one product [T E] [E N] and two norms; [B T N E] is never stored.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask
from jaxspeech.nn.frame_convolution import FrameConv1D

# Added to the prior, so that it forbids nothing.
PRIOR_FLOOR = 1e-8
# The gain of kernels before a ReLU.
BEFORE_RELU = 2**0.5


class Alignment(NamedTuple):
    """Soft alignments, in float32.

    Attributes:
      scores: a, of which the forward-sum loss is computed; finite for real symbols, padding means nothing.
      log_probs: log p; -inf beyond the text. Frames beyond the row's own mean nothing.
    """

    scores: Float[Array, "B T N"]
    log_probs: Float[Array, "B T N"]


class Aligner(nn.Module):
    """Computes soft alignments.

    Attributes:
      channels: E, the width of keys and queries.
      temperature: factor of the squared distances.
    """

    channels: int = 80
    temperature: float = 0.0005
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        mel: Float[Array, "B T F"],
        num_frames: Int[Array, " B"],
        text: Float[Array, "B N D"],
        num_symbols: Int[Array, " B"],
        prior: Float[Array, "B T N"] | None = None,
    ) -> Alignment:
        """Aligns frames with embeddings of symbols, to which a speaker's may have been added; padding has no effect.

        Args:
          mel, num_frames: frames, and the real ones of each row.
          text, num_symbols: embeddings, and the real ones of each row.
          prior: probability of each symbol at each frame.
        """
        width, bands = text.shape[-1], mel.shape[-1]
        keys = self._conv(2 * width, 3, "key_in", BEFORE_RELU)(text, num_symbols)
        keys = self._conv(self.channels, 1, "key_out")(jax.nn.relu(keys), num_symbols)
        queries = self._conv(2 * bands, 3, "query_in", BEFORE_RELU)(mel, num_frames)
        queries = self._conv(bands, 1, "query_middle")(jax.nn.relu(queries), num_frames)
        queries = self._conv(self.channels, 1, "query_out")(jax.nn.relu(queries), num_frames)
        scores = -self.temperature * _squared_distances(queries, keys)
        real = length_mask(num_symbols, text.shape[1])[:, None]
        if prior is not None:
            scores = jax.nn.log_softmax(jnp.where(real, scores, -jnp.inf), axis=-1)
            scores = jnp.where(real, scores, 0.0) + jnp.log(prior + PRIOR_FLOOR)
        return Alignment(scores, log_alignment(scores, num_symbols))

    def _conv(self, channels: int, kernel_size: int, name: str, gain: float = 1.0) -> FrameConv1D:
        return FrameConv1D(channels, kernel_size, gain=gain, dtype=self.dtype, name=name)


def log_alignment(scores: Float[Array, "B T N"], num_symbols: Int[Array, " B"]) -> Float[Array, "B T N"]:
    """Normalises scores over each row's own symbols; -inf beyond them."""
    real = length_mask(num_symbols, scores.shape[2])[:, None]
    # A row without symbols would have no finite score, and a gradient of NaN.
    scores = jnp.where(real | (num_symbols == 0)[:, None, None], scores, -jnp.inf)
    return jnp.where(real, jax.nn.log_softmax(scores, axis=-1), -jnp.inf)


def _squared_distances(queries: Float[Array, "B T E"], keys: Float[Array, "B N E"]) -> Float[Array, "B T N"]:
    queries, keys = queries.astype(jnp.float32), keys.astype(jnp.float32)
    # Moving the origin to the keys' mean changes no distance, and leaves fewer digits to cancel.
    centre = keys.mean(1, keepdims=True)
    queries, keys = queries - centre, keys - centre
    products = jnp.einsum("bte,bne->btn", queries, keys, precision="highest")
    return (queries**2).sum(-1)[:, :, None] + (keys**2).sum(-1)[:, None] - 2 * products
