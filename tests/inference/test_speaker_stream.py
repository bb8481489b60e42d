"""Live diarization: however the audio arrives, it is that of the whole recording under the same limits."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.audio.speech_segments import SegmentOptions, speech_segments
from jaxspeech.builder import build
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.forms.speaker_streaming import speaker_streaming
from jaxspeech.inference.live_turns import LiveTurns
from jaxspeech.inference.speaker_recordings import activity_in_steps, in_parts
from jaxspeech.inference.speaker_stream import SpeakerStreams, compile_speakers
from jaxspeech.tasks import speaker_steps

RATE, FRAME = 16000, 0.08
MODEL = {
    "task": "sortformer",
    "features": {"name": "mel", "num_mels": 16, "normalize": "none"},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling_channels": 4},
        **{"conv_kernel": 5, "scan_layers": False},
    },
    "decoder": {"name": "sortformer", "num_layers": 1, "width": 8, "num_heads": 2, "hidden_width": 16},
    "scale_audio": False,
    "streaming": {"chunk": 6, "left": 1, "right": 2, "cache": 16, "queue": 8, "update": 6},
}
OPTIONS = SegmentOptions(onset=0.5, offset=0.45, pad_onset=0.1, pad_offset=0.05, min_speech=0.2, min_silence=0.3)


@cache
def model():
    """Random weights, with a bias that makes some frames active and others not."""
    task = build(MODEL)
    variables = jax.jit(task.init)(jax.random.key(1))
    out = variables["params"]["decoder"]["out"]
    out["kernel"] = 8 * out["kernel"]
    probabilities, _ = jax.jit(task.inference.activity)(variables, speech(9, 4.0)[None], np.array([4 * RATE]))
    logits = np.log(probabilities[0] / (1 - probabilities[0]))
    out["bias"] = out["bias"] - logits.mean(0)
    return task, variables


def parts_of(task, variables):
    def call(method, *inputs):
        found: Any = task.model.apply(variables, *inputs, method=method)
        return found

    return speaker_steps.Parts(partial(call, "subsample"), partial(call, "activity_of_frames"))


@cache
def programs(size):
    task, variables = model()
    return compile_speakers(speaker_streaming(task), variables, size=size)


def speech(seed, seconds):
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(100, 6000, 400), RATE // 5)[: round(seconds * RATE)]
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE) + 0.01 * rng.standard_normal(len(pitch))).astype("f")


def live_turns(count=4):
    def spans(p, end):
        return speech_segments(p, frame_seconds=FRAME, options=OPTIONS, duration=end)

    return LiveTurns([f"speaker_{i}" for i in range(count)], spans, OPTIONS, frame_seconds=FRAME)


def test_streams_of_all_ages_are_the_recordings_alone():
    """Five recordings share two places, in parts of any size; a silent one and those without a frame are among them."""
    rng = np.random.default_rng(0)
    _, variables = model()
    audio = [speech(0, 4.1), np.zeros(2 * RATE, "f"), speech(1, 2.0), np.zeros(100, "f"), speech(2, 0.05)]
    alone = list(activity_in_steps(programs(1), variables, [in_parts(samples, 7000) for samples in audio]))
    assert [len(found) for found in alone] == [-(-(len(samples) // 160) // 8) for samples in audio]
    parts = [np.split(samples, np.sort(rng.integers(0, len(samples), 9))) for samples in audio]
    together = list(activity_in_steps(programs(2), variables, parts))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert len(alone) == 5 and 0.1 < (alone[0] > 0.5).mean() < 0.9 and np.isfinite(alone[1]).all()


def test_one_stream_and_its_turns():
    task, variables = model()
    samples = speech(4, 5.0)
    [whole] = activity_in_steps(programs(1), variables, [in_parts(samples, RATE)])
    streams = SpeakerStreams(programs(1), variables, turns=live_turns)
    stream = streams.open("call", sample_rate=RATE)
    with pytest.raises(ConfigError, match="call 2: all 1 streams are open"):
        streams.open("call 2")
    news = [stream.feed(samples[i : i + 3000]) for i in range(0, len(samples), 3000)]
    heard = sum(len(new.probabilities) for new in news) * FRAME
    assert heard > len(samples) / RATE - streams.form.latency_seconds - streams.form.settings.chunk * FRAME
    news.append(stream.finish())
    np.testing.assert_array_equal(np.concatenate([new.probabilities for new in news]), stream.activity)
    np.testing.assert_allclose(stream.activity, whole, atol=1e-6)
    assert [new.start for new in news] == pytest.approx(
        np.cumsum([0, *(len(new.probabilities) * FRAME for new in news[:-1])]).tolist()
    )
    assert sorted(turn for new in news for turn in new.turns) == stream.turns != []
    with pytest.raises(AudioError, match="call: the stream has ended"):
        stream.feed(samples)
    streams.open("the next")
    assert streams.form.latency_seconds == pytest.approx(0.646) and task.inference.streaming is not None


def test_turns_that_are_over_are_those_of_the_whole():
    """Property: for random activity, however the frames arrive; names stay, also of speakers that return."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        count = int(rng.integers(1, 200))
        p = np.repeat(rng.random((count, 3)), rng.integers(1, 30), 0)[:count].astype(np.float32)
        p = np.clip(p + 0.2 * rng.standard_normal(p.shape), 0, 1).astype(np.float32)
        live, over, at = live_turns(3), [], 0
        while at < count:
            size = int(rng.integers(1, 9))
            over += live.feed(p[at : at + size])
            at += size
            assert set(over) <= set(live.turns)
        over += live.finish(count * FRAME)
        expected = [
            Turn(start, end, f"speaker_{i}")
            for i in range(3)
            for start, end in speech_segments(
                p[:, i], frame_seconds=FRAME, options=OPTIONS, duration=count * FRAME
            ).tolist()
        ]
        np.testing.assert_allclose([t[:2] for t in sorted(over)], [t[:2] for t in sorted(expected)], atol=1e-5)
        assert [t[2] for t in sorted(over)] == [t[2] for t in sorted(expected)]
    with pytest.raises(ConfigError, match="needs the whole recording"):
        LiveTurns([], lambda p, end: p, replace(OPTIONS, scale="relative"), frame_seconds=FRAME)


def test_without_limits_a_stream_is_the_whole_recording():
    """A recording of one chunk has the offline activity, whatever is in the padding."""
    task, variables = model()
    samples = np.stack([speech(5, 3.0), np.pad(speech(6, 2.0), (0, RATE), constant_values=np.nan)])
    lengths = np.array([3 * RATE, 2 * RATE])
    offline, num_frames = jax.jit(task.inference.activity)(variables, samples, lengths)
    features, num_features = task.model.apply(variables, samples, lengths, method="features")
    parts = parts_of(task, variables)
    settings = replace(task.inference.streaming, chunk=64)
    run = jax.jit(partial(speaker_steps.activity_in_steps, speaker_steps.Steps(settings, 4, 16, 8), parts))
    found, count = run(features, num_features)
    np.testing.assert_array_equal(count, num_frames)
    np.testing.assert_allclose(found, offline, atol=1e-5)


@pytest.mark.slow
def test_the_scan_of_training_is_the_stream_and_has_a_gradient():
    task, variables = model()
    samples = speech(7, 4.0)
    features, num_features = task.model.apply(variables, samples[None], np.array([len(samples)]), method="features")
    steps = speaker_steps.Steps(task.inference.streaming, 4, 16, 8)

    def activity(params):
        parts = parts_of(task, {**variables, "params": params})
        found, _ = speaker_steps.activity_in_steps(steps, parts, features, num_features, key=None)
        return jnp.square(found).mean(), found

    (_, found), gradient = jax.jit(jax.value_and_grad(activity, has_aux=True))(variables["params"])
    [streamed] = activity_in_steps(programs(1), variables, [[samples]])
    np.testing.assert_allclose(found[0], streamed, atol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.abs(gradient["encoder"]["subsampling"]["conv_0"]["kernel"]).max() > 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"streaming": None}, "it was made for whole recordings"),
        ({"features": {"name": "mel", "num_mels": 16}}, r"normalised over the recording \(per_feature\)"),
    ],
    ids=["offline", "normalised"],
)
def test_what_cannot_stream(changed, message):
    with pytest.raises(ConfigError, match=message):
        speaker_streaming(build(MODEL | changed))
