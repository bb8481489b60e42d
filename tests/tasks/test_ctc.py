from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.search.fusion import FUSION, Fused
from jaxspeech.search.ngram_graph import Graph, pack
from jaxspeech.tasks.recognition import Utterances
from tests.interop.random_model import task_variables
from tests.log_probs import log_probs_of

CONFIG = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 32, "dither": 1e-5},
    "spec_augment": {"freq_masks": 1, "freq_width": 5, "time_masks": 1, "time_width": 0.1},
    "encoder": {"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "ctc", "vocab_size": 10},
}


@pytest.fixture(scope="module")
def trained():
    """Returns a task, its variables, and a batch whose second row is infeasible and whose last is a filler."""
    task = build(CONFIG)
    variables = task_variables(task)
    rng = np.random.default_rng(0)
    batch = Utterances(
        samples=rng.normal(size=(3, 16000)).astype(np.float32),
        num_samples=np.array([16000, 4000, 0], np.int32),
        labels=rng.integers(0, 10, (3, 8)).astype(np.int32),
        num_labels=np.array([3, 8, 0], np.int32),
        index=np.array([7, 8, -1], np.int32),
    )
    return task, variables, batch


def test_loss_is_determined_by_the_key_and_updates_the_statistics(trained) -> None:
    task, variables, batch = trained
    loss = jax.jit(task.loss)
    losses, updates = loss(variables, batch, jax.random.key(1))
    assert losses.shape == (3,) and losses.dtype == jnp.float32
    assert np.isfinite(losses[0]) and np.isposinf(losses[1])  # 8 labels do not fit into 3 frames
    np.testing.assert_array_equal(loss(variables, batch, jax.random.key(1))[0], losses)
    assert loss(variables, batch, jax.random.key(2))[0][0] != losses[0]  # dropout, SpecAugment, dither differ
    assert set(updates) == {"batch_stats"}
    jax.tree.map(
        lambda a, b: np.testing.assert_equal(a.shape, b.shape), updates["batch_stats"], variables["batch_stats"]
    )
    assert all(
        not np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(updates["batch_stats"]), jax.tree.leaves(variables["batch_stats"]), strict=True)
    )


def test_an_infeasible_row_and_a_filler_change_no_gradient(trained) -> None:
    task, variables, batch = trained

    @jax.jit
    def gradient(batch: Utterances):
        def first_row(params):
            losses, _ = task.loss(variables | {"params": params}, batch, jax.random.key(1))
            return jnp.where(jnp.isfinite(losses), losses, 0.0).sum() - losses[2]

        return jax.grad(first_row)(variables["params"])

    usual = gradient(batch)
    spoilt = batch._replace(samples=np.where(np.arange(16000) < batch.num_samples[:, None], batch.samples, np.nan))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(usual))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), usual, gradient(spoilt))


def test_prediction_ignores_labels_and_padding(trained) -> None:
    task, variables, batch = trained
    predict = jax.jit(task.predict)
    tokens = predict(variables, batch)
    other = batch._replace(
        samples=np.where(np.arange(16000) < batch.num_samples[:, None], batch.samples, np.nan),
        labels=np.full_like(batch.labels, 10**6),
    )
    again = predict(variables, other)
    np.testing.assert_array_equal(tokens.num_tokens, again.num_tokens)
    assert tokens.num_tokens[2] == 0
    for b, n in enumerate(tokens.num_tokens):
        np.testing.assert_array_equal(tokens.ids[b, :n], again.ids[b, :n])
    log_probs, num_frames = jax.jit(log_probs_of(task))(variables, batch)
    np.testing.assert_allclose(np.exp(log_probs[0, : num_frames[0]]).sum(-1), 1.0, rtol=1e-5)


def searching(**options):
    """Returns the functions of a recogniser whose search has these options."""
    return build(CONFIG | {"search": options}).inference


@pytest.fixture(scope="module")
def with_models(trained):
    """Returns variables, with an n-gram model among them and without, frames, and num_frames."""
    task, variables, batch = trained
    encoded, num_frames = jax.jit(task.inference.encode)(variables, batch.samples, batch.num_samples)
    rng = np.random.default_rng(1)
    graph = Graph(
        sources=np.repeat([0, 1], 10),
        labels=np.tile(np.arange(10), 2),
        weights=rng.normal(size=20) - 3,
        targets=rng.integers(0, 2, 20),
        backoffs=np.zeros(2, np.int64),
        backoff_weights=np.zeros(2),
        finals=np.array([-1.0, -2.0]),
        starts=(0, 1),
    )
    fused = Fused((pack(graph, 10, probability=True),), jnp.array([3.0]), jnp.ones((1, 1), jnp.int32))
    return variables | {FUSION: fused._asdict()}, variables, encoded, num_frames


def test_models_reach_both_searches(with_models):
    fused, variables, encoded, num_frames = with_models
    for options in ({}, {"beam_size": 3, "length_bonus": 2.0}):
        recognition = searching(**options)
        decode = jax.jit(recognition.decode)
        alone, together = decode(variables, encoded, num_frames), decode(fused, encoded, num_frames)
        assert not np.array_equal(alone.ids, together.ids)
        assert together.num_tokens[2] == 0 and np.isfinite(together.score).all()
        assert (recognition.incremental is None) == bool(options)


def test_a_fused_stream_equals_the_whole(with_models):
    fused, _, encoded, num_frames = with_models
    recognition = searching()
    whole = jax.jit(recognition.decode)(fused, encoded, num_frames)
    step, state, first = jax.jit(recognition.incremental.step), recognition.incremental.start(fused, 3), 5
    found = [[] for _ in range(3)]
    rest = jnp.pad(encoded[:, first:], ((0, 0), (0, first), (0, 0)))
    for part, lengths in ((encoded, jnp.minimum(num_frames, first)), (rest, jnp.maximum(num_frames - first, 0))):
        tokens, again, state = step(fused, part, lengths, state)
        for row, ids in enumerate(found):
            del ids[len(ids) - int(again[row]) :]
            ids += tokens.ids[row, : tokens.num_tokens[row]].tolist()
    for row, ids in enumerate(found):
        assert ids == whole.ids[row, : whole.num_tokens[row]].tolist()


def test_a_beam_has_times_and_ignores_padding(with_models):
    _, variables, encoded, num_frames = with_models
    decode = jax.jit(searching(beam_size=3).decode)
    real = (jnp.arange(encoded.shape[1]) < num_frames[:, None])[..., None]
    tokens, other = (decode(variables, jnp.where(real, encoded, fill), num_frames) for fill in (0.0, jnp.nan))
    jax.tree.map(np.testing.assert_array_equal, tokens, other)
    first, second, third = jax.jit(partial(searching(beam_size=3).decode_best, num_best=3))(
        variables, encoded, num_frames
    )
    jax.tree.map(np.testing.assert_array_equal, first, tokens)
    assert (first.score >= second.score).all() and (second.score >= third.score).all()
    for row in range(2):
        starts, ends = (x[row, : tokens.num_tokens[row]] for x in (tokens.starts, tokens.ends))
        assert len(starts) and (starts < ends).all() and (starts[1:] >= ends[:-1]).all()
        assert ends[-1] <= num_frames[row]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "model.search: .*at least 1"),
        ({"skip_blank": 1.5}, "model.search: .*skip_blank 1.5"),
        ({"beam": 4}, 'model.search.beam is not a field; did you mean "beam_size"'),
    ],
)
def test_a_wrong_search_is_one_line(options, message):
    with pytest.raises(ConfigError, match=message):
        searching(**options)
