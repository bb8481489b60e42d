"""A vocoder's own sound is that of a mel of zeros, and is taken off rows and streams alike."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from jaxspeech.audio.spectral_subtraction import spectrum_of_start, subtract_spectrum
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.inference.kept_programs import KeptPrograms
from jaxspeech.inference.vocoding import PART, Vocoder, VocodeStream
from jaxspeech.masks import zero_padding
from jaxspeech.tasks.kinds import IncrementalVocoding, Vocoding
from jaxspeech.tasks.task import Task

HOP, MELS = 4, 3
HUM = {"params": {"hum": jnp.array([0.5, -0.25, 0.125, 1.0])}}


def vocode(variables, mel, num_frames):
    frames = mel.sum(-1, keepdims=True) + variables["params"]["hum"]
    return zero_padding(frames, num_frames).reshape(len(mel), -1)


def humming() -> Vocoder:
    def step(variables, mel, num_frames, state):
        return vocode(variables, mel, num_frames), state

    parts = IncrementalVocoding(0, lambda variables, rows: jnp.zeros(rows), step)
    kind = Vocoding(800, HOP, MelSpectrogram(num_mels=MELS), vocode, incremental=parts)

    def unused(*given: Any) -> Any:
        raise AssertionError("only the model of the task is asked for")

    task = Task(nn.Dense(1), tuple, unused, (), unused, unused, kind)
    return Vocoder(kind, KeptPrograms(task, config={}))


def test_its_hum_is_subtracted_from_rows_and_streams():
    vocoder = humming()
    mel = np.random.default_rng(0).standard_normal((2, 64, MELS)).astype(np.float32)
    counts = np.array([64, 50], np.int32)
    plain = vocoder.rows(HUM, mel, counts)
    assert [len(row) for row in plain] == [256, 200]
    own = spectrum_of_start(np.tile(np.asarray(HUM["params"]["hum"]), 64), HOP)
    expected = [subtract_spectrum(row, 0.5 * own, HOP) for row in plain]
    for found, row in zip(vocoder.rows(HUM, mel, counts, denoise=0.5), expected, strict=True):
        np.testing.assert_allclose(found, row, atol=1e-5)
    for part in (1, PART, 2 * PART + 3):
        stream = VocodeStream(vocoder, HUM, denoise=0.5)
        parts = [stream.feed(mel[1, i : min(i + part, 50)]) for i in range(0, 50, part)]
        np.testing.assert_allclose(np.concatenate([*parts, stream.finish()]), expected[1], atol=1e-5)
    # Without a hum there is nothing to subtract.
    silent = {"params": {"hum": jnp.zeros(HOP)}}
    np.testing.assert_allclose(
        vocoder.rows(silent, mel, counts, denoise=0.5)[1], vocoder.rows(silent, mel, counts)[1], atol=1e-5
    )
