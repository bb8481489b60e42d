"""Convolutions over frames, dilated, strided or in groups, as products that are fast on a CPU.

y[t, d] = sum_{i, c} x[stride t + dilation i - left, g(d), c] kernel[i, c, d],    zero outside

Channel d of the output belongs to group g(d), and sees the channels of the input that do.
"""

from typing import Any

import jax
from jaxtyping import Array, Float

DIMENSIONS = ("NWC", "WIO", "NWC")


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
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride,),
        [padding],
        rhs_dilation=(dilation,),
        dimension_numbers=DIMENSIONS,
        feature_group_count=groups,
    )
