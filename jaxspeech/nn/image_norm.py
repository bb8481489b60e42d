"""Group norm of images that counts chosen frames only, and what follows it in NCSN++: the swish.

y = scale (x - mean) / sqrt(var + eps) + bias,    mean and var over the frames that count, all bins, a group's channels
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

EPSILON = 1e-6
# As many channels in a group, but at most so many groups.
LEAST_CHANNELS, MOST_GROUPS = 4, 32


def num_groups(channels: int) -> int:
    """Returns the number of groups that NCSN++ has for so many channels."""
    return min(channels // LEAST_CHANNELS, MOST_GROUPS)


class ImageNorm(nn.Module):
    """Normalises each image over groups of channels (Wu and He, 2018), applies swish, and zeroes what does not count.

    `counts` is True for the frames of each image that count; the others are zero afterwards.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B N F C"], counts: Bool[Array, "B N"]) -> Float[Array, "B N F C"]:
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones_init(), (channels,))
        bias = self.param("bias", nn.initializers.zeros_init(), (channels,))
        return norm_and_swish(x, scale, bias, counts).astype(self.dtype)


# The backward pass computes everything again: stored, its parts would take several times the memory of the images.
@jax.checkpoint
def norm_and_swish(
    x: Float[Array, "B N F C"], scale: Float[Array, " C"], bias: Float[Array, " C"], counts: Bool[Array, "B N"]
) -> Float[Array, "B N F C"]:
    """Computes swish(y) in float32."""
    b, _, bins, channels = x.shape
    groups = num_groups(channels)
    weights = counts.astype(jnp.float32)
    number = jnp.maximum(counts.sum(1), 1)[:, None] * (bins * (channels // groups))

    def mean(values: Float[Array, "B N F C"]) -> Float[Array, "B 1 1 C"]:
        """Returns a group's mean for each of its channels.

        The frames are summed up by a product, since a CPU is slow at a sum of sums: XLA makes one loop of them.
        """
        by_channel = jnp.einsum("bn,bnc->bc", weights, values.sum(2), precision=jax.lax.Precision.HIGHEST)
        by_group = by_channel.reshape(b, groups, -1).sum(-1) / number
        return jnp.repeat(by_group, channels // groups, axis=1)[:, None, None]

    wide = x.astype(jnp.float32)
    centre = mean(wide)
    factor = jax.lax.rsqrt(mean(jnp.square(wide - centre)) + EPSILON) * scale
    normal = wide * factor + (bias - centre * factor)
    return jnp.where(counts[:, :, None, None], jax.nn.swish(normal), 0.0)
