from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.spectrum_conformer import SpectrumConformer
from jaxspeech.errors import ConfigError
from tests.encoders.spectra import check_padding_and_batch, noise

TINY: dict[str, Any] = dict(num_layers=2, width=8, num_heads=2, conv_kernel=3, ff_expansion=1, unet_skips=True)


def test_padding_and_batch_change_nothing_and_parts_equal_the_whole() -> None:
    causal: dict[str, Any] = dict(conv_context=(2, 0), conv_norm="layer", attention_context=(4, 1))
    module = SpectrumConformer(num_outputs=2, attention_style="chunked_limited", **causal, **TINY)
    spectra, num_frames = noise(2, 2, 9, 3), jnp.array([9, 6])
    variables, estimates = check_padding_and_batch(module, spectra, num_frames)

    # Chunks of two frames; what follows a recording's end is not a number.
    real = jnp.arange(10)[None, None, :, None] < num_frames[:, None, None, None]
    spectra = jnp.where(real, jnp.pad(spectra, ((0, 0), (0, 0), (0, 1), (0, 0))), jnp.nan)
    step = jax.jit(lambda state, *part: module.apply(variables | state, *part, mutable=["history", "positions"]))
    state, parts = {}, []
    for first in range(0, 10, 2):
        part, state = step(state, spectra[:, :, first : first + 2], jnp.clip(num_frames - first, 0, 2))
        parts.append(np.asarray(part))
    np.testing.assert_allclose(np.concatenate(parts, 2)[:, :, :9], estimates, atol=1e-5)


def test_halves_of_the_layers_are_equal() -> None:
    with pytest.raises(ConfigError, match="num_layers 3: with unet_skips it must be even"):
        SpectrumConformer(**dict(TINY, num_layers=3))
    with pytest.raises(ConfigError, match="same frame rate"):
        FastConformer(**TINY, reduction="pooling", reduction_position=0, reduction_factor=2)
