"""Convolutions over frames of waveforms: dilated, strided or in groups.

y[t, d] = sum_{i, c} x[stride t + dilation i - left, g(d), c] kernel[i, c, d],    zero outside

Channel d of the output belongs to group g(d), and sees the channels of the input that do.

XLA computes plain ones on a CPU at the speed of its products, of which `nn.winograd` needs half for three taps. One in
groups runs at half of that speed, its gradient by the kernel at a tenth, and that by the input of a strided one with
zeros between. A CPU therefore computes a large one as a loop over the groups, in which `stride` neighbouring frames are
one, with a stride-th of the taps and no stride:

X[u, (s, c)] = x[stride u + s - left, g, c],   y = X * K,   dX = dy * K reversed,   dK[a] = sum_t X[t + a]^T dy[t]

A loop also compiles in a fifth of the time that the groups take side by side.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.winograd import convolve_three, saves_products

DIMENSIONS = ("NWC", "WIO", "NWC")
# Numbers in the input from which on a loop is faster.
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
    together = partial(
        jax.lax.conv_general_dilated,
        window_strides=(stride,),
        padding=[padding],
        rhs_dilation=(dilation,),
        dimension_numbers=DIMENSIONS,
        feature_group_count=groups,
    )
    if padding == (1, 1) and stride == dilation == groups == 1 and saves_products(x, kernel):
        return jax.lax.platform_dependent(x, kernel, cpu=convolve_three, default=together)
    if groups == 1 or dilation > 1 or not isinstance(x.size, int) or x.size < LARGE:
        return together(x, kernel)
    looped = partial(_looped, padding=padding, stride=stride, groups=groups)
    return jax.lax.platform_dependent(x, kernel, cpu=looped, default=together)


def _looped(
    x: Float[Array, "B T C"], kernel: Float[Array, "W I D"], *, padding: tuple[int, int], stride: int, groups: int
) -> Float[Array, "B T_out D"]:
    (rows, length, _), (taps, width, channels) = x.shape, kernel.shape
    frames = (length + sum(padding) - taps) // stride + 1
    wide_taps = -(-taps // stride)
    steps = frames + wide_taps - 1
    after = max(steps * stride - padding[0] - length, 0)
    x = jnp.pad(x, ((0, 0), (padding[0], after), (0, 0)))[:, : steps * stride]
    x = x.reshape(rows, steps, stride, groups, width).transpose(3, 0, 1, 2, 4)
    kernel = jnp.pad(kernel, ((0, wide_taps * stride - taps), (0, 0), (0, 0)))
    kernel = kernel.reshape(wide_taps, stride, width, groups, channels // groups).transpose(3, 0, 1, 2, 4)
    y = _group_by_group(
        x.reshape(groups, rows, steps, stride * width), kernel.reshape(groups, wide_taps, stride * width, -1)
    )
    return y.transpose(1, 2, 0, 3).reshape(rows, frames, channels)


@jax.custom_vjp
def _group_by_group(x: Float[Array, "G B U C"], kernel: Float[Array, "G A C D"]) -> Float[Array, "G B T D"]:
    return jax.lax.map(lambda own: _plain(*own), (x, kernel))


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _group_by_group(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], dy: Float[Array, "G B T D"]) -> tuple[Array, Array]:
    x, kernel = saved
    taps, frames = kernel.shape[1], dy.shape[2]

    def by_kernel(own: tuple[Array, Array]) -> Float[Array, "A C D"]:
        x, dy = own

        def of_tap(tap: Array) -> Float[Array, "C D"]:
            return jnp.einsum("btc,btd->cd", jax.lax.dynamic_slice_in_dim(x, tap, frames, axis=1), dy)

        return jax.lax.map(of_tap, jnp.arange(taps))

    # In two loops, so that the gradient that nobody asks for is left out.
    turned = kernel[:, ::-1].swapaxes(2, 3)
    dx = jax.lax.map(lambda own: _plain(*own, around=taps - 1), (dy, turned))
    return dx, jax.lax.map(by_kernel, (x, dy))


_group_by_group.defvjp(_forward, _backward)


def _plain(x: Float[Array, "B T C"], kernel: Float[Array, "W C D"], around: int = 0) -> Float[Array, "B T_out D"]:
    return jax.lax.conv_general_dilated(x, kernel, (1,), [(around, around)], dimension_numbers=DIMENSIONS)
