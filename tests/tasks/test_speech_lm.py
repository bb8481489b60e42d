"""The task of a language model that hears: splicing, chunks, the loss, and answers."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxspeech import build
from jaxspeech.tasks.audio_chunks import audio_chunks
from jaxspeech.tasks.speech_lm import Conversations
from jaxspeech.tasks.splice import splice
from jaxspeech.text.chat import AUDIO

ENCODER = {
    **{"name": "fastconformer", "num_layers": 1, "width": 16, "num_heads": 2, "subsampling": "stacking"},
    **{"conv_norm": "layer", "conv_kernel": 5, "dropout": 0.0, "dropout_pre_encoder": 0.0, "dropout_att": 0.0},
    **{"scan_layers": False, "remat": "none"},
}
MODEL = {
    "task": "speech_lm",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "encoder": ENCODER,
    "connector": {"name": "projection"},
    "decoder": {
        **{"name": "causal_transformer", "vocab_size": 11, "width": 12, "num_layers": 1, "num_heads": 2},
        **{"num_groups": 1, "hidden_width": 20, "scan_layers": False},
    },
    "search": {"end_ids": (2,), "most_tokens": 5},
    "chunk_seconds": 0.25,  # all audios have two chunks or fewer, some of them none
}
SAMPLES = 6400  # of a padded audio


@cache
def tiny() -> tuple[Any, Any, Any, Conversations]:
    """The task, its variables, its logits as a compiled function, and a batch."""
    task = build(MODEL)
    variables = jax.jit(task.init)(jax.random.key(0))
    return task, variables, jax.jit(task.model.apply), conversations(task)


def frames_of(task: Any, *num_samples: int) -> list[int]:
    return task.inference.frames(np.array(num_samples)).tolist()


def conversations(task: Any) -> Conversations:
    """Two audios in the first row, one in the second, none in the third, and a filler row."""
    rng = np.random.default_rng(0)
    num_samples = np.array([[6400, 3300], [5000, 0], [0, 0], [0, 0]])
    samples = rng.normal(size=(4, 2, SAMPLES), scale=0.1)
    samples[np.arange(SAMPLES) >= num_samples[..., None]] = np.nan
    a, b, c = frames_of(task, 6400, 3300, 5000)
    texts = [[3, *[AUDIO] * a, 4, *[AUDIO] * b, 5], [3, 6, *[AUDIO] * c], [7, 8, 9], []]
    answers = [[4, 5, 2], [6, 2], [9, 9, 4, 2], []]
    width = max(len(text) + len(answer) for text, answer in zip(texts, answers, strict=True)) + 4
    ids, targets = np.full((4, width), 10**6), np.ones((4, width), bool)
    for row, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        ids[row, : len(text) + len(answer)] = text + answer
        targets[row, : len(text)] = False
    num_prompt = np.array([len(text) for text in texts])
    num_ids = num_prompt + [len(answer) for answer in answers]
    return Conversations(samples, num_samples, ids, num_ids, num_prompt, targets, np.array([0, 1, 2, -1]))


def test_frames_take_the_places_in_order():
    frames = np.arange(2 * 3 * 2, dtype=np.float32).reshape(1, 3, 4, 1)[:, :, :2]
    places = jnp.array([[False, True, True, False, True, True]])
    found = splice(jnp.full((1, 6, 1), -7.0), places, jnp.asarray(frames), jnp.array([[2, 0, 1]]))
    assert_array_equal(found[0, :, 0], [-7, 0, 1, -7, 8, 0])


@pytest.mark.parametrize("size, expected", [(7, [7, 7, 10, 0]), (24, [24])])
def test_chunks_cover_a_recording(size: int, expected: list[int]):
    samples = np.arange(24.0)[None]
    chunks, counts = audio_chunks(samples, np.array([24]), size=size, least=4)
    assert counts[0].tolist() == expected
    whole = np.concatenate([row[:count] for row, count in zip(chunks[0], counts[0], strict=True)])
    assert_array_equal(whole, samples[0])


def test_loss_is_the_cross_entropy_of_answers():
    task, variables, logits, batch = tiny()
    inputs = batch.samples, batch.num_samples, batch.ids, batch.num_ids
    log_probs = np.asarray(jax.nn.log_softmax(logits(variables, *inputs)))
    expected = [
        -sum(log_probs[row, place - 1, batch.ids[row, place]] for place in range(prompt, end))
        for row, (prompt, end) in enumerate(zip(batch.num_prompt, batch.num_ids, strict=True))
    ]

    def total(variables: Any) -> Any:
        rows, _ = task.phases[0].loss(variables, batch, jax.random.key(1))
        return rows.losses.sum(), rows

    (_, rows), grads = jax.jit(jax.value_and_grad(total, has_aux=True))(variables)
    assert_allclose(rows.losses, expected, rtol=1e-5)
    assert rows.weights.tolist() == [3, 2, 4, 0]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    assert all(np.any(leaf) for leaf in jax.tree.leaves(grads["params"]["connector"]))


def test_rows_without_audio_need_no_encoder():
    _, variables, logits, batch = tiny()
    text = Conversations(*(field[2:3] for field in batch))
    nothing = text._replace(samples=np.zeros((1, 0, 0)), num_samples=np.zeros((1, 0), int))
    expected = logits(variables, batch.samples, batch.num_samples, batch.ids, batch.num_ids)[2:3, :7]
    found = logits(variables, nothing.samples, nothing.num_samples, nothing.ids, nothing.num_ids)[:, :7]
    assert_allclose(found, expected, atol=1e-5)


def test_answers_are_those_of_the_full_pass():
    task, variables, logits, batch = tiny()
    predicted = jax.jit(task.predict)(variables, batch)
    ids, num_ids, ended = np.array(batch.ids), np.array(batch.num_prompt), np.zeros(4, bool)
    for _ in range(5):
        scores = logits(variables, batch.samples, batch.num_samples, ids, num_ids)
        for row in range(3):
            chosen = int(scores[row, num_ids[row] - 1].argmax())
            ended[row] |= chosen == 2
            if not ended[row]:
                ids[row, num_ids[row]] = chosen
                num_ids[row] += 1
    for row in range(3):
        answer = ids[row, batch.num_prompt[row] : num_ids[row]].tolist()
        assert predicted.tokens.ids[row, : predicted.tokens.num_tokens[row]].tolist() == answer
    assert predicted.targets.tolist() == [3, 2, 4, 0]
    assert 0 <= predicted.right.sum() <= 9
