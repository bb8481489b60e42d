"""Recipes of vocoders build generators of the published sizes; those of HiFi-GAN can be NeMo's."""

from typing import Any

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.configs import hifigan, vocos
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.model_config import from_nemo, to_nemo

# Millions of parameters of the generators: Kong et al. (2020), table 1; Siuzdak (2023), table 1, at 100 bands.
HIFIGAN = {"v1": 13.92, "v2": 0.92, "v3": 1.46, "44k": 13.92}
VOCOS = {"": 13.5, "small": 2.13}
# Periods and scales, in HiFi-GAN's repository.
DISCRIMINATORS = 70.7


def millions(model, part):
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))["params"][part]
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes)) / 1e6


@pytest.mark.parametrize(("size", "published"), HIFIGAN.items(), ids=HIFIGAN)
def test_hifigan(size, published):
    config: Any = hifigan.get_config(size)
    model = config.model.to_dict()
    task = build(model)
    # A segment is a whole number of frames, however its seconds are rounded.
    hop, samples = task.inference.hop, config.augment.crop_to[0] * task.inference.sample_rate
    assert {int(samples) // hop, int(samples + 1) // hop} == {32}
    assert millions(model, "generator") == pytest.approx(published, rel=0.01)
    written, _, returned = to_nemo(Source(model, task.model, {}), {})
    assert from_nemo(written)[1] == returned
    assert written["preprocessor"]["n_window_stride"] == hop


@pytest.mark.parametrize(("size", "published"), VOCOS.items(), ids=["published", "small"])
def test_vocos(size, published):
    vocos.get_config(size)
    assert millions(vocos.model(size).to_dict(), "generator") == pytest.approx(published, rel=0.01)


def test_discriminators():
    assert millions(hifigan.model("v2").to_dict(), "discriminators") == pytest.approx(DISCRIMINATORS, rel=0.01)
