"""Layer norm of a residual stream in half precision; a GPU computes its gradient and the stream's in one pass."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.normalization import EPSILON, layer_norm
from jaxspeech.row_parallel import gpu_kernels, kernels_over_rows


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def stream_norm(x: Float[Array, "B T D"], scale: Float[Array, " D"], bias: Float[Array, " D"], stream: bool) -> Any:
    """Returns the norm of x, [B T D]; for a stream (x, norm). D is a power of two; B can be split over the devices."""
    normed = _norm(x, scale, bias)
    return (x, normed) if stream else normed


def _norm(x: Array, scale: Array, bias: Array) -> Array:
    return layer_norm(x.astype(jnp.float32), scale, bias, EPSILON).astype(x.dtype)


def _forward(x: Array, scale: Array, bias: Array, stream: bool) -> tuple[Any, Any]:
    return stream_norm(x, scale, bias, stream), (x, scale, bias)


def _backward(stream: bool, saved: tuple[Array, Array, Array], gradients: Any) -> tuple[Array, Array, Array]:
    other, gradient = gradients if stream else (None, gradients)
    if not gpu_kernels():
        return portable(*saved, other, gradient)
    return jax.lax.platform_dependent(*saved, other, gradient, cuda=by_kernel, default=portable)


def portable(x: Array, scale: Array, bias: Array, other: Array | None, gradient: Array) -> tuple[Array, Array, Array]:
    """Returns the gradients by x, scale and bias, from those by x and the norm."""
    by_x, by_scale, by_bias = jax.vjp(_norm, x, scale, bias)[1](gradient)
    return by_x if other is None else by_x + other, by_scale, by_bias


def by_kernel(
    x: Array, scale: Array, bias: Array, other: Array | None, gradient: Array, *, interpret: bool = False
) -> tuple[Array, Array, Array]:
    """Computes `portable` in one pass over memory."""
    from jaxspeech.nn.norm_kernel import layer_norm_gradients  # Pallas takes its time to import

    del bias

    def of_a_device(first: Any, scale: Array, *arrays: Array) -> Any:
        del first
        rows = [y.reshape(-1, y.shape[-1]) for y in arrays]
        by_x, sums = layer_norm_gradients(scale, *rows, epsilon=EPSILON, interpret=interpret)
        return by_x.reshape(arrays[0].shape), sums

    arrays = (x, gradient) if other is None else (x, gradient, other)
    by_x, sums = kernels_over_rows(of_a_device, scale, *arrays)
    by_scale, by_bias = sums.sum(0)
    return by_x, by_scale, by_bias


stream_norm.defvjp(_forward, _backward)
