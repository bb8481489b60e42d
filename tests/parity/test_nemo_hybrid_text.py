"""Compares training on text with NeMo's hybrid of a recogniser and a generator: frames, loss and gradients.

Two texts and a recording are a batch. NeMo's generator leaks padding into the shorter text of its batch, so the frames
that the recogniser hears are NeMo's own here, and ours are compared where NeMo's have no padding.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.tasks.branches import branch, with_branch
from jaxspeech.tasks.hybrid_text import HybridTextModel, as_heard, hybrid_text_task
from jaxspeech.tasks.kinds import Synthesis, Timing
from jaxspeech.tasks.spoken_frames import Lines, speak_lines
from jaxspeech.tasks.task import Task
from tests.parity.naming import by_nemo_name
from tests.parity.reference import reference


class Known(nn.Module):
    """Stands for a model."""


def knowing(mel: Any) -> Task:
    """A generator whose variables are the frames of each row; its first symbol takes all of them."""

    def durations(variables: Any, text: Any, num_symbols: Any, speaker: Any, pace: Any, shift: Any) -> Timing:
        first = jnp.arange(text.shape[1]) == 0
        number = variables["params"]["number"][speaker].astype(jnp.int32)
        return Timing(jnp.where(first, number[:, None], 0), speaker)

    def frames(variables: Any, timing: Timing, num_frames: Any) -> Any:
        known = variables["params"]["mel"][timing.hidden]
        return jnp.pad(known, ((0, 0), (0, num_frames - known.shape[1]), (0, 0)))

    synthesis = Synthesis(mel.sample_rate, mel.hop_and_fft[0], mel, 40, 0, durations, frames)
    return Task(Known(), tuple, lambda key: {}, (), lambda *args: None, lambda batch: 0.0, synthesis)


class Family(NamedTuple):
    nemo: Any
    archive: Any
    task: Any
    variables: Any
    batch: Any


@pytest.fixture(scope="module")
def family(request) -> Family:
    path, nemo, _ = reference("tts_hybrid", request)
    archive = load_nemo(path)
    dropouts = {name: 0.0 for name in archive.model["encoder"] if name.startswith("dropout")}
    model = archive.model | {"encoder": archive.model["encoder"] | dropouts, "spec_augment": {}}
    model["features"] = model["features"] | {"dither": 0.0}
    recognizer = build(model)
    task = hybrid_text_task(HybridTextModel(recognizer, knowing(recognizer.model.frontend)))
    texts, rows = len(nemo["tts_text"]), len(nemo["joined"])
    known = {"mel": nemo["tts_mel_raw"].transpose(0, 2, 1), "number": nemo["tts_mel_len"].astype(np.float32)}
    variables = with_branch(with_branch({}, "recognizer", archive.variables), "generator", {"params": known})
    samples = np.full((rows, nemo["audio"].shape[1]), np.nan, np.float32)
    samples[texts:] = nemo["audio"]
    symbols = np.full((rows, nemo["tts_text"].shape[1]), 10**6, np.int32)
    symbols[:texts] = nemo["tts_text"]
    batch = task.batch(
        samples=samples,
        num_samples=np.concatenate([np.zeros(texts), nemo["audio_len"]]).astype(np.int32),
        labels=nemo["transcript"].astype(np.int32),
        num_labels=nemo["transcript_len"].astype(np.int32),
        index=np.arange(rows, dtype=np.int32),
        symbols=symbols,
        num_symbols=np.where(np.arange(rows) < texts, symbols.shape[1], 0).astype(np.int32),
        speaker=np.where(np.arange(rows) < texts, np.arange(rows), 0).astype(np.int32),
        pace=np.ones(rows, np.float32),
    )
    return Family(nemo, archive, task, variables, batch)


def test_frames_of_texts_and_recording(family):
    heard = jax.jit(partial(as_heard, family.task.model))(family.variables, family.batch)
    np.testing.assert_array_equal(heard.num_samples, family.nemo["joined_len"])
    model, own = family.task.model.recognizer.model, branch(family.variables, "recognizer")
    features, _ = jax.jit(lambda *x: model.apply(own, *x, method="features"))(heard.samples, heard.num_samples)
    joined = family.nemo["joined"].transpose(0, 2, 1)
    for row, count in enumerate(family.nemo["joined_len"]):
        np.testing.assert_allclose(features[row, :count], joined[row, :count], atol=1e-4 if row < 2 else 1e-3)


def test_loss_and_gradients(family):
    """Batch norms keep their statistics, as in NeMo's reference; nothing reaches the generator."""

    def loss(params):
        rows, updates = family.task.phases[0].loss(
            family.variables | {"params": params}, family.batch, jax.random.key(0)
        )
        # NeMo counts rows that cannot be learnt from, whose text has more tokens than frames, as 0.
        return jnp.where(jnp.isinf(rows.losses), 0.0, rows.losses).mean(), (rows.losses, updates)

    quick = {"xla_backend_optimization_level": 0}  # compiles in half the time
    found = jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=quick)(family.variables["params"])
    (mean, (_, updates)), grads = found
    np.testing.assert_allclose(mean, family.nemo["loss"], rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, updates["batch_stats"], family.variables["batch_stats"])
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(grads["generator"]["mel"]))
    ours = by_nemo_name(family.archive.model, grads["recognizer"])
    assert ours.keys() == set(family.nemo["grad_names"].tolist())
    largest = family.nemo["grad_norms"].max()
    for name, norm in zip(family.nemo["grad_names"].tolist(), family.nemo["grad_norms"], strict=True):
        row, grad = ours[name]
        np.testing.assert_allclose(np.linalg.norm(grad), norm, rtol=1e-3, atol=1e-6 * largest, err_msg=name)
        if f"grad.{name}" in family.nemo:
            theirs = row.transform.read(family.nemo[f"grad.{name}"])
            assert np.linalg.norm(grad - theirs) <= 1e-3 * norm + 1e-6 * largest, name


def test_the_generator_speaks_as_nemos_does_where_that_has_no_padding(family, request):
    """The longest text, whose frames are the recogniser's own, as the whole model checks."""
    path, nemo, _ = reference("tts_hybrid", request)
    speech = load_nemo(path.with_name("tts_hybrid_tts.nemo"))
    task = build({"task": "hybrid_text", "recognizer": family.archive.model, "generator": speech.model})
    text = nemo["tts_text"].astype(np.int32)
    numbers = (np.cumsum((text != speech.assets["front_end"].tokenizer.pad)[:, ::-1], 1) > 0).sum(1).astype(np.int32)
    assert numbers.argmax() == 0 and nemo["tts_mel_len"].argmax() == 0
    lines = Lines(text, numbers, nemo["speaker"].astype(np.int32), np.ones(len(text), np.float32))
    synthesis = task.model.generator.inference
    frontend = task.model.recognizer.model.frontend
    mel, count = jax.jit(lambda *x: speak_lines(synthesis, frontend, speech.variables, Lines(*x), 120))(*lines)
    assert count[0] == nemo["tts_mel_len"][0]
    np.testing.assert_allclose(mel[0, : count[0]], nemo["tts_mel_raw"][0].T, atol=1e-4)
