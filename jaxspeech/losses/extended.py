"""Extended floats m * 2^e with a float32 mantissa and an int32 exponent: path probabilities without logarithms.

A path over thousands of frames has a probability far below the smallest float32, and neighbouring states of a
lattice differ by as much. Logarithms solve that, but cost an exponential per sum and lose precision as they grow:
at -2000 a float32 resolves 1e-4. Here a sum is two shifts of the exponent and an addition, and its relative error is
one rounding (6e-8).
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# The exponent of zero. Actual exponents stay far above: 2^25 bits are 23 million nats.
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
    """Returns zeros."""
    return Extended(jnp.ones(shape, jnp.float32), jnp.full(shape, IMPOSSIBLE, jnp.int32))


def indicator(condition: Bool[Array, "..."]) -> Extended:
    """Returns one where the condition holds, and zero elsewhere."""
    return Extended(jnp.ones(condition.shape, jnp.float32), jnp.where(condition, 0, IMPOSSIBLE).astype(jnp.int32))


def where(condition: Bool[Array, "..."], x: Extended) -> Extended:
    """Returns `x` where the condition holds, and zero elsewhere."""
    return x._replace(exponent=jnp.where(condition, x.exponent, IMPOSSIBLE))


def from_log(log_x: Float[Array, "..."]) -> Extended:
    """Computes exp(log_x), for natural logarithms down to -inf."""
    bits = jnp.maximum(log_x.astype(jnp.float32) * (1 / math.log(2)), IMPOSSIBLE)
    whole = jnp.floor(bits)
    return Extended(jnp.exp2(bits - whole), whole.astype(jnp.int32))


def to_log(x: Extended) -> Float[Array, "..."]:
    """Computes the natural logarithm; -inf for zero."""
    logarithm = (jnp.log2(x.mantissa) + x.exponent.astype(jnp.float32)) * math.log(2)
    return jnp.where(x.exponent > IMPOSSIBLE // 2, logarithm, -jnp.inf)


def to_float(x: Extended) -> Float[Array, "..."]:
    """Converts numbers below 2^127 to float32; those too small become zero."""
    return x.mantissa * _power_of_two(x.exponent)


def add(*terms: Extended) -> Extended:
    """Adds the terms, with the largest of their exponents."""
    top = terms[0].exponent
    for term in terms[1:]:
        top = jnp.maximum(top, term.exponent)
    mantissa = jnp.zeros((), jnp.float32)
    for term in terms:
        mantissa += term.mantissa * _power_of_two(term.exponent - top)
    return Extended(mantissa, top)


def add_all(x: Extended) -> Extended:
    """Sums over the first axis."""
    top = x.exponent.max(0)
    return Extended((x.mantissa * _power_of_two(x.exponent - top)).sum(0), top)


def multiply(x: Extended, y: Extended) -> Extended:
    """Multiplies, and normalises the mantissa to [1, 2)."""
    bits = jax.lax.bitcast_convert_type(x.mantissa * y.mantissa, jnp.int32)
    exponent = x.exponent + y.exponent + (bits >> _MANTISSA_BITS) - _BIAS
    mantissa = jax.lax.bitcast_convert_type((bits & _MANTISSA_MASK) | _ONE, jnp.float32)
    return Extended(mantissa, jnp.maximum(exponent, IMPOSSIBLE))


def divide(x: Extended, y: Extended) -> Extended:
    """Divides; the result is meaningless where `y` is zero."""
    return Extended(x.mantissa / y.mantissa, x.exponent - y.exponent)


def _power_of_two(exponent: Int[Array, "..."]) -> Float[Array, "..."]:
    """Computes 2^exponent by setting the exponent bits, up to 2^127; zero below 2^-126."""
    return jax.lax.bitcast_convert_type((jnp.maximum(exponent, -_BIAS) + _BIAS) << _MANTISSA_BITS, jnp.float32)
