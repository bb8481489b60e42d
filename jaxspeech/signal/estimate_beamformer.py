"""Combines microphones by what a model of one channel finds in each of them.

Phi_s of the estimates e, Phi_n of what they leave, x - e;  y = W[:, r]^H x      with the filters W of `signal.mvdr`

A model that changes spectra distorts them; a filter that is the same for all frames does not, and keeps what it lets
through as it was (Heymann, Drude and Haeb-Umbach, 2016, who estimate masks).
"""

import jax.numpy as jnp
from jaxtyping import Array, Complex

from jaxspeech.signal.covariance import covariances
from jaxspeech.signal.mvdr import filtered, wiener_filters


def beamformed_by(
    spectra: Complex[Array, "B C N F"], estimates: Complex[Array, "B C N F"], *, reference: int = 0
) -> Complex[Array, "B 1 N F"]:
    """Computes the speech as the reference channel receives it.

    Args:
      spectra: of the recordings, zero beyond their frames; long windows are best, as a filter has one tap.
      estimates: of the speech in each channel.
      reference: counted from 0.
    """
    every = jnp.ones((spectra.shape[0], 1, *spectra.shape[2:]), spectra.real.dtype)
    speech, noise = (covariances(x, every)[:, 0] for x in (estimates, spectra - estimates))
    return filtered(spectra, wiener_filters(speech, noise)[..., reference : reference + 1])
