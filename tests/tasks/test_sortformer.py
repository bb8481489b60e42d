"""Sortformer: its head, its parts for streams, the scale of recordings, long ones, half precision."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.decoders.sortformer import SortformerDecoder
from jaxspeech.errors import ConfigError
from jaxspeech.nn import query_blocks
from tests.interop.random_model import random_variables

MODEL = {
    "task": "sortformer",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling_channels": 4},
        **{"conv_kernel": 5, "xscaling": True},
    },
    "decoder": {"name": "sortformer", "num_layers": 2, "width": 12, "num_heads": 3, "hidden_width": 20},
}
OTHER = {"name": "transformer", "num_layers": 1, "width": 16, "num_heads": 2}
LENGTHS = np.array([16000, 11000], np.int32)


@pytest.fixture(scope="module")
def audio():
    rng = np.random.default_rng(0)
    samples = np.cumsum(rng.standard_normal((2, 16000)), 1) * np.array([[0.001], [0.02]])
    return np.where(np.arange(16000) < LENGTHS[:, None], samples, np.nan).astype(np.float32)


@pytest.fixture(scope="module")
def variables():
    return random_variables(MODEL)


def activity(variables, samples, lengths, **changes):
    return jax.jit(build(MODEL | changes).inference.activity)(variables, samples, lengths)


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def layer_norm(x, p):
    deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return (x - x.mean(-1, keepdims=True)) / deviation * p["scale"] + p["bias"]


def affine(x, p):
    return x @ p["kernel"] + p["bias"]


def equation(p, x, *, layers, heads, norm_first):
    """The head's equation for one recording without padding."""

    def attend(x, p):
        query, key, value = (
            affine(x, p["self_attention"][name]).reshape(len(x), heads, -1).swapaxes(0, 1)
            for name in ("query", "key", "value")
        )
        weights = softmax(query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1]))
        return affine((weights @ value).swapaxes(0, 1).reshape(x.shape), p["self_attention"]["out"])

    def feed_forward(x, p):
        return affine(np.maximum(affine(x, p["up"]), 0), p["down"])

    x = affine(x, p["projection"])
    for i in range(layers):
        layer = p[f"layers_{i}"]
        for branch, norm in ((attend, layer["norm_self"]), (feed_forward, layer["norm_ff"])):
            before = layer_norm(x, norm) if norm_first else x
            x = x + branch(before, layer)
            x = x if norm_first else layer_norm(x, norm)
    x = layer_norm(x, p["norm_out"]) if norm_first else x
    return affine(np.maximum(affine(np.maximum(x, 0), p["hidden"]), 0), p["out"])


@pytest.mark.parametrize("norm_first", [False, True])
def test_the_head_is_its_equation(norm_first):
    head = SortformerDecoder(3, 2, 12, 4, 20, norm_first=norm_first)
    frames, counts = np.random.default_rng(1).standard_normal((2, 9, 16)).astype(np.float32), np.array([9, 6])
    variables = head.init(jax.random.key(0), frames, counts)
    frames[1, 6:] = np.nan
    found = head.apply(variables, frames, counts)
    for row, n, logits in zip(frames, counts, found, strict=True):
        expected = equation(variables["params"], row[:n], layers=2, heads=4, norm_first=norm_first)
        np.testing.assert_allclose(logits[:n], expected, atol=1e-4)


def test_frames_and_layers_apart_give_the_activity(variables, audio):
    """The frames may have anything after them, and stand in another place than that of their recording."""
    model = build(MODEL).model

    def apart(model, samples, lengths):
        frames, num_frames = model.subsample(*model.features(samples, lengths))
        beyond = np.arange(frames.shape[1])[:, None] >= num_frames[:, None, None]
        return model.activity_of_frames(jax.numpy.where(beyond, np.nan, frames), num_frames)

    probs, num_frames = jax.jit(partial(model.apply, method=apart))(variables, audio, LENGTHS)
    expected, expected_frames = activity(variables, audio, LENGTHS)
    np.testing.assert_array_equal(num_frames, expected_frames)
    np.testing.assert_array_equal(num_frames, [13, 9])
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    assert (expected[1, 9:] == 0).all() and (expected[1, :9] > 0).all()


def test_each_recording_has_its_own_scale(variables, audio):
    alone, _ = activity(variables, audio[1:, :11000], LENGTHS[1:])
    both, _ = activity(variables, audio, LENGTHS)
    np.testing.assert_allclose(both[1, :9], alone[0, :9], atol=1e-5)
    loudest = np.nanmax(audio, 1, keepdims=True)
    assert (loudest > 0).all()
    scaled, _ = activity(variables, (audio / (loudest + 1e-3)).astype(np.float32), LENGTHS, scale_audio=False)
    np.testing.assert_allclose(both, scaled, atol=1e-4)
    for nothing in (np.zeros_like(audio), np.full_like(audio, -0.5)):
        assert np.isfinite(activity(variables, nothing, LENGTHS)[0]).all()


def test_long_recordings_are_computed_in_blocks(variables, audio, monkeypatch):
    """With the scores of a few queries at a time the results are the same, and the largest array is smaller."""
    samples, length = np.tile(audio[:1], (1, 4)), np.array([61000], np.int32)
    whole, _ = activity(variables, samples, length)
    monkeypatch.setattr(query_blocks, "MOST_SCORES", 2 * 50 * 16)
    monkeypatch.setattr(query_blocks, "LEAST_QUERIES", 16)
    blocks, _ = activity(variables, samples, length)
    np.testing.assert_allclose(blocks, whole, atol=1e-5)

    long = jax.ShapeDtypeStruct((1, 16000 * 60), np.float32), jax.ShapeDtypeStruct((1,), np.int32)
    lowered = jax.jit(build(MODEL).inference.activity).lower(variables, *long).as_text()
    assert "750x750" not in lowered and "x50x750" not in lowered


def test_in_half_precision(variables, audio):
    half = {part: MODEL[part] | {"dtype": "bfloat16"} for part in ("encoder", "decoder")}
    found, _ = activity(variables, audio, LENGTHS, **half)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, activity(variables, audio, LENGTHS)[0], atol=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": MODEL["decoder"] | {"num_heads": 5}}, r"decoder\.width 12 is not divisible"),
        ({"decoder": MODEL["decoder"] | {"num_speakers": 0}}, "num_speakers is 0"),
        ({"streaming": {"chunk": 6}}, "set scale_audio to False"),
        ({"streaming": {"cache": 15}, "scale_audio": False}, "need at least 16 frames"),
        ({"loss": {"ats_weight": 0.0, "pil_weight": 0.0}}, "one must be above 0"),
        ({"encoder": OTHER, "streaming": {"chunk": 6}, "scale_audio": False}, "needs a fastconformer"),
    ],
)
def test_configurations_that_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(MODEL | changes)
