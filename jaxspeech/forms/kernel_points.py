"""Computes once what convolutions multiply by, for a model that does not learn any more.

On a CPU a convolution with three taps multiplies by six sums of the taps (`nn.winograd`). They depend on the kernel
alone, and took a quarter of the time in which FastPitch makes the frames of a sentence of 10 s.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxspeech.nn import winograd
from jaxspeech.nn.frame_convolution import POINTS
from jaxspeech.types import Variables

OF_TAPS = np.array(winograd.OF_TAPS, np.float32)
# JAX uses arrays of the host as they are where they begin at a multiple of 64 bytes.
ALIGNED = 16


def uses_points(frames: int) -> bool:
    """Whether a program of so many frames, of all rows together, uses the points of kernels."""
    return frames >= winograd.LONG


def with_points(variables: Variables) -> Variables:
    """Returns the variables, on a CPU with the sums of wide kernels too, which take twice as much memory as these.

    Args:
      variables: of a model, on the device. A kernel that is not of a `FrameConv1D` costs memory only.
    """
    kernels = _wide_kernels(variables["params"])
    if any(device.platform != "cpu" for kernel in jax.tree.leaves(kernels) for device in kernel.devices()):
        return variables
    return variables | {POINTS: jax.tree.map(_points, kernels)} if kernels else variables


def _points(kernel: Float[Any, "3 C D"]) -> list[Float[Array, "C D"]]:
    """Computes `winograd.kernel_points` on the host, without anything to compile, in memory that JAX uses too."""
    _, *channels = kernel.shape
    room = np.empty(6 * math.prod(channels) + ALIGNED, np.float32)
    start = -room.ctypes.data // room.itemsize % ALIGNED
    points = room[start : start + room.size - ALIGNED].reshape(6, -1)
    np.matmul(OF_TAPS, np.asarray(kernel).reshape(3, -1), out=points)
    return [jax.device_put(jnp.from_dlpack(point.reshape(channels)), kernel.sharding) for point in points]


def _wide_kernels(tree: Any) -> dict[str, Any]:
    """The float32 kernels of three taps and many channels, in a tree without the other leaves."""
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            if wide := _wide_kernels(value):
                found[name] = wide
        elif name == "kernel" and value.dtype == "float32" and value.ndim == 3:
            taps, *channels = value.shape
            if taps == 3 and min(channels) >= winograd.WIDE:
                found[name] = value
    return found
