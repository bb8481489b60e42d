"""Matrix products whose factors are rounded to half precision, while sums and all else stay float32.

A CPU that knows bfloat16 (AVX-512 BF16, AMX) multiplies it twice as fast as float32, but does everything between the
products faster in float32, so bfloat16 activations cost there more than they save. XLA's CPU backend also ignores
`jax.default_matmul_precision`, and adds in a slower way where the result is to be bfloat16: hence the rounding here.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_product_dtype: ContextVar[Any] = ContextVar("product_dtype", default=None)


@contextlib.contextmanager
def products_in(dtype: Any) -> Iterator[None]:
    """While it lasts, `einsum` and `dot_general` round float32 factors to `dtype`; None leaves them as they are."""
    token = _product_dtype.set(dtype)
    try:
        yield
    finally:
        _product_dtype.reset(token)


def einsum(subscripts: str, x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
    """`jnp.einsum` of two arrays."""
    x, y, options = _rounded(x, y)
    return jnp.einsum(subscripts, x, y, **options)


def dot_general(x: Float[Array, "..."], y: Float[Array, "..."], *args: Any, **options: Any) -> Float[Array, "..."]:
    """`jax.lax.dot_general`."""
    x, y, result = _rounded(x, y)
    return jax.lax.dot_general(x, y, *args, **(options | result))


def _rounded(x: Array, y: Array) -> tuple[Array, Array, dict[str, Any]]:
    """The factors, and the options of a product whose result has their own dtype."""
    dtype = _product_dtype.get()
    if dtype is None or x.dtype != jnp.float32 or y.dtype != jnp.float32:
        return x, y, {}
    return x.astype(dtype), y.astype(dtype), {"preferred_element_type": jnp.float32}
