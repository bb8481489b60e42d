"""Numbers m * 2^e with a float32 mantissa and an int32 exponent: probabilities of long paths, without logarithms.

A path over thousands of frames has a probability far below the smallest float32, and neighbouring states of a
lattice differ by as much. Logarithms cure that, but cost an exponential per sum and lose digits as they grow:
at -2000 a float32 resolves 1e-4. Here a sum is two shifts of the exponent and an addition, and stays within one
rounding (6e-8) of exact.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# The exponent of zero. Real exponents stay far above: 2^25 bits are 23 million nats.
IMPOSSIBLE = -(2**25)

_MANTISSA_BITS = 23
_BIAS = 127
_MANTISSA_MASK = 0x007FFFFF
_ONE = 0x3F800000  # the bits of 1.0


class Extended(NamedTuple):
    """Non-negative numbers mantissa * 2^exponent; the mantissa is positive even where the number is zero."""

    mantissa: Float[Any, "..."]
    exponent: Int[Any, "..."]


def zeros(shape: tuple[int, ...]) -> Extended:
    """Zeros."""
    return Extended(jnp.ones(shape, jnp.float32), jnp.full(shape, IMPOSSIBLE, jnp.int32))


def indicator(condition: Bool[Array, "..."]) -> Extended:
    """One where the condition holds, otherwise zero."""
    return Extended(jnp.ones(condition.shape, jnp.float32), jnp.where(condition, 0, IMPOSSIBLE).astype(jnp.int32))


def where(condition: Bool[Array, "..."], x: Extended) -> Extended:
    """`x` where the condition holds, otherwise zero."""
    return x._replace(exponent=jnp.where(condition, x.exponent, IMPOSSIBLE))


def from_log(log_x: Float[Array, "..."]) -> Extended:
    """exp(log_x), for natural logarithms down to -inf."""
    bits = jnp.maximum(log_x.astype(jnp.float32) * (1 / math.log(2)), IMPOSSIBLE)
    whole = jnp.floor(bits)
    return Extended(jnp.exp2(bits - whole), whole.astype(jnp.int32))


def to_log(x: Extended) -> Float[Array, "..."]:
    """Natural logarithm; -inf for zero."""
    logarithm = (jnp.log2(x.mantissa) + x.exponent.astype(jnp.float32)) * math.log(2)
    return jnp.where(x.exponent > IMPOSSIBLE // 2, logarithm, -jnp.inf)


def to_float(x: Extended) -> Float[Array, "..."]:
    """The number itself, for numbers below 2^127; zero where it is too small for a float32."""
    return x.mantissa * _power_of_two(x.exponent)


def add(*terms: Extended) -> Extended:
    """Sum of the terms, on the exponent of the largest."""
    top = terms[0].exponent
    for term in terms[1:]:
        top = jnp.maximum(top, term.exponent)
    mantissa = jnp.zeros((), jnp.float32)
    for term in terms:
        mantissa += term.mantissa * _power_of_two(term.exponent - top)
    return Extended(mantissa, top)


def multiply(x: Extended, y: Extended) -> Extended:
    """Product, its mantissa brought back to [1, 2)."""
    bits = jax.lax.bitcast_convert_type(x.mantissa * y.mantissa, jnp.int32)
    exponent = x.exponent + y.exponent + (bits >> _MANTISSA_BITS) - _BIAS
    mantissa = jax.lax.bitcast_convert_type((bits & _MANTISSA_MASK) | _ONE, jnp.float32)
    return Extended(mantissa, jnp.maximum(exponent, IMPOSSIBLE))


def divide(x: Extended, y: Extended) -> Extended:
    """Quotient; meaningless where `y` is zero."""
    return Extended(x.mantissa / y.mantissa, x.exponent - y.exponent)


def _power_of_two(exponent: Int[Array, "..."]) -> Float[Array, "..."]:
    """2^exponent by its bits, up to 2^127; zero below 2^-126."""
    return jax.lax.bitcast_convert_type((jnp.maximum(exponent, -_BIAS) + _BIAS) << _MANTISSA_BITS, jnp.float32)
