"""Streams of a unified model give what its encoder gives for each window of the audio, searched as one recording."""

import functools

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.encoders.chunk_context import UNIFIED, ChunkContext
from jaxspeech.errors import ConfigError
from jaxspeech.forms.streaming import what_prevents
from jaxspeech.forms.window_streaming import choose_context
from jaxspeech.pipelines.recognizer import Recognizer
from tests.inference.fed import fed
from tests.inference.test_streaming import assert_alike, speech
from tests.interop.random_model import CHARACTERS, random_archive

FRAME = 8 * 160
ENCODER = {
    **{"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4},
    **{"attention_style": UNIFIED, "attention_chunk_context": ((8, 5), (1, 2, 3), (0, 2, 4)), "conv_kernel": 5},
}
CTC = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16},
    "encoder": ENCODER,
    "decoder": {"name": "ctc"},
}


@functools.cache
def archive():
    """Random weights; the frames' mean is subtracted before the output, or all frames would give the same symbol."""
    found = random_archive(CTC, CHARACTERS)
    encoded, _ = jax.jit(build(found.model).inference.encode)(found.variables, speech(9, 2.0)[None], np.array([32000]))
    out = found.variables["params"]["decoder"]["out"]
    out["kernel"] *= 8
    out["bias"] -= np.asarray(encoded[0].mean(0)) @ out["kernel"]
    return found


def in_windows(encode, decode, audio, context):
    """Encodes each window alone and joins its new frames; the last window yields all frames that are left."""
    size, frames, end = sum(context) * FRAME, [], min((context[1] + context[2]) * FRAME, len(audio))
    while True:
        begin = max(end - size, 0)
        window = np.full((1, size), np.nan, np.float32)
        window[0, : end - begin] = audio[begin:end]
        encoded, [n] = jax.device_get(encode(archive().variables, window, np.array([end - begin])))
        first = (sum(map(len, frames)) * FRAME - begin) // FRAME
        frames.append(encoded[0, first : n if end == len(audio) else first + context[1]])
        if end == len(audio):
            break
        end = min(end + context[1] * FRAME, len(audio))
    whole = np.zeros((1, 40, 16), np.float32)
    count = sum(map(len, frames))
    whole[0, :count] = np.concatenate(frames)
    tokens = jax.device_get(decode(archive().variables, whole, np.array([count])))
    return tokens.ids[0, : tokens.num_tokens[0]].tolist()


CASES = [(2, 3), pytest.param(0, 2, marks=pytest.mark.slow), pytest.param(4, 1, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("look_ahead", "chunk"), CASES)
def test_streams_of_any_age_give_what_the_windows_give(look_ahead, chunk):
    rng = np.random.default_rng(chunk)
    lengths = [30 * FRAME, 23 * FRAME + 700, (chunk + look_ahead) * FRAME, 3000, 17 * FRAME + 9, FRAME + 1]
    audio = [speech(i, 3.0)[:n] for i, n in enumerate(lengths)]
    context = (8, chunk, look_ahead)
    inference = build(archive().model | {"encoder": ENCODER | {"attention_context": context}}).inference
    encode, decode = jax.jit(inference.encode), jax.jit(inference.decode)
    expected = [in_windows(encode, decode, samples, context) for samples in audio]
    assert sum(map(len, expected)) > 20
    streams = Recognizer(archive()).streams(2, look_ahead=look_ahead, chunk=chunk)
    assert [list(hypothesis.tokens) for hypothesis in fed(streams, audio, rng)] == expected


def test_a_window_as_long_as_the_recording_is_a_transcription():
    audio = speech(1, 1.0)
    asr = Recognizer(archive()).change_attention("chunked", context=(0, 20, 0))
    stream = asr.stream(name="array 1", timestamps=True)
    assert list(stream.feed(audio)) == []
    [expected] = asr.transcribe([audio], timestamps=True)
    assert_alike(stream.finish(), expected)


@pytest.mark.parametrize(
    ("context", "options", "chosen"),
    [
        ((-1, -1), {}, (8, 3, 4)),
        ((-1, -1), {"look_ahead": 2}, (8, 2, 2)),
        ((-1, -1), {"look_ahead": 0}, (8, 1, 0)),
        ((-1, -1), {"chunk": 2}, (8, 2, 4)),
        ((9, 7, 6), {}, (9, 7, 6)),
        ((9, 7, 6), {"chunk": 1, "look_ahead": 2}, (8, 1, 2)),
    ],
)
def test_the_context_of_a_stream(context, options, chosen):
    encoder = build(archive().model).model.encoder.clone(attention_context=context)
    assert choose_context(encoder, **{"look_ahead": None, "chunk": None, **options}) == ChunkContext(*chosen)


def test_wrong_use_is_one_line():
    asr = Recognizer(archive())
    with pytest.raises(ConfigError, match="look_ahead 1: this model has 0, 2, 4"):
        asr.stream(look_ahead=1)
    with pytest.raises(ConfigError, match="chunk 4: this model has 1, 2, 3"):
        asr.stream(chunk=4)
    with pytest.raises(ConfigError, match="chunks 2: a step of this model takes one chunk"):
        asr.stream(chunks=2)
    nothing = archive().model | {"encoder": ENCODER | {"attention_chunk_context": None}}
    assert what_prevents(build(nothing)) == ["it lists no contexts (attention_chunk_context)"]
