"""Materialises an array once on CPU, where XLA would otherwise recompute it inside every consumer."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The name of small arrays in rematerialisation policies, from which the backward pass computes much of a layer.
KEPT = "kept"


@jax.custom_vjp
def materialize(x: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """Returns `x`; on a CPU neither `x` nor its gradient is fused into its consumers.

    XLA recomputes cheap-looking operations in every consumer: in a training step a depthwise convolution nine times,
    and the operand of a padding element by element. An `optimization_barrier` does not prevent that; a division does,
    because it counts as expensive. The divisor is 1 + 0 x, which XLA cannot fold to 1, as x could be infinite (the
    result is then NaN). Finite values and gradients are bit for bit those of `x`.
    """
    return _divided_by_one(x)


def _divided_by_one(x: Array) -> Array:
    return jax.lax.platform_dependent(x, cpu=lambda x: x / (1 + 0 * x), default=lambda x: x)


materialize.defvjp(lambda x: (_divided_by_one(x), None), lambda _, gradient: (_divided_by_one(gradient),))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def separate(x: Float[Array, "*S"], number: int) -> Float[Array, "*S"]:
    """Returns `x`, which XLA takes for a different array for each number.

    It makes one product of several with the same operand. Where their results are used apart, these then have to be
    copied, and the gradients put together.
    """
    return jax.lax.optimization_barrier((x, jnp.int32(number)))[0]


separate.defvjp(lambda x, number: (separate(x, number), None), lambda number, _, gradient: (gradient,))
