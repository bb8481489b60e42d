"""Convolutions over frames whose kernels are normalised: vocoders and their discriminators.

weight     kernel = scale v / |v|           a norm for each output channel (Salimans and Kingma, 2016); of a
                                            transposed convolution, for each input channel, as in torch
spectral   kernel = w / (u w v)             u and v follow the greatest singular value (Miyato et al., 2018)
none       kernel
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.errors import ConfigError
from jaxspeech.history import in_parts, with_history
from jaxspeech.nn.grouped_convolution import convolve
from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.products import einsum
from jaxspeech.overlap import overlap_add

NORMS = ("weight", "spectral", "none")
# The least norm of a vector in the power iteration, as in torch.
TINY = 1e-12
# Steps of the power iteration with which a new kernel begins.
FIRST_STEPS = 15
# The axes of a kernel over which a weight norm is taken, and those of an upsampling, whose name begins so.
OWN, UPSAMPLING_OWN, UPSAMPLING = (0, 1), (0, 2), "upsampling"


def check_norm(norm: str) -> None:
    """Raises ConfigError for an unknown norm."""
    if norm not in NORMS:
        raise ConfigError(f"norm cannot be {norm!r} (can be {', '.join(NORMS)})")


class NormedConv(nn.Module):
    """A convolution over frames.

    Attributes:
      channels: D of the output.
      kernel_size: W, odd; the frames outside are zero, and a stride of s leaves ceil(T / s) frames.
      stride, dilation, groups: see `nn.grouped_convolution`.
      norm: of the kernel, see above.
      dtype: of the products.
    """

    channels: int
    kernel_size: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    norm: str = "weight"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T C"], *, train: bool = False) -> Float[Array, "B T_out D"]:
        """Convolves. In parts (see `history`), the output is (W - 1) / 2 * dilation frames late.

        With `train`, a spectral norm makes one step of its power iteration.
        """
        shape = (self.kernel_size, x.shape[-1] // self.groups, self.channels)
        bound = 1.0 / math.sqrt(shape[0] * shape[1])
        kernel = normed_kernel(self, shape, bound, own_axes=OWN, train=train)
        bias = self.param("bias", uniform_within(bound), (self.channels,))
        half = (self.kernel_size - 1) // 2 * self.dilation
        padding = half, half
        if in_parts(self):
            x, padding = with_history(self, "past", x, 2 * half), (0, 0)
        options = {"stride": self.stride, "dilation": self.dilation, "groups": self.groups}
        y = convolve(x.astype(self.dtype), kernel.astype(self.dtype), padding=padding, **options)
        return y + bias.astype(self.dtype)


class NormedUpsampling(nn.Module):
    """A transposed convolution: T frames become `rate` T.

    y[rate t + i - (W - rate) / 2] += x[t] kernel[i]

    It is one product, of every frame with all taps, and an addition of the overlapping results.

    Attributes:
      channels: D of the output.
      kernel_size: W; W - rate is even and not negative.
      rate: frames that come from one.
      norm: of the kernel.
      dtype: of the products.
    """

    channels: int
    kernel_size: int
    rate: int
    norm: str = "weight"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T C"]) -> Float[Array, "B T_out D"]:
        """Upsamples. In parts (see `history`), the output is (W - rate) / 2 frames late."""
        taps, rate, width = self.kernel_size, self.rate, self.channels
        shape = (taps, x.shape[-1], width)
        bound = 1.0 / math.sqrt(taps * width)
        kernel = normed_kernel(self, shape, bound, own_axes=UPSAMPLING_OWN, train=False).astype(self.dtype)
        bias = self.param("bias", uniform_within(bound), (width,))
        before = -(-taps // rate) - 1 if in_parts(self) else 0
        new = x.shape[1]
        if before:
            x = with_history(self, "past", x, before)
        pieces = einsum("btc,cn->btn", x.astype(self.dtype), kernel.swapaxes(0, 1).reshape(shape[1], taps * width))
        y = overlap_add(pieces, rate * width).reshape(x.shape[0], -1, width)
        first = before * rate if in_parts(self) else (taps - rate) // 2
        return y[:, first : first + new * rate] + bias.astype(self.dtype)


def normed_kernel(
    module: Any, shape: tuple[int, int, int], bound: float, *, own_axes: tuple[int, int], train: bool
) -> Float[Any, "W I D"]:
    """Makes the kernel of a module from its parameters.

    Args:
      module: has the field `norm`.
      shape: of the kernel.
      bound: of its initial values.
      own_axes: those over which each norm is taken.
      train: whether a spectral norm makes a step of its iteration.
    """
    init = uniform_within(bound)
    check_norm(module.norm)
    if module.norm == "none":
        return module.param("kernel", init, shape)
    if module.norm == "weight":
        direction = module.param("direction", init, shape)
        scale = module.param("scale", lambda key: jnp.sqrt(_squares(direction, own_axes)))
        return _of_norm(direction, scale, own_axes)
    kernel = module.param("kernel", init, shape)
    matrix = kernel.reshape(-1, shape[2])
    still = jax.lax.stop_gradient(matrix)
    u = module.variable("spectral_norm", "u", lambda: _vectors(still, jnp.ones(shape[2]), FIRST_STEPS)[0])
    v = module.variable("spectral_norm", "v", lambda: _vectors(still, u.value, 1)[1])
    if train and not module.is_initializing():
        u.value, v.value = _vectors(still, u.value, 1)
    return kernel / (v.value @ matrix @ u.value)


def _squares(kernel: Any, axes: tuple[int, int]) -> Float[Array, " N"]:
    # Bounded before a root, so that the gradient is finite for a direction of zeros too.
    return jnp.maximum(jnp.square(kernel).sum(axes), TINY**2)


def _of_norm(direction: Any, scale: Any, axes: tuple[int, int]) -> Array:
    # Neither a division nor axes of size 1, which XLA writes differently where their gradient is wanted too: the phases
    # of an adversarial step would then each compute the generator.
    [axis] = {0, 1, 2} - {*axes}
    factor = scale * jax.lax.rsqrt(_squares(direction, axes))
    return direction * jax.lax.broadcast_in_dim(factor, direction.shape, (axis,))


def _unit(x: Array) -> Array:
    return x / jnp.maximum(jnp.linalg.norm(x), TINY)


def _vectors(matrix: Array, u: Array, steps: int) -> tuple[Array, Array]:
    """Makes steps of the power iteration from `u`; returns u and v."""
    v = u
    for _ in range(steps):
        v = _unit(matrix @ u)
        u = _unit(v @ matrix)
    return u, v


def folded(params: Any) -> Any:
    """Multiplies the weight norms in a tree of parameters into their kernels: for `norm` "none", with equal results."""
    return _each_convolution(params, ("direction", "scale"), _fold)


def unfolded(params: Any) -> Any:
    """The inverse of `folded`: each kernel is the direction, and its norms are the scale."""
    return _each_convolution(params, ("kernel",), _unfold)


def _fold(own: Any, axes: tuple[int, int]) -> Any:
    direction = own["direction"]
    return {"kernel": _of_norm(direction, own["scale"], axes), "bias": own["bias"]}


def _unfold(own: Any, axes: tuple[int, int]) -> Any:
    return {"direction": own["kernel"], "scale": jnp.sqrt(_squares(own["kernel"], axes)), "bias": own["bias"]}


def _each_convolution(tree: Any, names: tuple[str, ...], change: Any, axes: tuple[int, int] = OWN) -> Any:
    if not isinstance(tree, dict):  # of another kind of layer
        return tree
    if all(name in tree for name in names):
        return change(tree, axes)
    return {
        name: _each_convolution(part, names, change, UPSAMPLING_OWN if name.startswith(UPSAMPLING) else OWN)
        for name, part in tree.items()
    }
