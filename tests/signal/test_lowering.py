"""Signal parts lower for GPUs and TPUs, which have no double precision by default, or none."""

import re

import jax
import jax.numpy as jnp
import pytest

from jaxspeech.features.stft import STFT, istft, stft
from jaxspeech.signal.beamformer import Beamformer, beamformed
from jaxspeech.signal.gss import guided_masks
from jaxspeech.signal.wpe import WPE, dereverberated

SETTINGS = STFT(16, 4, magnitude_power=0.5)


def enhanced(samples, num_samples, activity):
    spectra, num_frames = stft(samples, num_samples, SETTINGS)
    spectra = dereverberated(spectra, num_frames, WPE(2, 1, 1))
    masks = guided_masks(spectra, activity, num_frames, iterations=1)
    out = beamformed(spectra, masks, num_frames, Beamformer(reference="max_snr", postfilter="ban"))
    return jnp.sum(istft(out, num_samples, SETTINGS, size=samples.shape[-1]) ** 2)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_all_lower_in_single_precision(platform):
    rows, frames = 2, SETTINGS.num_frames(60)
    arrays = jnp.zeros((rows, 3, 60)), jnp.zeros(rows, jnp.int32), jnp.zeros((rows, 2, frames))
    text = jax.jit(jax.grad(enhanced)).trace(*arrays).lower(lowering_platforms=(platform,)).as_text()
    assert not re.search(r"f64|tensor<[\dx]*i64>", re.sub(r"dense<[^>]*> : tensor<[\dx]*i64>", "", text))
