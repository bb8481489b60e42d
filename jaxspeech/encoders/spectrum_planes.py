"""Complex spectra as real channels, and back: what all estimators of spectra begin and end with."""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.masks import length_mask


@runtime_checkable
class SpectrumEstimator(Protocol):
    """A Flax module that computes M spectra from C spectra; the padding never affects the real frames."""

    def __call__(
        self,
        spectra: Complex[Array, "B C N F"],
        num_frames: Int[Array, " B"],
        condition: Float[Array, " B"] | None = None,
        *,
        train: bool = False,
    ) -> Complex[Array, "B M N F"]:
        """Computes spectra, with zeros from num_frames on.

        Args:
          spectra: C of each recording, frames before bins.
          num_frames: real frames of each recording.
          condition: the time of a generative process, for an estimator that is conditioned on it.
          train: whether gradients will be computed.
        """
        ...


def to_planes(spectra: Complex[Array, "B C N F"], num_frames: Int[Array, " B"]) -> Float[Array, "B N F P"]:
    """Returns the P = 2 C real and imaginary parts, in the order re 0, im 0, re 1, ..., with zeros in the padding."""
    b, c, n, f = spectra.shape
    real = length_mask(num_frames, n)[:, None, :, None]
    parts = jnp.stack([jnp.where(real, spectra.real, 0.0), jnp.where(real, spectra.imag, 0.0)], -1)
    return parts.transpose(0, 2, 3, 1, 4).reshape(b, n, f, 2 * c)


def to_spectra(
    real: Float[Array, "B N F M"], imaginary: Float[Array, "B N F M"], num_frames: Int[Array, " B"]
) -> Complex[Array, "B M N F"]:
    """Joins real and imaginary parts to spectra, with zeros in the padding."""
    known = length_mask(num_frames, real.shape[1])[:, :, None, None]
    parts = (jnp.where(known, part, 0.0).astype(jnp.float32).transpose(0, 3, 1, 2) for part in (real, imaginary))
    return jax.lax.complex(*parts)
