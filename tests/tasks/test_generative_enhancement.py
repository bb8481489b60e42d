"""Generative enhancement: neither padding nor the rest of a batch matters, and wrong settings are named."""

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.enhancement import EnhancementRows

MODEL = {
    "task": "generative_enhancement",
    "stft": {"fft_length": 14, "hop": 4, "magnitude_power": 0.5, "scale": 0.33},
    "estimator": {
        **{"name": "transformer_unet", "num_layers": 2, "width": 8, "num_heads": 2, "time_width": 8, "conv_kernel": 3}
    },
    "process": {"name": "bridge_ve"},
    "sampler": {"name": "bridge_sde", "num_steps": 2},
    "loss": {"waveform_weight": 0.1},
    "pretraining": {"patch_frames": 3, "hidden": 0.5},
    "condition_rate": 0.5,
}


def changed(**sections):
    return build(MODEL | sections)


def test_neither_padding_nor_other_rows_matter():
    task = build(MODEL)
    rng = np.random.default_rng(0)
    samples, targets = rng.normal(size=(2, 3, 1, 83)).astype(np.float32)
    batch = EnhancementRows(np.arange(3), samples, np.array([83, 60, 41], np.int32), targets)
    beyond = np.arange(83) >= batch.num_samples[:, None, None]
    spoiled = batch._replace(samples=np.where(beyond, np.nan, samples), targets=np.where(beyond, np.nan, targets))
    variables = jax.jit(task.init)(jax.random.key(0))

    @jax.jit
    def run(batch, key, peak):
        rows, _ = task.phases[0].loss(variables, batch, jax.random.key(1))
        found = task.inference.enhance(variables, batch.samples, batch.num_samples, key=key, peak=peak)
        return rows, task.predict(variables, batch), found

    keys, peak = jax.numpy.stack([jax.random.key(0)] * 3), np.abs(np.where(beyond, 0, samples)).max((1, 2))
    rows, predicted, found = first = run(batch, keys, peak)
    assert set(rows.logged) == {"spectrum", "waveform"} and np.isfinite(rows.losses).all()
    for ours, theirs in zip(jax.tree.leaves(run(spoiled, keys, peak)), jax.tree.leaves(first), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert not np.where(beyond, found, 0).any() and np.abs(found - predicted).max() > 1e-3  # frames were hidden there

    # Other noise, another level, and another peak of the recording of which a row is a part.
    assert np.abs(run(batch, jax.random.split(jax.random.key(1), 3), peak)[2] - found).max() > 1e-3
    louder = run(batch._replace(samples=3 * samples), keys, 3 * peak)[2]
    np.testing.assert_allclose(louder, 3 * found, rtol=1e-3, atol=1e-3)
    assert np.abs(run(batch, keys, 5 * peak)[2] - found).max() > 1e-3

    short = EnhancementRows(batch.index[1:2], samples[1:2, :, :60], batch.num_samples[1:2], targets[1:2, :, :60])
    (lone, *_, alone), whole = run(short, keys[:1], peak[1:2]), found[1:2, :, :60]
    np.testing.assert_allclose(lone.losses, rows.losses[1:2], rtol=1e-4)
    np.testing.assert_allclose(alone, whole, atol=1e-4 * np.abs(whole).max())


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"sampler": {"name": "euler"}}, "does not follow this model.process; use one of bridge_sde"),
        ({"process": {"name": "ou_ve"}, "sampler": {"name": "predictor_corrector"}}, "waveform_weight"),
        ({"sampler": {"name": "bridge_sde", "network_time": "next"}}, "network_time cannot be 'next'"),
        ({"estimator": MODEL["estimator"] | {"conditioned_on_time": False}}, "conditioned_on_time"),
        ({"process": {"name": "bridge_ve", "k": 0.5}}, "k must be more than 1"),
        ({"loss": {"spectrum": "l1"}}, "a distance cannot be 'l1'"),
        ({"condition_rate": 2.0}, "condition_rate"),
    ],
)
def test_wrong_settings_are_named(sections, message):
    with pytest.raises(ConfigError, match=message):
        changed(**sections)
