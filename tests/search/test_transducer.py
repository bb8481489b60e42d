"""Tests greedy transducer search against a plain loop, frame by frame."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.search.confidence import frame_confidence
from jaxspeech.search.transducer import greedy_start, transducer_greedy
from tests.search.transducer_trace import transducer_alignment
from tests.search.transducers import J, TinyTransducer, frame_by_frame, log_softmax

V = 5
KINDS = {
    "rnnt": dict(blank_id=V),
    "rnnt_one": dict(blank_id=V, max_symbols=1),
    "rnnt_three": dict(blank_id=V, max_symbols=3),
    "tdt": dict(blank_id=V, durations=(0, 1, 2, 3, 4)),
    "tdt_far": dict(blank_id=V, durations=(0, 1, 12), max_symbols=2),
    "tdt_moving": dict(blank_id=V, durations=(1, 2), max_symbols=None),
    "multiblank": dict(blank_id=V + 2, big_blank_durations=(2, 5), max_symbols=4),
}
NUM_FRAMES = np.array([30, 17, 1, 0, 29])


def tiny(kind, seed=1):
    options = KINDS[kind]
    extra = len(options.get("durations", ())) + len(options.get("big_blank_durations", ()))
    return TinyTransducer(seed, vocab_size=V, extra=extra, blank_bias=1.0)


def utterances(seed, num_frames=NUM_FRAMES, size=30):
    """Draws random frames [B T J]; the padding after each row's end is NaN."""
    encoded = np.random.default_rng(seed).normal(size=(len(num_frames), size, J)).astype(np.float32)
    encoded[np.arange(size) >= num_frames[:, None]] = np.nan
    return encoded


@partial(jax.jit, static_argnames=("model", "options"))
def run(model, encoded, num_frames, state, options):
    predict, joint = partial(model.predict, xp=jnp), partial(model.joint, xp=jnp)
    return transducer_greedy(predict, joint, encoded, num_frames, state, **dict(options))


def start(model, batch_size):
    return greedy_start(partial(model.predict, xp=jnp), model.initial(batch_size), start_id=V)


def search(model, encoded, num_frames, **options):
    tokens, _ = run(model, encoded, num_frames, start(model, len(encoded)), tuple(options.items()))
    return jax.tree.map(np.asarray, tokens)


def rows(tokens):
    """Returns [(id, start, end)] of each row."""
    return [
        list(
            zip(
                *(np.asarray(field)[b, :count].tolist() for field in (tokens.ids, tokens.starts, tokens.ends)),
                strict=True,
            )
        )
        for b, count in enumerate(tokens.num_tokens)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_equals_frame_by_frame(kind):
    model, encoded = tiny(kind), utterances(1)
    found = search(model, encoded, NUM_FRAMES, **KINDS[kind])
    assert found.num_tokens.sum() > 30
    for row, frames in enumerate(NUM_FRAMES):
        tokens, score, _ = frame_by_frame(model, encoded[row, :frames], **KINDS[kind])
        assert rows(found)[row] == [token[:3] for token in tokens]
        np.testing.assert_allclose(found.confidence[row, : len(tokens)], [token[3] for token in tokens], rtol=1e-4)
        np.testing.assert_allclose(found.score[row], score, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["rnnt", "tdt_far", "multiblank"])
def test_chunks_equal_the_whole(kind):
    model, encoded = tiny(kind, seed=4), utterances(2)
    options = tuple(KINDS[kind].items())
    whole, _ = run(model, encoded, NUM_FRAMES, start(model, len(encoded)), options)
    state = start(model, len(encoded))
    parts, score = [[] for _ in NUM_FRAMES], 0
    for first in range(0, 30, 5):  # a duration of 12 covers two whole chunks
        left = np.clip(NUM_FRAMES - first, 0, 5)
        tokens, state = run(model, encoded[:, first : first + 5], left, state, options)
        score += tokens.score
        parts = [part + more for part, more in zip(parts, rows(tokens), strict=True)]
    assert parts == rows(whole)
    np.testing.assert_allclose(score, whole.score, rtol=1e-5)
    np.testing.assert_array_equal(state.frames, NUM_FRAMES)


@pytest.mark.parametrize("kind", ["rnnt", "tdt"])
def test_batch_of_one_equals_batch_of_many(kind):
    model, encoded = tiny(kind), utterances(3)
    together = search(model, encoded, NUM_FRAMES, **KINDS[kind])
    for row in (0, 3):
        alone = search(model, encoded[row : row + 1], NUM_FRAMES[row : row + 1], **KINDS[kind])
        assert rows(alone)[0] == rows(together)[row]
        np.testing.assert_allclose(alone.score[0], together.score[row], rtol=1e-5)


def test_without_jit():
    model, encoded, num_frames = tiny("tdt"), utterances(3)[:2, :4], np.array([4, 3])
    jitted = search(model, encoded, num_frames, **KINDS["tdt"])
    with jax.disable_jit():
        eager = search(model, encoded, num_frames, **KINDS["tdt"])
    assert rows(eager) == rows(jitted) and jitted.num_tokens.min() > 0
    np.testing.assert_allclose(eager.score, jitted.score, rtol=1e-5)


@pytest.mark.parametrize("window", [1, 50])
def test_the_window_changes_nothing(window):
    model, encoded = tiny("tdt"), utterances(4)
    expected = search(model, encoded, NUM_FRAMES, **KINDS["tdt"])
    found = search(model, encoded, NUM_FRAMES, **KINDS["tdt"], window=window)
    assert rows(found) == rows(expected)


def test_a_model_that_never_leaves_a_frame_fills_the_buffer_and_ends():
    model = tiny("rnnt")
    model.bias[V] = -100
    found = search(model, utterances(5), NUM_FRAMES, blank_id=V, max_symbols=7)
    np.testing.assert_array_equal(found.num_tokens, 7 * NUM_FRAMES)
    assert found.ids.shape == (5, 7 * 30)
    assert np.array_equal(found.starts[0], np.repeat(np.arange(30), 7))


def test_a_given_confidence_measure():
    model, encoded = tiny("tdt"), utterances(6)
    measure = partial(frame_confidence, measure="tsallis")
    found = search(model, encoded, NUM_FRAMES, **KINDS["tdt"], confidence=measure)
    _, _, steps = frame_by_frame(model, encoded[0], **KINDS["tdt"])
    expected = [measure(log_softmax(logits[: V + 1])) for _, label, logits in steps if label < V]
    np.testing.assert_allclose(found.confidence[0, : found.num_tokens[0]], expected, rtol=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(max_symbols=None), "max_symbols=None"),
        (dict(max_symbols=0), "max_symbols=0"),
        (dict(durations=(0, 1), max_symbols=None), "max_symbols=None"),
        (dict(durations=(1, 2)), "logits"),
    ],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        search(tiny("rnnt"), utterances(7), NUM_FRAMES, blank_id=V, **options)


@pytest.mark.parametrize("kind", ["rnnt_three", "tdt", "multiblank"])
def test_alignment(kind):
    model, encoded = tiny(kind), utterances(8)[1:2]
    predict, joint = partial(model.predict, xp=jnp), partial(model.joint, xp=jnp)
    found = transducer_alignment(predict, joint, encoded, NUM_FRAMES[1:2], start(model, 1), **KINDS[kind])
    _, _, steps = frame_by_frame(model, encoded[0, : NUM_FRAMES[1]], **KINDS[kind])
    count = int(found.num_steps)
    taken = list(zip(found.frames[:count].tolist(), found.labels[:count].tolist(), strict=True))
    assert taken == [step[:2] for step in steps]
    np.testing.assert_allclose(found.logits[:count], [step[2] for step in steps], rtol=1e-4, atol=1e-5)
