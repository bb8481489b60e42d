"""Text to mel frames: losses and predictions do not depend on padding or on the batch, and the two programs agree."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.speech import SCHEDULE, SpokenText
from jaxspeech.types import Extents

STACK = {"name": "fft", "num_layers": 1, "width": 16, "head_width": 8, "hidden_width": 24}
STACK |= {"dropout": 0.0, "dropout_att": 0.0}
PREDICTOR = {"hidden_width": 12, "num_layers": 1, "dropout": 0.0}
NAMED = {"name": "convolutions", **PREDICTOR}
MEL = {"name": "mel", "sample_rate": 8000, "num_mels": 8, "window_seconds": 0.032, "hop_seconds": 0.016}
MEL |= {"fft_size": 256, "preemphasis": None, "dither": 0.0, "normalize": "none", "mag_power": 1.0}
MODEL: dict[str, Any] = {
    **{"task": "speech", "vocab_size": 9, "features": MEL, "encoder": STACK, "decoder": STACK},
    **{"duration": NAMED, "pitch": NAMED, "aligner": {"name": "distances", "channels": 8}, "energy": PREDICTOR},
    # Every way of conditioning at once.
    "speakers": {"number": 3, "encoder": ("add", "layernorm"), "decoder": ("concat",), "pitch": ("layernorm",)},
    "style": {"width": 16, "num_tokens": 3, "num_heads": 2, "filters": (4,), "dropout": 0.0},
    "loss": {"binarization_warmup": 4},
}
TASK = build(MODEL)
SYMBOLS, SAMPLES = np.array([7, 5, 4, 0]), np.array([2048, 1500, 384, 0])


def batch_with(padding: float) -> SpokenText:
    """A batch with rows of several lengths, one of which has fewer frames than symbols, and a filler row."""
    rng = np.random.default_rng(0)

    def padded(values: np.ndarray, lengths: np.ndarray, value: Any) -> np.ndarray:
        return np.where(np.arange(values.shape[1]) < lengths[:, None], values, value)

    return SpokenText(
        index=np.array([4, 2, 7, -1]),
        text=padded(rng.integers(0, 9, (4, 8)), SYMBOLS, 10**6 if padding else 0),
        num_symbols=SYMBOLS,
        samples=padded(0.1 * rng.standard_normal((4, 2100)).astype(np.float32), SAMPLES, padding),
        num_samples=SAMPLES,
        pitch=padded(rng.standard_normal((4, 17)).astype(np.float32), SAMPLES // 128, padding),
        speaker=np.array([0, 2, 1, 0]),
    )


@jax.jit
def run(variables, batch):
    """Losses, what is logged, new statistics, the gradient of what can be learnt from, and predictions."""
    stats = {name: tree for name, tree in variables.items() if name != "params"}

    def loss(params):
        rows, updates = TASK.phases[0].loss({**stats, "params": params}, batch, jax.random.key(0))
        return jnp.where(jnp.isfinite(rows.losses), rows.losses, 0).sum(), (rows, updates)

    grads, (rows, updates) = jax.grad(loss, has_aux=True)(variables["params"])
    return rows, updates, grads, TASK.predict(variables, batch)


@pytest.fixture(scope="module")
def variables():
    rng, shapes = np.random.default_rng(3), jax.eval_shape(TASK.init, jax.random.key(3))
    # Not the initial values, at which conditioned norms do nothing; with durations of some frames.
    moved = jax.tree.map(lambda x: 0.3 * rng.standard_normal(x.shape).astype(np.float32), shapes["params"])
    moved["duration"]["out"]["bias"] += 1.2
    return {"params": moved, SCHEDULE: {"updates": np.array(2, np.int32)}}


@pytest.fixture(scope="module")
def found(variables):
    return jax.device_get(run(variables, batch_with(0.0)))


def close(ours, theirs, atol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol), ours, theirs)


def test_padding_may_hold_anything(variables, found):
    rows, updates, grads, predicted = found
    other = jax.device_get(run(variables, batch_with(np.nan)))
    close(other[0], rows)
    close(other[3], predicted)
    close(other[2], grads, atol=1e-4)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((grads, predicted)))
    assert int(updates[SCHEDULE]["updates"]) == 3


def test_nothing_is_learnt_where_frames_are_fewer_than_symbols(found):
    rows, _, grads, _ = found
    assert np.isinf(rows.losses).tolist() == [False, False, True, True]
    # Symbols of the third row alone, and its speaker, have no gradient.
    used = {*batch_with(0.0).text[0, :7], *batch_with(0.0).text[1, :5]}
    unused = [symbol for symbol in range(9) if symbol not in used]
    assert not grads["symbols"]["embedding"][unused].any() and not grads["table"]["embedding"][1].any()
    assert grads["symbols"]["embedding"][sorted(used)].any(axis=1).all()
    assert TASK.capacity is not None
    needs, has = TASK.capacity.measure(Extents({"text": SYMBOLS, "samples": SAMPLES}, lambda *_: []))
    assert (needs > has).tolist() == [False, False, True, False]


def test_a_row_alone_is_the_same(variables, found):
    rows, _, _, predicted = found
    batch = batch_with(np.nan)
    # Cut to what the row needs, in the same program: the other rows are fillers.
    for row in (0, 1):
        alone = jax.tree.map(lambda x, row=row: np.stack([x[row], x[3], x[3], x[3]]), batch)
        ours = jax.device_get(run(variables, alone))
        close(ours[0].losses[0], rows.losses[row])
        close(jax.tree.map(lambda x: x[0], ours[3]), jax.tree.map(lambda x, row=row: x[row], predicted))


def test_the_two_programs_speak_as_predicted(variables, found):
    predicted, batch = found[3], batch_with(0.0)
    durations, frames = jax.jit(TASK.inference.durations), jax.jit(TASK.inference.frames, static_argnums=2)
    given = variables, batch.text, batch.num_symbols, batch.speaker
    style = batch.samples, batch.num_samples
    timing = durations(*given, jnp.ones(4), jnp.zeros(4), style)
    np.testing.assert_array_equal(timing.durations, predicted.durations)
    assert (timing.durations.sum(1)[:3] > 4).all() and not timing.durations[3].any()
    size = predicted.mel.shape[1]
    mel = frames(variables, timing, size)
    close(mel, predicted.mel)
    assert not np.asarray(mel)[np.arange(size) >= np.asarray(timing.durations.sum(1))[:, None]].any()
    faster = durations(*given, jnp.array([2.0, 1.0, 1.0, 1.0]), jnp.array([0.0, 1.0, 0.0, 0.0]), style)
    assert faster.durations[0].sum() < timing.durations[0].sum()
    np.testing.assert_array_equal(faster.durations[1:], timing.durations[1:])
    np.testing.assert_allclose(
        faster.hidden["pitch"][1] - timing.hidden["pitch"][1], np.arange(8) < SYMBOLS[1], atol=1e-6
    )
    assert np.abs(frames(variables, faster, size)[1] - mel[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vocab_size": 0}, "model.vocab_size"),
        ({"decoder": STACK | {"width": 8}}, "width 16 is not that of decoder, 8"),
        ({"style": {}, "speakers": {"number": 0, "encoder": ("add",)}}, "model.speakers.number is missing"),
        ({"speakers": {"number": 2, "encoder": ("ad",)}}, "speakers.encoder is"),
        ({"speakers": {}}, "model.style needs model.speakers"),
        ({"loss": {"mell": 1.0}}, "model.loss.mell is not a field"),
    ],
)
def test_mistakes_in_a_configuration_are_named(change, words):
    with pytest.raises(ConfigError, match=words):
        build(MODEL | change)
