"""Arrays that XLA is to write to memory where its CPU backend would compute them again for each that needs them."""

import jax
from jaxtyping import Array, Float


@jax.custom_vjp
def materialize(x: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """`x` itself; on a CPU neither it nor its gradient becomes a part of what it is used for.

    What looks cheap, XLA computes again in everything that uses it: in a training step a depthwise convolution nine
    times, and what stands in a padding one number at a time. An `optimization_barrier` does not keep it from that; a
    division does, for it counts as expensive. This one is by 1 + 0 x, which XLA must not take for 1, as x could be
    infinite (what comes of that is no number). Finite values and gradients are those of `x` to the last bit.
    """
    return _divided_by_one(x)


def _divided_by_one(x: Array) -> Array:
    return x / (1 + 0 * x) if jax.default_backend() == "cpu" else x


materialize.defvjp(lambda x: (_divided_by_one(x), None), lambda _, gradient: (_divided_by_one(gradient),))
