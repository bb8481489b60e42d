"""Layer, group and batch norm over frames; statistics are float32 whatever the compute dtype.

y = scale (x - mean) / sqrt(var + eps) + bias
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxspeech.row_parallel import rows_split

EPSILON = 1e-5
# Widths for which there is a GPU kernel.
KERNEL_WIDTHS = (128, 256, 512, 1024, 2048)


@jax.jit
def layer_norm(
    x: Float[Array, "*shape D"], scale: Float[Array, " D"], bias: Float[Array, " D"], epsilon: Any
) -> Float[Array, "*shape D"]:
    """Normalises over the last axis; `jit` gives it a name in the jaxpr, by which an exporter recognises it."""

    def spread(values: Float[Array, "*shape"]) -> Float[Array, "*shape D"]:
        # No axes of size 1, which XLA writes differently where a gradient is wanted too: the phases of an adversarial
        # step would then each compute the generator.
        return jax.lax.broadcast_in_dim(values, x.shape, tuple(range(x.ndim - 1)))

    centred = x - spread(x.mean(-1))
    inverse_deviation = jax.lax.rsqrt(jnp.square(centred).mean(-1) + epsilon)
    return centred * spread(inverse_deviation) * scale + bias


class LayerNorm(nn.Module):
    """Normalises each frame over its channels (Ba et al., 2016).

    Attributes:
      stream: return (x, norm): in training, the gradients by both are added up where they are computed.
    """

    dtype: Any = jnp.float32
    stream: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*shape D"], *, train: bool = False) -> Any:
        scale = self.param("scale", nn.initializers.ones_init(), (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros_init(), (x.shape[-1],))
        if train and self._has_kernel(x):
            from jaxspeech.nn.stream_norm import stream_norm

            return stream_norm(x, scale, bias, self.stream)
        normed = layer_norm(x.astype(jnp.float32), scale, bias, EPSILON).astype(self.dtype)
        return (x, normed) if self.stream else normed

    def _has_kernel(self, x: Array) -> bool:
        """Whether a GPU computes the gradient by the kernel of `nn.stream_norm`."""
        half = x.dtype == self.dtype == jnp.bfloat16
        static = x.ndim == 3 and all(isinstance(size, int) for size in x.shape)
        return half and static and x.shape[-1] in KERNEL_WIDTHS and rows_split(x.shape[0]) > 0


class GroupNorm(nn.Module):
    """Normalises each utterance over its frames and groups of channels (Wu and He, 2018).

    `mask` is True for the frames that count.
    """

    num_groups: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B T D"]:
        b, t, width = x.shape
        scale = self.param("scale", nn.initializers.ones_init(), (width,))
        bias = self.param("bias", nn.initializers.zeros_init(), (width,))
        grouped = x.astype(jnp.float32).reshape(b, t, self.num_groups, -1)
        counts = mask[:, :, None, None]
        # A row of padding alone has no statistics: a count of 1 keeps it and its gradient finite.
        number = jnp.maximum(counts.sum(1, keepdims=True), 1) * grouped.shape[-1]
        mean = jnp.where(counts, grouped, 0.0).sum((1, 3), keepdims=True) / number
        centred = grouped - mean
        variance = jnp.where(counts, jnp.square(centred), 0.0).sum((1, 3), keepdims=True) / number
        normal = jnp.where(counts.any(1, keepdims=True), centred * jax.lax.rsqrt(variance + EPSILON), 0.0)
        return (normal.reshape(b, t, width) * scale + bias).astype(self.dtype)


def _counted(x: Float[Array, "B T D"], *, mask: Bool[Array, "B T 1"], half: bool) -> Float[Array, "B T D"]:
    # As in `masks.keep_frames`; frames that do not count are finite in half precision.
    return x * mask.astype(jnp.float32) if half else jnp.where(mask, x, 0.0)


class BatchNorm(nn.Module):
    """Normalises channels over the frames of the batch (Ioffe and Szegedy, 2015); inference uses running statistics.

    `mask` is True for the frames that count. The running variance is unbiased, as in torch. When the batch is sharded,
    the statistics are those of the whole batch. Without `affine` there are no scale and bias.
    """

    momentum: float = 0.1
    epsilon: float = EPSILON
    affine: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"], *, train: bool = False
    ) -> Float[Array, "B T D"]:
        width = x.shape[-1]
        scale, bias = jnp.ones(()), jnp.zeros(())
        if self.affine:
            scale = self.param("scale", nn.initializers.ones_init(), (width,))
            bias = self.param("bias", nn.initializers.zeros_init(), (width,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (width,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (width,))
        half, x = x.dtype != jnp.float32, x.astype(jnp.float32)
        if train:
            counted = partial(_counted, mask=mask[:, :, None], half=half)
            number = jnp.maximum(mask.sum(), 1).astype(jnp.float32)
            mean = counted(x).sum((0, 1)) / number
            variance = counted(jnp.square(x - mean)).sum((0, 1)) / number
            if not self.is_initializing():
                unbiased = variance * number / jnp.maximum(number - 1.0, 1.0)
                momentum = jnp.where(mask.any(), self.momentum, 0.0)  # a batch of padding changes nothing
                running_mean.value += momentum * (mean - running_mean.value)
                running_var.value += momentum * (unbiased - running_var.value)
        else:
            mean, variance = running_mean.value, running_var.value
        factor = scale * jax.lax.rsqrt(variance + self.epsilon)
        return (x * factor + (bias - mean * factor)).astype(self.dtype)
