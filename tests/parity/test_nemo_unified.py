"""Compares a unified model with NeMo: whole recordings with each attention context, and streams with each of them."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.forms.window_streaming import window_streaming
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.tasks.kinds import IncrementalSearch
from tests.parity.reference import inputs_of, reference

CONTEXTS = [(7, 1, 0), (7, 1, 1), (7, 2, 1), (7, 3, 2), (7, 1, 2)]


def contexts(*quick):
    """All contexts, of which all but the `quick` ones are slow tests; NeMo cannot stream without look-ahead."""
    return [context if context in quick else pytest.param(context, marks=pytest.mark.slow) for context in CONTEXTS[1:]]


@pytest.fixture(scope="module")
def unified(request):
    file, nemo, notes = reference("unified_rnnt", request)
    return load_nemo(file, stacked=False), nemo, notes


def with_context(archive, context):
    encoder = archive.model["encoder"] | {"attention_context": context}
    return archive._replace(model=archive.model | {"encoder": encoder})


def test_its_configuration(unified):
    archive, _, _ = unified
    encoder = build(archive.model).model.encoder
    assert encoder.attention_style == "chunked_limited_with_rc" and encoder.contexts == ((-1, -1),)
    assert encoder.attention_chunk_context == ((7,), (1, 2, 3), (0, 1, 2))
    assert encoder.conv_context_style == "dcc" and encoder.conv_context is None


@pytest.mark.parametrize("context", [(-1, -1), (7, 1, 0), *contexts((7, 3, 2))])
def test_whole_recordings(unified, context):
    archive, nemo, notes = unified
    archive = with_context(archive, context)
    task = build(archive.model)

    def run(variables, features, num_features):
        encoded, n = task.model.apply(variables, features, num_features, method="encode_features")
        return encoded, n, task.inference.decode(variables, encoded, n)

    encoded, num_frames, tokens = jax.device_get(jax.jit(run)(archive.variables, *inputs_of(nemo)))
    key = "_".join(map(str, context if len(context) == 3 else (-1, -1, -1)))
    for row, n in enumerate(num_frames):
        theirs = nemo[f"offline_{key}_{row}"]
        assert n == len(theirs)
        np.testing.assert_allclose(encoded[row, :n], theirs, atol=1e-5)
        assert tokens.ids[row, : tokens.num_tokens[row]].tolist() == notes[f"offline_{key}_{row}"]["ids"]


@pytest.mark.parametrize("context", contexts((7, 1, 1), (7, 3, 2)))
def test_every_step_of_a_stream(unified, context):
    archive, nemo, notes = unified
    _, chunk, right = context
    key = "_".join(map(str, context))
    streams = Recognizer(archive).streams(3, look_ahead=right, chunk=chunk)
    form = streams.form
    assert form.latency_seconds == pytest.approx((chunk + right) * 0.08)
    opened = [streams.open() for _ in range(3)]
    audio = [row[:n] for row, n in zip(nemo["audio"], nemo["audio_len"], strict=True)]
    steps = [notes[f"stream_{key}_{row}"] for row in range(3)]
    found: list[list[list[int]]] = [[] for _ in range(3)]
    heard = 0
    while any(not stream.done for stream in opened):
        size = form.step_samples - (form.lead_in if heard == 0 else 0)
        for row, stream in enumerate(opened):
            if not stream.done:
                stream.push(audio[row][heard : heard + size])
                if heard + size >= len(audio[row]):
                    stream.end()
        heard += size
        streams.step()
        for row, stream in enumerate(opened):
            if (heard >= form.step_samples + form.right_samples or stream.done) and len(found[row]) < len(steps[row]):
                found[row].append(list(stream._ids))
    assert found == steps


@pytest.mark.parametrize("context", contexts((7, 1, 2)))
def test_frames_of_a_stream(unified, context):
    archive, nemo, _ = unified
    task = build(with_context(archive, context).model)
    # A search that returns the frames themselves in place of tokens.
    frames_themselves = IncrementalSearch(lambda _, size: np.zeros(size), lambda _, x, n, state: (x, n, state))
    inference = task.inference._replace(incremental=frames_themselves)
    form = window_streaming(dataclasses.replace(task, inference=inference))
    lengths = nemo["audio_len"] + form.lead_in
    audio = np.pad(nemo["audio"], ((0, 0), (form.lead_in, form.step_samples)))
    beyond = np.arange(audio.shape[1]) >= lengths[:, None]
    audio = np.where(beyond, np.nan, audio).astype(np.float32)
    step, state = jax.jit(form.step), form.start(archive.variables, 3)
    frames: list[list[np.ndarray]] = [[] for _ in range(3)]
    for first in range(0, max(lengths), form.step_samples):
        counts = np.clip(lengths - first, 0, form.step_samples).astype(np.int32)
        ends = (lengths > first) & (lengths <= first + form.step_samples)
        samples = audio[:, first : first + form.step_samples]
        found, state = step(archive.variables, state, samples, counts, ends)
        for row, n in enumerate(found.num_frames):
            frames[row].append(np.asarray(found.tokens[row, :n]))
    key = "_".join(map(str, context))
    for row, parts in enumerate(frames):
        np.testing.assert_allclose(np.concatenate(parts), nemo[f"stream_{key}_{row}"], atol=1e-5)
