"""Vocoders: rows by themselves and in batches, part by part and whole, their losses, and what is refused."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.features.mel import log_mel
from jaxspeech.forms.inference import for_inference, for_training
from jaxspeech.losses.adversarial import discriminator_loss, feature_loss, generator_loss
from jaxspeech.nn.discriminators import ScaleDiscriminator, scales
from jaxspeech.tasks.vocoder_model import whole_frames
from jaxspeech.tasks.waveforms import Waveforms

HOP, BANDS, ROWS = 16, 8, (30, 17)
MEL = {
    **{"name": "mel", "sample_rate": 16000, "fft_size": 64, "window_seconds": 0.004, "hop_seconds": 0.001},
    **{"num_mels": BANDS, "preemphasis": None, "dither": 0.0, "normalize": "none", "mag_power": 1.0},
    **{"exact_pad": True, "log_guard": "clamp", "log_guard_value": 1e-5, "high_hz": 7000.0},
}
BLOCKS = {"block_kernels": (3, 5), "block_dilations": ((1, 3), (1, 2))}
FRAMES = {"width": 8, "hidden_width": 12, "num_layers": 2, "fft_size": 64, "hop": HOP}
GENERATORS = {
    "pairs": {"name": "hifigan", "channels": 4, "rates": (16,), "kernels": (32,), **BLOCKS},
    # Kernels as long as their rate, and no multiple of it.
    "single": {"name": "hifigan", "channels": 8, "rates": (4, 4), "kernels": (4, 6), "block": "single", **BLOCKS},
    "vocos": {"name": "vocos", **FRAMES},
    "harmonic_vocos": {"name": "harmonic_vocos", **FRAMES, "sample_rate": 16000, "low": 300, "high": 2000},
}
DISCRIMINATORS = {
    **{"name": "hifigan", "periods": (3,), "period_channels": (4,), "num_scales": 0, "resolutions": ((64, 16),)},
    "resolution_channels": 2,
}


def config(name: str = "vocos", **changes: Any) -> dict[str, Any]:
    model = {"task": "vocoder", "features": MEL, "generator": GENERATORS[name], "discriminators": {"name": "none"}}
    return model | changes


@pytest.mark.parametrize("generator", GENERATORS)
def test_rows_parts_and_folded_norms_give_what_the_whole_gives(generator):
    task = build(config(generator))
    variables = jax.jit(task.init)(jax.random.key(0))
    mel = np.random.default_rng(0).standard_normal((2, max(ROWS), BANDS)).astype(np.float32)
    mel[1, ROWS[1] :] = np.nan
    whole = np.asarray(jax.jit(task.inference.vocode)(variables, mel, np.array(ROWS)))
    assert whole.shape == (2, max(ROWS) * HOP) and np.abs(whole).max() > 1e-3
    assert not whole[1, ROWS[1] * HOP :].any()

    vocoding, size, made = task.inference.incremental, 7, []
    step, state = jax.jit(vocoding.step), vocoding.start(variables, 2)
    parts = -(-(max(ROWS) + vocoding.delay) // size)
    fed = np.pad(mel, ((0, 0), (0, parts * size - max(ROWS)), (0, 0)), constant_values=np.nan)
    for first in range(0, parts * size, size):
        left = np.clip(np.array(ROWS) - first, 0, size)
        samples, state = step(variables, fed[:, first : first + size], left, state)
        made.append(np.asarray(samples))
    late = vocoding.delay * HOP
    np.testing.assert_allclose(np.concatenate(made, 1)[:, late : late + whole.shape[1]], whole, atol=1e-5)
    # Nothing waits longer than it must: with one frame less, the first real samples would be among those dropped.
    assert np.abs(np.concatenate(made, 1)[:, :late]).max() == 0

    folded, own = for_inference(config(generator), variables)
    run = build(folded).inference.vocode
    alone = run(own, mel[1:, : ROWS[1]], np.array(ROWS[1:]))
    np.testing.assert_allclose(alone[0], whole[1, : ROWS[1] * HOP], atol=1e-5)
    back, again = for_training(folded, own)
    assert back["generator"].get("kernel_norm", "weight") == "weight"
    assert jax.tree.structure(again) == jax.tree.structure(variables)


def test_frames_overlap_and_add_up():
    """By hand, where all frames are the same: a cosine in bin 8 of 64."""
    task = build(config())
    variables: Any = jax.tree.map(lambda x: np.zeros_like(x), jax.jit(task.init)(jax.random.key(0)))
    magnitudes = np.full(33, -30.0, np.float32)
    magnitudes[8] = np.log(32)
    variables["params"]["generator"]["out"]["bias"] = np.concatenate([magnitudes, np.zeros(33, np.float32)])
    variables = jax.device_put(variables)
    samples = np.asarray(jax.jit(task.inference.vocode)(variables, np.zeros((1, 9, BANDS), np.float32), np.array([9])))[
        0
    ]
    frame, window = (np.cos(2 * np.pi * k * np.arange(64) / 64) for k in (8, 1))
    window, summed, squares = 0.5 - 0.5 * window, np.zeros(9 * HOP + 48), np.zeros(9 * HOP + 48)
    for n in range(9):
        summed[n * HOP :][:64] += window * frame
        squares[n * HOP :][:64] += window**2
    np.testing.assert_allclose(samples, (summed / np.maximum(squares, 1e-8))[24:-24], atol=1e-5)


def test_losses_and_gradients_do_not_depend_on_other_rows_and_padding():
    task = build(config("harmonic_vocos", discriminators=DISCRIMINATORS))
    variables = jax.jit(task.init)(jax.random.key(0))
    rng = np.random.default_rng(1)
    samples = 0.1 * rng.standard_normal((2, 300)).astype(np.float32)
    lengths = np.array([300, 155])
    bad = np.where(np.arange(300) < lengths[:, None], samples, np.nan)
    batch = Waveforms(np.arange(2), bad, lengths)
    alone = Waveforms(np.arange(1), np.where(np.arange(300) < 155, samples[1:], np.inf), lengths[1:])

    @jax.jit
    def run(params, batch):
        def total(params):
            found = [phase.loss({**variables, "params": params}, batch, jax.random.key(0)) for phase in task.phases]
            losses = jnp.stack([rows.losses[-1] for rows, _ in found])
            return losses.sum(), (losses, [updates for _, updates in found])

        return jax.grad(total, has_aux=True)(params)

    grads, (losses, updates) = run(variables["params"], batch)
    # Twice, so that the program is the same one.
    own, (of_one, _) = run(variables["params"], jax.tree.map(lambda x: np.concatenate([x, x]), alone))
    np.testing.assert_allclose(of_one, losses, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), own, grads)
    assert updates == [{}, {}]


def test_scales_are_halved_and_judged_row_by_row():
    lengths = np.array([61, 30])
    samples = np.random.default_rng(3).standard_normal((2, 61)).astype(np.float32)
    samples[1, 30:] = np.nan
    judge: Any = ScaleDiscriminator((16, 16, 16, 16), norm="spectral")

    @jax.jit
    def run(variables, samples, lengths):
        waves = scales(samples, lengths, 2)[1]
        return judge.apply(variables, *waves, train=True, mutable=["spectral_norm"])

    variables = jax.jit(judge.init)(jax.random.key(0), jnp.zeros((1, 31)), jnp.array([31]))
    both, updates = run(variables, samples, lengths)
    # Twice, so that the program is the same one.
    alone, _ = run(variables, np.where(np.isnan(samples), np.inf, samples)[[1, 1]], lengths[[1, 1]])
    for ours, mask, one in zip(both.layers, both.masks, alone.layers, strict=True):
        np.testing.assert_allclose(ours[1][mask[1]], one[0][mask[1]], atol=1e-6)
    assert [int(mask[1].sum()) for mask in both.masks] == [16, 8, 4, 1, 1, 1, 1, 1]
    # A power iteration follows the kernels: their greatest singular value is 1.
    kernel = np.reshape(variables["params"]["layers_1"]["kernel"], (-1, 16))
    u, v = (updates["spectral_norm"]["layers_1"][name] for name in ("u", "v"))
    np.testing.assert_allclose(v @ kernel @ u, np.linalg.norm(kernel, 2), rtol=0.05)


def test_a_row_without_a_frame_teaches_nothing():
    task = build(config())
    assert len(task.phases) == 1  # without discriminators
    variables = jax.jit(task.init)(jax.random.key(0))
    batch = Waveforms(np.arange(2), np.zeros((2, 64), np.float32), np.array([64, HOP - 1]))
    rows, _ = jax.jit(task.phases[0].loss)(variables, batch, jax.random.key(0))
    assert np.isfinite(rows.losses[0]) and np.isposinf(rows.losses[1])


def test_the_last_frame_has_the_mel_of_the_recording():
    """NeMo gives it the value of padding."""
    task: Any = build(config())
    samples = np.random.default_rng(2).standard_normal((1, 8 * HOP)).astype(np.float32)
    fields = {name: value for name, value in MEL.items() if name != "name"}
    longer, _ = log_mel(np.pad(samples, ((0, 0), (0, HOP))), np.array([9 * HOP]), **fields)
    mel, num_frames = whole_frames(task.model, samples, np.array([8 * HOP]))[2:4]
    assert num_frames[0] == 8 == mel.shape[1]
    np.testing.assert_allclose(mel[0], longer[0, :8], atol=1e-5)


def test_adversarial_losses_by_hand():
    mask = np.array([[True, True, False]])
    real, made = jnp.array([[0.5, 1.0, jnp.nan]]), jnp.array([[0.0, -0.5, jnp.nan]])
    squares = discriminator_loss([(real, mask)], [(made, mask)])
    np.testing.assert_allclose(squares, [0.25 / 2 + 0.25 / 2], rtol=1e-6)
    hinge = discriminator_loss([(real, mask)] * 2, [(made, mask)] * 2, distance="hinge")
    np.testing.assert_allclose(hinge, [2 * (0.5 / 2 + (1 + 0.5) / 2)], rtol=1e-6)
    np.testing.assert_allclose(generator_loss([(made, mask)]), [(1 + 2.25) / 2], rtol=1e-6)
    layers = [(x[..., None], mask) for x in (real, made)]
    np.testing.assert_allclose(feature_loss(layers[:1], layers[1:]), [2 * (0.5 + 1.5) / 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": GENERATORS["vocos"] | {"hop": 32}}, "makes 32 samples of a frame"),
        ({"generator": GENERATORS["vocos"] | {"centred": True}}, "one or the other"),
        ({"generator": GENERATORS["harmonic_vocos"] | {"sample_rate": 8000}}, "both must be the same"),
        ({"generator": GENERATORS["harmonic_vocos"] | {"high": 8000}}, "a quarter of the sample rate"),
        ({"generator": GENERATORS["single"] | {"kernels": (7, 4)}}, "no kernel for rate 4"),
        ({"features": MEL | {"normalize": "per_feature"}}, "normalize 'none'"),
        ({"loss": {"distance": "hinges"}}, "did you mean"),
        ({"loss": {"mel_weight": 0}}, "mel_weight must be positive"),
        ({"discriminators": DISCRIMINATORS | {"periods": (), "num_scales": 0, "resolutions": ()}}, "there are none"),
    ],
)
def test_errors_are_clear(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(config(**changes))
