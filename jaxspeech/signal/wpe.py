"""Dereverberation by weighted prediction error (WPE): late reverberation is what delayed frames predict.

w[n] = 1 / (mean_c p[c, n] + eps)
Q G = R,   Q = sum_n w[n] conj(z[n]) z[n]^T,   R = sum_n w[n] conj(z[n]) x[n]^T
y[n] = x[n] - G^T z[n]

in each bin, where z[n] holds x[n - delay], ..., x[n - delay - taps + 1] of all channels, and p is the power that the
dry speech is expected to have: that of x, then that of the y before (Nakatani et al., 2010; Yoshioka and Nakatani,
2012; nemo/collections/audio/parts/submodules/multichannel.py, which computes in complex128).

z is made for one bin at a time, or some: that of all would be `taps` times as large as the spectra. Its covariances are
one product of real matrices: sums by lag need a quarter of the operations, but three times the time on a CPU, and the
matrix units of other devices are made for products.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import length_mask
from jaxspeech.signal.bins import over_bins
from jaxspeech.signal.covariance import hermitian, products_of_rows, real_rows
from jaxspeech.signal.hermitian import solve_positive, trace
from jaxspeech.signal.mask import limited


class WPE(NamedTuple):
    """The settings of dereverberation.

    Attributes:
      taps: frames of each channel that predict, at least 1.
      delay: frames between the last of these and the predicted one, at least 1: early reflections are kept.
      iterations: how often filters are estimated.
      cascaded: whether an iteration filters what the one before returned, as in NeMo; else it filters the input, and
        only the expected power comes from before.
      loading: what is added to the diagonal of Q, in relation to its trace.
      epsilon: what is added to powers, and to the diagonal in any case.
      least_db, most_db: limits of masks.
    """

    taps: int = 10
    delay: int = 3
    iterations: int = 3
    cascaded: bool = False
    loading: int | float = 1e-6
    epsilon: int | float = 1e-8
    least_db: int | float = -200.0
    most_db: int | float = 0.0

    def check(self) -> None:
        """Checks the settings.

        Raises:
          ConfigError: a setting cannot be used.
        """
        if self.taps < 1 or self.delay < 1 or self.iterations < 1:
            raise ConfigError(
                f"wpe: taps {self.taps}, delay {self.delay} and iterations {self.iterations} must be above 0"
            )
        if self.least_db >= self.most_db:
            raise ConfigError(f"least_db {self.least_db} must be below most_db {self.most_db}")


def dereverberated(
    spectra: Complex[Array, "B C N F"],
    num_frames: Int[Array, " B"],
    settings: WPE,
    *,
    masks: Float[Array, "B M N F"] | None = None,
) -> Complex[Array, "B C N F"]:
    """Removes late reverberation from every channel.

    Args:
      spectra: C channels, whose differences are kept. Frames beyond `num_frames` may hold anything.
      num_frames: real frames of each row.
      settings: see there.
      masks: of the wanted speech, one for each channel (M = C) or for all (M = 1): factors of the magnitudes from which
        the first iteration takes the expected power.

    Raises:
      ConfigError: a setting cannot be used.
    """
    settings.check()
    channels, frames = spectra.shape[1:3]
    real = length_mask(num_frames, frames)
    spectra = jnp.where(real[:, None, :, None], spectra, 0).transpose(0, 3, 1, 2)
    kept = jnp.broadcast_to(real[:, None], (*spectra.shape[:2], frames))
    powers = mean_power(spectra)
    if masks is not None:
        factors = limited(masks, least_db=settings.least_db, most_db=settings.most_db).transpose(0, 3, 1, 2)
        powers = mean_power(jnp.where(real[:, None, None], factors, 0) * spectra)

    def one_bin(x: Array, power: Array, kept: Array) -> Array:
        y = x
        for iteration in range(settings.iterations):
            y = jnp.where(kept, filtered_once(y if settings.cascaded else x, power, kept, settings), 0)
            power = mean_power(y) if iteration + 1 < settings.iterations else power
        return y

    elements = 4 * channels * (settings.taps + 1) * frames
    return over_bins(one_bin, spectra, powers, kept, elements=elements).transpose(0, 2, 3, 1)


def mean_power(x: Complex[Array, "... C N"]) -> Float[Array, "... N"]:
    """The power of each frame, in the mean over the channels."""
    return (x.real**2 + x.imag**2).mean(-2)


def filtered_once(
    x: Complex[Array, "C N"], power: Float[Array, " N"], kept: Array, settings: WPE
) -> Complex[Array, "C N"]:
    """Estimates the filter of one bin from the expected power, and applies it."""
    delayed = delayed_frames(x, settings)
    weights = jnp.where(kept, 1 / (power + settings.epsilon), 0)
    rows = real_rows(delayed)
    # The sum of conj(z) z^T is the conjugate of that of z z^H.
    squares = hermitian(products_of_rows(rows * weights, rows)).conj()
    added = settings.loading * trace(squares) + settings.epsilon
    squares = squares + added * jnp.eye(squares.shape[0], dtype=squares.dtype)

    gains, y = jnp.zeros((delayed.shape[0], x.shape[0]), x.dtype), x
    # Once more from what is left: weights that differ by many powers of ten leave few digits of the first solution.
    for _ in range(2):
        change = solve_positive(squares, correlation(rows, weights * y) - added * gains)
        gains, y = gains + change, y - predicted(change, rows)
    return y


def correlation(rows: Float[Array, "R N"], y: Complex[Array, "C N"]) -> Complex[Array, "K C"]:
    """The sum of conj(z) y^T, where `rows` are the real ones of z."""
    size, channels = rows.shape[0] // 2, y.shape[0]
    sums = products_of_rows(rows, real_rows(y))
    first, second = sums[:size], sums[size:]
    return jax.lax.complex(first[:, :channels] + second[:, channels:], first[:, channels:] - second[:, :channels])


def predicted(gains: Complex[Array, "K C"], rows: Float[Array, "R N"]) -> Complex[Array, "C N"]:
    """G^T z, where `rows` are the real ones of z: a product of real matrices, too."""
    real, imag = gains.real, gains.imag
    parts = jnp.block([[real, imag], [-imag, real]])
    late = jnp.matmul(parts.T, rows, precision=jax.lax.Precision.HIGHEST)
    return jax.lax.complex(*jnp.split(late, 2))


def delayed_frames(x: Complex[Array, "C N"], settings: WPE) -> Complex[Array, "K N"]:
    """The delayed frames of all channels: K = taps * C rows, one tap after the other."""
    before = settings.delay + settings.taps - 1
    padded = jnp.pad(x, [(0, 0), (before, 0)])
    return jnp.concatenate([padded[:, before - lag :][:, : x.shape[1]] for lag in range(settings.delay, before + 1)])
