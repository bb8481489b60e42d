"""Computes spatial covariances of spectra, weighted by masks.

Phi[m, f] = sum_n w[m, n, f] x[n, f] x[n, f]^H,   w = mask / (sum_n mask + eps)

Outer products of single frames, [N F C C] of them, are never stored.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

EPSILON = 1e-8


def covariances(spectra: Complex[Array, "B C N F"], masks: Float[Array, "B M N F"]) -> Complex[Array, "B M F C C"]:
    """Computes the covariance of the channels under each mask; where a mask is 0, `spectra` must be finite."""
    weights = (masks / (masks.sum(2, keepdims=True) + EPSILON)).transpose(0, 3, 1, 2)
    parts = real_rows(spectra.transpose(0, 3, 1, 2))
    weighted = weights[..., None, :] * parts[:, :, None]
    bins, (masked, rows) = weighted.shape[:2], weighted.shape[2:4]
    products = products_of_rows(weighted.reshape(*bins, masked * rows, -1), parts)
    return hermitian(products.reshape(*bins, masked, rows, rows)).swapaxes(1, 2)


def real_rows(x: Complex[Array, "... C N"]) -> Float[Array, "... R N"]:
    """The real parts of C rows, then their imaginary parts: R = 2 C rows."""
    return jnp.concatenate([x.real, x.imag], axis=-2)


def products_of_rows(x: Float[Array, "... P N"], y: Float[Array, "... R N"]) -> Float[Array, "... P R"]:
    """Sums of products over frames. One product of real matrices is the fastest everywhere.

    HIGHEST: the default product of a GPU or TPU rounds its operands to 10 or 7 bits, and covariances are then inverted.
    """
    return jnp.matmul(x, y.swapaxes(-1, -2), precision=jax.lax.Precision.HIGHEST)


def hermitian(products: Float[Array, "... R R"]) -> Complex[Array, "... C C"]:
    """Turns the products of `real_rows` into sum_n x x^H."""
    size = products.shape[-1] // 2
    first, second = products[..., :size, :], products[..., size:, :]
    real = first[..., :size] + second[..., size:]
    return jax.lax.complex(real, second[..., :size] - first[..., size:])
