"""The parts of training on text that need no run: rows of frames, durations that fit, frontends that differ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.tasks.kinds import Speaking, Vocoding
from jaxspeech.tasks.spoken_frames import Lines, fitted, speak_lines
from tests.contract.cases import HYBRID_TEXT, toys_in_the_tables
from tests.contract.toys import generator as toy

RECOGNIZER = HYBRID_TEXT["recognizer"] | {"decoder": {"name": "ctc", "vocab_size": 4}}
FRONTEND = MelSpectrogram(num_mels=16, dither=0.0, normalize="none")


def test_durations_that_do_not_fit_are_shortened_evenly():
    durations = np.random.default_rng(0).integers(0, 40, (50, 12)).astype(np.int32)
    found = np.asarray(fitted(jnp.asarray(durations), 200))
    total = durations.sum(1)
    assert (total > 200).any() and (total <= 200).any()
    np.testing.assert_array_equal(found[total <= 200], durations[total <= 200])
    long = total > 200
    assert (found[long].sum(1) == 200).all() and (found >= 0).all()
    assert np.abs(found[long] - durations[long] * (200 / total[long])[:, None]).max() <= 1


def test_rows_of_text_are_spoken_alone_as_in_any_batch():
    """Each by its speaker at its pace; rows without symbols give nothing, and what padding holds has no effect."""
    task = toy.toy_task(toy.ToySpeech(FRONTEND))
    variables = task.init(jax.random.key(0))
    numbers = np.array([3, 0, 2, 0, 0, 0, 1, 0], np.int32)
    symbols = np.where(np.arange(3) < numbers[:, None], np.arange(24).reshape(8, 3) % 4, 10**6).astype(np.int32)
    lines = Lines(symbols, numbers, np.arange(8, dtype=np.int32) % 3, np.linspace(0.5, 2, 8, dtype=np.float32))
    speak = jax.jit(lambda *lines: speak_lines(task.inference, FRONTEND, variables, Lines(*lines), 60))
    mel, count = jax.device_get(speak(*lines))
    assert (count[numbers == 0] == 0).all() and not mel[numbers == 0].any()
    for row in np.flatnonzero(numbers):
        one = Lines(*(jnp.asarray(x[row : row + 1]) for x in lines))
        timing = toy.durations(variables, one.symbols, one.num_symbols, one.speaker, one.pace, 0.0)
        timing = timing._replace(durations=fitted(timing.durations, 60))
        frames = int(timing.durations.sum())
        assert count[row] == frames <= 60
        np.testing.assert_allclose(mel[row, :frames], toy.frames(variables, timing, 60)[0, :frames], atol=1e-6)
        assert not mel[row, frames:].any()


def test_the_sound_of_a_voice_is_heard_as_a_recording():
    task = toy.toy_task(toy.ToySpeech(FRONTEND))
    variables = task.init(jax.random.key(0))

    def vocode(variables, mel, num_frames):
        wave = jnp.sin(jnp.arange(mel.shape[1] * 160) / 5)[None] * jnp.repeat(mel[:, :, 0], 160, 1)
        return jnp.where(jnp.arange(wave.shape[1]) < 160 * num_frames[:, None], wave, 0.0)

    voice = Speaking(task.inference, Vocoding(16000, 160, FRONTEND, vocode))
    lines = Lines(np.array([[1, 2], [3, 0]]), np.array([2, 1]), np.array([0, 1]), np.ones(2, np.float32))
    frames, count = speak_lines(voice, FRONTEND, variables, lines, 60)
    mel, num_frames = speak_lines(task.inference, FRONTEND, variables, lines, 60)
    expected, number = FRONTEND.apply({}, vocode(variables, mel, num_frames), num_frames * 160)
    np.testing.assert_array_equal(count, number)
    np.testing.assert_allclose(frames, expected[:, :60], atol=1e-5)


def test_a_generator_with_other_frames_or_of_another_kind_is_refused():
    def fails(match, **parts):
        with toys_in_the_tables(), pytest.raises(ConfigError, match=match):
            build({"task": "hybrid_text", "recognizer": RECOGNIZER, "generator": toy.MODEL} | parts)

    other = toy.MODEL | {"features": toy.FEATURES_16 | {"hop_seconds": 0.0125, "preemphasis": None}}
    fails(r"are not the recogniser's \(preemphasis 0.0 for 0.97, hop 200 for 160\)", generator=other)
    fails("model.generator is no text-to-mel model, and no voice", generator=RECOGNIZER)
    fails("model.recognizer is no recogniser", recognizer=toy.MODEL)
    fails(
        'has no features "mel"',
        recognizer=RECOGNIZER | {"features": {"name": "mfcc", "num_mels": 16, "num_coefficients": 12}},
    )
    same = toy.FEATURES_16 | {"window_seconds": 0.025, "fft_size": None, "high_hz": 8000, "pad_to": 16}
    with toys_in_the_tables():
        build(HYBRID_TEXT | {"recognizer": RECOGNIZER, "generator": toy.MODEL | {"features": same}})
