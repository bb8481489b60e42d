"""The peer's cache-aware models, step by step: each chunk's frames from its features, and each chunk's text."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxspeech import load
from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from tests.parity.reference import reference

# Family and attention context. The look-ahead of 0 is special, see below.
CASES = [("fc_stream_ctc", 6, 2), ("fc_stream_rnnt", 6, 2), ("fc_stream_ctc", 6, 0), ("fc_stream_regular", 8, 0)]
# Frames of features that are put before the first one.
LEAD_IN = 7


def encode_in_steps(archive, context, features, lengths):
    """The encoder's frames [B k D] of each step, and how many of them are real."""
    encoder = build(archive.model).model.encoder.clone(attention_context=context)
    variables = {name: tree["encoder"] for name, tree in archive.variables.items() if "encoder" in tree}
    step = jax.jit(partial(encoder.apply, mutable=["history", "positions"]))
    size = 8 * (context[1] + 1)
    features = np.pad(features, ((0, 0), (LEAD_IN, size), (0, 0)), constant_values=np.nan)
    state, steps = {}, []
    for first in range(0, features.shape[1] - size, size):
        num_frames = np.clip(LEAD_IN + lengths - first, 0, size).astype(np.int32)
        (encoded, n), state = step({**variables, **state}, features[:, first : first + size], num_frames)
        steps.append((np.asarray(encoded), np.asarray(n)))
    return steps


@pytest.mark.parametrize(("family", "left", "right"), CASES)
def test_every_step(family, left, right, request):
    file, peer, _ = reference(family, request)
    key = f"stream_{left}_{right}_paddrop0"
    features, lengths = peer[f"{key}_buffer"].transpose(0, 2, 1), peer[f"{key}_streams_len"]
    archive = load_nemo(file, stacked=False)
    steps = encode_in_steps(archive, (left, right), features, lengths)
    encoder = build(archive.model).model.encoder.clone(attention_context=(left, right))
    variables = {name: tree["encoder"] for name, tree in archive.variables.items() if "encoder" in tree}
    offline, _ = jax.jit(encoder.apply)(variables, features, lengths.astype(np.int32))
    number = sum(name.startswith(f"{key}.step") and name.endswith(".enc") for name in peer)
    assert number >= 10
    for i in range(number):
        encoded, n = steps[i]
        theirs = peer[f"{key}.step{i}.enc"].transpose(0, 2, 1)
        np.testing.assert_array_equal(n, peer[f"{key}.step{i}.enc_len"])
        for row, real in enumerate(n):
            here = slice(i * (right + 1), i * (right + 1) + real)
            np.testing.assert_allclose(encoded[row, :real], offline[row, here], atol=1e-5)
            # Where the look-ahead is 0, the peer's second chunk sees eight frames of zeros before the recording that
            # its offline run masks: it differs from that by 0.009 there, and comes back to it as they leave the layers.
            tolerance = 1e-5 if right > 0 or i == 0 else 1e-4 if i > 20 else 1e-2
            np.testing.assert_allclose(encoded[row, :real], theirs[row, :real], atol=tolerance)


@pytest.mark.parametrize("family", ["fc_stream_ctc", "fc_stream_rnnt"])
def test_text_of_every_step(family, request):
    file, peer, said = reference(family, request)
    streams = load(file).streams(3, look_ahead=2)
    samples = streams.form.step_samples - streams.form.lead_in
    opened = [streams.open() for _ in range(3)]
    for i, step in enumerate(said["stream_6_2_paddrop0"]):
        for stream, audio, length in zip(opened, peer["audio"], peer["audio_len"], strict=True):
            if not stream.done:
                stream.push(audio[:length][slice(samples - streams.form.step_samples if i else 0, samples)])
                if samples >= length:
                    stream.end()
        streams.step()
        samples += streams.form.step_samples
        for stream, text, length in zip(opened, step["texts"], peer["audio_len"], strict=True):
            # The peer's buffer has a frame more than the recording: its last chunk may say more.
            if samples <= length:
                assert stream.hypothesis.text == text.strip(), f"step {i}"
    assert all(stream.done for stream in opened)
    offline = said["offline_text" if "offline_text" in said else "rnnt_greedy_batch"]
    assert opened[0].hypothesis.text == offline[0]["text"].strip()
