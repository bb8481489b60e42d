"""Solves systems of Hermitian positive matrices, and whitens with them, in single precision and with finite gradients.

Both lower to the libraries of each backend in complex64: LAPACK, cuSOLVER, and what XLA has for TPUs.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

# The least an eigenvalue can be, and what is added to eigenvalues in relation to the greatest, as in NeMo.
EPSILON = 1e-8


def loaded(matrices: Complex[Array, "... C C"], loading: float, epsilon: float) -> Complex[Array, "... C C"]:
    """Adds (loading * trace + epsilon) to the diagonals."""
    size = matrices.shape[-1]
    added = loading * trace(matrices) + epsilon
    return matrices + (added[..., None, None] * jnp.eye(size, dtype=added.dtype)).astype(matrices.dtype)


def trace(matrices: Complex[Array, "... C C"]) -> Float[Array, "..."]:
    """The real part of the sum of the diagonal."""
    return jnp.trace(matrices.real, axis1=-2, axis2=-1)


def solve_positive(matrices: Complex[Array, "... C C"], right: Complex[Array, "... C K"]) -> Complex[Array, "... C K"]:
    """Solves A X = B of Hermitian positive definite A by Cholesky's factors, which the gradient uses again."""
    factors = jax.lax.stop_gradient(jnp.linalg.cholesky(matrices))

    def solve(_: object, x: Array) -> Array:
        return jax.scipy.linalg.cho_solve((factors, True), x)

    def transposed(_: object, x: Array) -> Array:
        return jax.scipy.linalg.cho_solve((factors, True), x.conj()).conj()

    return jax.lax.custom_linear_solve(lambda x: product(matrices, x), right, solve, transpose_solve=transposed)


@jax.custom_jvp
def whitening(matrices: Complex[Array, "... C C"]) -> tuple[Complex[Array, "... C C"], Float[Array, "..."]]:
    """W with W^H W = A^-1, and log det A, where A = matrices / (their greatest eigenvalue + EPSILON) + EPSILON I.

    Eigenvalues below EPSILON count as that, so the result is finite whatever the rank. Gradients take the greatest
    eigenvalue for a constant: they are for what does not depend on the scale, as -C log |W z|^2 - log det A. They are
    those of A^-1 and its determinant, which stay finite where eigenvalues are equal.
    """
    factors, log_det, _ = _whitened(matrices)
    return factors, log_det


def _whitened(matrices: Array) -> tuple[Array, Array, Array]:
    values, vectors = jnp.linalg.eigh((matrices + matrices.conj().swapaxes(-1, -2)) / 2)
    values = jnp.maximum(values, EPSILON)
    scale = values.max(-1, keepdims=True) + EPSILON
    values = values / scale + EPSILON
    factors = (vectors / jnp.sqrt(values)[..., None, :]).conj().swapaxes(-1, -2)
    return factors, jnp.log(values).sum(-1), scale[..., None]


@whitening.defjvp
def _whitening_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    factors, log_det, scale = _whitened(primals[0])
    change = (tangents[0] + tangents[0].conj().swapaxes(-1, -2)) / (2 * scale)
    white = product(product(factors, change), factors.conj().swapaxes(-1, -2))
    return (factors, log_det), (-product(white, factors) / 2, trace(white))


def product(a: Array, b: Array) -> Array:
    """The product of matrices, without a rounding of their elements."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
