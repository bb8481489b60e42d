"""Arrays that XLA is to write to memory where its CPU backend would compute them again for each that needs them."""

import jax
from jaxtyping import Array, Bool, Float


def computed_once(x: Float[Array, "*S"], mask: Bool[Array, "..."]) -> Float[Array, "*S"]:
    """`x` itself; on a CPU neither it nor its gradient becomes a part of what it is used for.

    What looks cheap, XLA computes again in everything that uses it: in a training step a depthwise convolution nine
    times, and what stands in a padding one number at a time. An `optimization_barrier` does not keep it from that; a
    division does, for it counts as expensive. This one is by 1, made from any element of `mask` so that it cannot be
    foreseen. Values and gradients are those of `x`, to the last bit.
    """
    if jax.default_backend() != "cpu":
        return x
    one = 1 + 0 * mask.reshape(-1)[0].astype(x.dtype)
    return x / one
