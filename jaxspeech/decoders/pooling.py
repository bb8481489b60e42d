"""Pooling of a recording's frames to one vector: means and deviations over its real frames, plain or weighted.

mean      mu = sum_t w[t] x[t]
deviation sigma = sqrt(max(sum_t w[t] (x[t] - mu)^2, 1e-10))
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.masks import length_mask
from jaxspeech.nn.initializers import convolutional, uniform_within
from jaxspeech.nn.normalization import BatchNorm, LayerNorm
from jaxspeech.nn.products import dot_general, einsum

# Smallest variance, so that the gradient of a deviation stays finite.
LEAST_VARIANCE = 1e-10


def statistics_pool(x: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Float[Array, "B E"]:
    """Concatenates the mean and the unbiased standard deviation over the real frames; E = 2 D.

    A recording of one frame has the smallest deviation.
    """
    real, counts = _real(x, num_frames)
    mean = mean_pool(x, num_frames)
    squares = jnp.where(real, jnp.square(jnp.where(real, x, 0.0) - mean[:, None]), 0.0).sum(1)
    variance = squares / jnp.maximum(counts - 1, 1)[:, None]
    return jnp.concatenate([mean, _deviation(variance)], -1)


def mean_pool(x: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Float[Array, "B D"]:
    """Averages the real frames."""
    real, counts = _real(x, num_frames)
    return jnp.where(real, x, 0.0).sum(1) / counts[:, None]


def _real(x: Array, num_frames: Array) -> tuple[Bool[Array, "B T 1"], Int[Array, " B"]]:
    """The mask of the real frames and their numbers; an empty row counts as one of a single frame."""
    counts = jnp.maximum(num_frames, 1)
    return length_mask(counts, x.shape[1])[:, :, None], counts


class AttentivePooling(nn.Module):
    """Pools with weights that the frames themselves determine (Okabe et al., 2018; Desplanques et al., 2020).

    w = softmax_t(V tanh(norm(relu(W [x[t]; mean x; deviation x]))))

    There is a weight for each frame and channel; the deviation is the biased one.

    Attributes:
      width: of the inner layer.
      norm: "batch", or "layer" for batches of a few recordings.
      norm_over_padding: whether padded frames count in the statistics of a batch norm.
    """

    width: int = 128
    norm: str = "batch"
    norm_over_padding: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], num_frames: Int[Array, " B"], *, train: bool = False
    ) -> Float[Array, "B E"]:
        """Returns the weighted means and deviations, side by side; E = 2 D."""
        channels, width = x.shape[-1], self.width
        x = x.astype(jnp.float32)
        mask, counts = _real(x, num_frames)
        real = jnp.where(mask, x, 0.0)
        mean = real.sum(1) / counts[:, None]
        squares = jnp.where(mask, jnp.square(real - mean[:, None]), 0.0).sum(1)
        deviation = _deviation(squares / counts[:, None])

        # Padded frames matter only to a batch norm that counts them.
        seen = x if self.norm_over_padding else real
        # One product for each of the three inputs: mean and deviation are the same for all frames.
        kernel = self.param("kernel", convolutional("xavier_uniform", 3 * channels, width), (3 * channels, width))
        of_frames, of_mean, of_deviation = jnp.split(kernel, 3)
        bias = self.param("bias", uniform_within((3 * channels) ** -0.5), (width,))
        of_row = einsum("bd,dk->bk", mean, of_mean) + einsum("bd,dk->bk", deviation, of_deviation) + bias
        hidden = jax.nn.relu(einsum("btd,dk->btk", seen, of_frames) + of_row[:, None])
        if self.norm == "layer":
            hidden = LayerNorm(name="norm")(hidden)
        else:
            counted = length_mask(num_frames, x.shape[1]) | self.norm_over_padding
            hidden = BatchNorm(name="norm")(hidden, counted, train=train)
        # The bias adds the same to all frames of a channel: it has no effect, but NeMo's files have one.
        out_init, bias_init = convolutional("xavier_uniform", width, channels), uniform_within(width**-0.5)
        out = nn.Dense(channels, kernel_init=out_init, bias_init=bias_init, dot_general=dot_general, name="out")
        scores = jnp.where(mask, out(jnp.tanh(hidden)), -jnp.inf)
        # The sums are divided, rather than each frame's weight: that is one pass over all frames less.
        shares = jnp.exp(scores - jax.lax.stop_gradient(scores.max(1, keepdims=True)))
        total = shares.sum(1)
        mean = (shares * real).sum(1) / total
        variance = (shares * jnp.square(real - mean[:, None])).sum(1) / total
        return jnp.concatenate([mean, _deviation(variance)], -1)


def _deviation(variance: Float[Array, "B D"]) -> Float[Array, "B D"]:
    return jnp.sqrt(jnp.maximum(variance, LEAST_VARIANCE))
