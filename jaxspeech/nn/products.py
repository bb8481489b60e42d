"""Matrix products with operands rounded to half precision; accumulation and everything else stay float32.

A CPU with bfloat16 instructions (AVX-512 BF16, AMX) multiplies twice as fast in bfloat16 as in float32, but computes
everything between the products faster in float32, so bfloat16 activations cost more than they save. XLA's CPU backend
ignores `jax.default_matmul_precision` and is slower where the result is bfloat16: hence the explicit rounding here.
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
    """Makes `einsum` and `dot_general` round float32 operands to `dtype` inside the context; None does not round."""
    token = _product_dtype.set(dtype)
    try:
        yield
    finally:
        _product_dtype.reset(token)


def product_dtype() -> Any:
    """Returns the dtype that `products_in` set; None does not round."""
    return _product_dtype.get()


def einsum(subscripts: str, x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
    """Computes `jnp.einsum` of two arrays, rounded as `products_in` says."""
    x, y, options = _rounded(x, y)
    return jnp.einsum(subscripts, x, y, **options)


def dot_general(x: Float[Array, "..."], y: Float[Array, "..."], *args: Any, **options: Any) -> Float[Array, "..."]:
    """Computes `jax.lax.dot_general`, rounded as `products_in` says."""
    x, y, result = _rounded(x, y)
    return jax.lax.dot_general(x, y, *args, **(options | result))


def _rounded(x: Array, y: Array) -> tuple[Array, Array, dict[str, Any]]:
    """Returns the operands, rounded if asked for, and the options that keep the result in their original dtype."""
    dtype = _product_dtype.get()
    if dtype is None or x.dtype != jnp.float32 or y.dtype != jnp.float32:
        return x, y, {}
    return x.astype(dtype), y.astype(dtype), {"preferred_element_type": jnp.float32}
