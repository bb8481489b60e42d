"""Convolutions over frames of waveforms: dilated, strided or in groups.

y[t, d] = sum_{i, c} x[stride t + dilation i - left, g(d), c] kernel[i, c, d],    zero outside

Channel d of the output belongs to group g(d), and sees the channels of the input that do.

XLA computes plain ones on a CPU at the speed of its products, gradients included; one in groups at half of it, and its
gradient by the kernel at a tenth. A CPU therefore computes a large one group by group, written out: in a loop, the
gradients would be slower than in groups.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

DIMENSIONS = ("NWC", "WIO", "NWC")
# Numbers in the input from which on groups are written out; smaller ones compile faster as they are.
LARGE = 1 << 18


def convolve(
    x: Float[Array, "B T C"],
    kernel: Float[Any, "W I D"],
    *,
    padding: tuple[int, int] = (0, 0),
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> Float[Array, "B T_out D"]:
    """Convolves; there are (T + left + right - dilation (W - 1) - 1) // stride + 1 frames.

    Args:
      x: the frames.
      kernel: I = C / groups input channels for each output channel.
      padding: zeros (left, right).
      stride, dilation: one of them is 1.
      groups: G.
    """
    plain = partial(
        jax.lax.conv_general_dilated,
        window_strides=(stride,),
        padding=[padding],
        rhs_dilation=(dilation,),
        dimension_numbers=DIMENSIONS,
    )
    together = partial(plain, feature_group_count=groups)
    if groups == 1 or not isinstance(x.size, int) or x.size < LARGE:
        return together(x, kernel)

    def group_by_group(x: Array, kernel: Array) -> Array:
        parts = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
        return jnp.concatenate([plain(*part) for part in parts], -1)

    return jax.lax.platform_dependent(x, kernel, cpu=group_by_group, default=together)
