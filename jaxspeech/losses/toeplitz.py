"""Solves symmetric Toeplitz systems T[i, j] = r[|i - j|] in O(L^2) operations and O(L) memory, with gradients.

The Levinson-Durbin recursion finds the first column of the inverse: T a = E [1, 0, ...], a[0] = 1. Step m lengthens a
and its mirror image b by one:

    k = -<b shifted by 1, r> / E,  a, b = a + k (b shifted), (b shifted) + k a,  E = E (1 - k^2)

From this column follows the whole inverse (Gohberg and Semencul, 1972), as products with triangular Toeplitz matrices,
which are convolutions:

    T^-1 = (L(a) L(a)^T - L(c) L(c)^T) / E,  c = [0, a[L-1], ..., a[1]]

Its float32 errors grow with the condition of T, so that it only preconditions a few steps of conjugate gradients.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxspeech.loops import scan

STEPS = 8
# The least power that prediction leaves, relative to the signal's: below, the recursion amplifies rounding.
LEAST_ERROR = 1e-5


class _Inverse(NamedTuple):
    """The first column of an inverse: the spectra of a and c, and 1 / E."""

    a: Complex[Array, "*B F"]
    c: Complex[Array, "*B F"]
    scale: Float[Array, "*B 1"]


def solve_toeplitz(r: Float[Any, "*B L"], b: Float[Any, "*B L"]) -> Float[Array, "*B L"]:
    """Solves T x = b, where T is positive definite.

    Args:
      r: the first column of T; r[0] is positive.
      b: the right side.
    """
    r, b = jnp.asarray(r, jnp.float32), jnp.asarray(b, jnp.float32)
    # Powers of recordings reach from 1e-8 to 1e8.
    power = r[..., :1]
    r, b = r / power, b / power
    inverse = jax.lax.stop_gradient(_durbin(r))
    row = jnp.fft.rfft(jnp.concatenate([r, jnp.zeros_like(r[..., :1]), r[..., :0:-1]], axis=-1))

    def multiply(x: Float[Array, "*B L"]) -> Float[Array, "*B L"]:
        return _filtered(row, x)

    def solve(_: Any, b: Float[Array, "*B L"]) -> Float[Array, "*B L"]:
        # The steps start from 0, and a right side of 0 gives 0 / 0.
        def step(_: Any, state: Any) -> Any:
            x, residual, direction, energy = state
            moved = multiply(direction)
            length = _divided(energy, _dot(direction, moved))
            x, residual = x + length * direction, residual - length * moved
            conditioned = _applied(inverse, residual)
            new = _dot(residual, conditioned)
            return x, residual, conditioned + _divided(new, energy) * direction, new

        direction = _applied(inverse, b)
        state = jnp.zeros_like(b), b, direction, _dot(b, direction)
        return jax.lax.fori_loop(0, STEPS, step, state)[0]

    return jax.lax.custom_linear_solve(multiply, b, solve, symmetric=True)


def _durbin(r: Float[Array, "*B L"]) -> _Inverse:
    def step(state: Any, _: Array) -> Any:
        a, b, error = state
        shifted = jnp.pad(b[..., :-1], [(0, 0)] * (b.ndim - 1) + [(1, 0)])
        k = -_dot(shifted, r) / error
        # As if a longer filter predicted the signal no better; the matrix remains definite.
        k = jnp.where(error * (1 - k * k) < LEAST_ERROR, 0, k)
        return (a + k * shifted, shifted + k * a, error * (1 - k * k)), None

    first = jnp.zeros_like(r).at[..., 0].set(1)
    (a, b, error), _ = scan(step, (first, first, r[..., :1]), jnp.arange(1, r.shape[-1]))
    # The mirror image of a, shifted by one: its last element, a[0], leaves.
    c = jnp.pad(b[..., :-1], [(0, 0)] * (b.ndim - 1) + [(1, 0)])
    return _Inverse(_spectrum(a), _spectrum(c), 1 / error)


def _applied(inverse: _Inverse, x: Float[Array, "*B L"]) -> Float[Array, "*B L"]:
    def both(factor: Complex[Array, "*B F"]) -> Float[Array, "*B L"]:
        return _filtered(factor, _filtered(factor.conj(), x))

    return inverse.scale * (both(inverse.a) - both(inverse.c))


def _filtered(spectrum: Complex[Array, "*B F"], x: Float[Array, "*B L"]) -> Float[Array, "*B L"]:
    """The product of x with a Toeplitz matrix, of which `spectrum` is the transform of the circulant around it."""
    size = x.shape[-1]
    return jnp.fft.irfft(spectrum * _spectrum(x), n=2 * size)[..., :size]


def _spectrum(x: Float[Array, "*B L"]) -> Complex[Array, "*B F"]:
    """Of as many zeros again, so that products do not wrap around."""
    return jnp.fft.rfft(x, n=2 * x.shape[-1])


def _dot(x: Float[Array, "*B L"], y: Float[Array, "*B L"]) -> Float[Array, "*B 1"]:
    return (x * y).sum(-1, keepdims=True)


def _divided(x: Float[Array, "*B 1"], y: Float[Array, "*B 1"]) -> Float[Array, "*B 1"]:
    """x / y, and 0 once y is 0, or by rounding no longer positive, so that the steps end."""
    return jnp.where(y > 0, x / jnp.where(y > 0, y, 1), 0)
