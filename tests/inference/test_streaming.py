"""Live audio gives the result of the whole recording, however it is split and whatever other streams there are."""

import functools

import jax
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.forms.streaming import what_prevents
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.read_ahead import read_recording
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.types import Variables
from tests.inference.fed import fed
from tests.interop.random_model import CHARACTERS, random_archive

RATE = 16000
CHUNKED = {
    **{"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4},
    **{"causal_subsampling": True, "attention_style": "chunked_limited", "attention_context": ((6, 2), (7, 1), (4, 0))},
    **{"conv_kernel": 5, "conv_context": (4, 0), "conv_norm": "layer", "xscaling": True},
}
# Batch norms and tied biases; and a left limit that chunks do not divide.
REGULAR = CHUNKED | {
    **{"attention_style": "regular", "attention_context": (5, 0), "subsampling_factor": 4, "subsampling": "striding"},
    **{"conv_norm": "batch", "untied_biases": False},
}
CTC = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16, "normalize": "none"},
    "encoder": CHUNKED,
    "decoder": {"name": "ctc"},
}
TRANSDUCER = {"name": "transducer", "width": 12, "joint_width": 10}
MODELS = {
    "ctc": CTC,
    "regular": CTC | {"encoder": REGULAR},
    "adapters": CTC | {"encoder": CHUNKED | {"adapters": ({"name": "a", "kind": "relative", "width": 4},)}},
    "rnnt": CTC | {"task": "transducer", "decoder": TRANSDUCER},
    "tdt": CTC | {"task": "transducer", "decoder": TRANSDUCER | {"durations": (0, 1, 2, 3, 4)}},
    "multi-blank": CTC | {"task": "transducer", "decoder": TRANSDUCER | {"big_blanks": (2, 4)}},
    "hybrid": CTC | {"task": "hybrid", "decoder": TRANSDUCER, "search": {"head": "ctc"}},
}
LOOK_AHEADS = [("ctc", 2, 1), ("regular", 0, 4), ("rnnt", 1, 1), ("hybrid", 1, 2)]
MORE = [("adapters", 1, 1), ("ctc", 1, 3), ("tdt", 2, 1)]
MORE += [("ctc", 0, 2), ("ctc", 2, 2), ("regular", 0, 1), ("rnnt", 0, 5), ("tdt", 0, 1), ("multi-blank", 0, 3)]
MORE += [("multi-blank", 2, 1), ("hybrid", 2, 1)]
LOOK_AHEADS += [pytest.param(*case, marks=pytest.mark.slow) for case in MORE]


@functools.cache
def encoder_of(kind: str) -> tuple[Variables, np.ndarray]:
    """Random weights of an encoder, and the mean of its frames [D]."""
    ctc = random_archive(CTC | {"encoder": MODELS[kind]["encoder"]}, CHARACTERS)
    task = build(ctc.model)
    encoded, _ = jax.jit(task.inference.encode)(ctc.variables, speech(9, 2.0)[None], np.array([2 * RATE]))
    return ctc.variables, np.asarray(encoded[0].mean(0))


@functools.cache
def archive(kind: str) -> Archive:
    """Random weights; the frames' mean is subtracted before the output, or all frames would give the same symbol."""
    found = random_archive(MODELS[kind], CHARACTERS)
    variables, mean = encoder_of(kind if kind in ("regular", "adapters") else "ctc")
    for name, tree in variables.items():
        found.variables[name]["encoder"] = tree["encoder"]
    params = found.variables["params"]
    joint = params["decoder"].get("joint", {})
    for layer in (params["decoder"].get("out"), params.get("ctc_head", {}).get("out"), joint.get("encoded")):
        if layer is not None:
            layer["kernel"] *= 4
            layer["bias"] -= mean @ layer["kernel"]
    if joint:
        joint["out"]["bias"][CHARACTERS.vocab_size :] += 0.5  # blanks and durations
    return found


@functools.cache
def recognizer(kind: str) -> Recognizer:
    return Recognizer(archive(kind))


@functools.cache
def offline(kind: str, look_ahead: int) -> Recognizer:
    encoder = MODELS[kind]["encoder"]
    contexts = encoder["attention_context"]
    [context] = [c for c in (contexts if isinstance(contexts[0], tuple) else (contexts,)) if c[1] == look_ahead]
    model = archive(kind).model
    return Recognizer(
        archive(kind)._replace(model=model | {"encoder": model["encoder"] | {"attention_context": context}})
    )


def speech(seed: int, seconds: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(100, 6000, 100), RATE // 8)[: round(seconds * RATE)]
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE) + 0.01 * rng.standard_normal(len(pitch))).astype("f")


def assert_alike(found, expected) -> None:
    assert found.text == expected.text and found.tokens == expected.tokens
    assert found.score == pytest.approx(expected.score, rel=1e-5, abs=1e-4)
    assert found.duration == pytest.approx(expected.duration)
    for spans, others in zip(found[6:9], expected[6:9], strict=True):
        assert [span[:3] for span in spans] == [span[:3] for span in others]
        np.testing.assert_allclose([s.confidence for s in spans], [s.confidence for s in others], atol=1e-4)


@pytest.mark.parametrize(("kind", "look_ahead", "chunks"), LOOK_AHEADS)
def test_streams_of_any_age_give_what_the_whole_gives(kind, look_ahead, chunks):
    rng = np.random.default_rng(look_ahead + 10 * chunks)
    audio = [speech(i, seconds) for i, seconds in enumerate((2.9, 2.3, 2.6, 0.03, 2.2))]
    expected = offline(kind, look_ahead).transcribe(audio, timestamps=True)
    assert sum(len(hypothesis.tokens) for hypothesis in expected) > 20
    # Two places for five recordings: each begins when another ends, and arrives in pieces of any length.
    streams = recognizer(kind).streams(2, look_ahead=look_ahead, chunks=chunks, timestamps=True)
    found = fed(streams, audio, rng)
    for i, hypothesis in enumerate(expected):
        assert_alike(found[i], hypothesis)


def test_text_comes_as_soon_as_it_can():
    audio = speech(0, 2.0)
    stream = recognizer("ctc").stream(look_ahead=2)
    form = recognizer("ctc").streams(1, look_ahead=2).form
    chunk = 3 * 8 * 160
    assert form.step_samples == chunk and form.latency_seconds == pytest.approx(0.24)
    # The first chunk ends with the frame at its last place, whose window ends 256 samples later.
    assert list(stream.feed(audio[: 2 * 8 * 160 + 255])) == []
    [first] = stream.feed(audio[2 * 8 * 160 + 255 : 2 * 8 * 160 + 256])
    assert first.duration == pytest.approx(0.176)  # the part of the third frame that exists
    rest = list(stream.feed(audio[2 * 8 * 160 + 256 :]))
    assert len(rest) == (len(audio) - 2 * 8 * 160 - 256) // chunk
    assert_alike_text(rest, stream.finish())


def assert_alike_text(growing, last) -> None:
    for earlier, later in zip(growing, [*growing[1:], last], strict=True):
        assert later.text.startswith(earlier.text.rstrip())


def test_times_count_from_an_offset():
    audio, streams = speech(0, 2.0), recognizer("ctc").streams(2, look_ahead=2, timestamps=True)
    plain, later = (streams.open(offset=offset) for offset in (0.0, 10.0))
    ends = []
    for stream in (plain, later):
        stream.push(audio)
        stream.end()
        while streams.step():
            pass
        ends.append([span.end for span in stream.hypothesis.words])
    assert ends[0] and ends[1] == pytest.approx([10 + end for end in ends[0]])


def test_other_rates_and_integers():
    audio = speech(1, 2.0)
    expected = recognizer("rnnt").transcribe(audio, sample_rate=8000)
    stream = recognizer("rnnt").stream(sample_rate=8000)
    for start in range(0, len(audio), 777):
        for _ in stream.feed(audio[start : start + 777]):
            pass
    found = stream.finish()
    assert found.duration == pytest.approx(expected[0].duration, abs=1e-3)
    # The streaming resampler's rounding may differ: the model is fed nearly the same samples.
    assert found.score == pytest.approx(expected[0].score, rel=0.05)
    whole = recognizer("ctc").stream()
    integers = recognizer("ctc").stream()
    as_int16 = (audio * 32767).astype(np.int16)
    for _ in (*whole.feed(as_int16 / np.float32(32768)), *integers.feed(as_int16)):
        pass
    assert whole.finish() == integers.finish()


def test_one_compilation_serves_all():
    model = Recognizer(archive("ctc"))
    streams = model.streams(2)
    [program] = model._stream_programs.values()
    stream = streams.open()
    for size in (1, 100, 9000):
        list(stream.feed(speech(0, 1.0)[:size]))
    stream.finish()
    model.streams(2)
    assert list(model._stream_programs.values()) == [program]


def test_wrong_use_is_one_line():
    with pytest.raises(ConfigError, match=r"look_ahead 5: this model has 0 \(0.08 s\), 1 \(0.16 s\), 2 \(0.24 s\)"):
        recognizer("ctc").stream(look_ahead=5)
    with pytest.raises(ConfigError, match="at least 1"):
        recognizer("ctc").stream(chunks=0)
    with pytest.raises(ConfigError, match="at least 1 stream"):
        recognizer("ctc").streams(0)
    streams = recognizer("ctc").streams(1)
    stream = streams.open("first")
    with pytest.raises(ConfigError, match="second: all 1 streams are open"):
        streams.open("second")
    assert stream.finish().text == ""  # nothing was recognised
    with pytest.raises(AudioError, match="first: the stream has ended"):
        stream.push(np.zeros(100))
    with pytest.raises(AudioError, match="third: holds NaN"):
        streams.open("third").push(np.full(10, np.nan))


OBSTACLES = {
    "subsampling": {"causal_subsampling": False},
    "convolutions": {"conv_context": (2, 2)},
    "no limit": {"attention_context": (-1, 0)},
    "every layer": {"attention_style": "regular", "attention_context": (4, 2)},
    "group norm": {"conv_norm": "group"},
    "attention is abs_pos": {"attention": "abs_pos"},
}


@pytest.mark.parametrize("reason", OBSTACLES)
def test_what_prevents_a_model_from_streaming(reason):
    encoder = CHUNKED | {"scan_layers": False} | OBSTACLES[reason]
    model = CTC | {"encoder": encoder, "decoder": {"name": "ctc", "vocab_size": 4}}
    [found] = what_prevents(build(model))
    assert reason in found


def test_a_model_for_whole_recordings_says_all_that_is_in_the_way():
    model = {"task": "ctc", "encoder": {"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2}}
    model |= {"features": {"name": "mel"}, "decoder": {"name": "ctc"}}
    with pytest.raises(ConfigError, match=r"cannot stream: .*per_feature.*no limit.*subsampling.*convolutions"):
        Recognizer(random_archive(model, CHARACTERS)).stream()
    lstm = {"name": "lstm", "num_layers": 1, "width": 16, "cell_width": 16}
    assert "LSTM" in what_prevents(build(model | {"encoder": lstm, "decoder": {"name": "ctc", "vocab_size": 4}}))[0]


def test_what_is_fed_is_heard_even_where_nobody_asks_for_the_hypotheses():
    audio = speech(0, 2.0)
    streams = [recognizer("ctc").stream(look_ahead=2) for _ in range(2)]
    for part in np.split(audio, [4000, 9000]):
        streams[0].feed(part)
        list(streams[1].feed(part))
    assert streams[0].finish() == streams[1].finish()


@pytest.mark.parametrize("sample_rate", [0, -8000])
def test_a_rate_is_positive(sample_rate):
    with pytest.raises(AudioError, match="a positive number of samples per second"):
        recognizer("ctc").stream(look_ahead=2, sample_rate=sample_rate)
    recording = Recording("x", np.zeros(100, np.float32))
    assert "samples per second" in str(read_recording(recording, sample_rate=16000, array_rate=sample_rate))
